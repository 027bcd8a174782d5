from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.query.sentences import MAX_SENTENCE, cut, spans, split


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("Dr. Smith paid $3.50. He left!", ["Dr. Smith paid $3.50.", "He left!"]),
        ('"Why?" she asked. E. coli is small.', ['"Why?" she asked.', "E. coli is small."]),
        ("It opened in 1999. 30 people came.", ["It opened in 1999.", "30 people came."]),
        ("See Fig. 3 and No. 5. Then stop.", ["See Fig. 3 and No. 5.", "Then stop."]),
        ("Version 2.0.1 shipped. Good", ["Version 2.0.1 shipped.", "Good"]),
        ("It is 42. [1] Or [2]. Yes [1, 2].", ["It is 42. [1]", "Or [2].", "Yes [1, 2]."]),
        ("1. First item.\n2. Second item.", ["First item.", "Second item."]),
        ("# Title\nText one. Text two.", ["Title", "Text one.", "Text two."]),
        ("- one\n- two", ["one", "two"]),
        ("他来了。她说：“好！”然后走了；是3.5。",
         ["他来了。", "她说：“好！”", "然后走了；", "是3.5。"]),
        ("真的吗？是的[1]。好的。[2]", ["真的吗？", "是的[1]。", "好的。[2]"]),
        ("The rainforest of the Amazon covers most of\nthe basin. It is old.",
         ["The rainforest of the Amazon covers most of\nthe basin.", "It is old."]),
        ("one line\n\nanother line", ["one line", "another line"]),
        ("...\n---\n", []),
        ("", []),
    ],
)  # fmt: skip
def test_sentences_end_where_a_reader_would_end_them(text, wanted):
    assert split(text) == wanted


@given(st.text(alphabet="ab1. \n!?。，；[]#-中文", max_size=300))
def test_spans_are_ordered_and_lose_no_word(text):
    found = spans(text)

    assert all(0 <= start < end <= len(text) for start, end in found)
    assert all(one[1] <= two[0] for one, two in zip(found, found[1:], strict=False))
    between = "".join(
        text[a[1] : b[0]] for a, b in zip([(0, 0), *found], [*found, (len(text), 0)], strict=True)
    )
    assert not any(letter.isalpha() for letter in between)


def test_text_without_stops_is_cut_into_bounded_pieces():
    assert all(len(piece) <= MAX_SENTENCE for piece in split("word " * 100_000))
    assert all(len(piece) <= MAX_SENTENCE for piece in split("字" * 100_000))


def test_cutting_prefers_a_sentence_end():
    assert cut("One is here. Two is there. Three.", 20) == "One is here."
    assert cut("一在这里。二在那里。", 6) == "一在这里。"
    assert cut("nostopsatall", 5) == "nosto"
