import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.conversations.titles import MAX_TITLE, one_line, shortened, title_of

LONG_ZH = (
    "上海轨道交通十六号线于二零一三年十二月二十九日开通以后沿线的居民"
    "每天上班需要多长时间才能到达市中心的办公室呢请详细说明一下谢谢"
)


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("When was the harbour opened?", "When was the harbour opened?"),
        ("\n\n  When?\nAnd why?", "When?"),
        ("", ""),
        ("\x00\x1b[31m\u202e", "[31m"),
        ("港口是什么时候开放的？\n谢谢", "港口是什么时候开放的？"),
        ("a\u0085b", "a"),  # another end of a line
        ("👩\u200d🚀 on board", "👩\u200d🚀 on board"),
    ],
)
def test_a_title_is_the_first_line_that_says_something(question, expected):
    assert title_of(question) == expected


def test_a_long_english_question_is_cut_between_words():
    title = title_of(
        "What did the committee say about the opening of the northern harbour in 1931?"
    )

    assert title == "What did the committee say about the opening of the…"
    assert len(title) <= MAX_TITLE


def test_a_long_chinese_question_is_cut_between_characters():
    assert title_of(LONG_ZH) == LONG_ZH[: MAX_TITLE - 1] + "…"


def test_a_word_within_chinese_is_not_torn():
    line = "人" * 55 + "retrieval和其他"

    assert shortened(line) == "人" * 55 + "…"


def test_one_endless_word_is_cut_anyway():
    assert shortened("x" * 500) == "x" * (MAX_TITLE - 1) + "…"


def test_an_accent_stays_with_its_letter():
    assert shortened("!" * 58 + "e\u0301e\u0301e\u0301") == "!" * 58 + "…"


@given(st.text())
def test_any_text_makes_one_short_line(text):
    title = title_of(text)

    assert len(title) <= MAX_TITLE
    assert len(title.splitlines()) <= 1
    assert one_line(title) == title
