from __future__ import annotations

from dataclasses import replace

import pytest

from app.query.widen import SHORT, grown, widened
from ingest.errors import DocumentNotFoundError
from ingest.types import Hit

TEXT = "One is one. Two is two. Three is three. Four is four. Five is five."


def hit(words: str, *, text: str = TEXT, score: float = 1.0) -> Hit:
    start = text.index(words)
    end = start + len(words)
    return Hit(
        start, "d", "d.md", "", None, (), start, end, words, score, parent=(0, len(text))
    )  # fmt: skip


@pytest.mark.parametrize(
    ("limit", "wanted"),
    [
        (10, "Three is three."),
        (30, "Two is two. Three is three."),
        (45, "Two is two. Three is three. Four is four."),
        (999, TEXT),
    ],
)
def test_a_hit_grows_by_whole_sentences_up_to_the_limit(limit, wanted):
    (one,) = widened([hit("Three is three.")], lambda _: TEXT, 5, limit)

    assert one.text == wanted
    assert one.text == TEXT[one.start : one.end]


def test_a_hit_inside_a_better_one_gives_its_place_to_the_next():
    other = replace(hit("Five is five."), document_id="e")

    found = widened([hit("Three is three."), hit("Four is four."), other], lambda _: TEXT, 2, 45)

    assert [one.document_id for one in found] == ["d", "e"]


def test_no_character_is_given_twice():
    found = widened([hit("Three is three."), hit("Five is five.")], lambda _: TEXT, 5, 45)

    assert [one.text for one in found] == [
        "Two is two. Three is three. Four is four.",
        "Five is five.",
    ]


def test_a_hit_that_a_better_one_holds_in_part_keeps_the_rest():
    found = widened(
        [hit("Three is three."), hit("Four is four. Five is five.")], lambda _: TEXT, 5, 45
    )

    assert [one.text for one in found][1] == "Five is five."


@pytest.mark.parametrize("change", [{"page": 3}, {"parent": (0, 0)}])
def test_a_hit_on_a_page_or_without_a_parent_stays_as_it_is(change):
    one = replace(hit("Three is three."), **change)

    assert widened([one], lambda _: TEXT, 5) == [one]


def test_a_hit_of_a_document_that_is_gone_stays_as_it_is():
    def text_of(document_id: str) -> str:
        raise DocumentNotFoundError(document_id)

    assert widened([hit("Three is three.")], text_of, 5) == [hit("Three is three.")]


def test_chinese_grows_by_its_own_sentences():
    text = "上海很大。北京很冷。广州很热。"

    (one,) = widened([hit("北京很冷。", text=text)], lambda _: text, 5, 10)

    assert one.text == "上海很大。北京很冷。"


def test_a_sentence_longer_than_the_room_is_never_cut():
    text = "Long " + "word " * 100 + "end. Short here. " + "More " * 100 + "end."

    start = text.index("Short")

    assert grown(text, (start, start + 11), (0, len(text)), 100) == (start, start + 11)


def test_a_hit_that_is_a_passage_by_itself_stays_as_it_is_and_no_text_is_read():
    long = "word " * (SHORT // 5) + "end."
    one = hit(long, text=f"Before. {long} After.")

    assert widened([one], lambda _: 1 / 0, 5) == [one]
