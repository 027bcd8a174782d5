import re
from html import unescape

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ui.marks import (
    AROUND,
    MAX_ANSWER,
    cited_spans,
    cut,
    gaps,
    legend_html,
    plain_answer_html,
    reasons_html,
    source_html,
    sources_of,
    streaming_html,
    windows,
    without_marks,
)
from ui.shapes import Citation, Passage, Reply, Sentence
from ui.words import Words

EN = Words("en")


def bare(html: str) -> str:
    return unescape(re.sub(r"<[^>]*>", "", html))


def test_spans_cut_a_text_at_their_edges():
    pieces = cut([(2, 6), (4, 8)], 0, 10)

    assert [(p.start, p.end, p.inside) for p in pieces] == [
        (0, 2, ()),
        (2, 4, (0,)),
        (4, 6, (0, 1)),
        (6, 8, (1,)),
        (8, 10, ()),
    ]


@given(
    st.text(max_size=60),
    st.lists(st.tuples(st.integers(-5, 70), st.integers(-5, 70)), max_size=5),
)
def test_pieces_always_make_up_the_whole_text(text, spans):
    pieces = cut(spans, 0, len(text))

    assert "".join(text[p.start : p.end] for p in pieces) == text


def test_the_cited_span_is_marked_exactly_and_in_its_surroundings():
    text = "before <i>. Leave is 26 days. After."
    start = text.index("Leave")

    html = source_html(text, (start, start + 17), [(start + 9, start + 11)], EN)

    assert re.findall(r"<mark>(.*?)</mark>", html) == ["26"]
    assert "&lt;i&gt;" in html
    assert bare(html) == text


def test_far_surroundings_are_cut_with_ellipses():
    html = source_html("a" * 900 + "KEY" + "b" * 900, (900, 903), [(900, 903)], EN)

    assert bare(html) == "…" + "a" * AROUND + "KEY" + "b" * AROUND + "…"


def test_a_long_beginning_of_a_passage_is_folded_to_keep_the_cited_words_in_view():
    text = "a" * 3000 + "KEY" + "b" * 50

    html = source_html(text, (0, len(text)), [(3000, 3003)], EN)
    folded, shown = html.split("</details>")

    assert bare(shown) == "a" * AROUND + "KEY" + "b" * 50
    assert bare(folded).count("a") >= 3000 - AROUND
    assert "<mark>KEY</mark>" in shown


def test_a_span_that_reaches_over_several_lines_stays_whole():
    html = source_html("one\ntwo", (0, 7), [(0, 7)], EN)

    assert re.findall(r"<mark>(.*?)</mark>", html, re.DOTALL) == ["one\ntwo"]


def test_windows_cover_a_text_without_gaps():
    assert windows(0, 5) == [(0, 0)]
    assert windows(10, 5) == [(0, 5), (5, 10)]
    assert windows(11, 5) == [(0, 5), (5, 10), (10, 11)]


@pytest.mark.parametrize(
    ("answer", "plain"),
    [
        ("Yes [1].", "Yes."),
        ("Yes. [1][2] No. [3, 4]", "Yes. No."),
        ("是的[1]。不是【2】", "是的。不是【2】"),
        ("an array a[i] stays", "an array a[i] stays"),
        ("items[1] is t[0][2] [3]", "items[1] is t[0][2]"),
    ],
)
def test_marks_are_taken_out_of_an_answer(answer, plain):
    assert without_marks(answer) == plain


def test_line_breaks_and_list_marks_between_sentences_are_kept():
    reply = Reply(
        answer="First. [1]\n- Second. [2] Third.",
        sentences=(Sentence("First."), Sentence("Second."), Sentence("Third.")),
    )

    assert gaps(reply) == ["", "\n- ", " "]


def test_sentences_that_the_answer_lacks_are_set_apart_but_not_in_chinese():
    reply = Reply(answer="", sentences=(Sentence("A."), Sentence("好。"), Sentence("好。")))

    assert gaps(reply) == ["", " ", ""]


def test_an_answer_cannot_bring_its_own_html():
    for html in (plain_answer_html("<img src=x>"), streaming_html("<img src=x>")):
        assert "<img" not in html


def test_a_long_answer_is_bounded_while_it_is_written():
    assert len(streaming_html("x" * 99_999)) < MAX_ANSWER + 200
    assert len(plain_answer_html("x" * 99_999)) < MAX_ANSWER + 200


def test_an_unknown_state_of_support_counts_as_not_found():
    html = legend_html([Sentence("a"), Sentence("b", (), "odd")], EN)

    assert "1 found in the sources" in html
    assert "1 not found" in html
    assert legend_html([], EN) == ""


def test_cited_spans_are_those_of_the_passage_once_each():
    citations = [
        Citation(1, "d", start=5, end=9),
        Citation(1, "d", start=0, end=3),
        Citation(1, "d", start=5, end=9),
        Citation(2, "d", start=1, end=2),
        Citation(1, "d", start=4, end=4),
    ]

    assert cited_spans(Passage(1, "d"), citations) == [(0, 3), (5, 9)]


def test_sentences_that_do_not_hold_tell_why():
    sentences = (
        Sentence("It is so.", (1,)),
        Sentence("It is <41>.", (), "not_found", reason="41 is not in <it>"),
        Sentence("It was late.", (1,), "partly"),
    )

    html = reasons_html(sentences, EN)

    assert html.count("<li>") == 2
    assert "41 is not in &lt;it&gt;" in html
    assert "It is &lt;41&gt;." in html
    assert "It is so" not in html
    assert reasons_html(sentences[:1], EN) == ""
    assert 'title="41 is not in &lt;it&gt;"' in html


def test_sentences_are_marked_while_the_answer_is_written():
    checked = [Sentence("It is so."), Sentence("It <was> late.", (), "not_found", reason="no")]

    html = streaming_html("It is so. [1] It <was> late. And th", checked)

    assert bare(html) == "It is so. [1] It <was> late. And th"
    assert '<span class="q-not_found" title="no">It &lt;was&gt; late.</span>' in html
    assert '<span class="q-supported">It is so.</span>' in html


def test_a_mark_leads_to_the_passage_that_holds_its_span_whatever_that_ones_number():
    passages = (
        Passage(1, "a", start=0, end=50),
        Passage(2, "b", start=100, end=200),
        Passage(3, "b", start=300, end=400),
    )
    citations = (
        Citation(1, "b", start=310, end=330),
        Citation(2, "b", start=120, end=150),
        Citation(3, "gone", "gone.md", start=5, end=9, text="text"),
        Citation(4, "a", start=1, end=2),
    )
    reply = Reply(
        sentences=(Sentence("One.", (1, 2)), Sentence("Two.", (3,))),
        citations=citations,
        passages=passages,
    )

    found = sources_of(reply)

    assert [(one.n, one.document_id, one.start) for one in found] == [
        (1, "b", 300),
        (2, "b", 100),
        (3, "gone", 5),
    ]
    assert cited_spans(found[0], citations) == [(310, 330)]
