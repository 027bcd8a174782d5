import json
import re
from html import unescape

import pytest

from ui.documents_charts import bar_chart, columns_chart, growth_chart, shares
from ui.documents_marks import kind_text, row_html, window_html
from ui.documents_shapes import Bar, ChunkFacts, Window, window_from
from ui.shapes import Chunk, Document
from ui.words import Words

WORDS = Words("en")


def test_the_largest_parts_are_shown_and_the_rest_is_one():
    bars = [Bar(f"t{n:02}", 100 - n, n) for n in range(30)]

    by_n = shares(bars, str, "others")
    by_size = shares(bars, str, "others", is_bytes=True)

    assert [one.name for one in by_n[:2]] == ["t00", "t01"]
    assert by_size[0].name == "t29"
    assert (len(by_n), by_n[-1].name) == (12, "others")
    assert sum(one.n for one in by_n) == sum(one.n for one in bars)


def test_types_that_people_call_the_same_are_one():
    bars = [
        Bar("application/msword", 1, 10),
        Bar("application/vnd.openxmlformats-officedocument.wordprocessingml.document", 2, 20),
    ]

    assert shares(bars, kind_text, "others") == [Bar("Word", 3, 30)]


@pytest.mark.parametrize(
    ("media_type", "name"),
    [
        ("application/pdf", "PDF"),
        ("text/x-python", "PYTHON"),
        ("image/png", "PNG"),
        ("", "?"),
        ("x/" + "y" * 500, "Y" * 29 + "…"),
    ],
)
def test_a_type_is_named_as_people_do(media_type, name):
    assert kind_text(media_type) == name


@pytest.mark.parametrize(
    "chart",
    [
        bar_chart([Bar("<b>", 3)], "Documents"),
        bar_chart([], "Documents"),
        columns_chart([Bar("2-3", 4)], "Passages", "Documents"),
        growth_chart([Bar("2026-11-20", 2), Bar("2026-11-21", 3)], "Documents"),
    ],
)
def test_a_chart_carries_its_data_and_names_no_address(chart):
    told = json.dumps(chart)

    assert "http" not in told
    assert "url" not in told
    assert "values" in chart["data"]


def test_growth_counts_up():
    chart = growth_chart([Bar("2026-11-20", 2), Bar("2026-11-21", 3)], "Documents")

    told = [(one["name"], one["value"]) for one in chart["data"]["values"]]
    assert told == [("2026-11-19", 0), ("2026-11-20", 2), ("2026-11-21", 5)]
    assert growth_chart([Bar("2026-11", 2)], "x")["data"]["values"][0]["value"] == 0


def test_a_window_shades_its_chunks_by_their_numbers_in_the_document():
    chunks = (Chunk(1000, 1004), Chunk(1004, 1010, headings=("<i>",)))
    window = Window("abcd<efgh>", 1000, 5000, 9, 4, chunks, (ChunkFacts(), ChunkFacts(7)))

    told = window_html(window, WORDS, picked=5)

    assert 'title="Passage 5"' in told
    assert 'title="Passage 6 · &lt;i&gt; · 7 tokens"' in told
    assert told.count("q-picked") == 1
    assert "&lt;efgh&gt;" in told


def test_chunks_that_overlap_are_shaded_apart_and_nothing_of_the_text_is_lost():
    window = Window("abcdefgh<", 0, 9, 2, 0, (Chunk(0, 4), Chunk(3, 8)), (ChunkFacts(),) * 2)

    told = window_html(window, WORDS)

    assert unescape(re.sub(r"<[^>]*>", "", told)) == "abcdefgh<"
    assert 'class="q-chunk q-shared" title="Passage 1\nPassage 2">d<' in told
    assert 'class="q-chunk q-odd" title="Passage 2">efgh<' in told


def test_chunks_that_reach_over_the_edge_of_a_window_are_cut_there():
    window = Window("abc", 10, 100, 1, 0, (Chunk(0, 100),), (ChunkFacts(),))

    assert ">abc</span>" in window_html(window, WORDS)


def test_an_older_server_that_sends_the_whole_text_is_understood():
    window = window_from({"id": "d", "text": "abc", "chunks": [{"start": 0, "end": 3}]})

    assert (window.start, window.n_characters, window.n_chunks) == (0, 3, 1)


def test_a_row_keeps_directions_of_writing_apart_and_html_out():
    told = row_html(Document("d", title="\u202e<b>\x07", path="/x/y", paths=("/x/y", "/z")), WORDS)

    assert "<bdi>\ufffd&lt;b&gt;\ufffd</bdi>" in told
    assert "and 1 more places" in told
