from __future__ import annotations

import pytest

from app.query.words import (
    cjk_share,
    content_terms,
    content_words,
    hold,
    names,
    numbers,
    share_held,
    stem,
)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("What is the capital of France?", ("capital", "franc")),
        ("Who founded the X-15 program?", ("found", "x-15", "x", "15", "program")),
        ("上海16号线什么时候开通？", ("上海", "16", "号线", "开通")),
        ("ＡＢＣ是什么", ("abc",)),
        ("And when?", ()),
        ("它是什么？", ()),
        ("", ()),
    ],
)
def test_content_terms_leave_out_words_that_say_nothing(text, wanted):
    assert content_terms(text) == wanted


@pytest.mark.parametrize(
    ("one", "other"),
    [("studies", "study"), ("opened", "opens"), ("building", "builds"), ("nations", "nation"),
     ("stopped", "stops"), ("invading", "invaded")],
)  # fmt: skip
def test_forms_of_one_word_meet(one, other):
    assert stem(one) == stem(other)


def test_content_words_keep_the_spelling():
    assert content_words("Who wrote O'Neill's Iceman?") == ["wrote", "O'Neill's", "Iceman"]
    assert content_words("门罗在NCAA的平均分是多少？") == ["门罗", "NCAA", "平均分"]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("It had 1,200 workers and 3.50 million", {"1200", "3.5"}),
        ("第４１届于2013年12月29日", {"41", "2013", "12", "29"}),
        ("between -5 and 7%", {"-5", "7"}),
        ("no digits", set()),
    ],
)
def test_numbers_are_spelled_alike(text, wanted):
    assert numbers(text) == wanted


def test_names_are_capitals_inside_a_sentence_and_codes():
    assert names("When did Tesla leave Graz for NASA?") == {"tesla", "graz", "nasa"}
    assert names("the village") == frozenset()


def test_chinese_terms_are_found_as_substrings():
    held = hold("全线长度为59.3公里")

    assert held.has("长度")
    assert not held.has("宽度")
    assert share_held(content_terms("全线长度"), held) == 1


def test_the_share_of_chinese_counts_letters_only():
    assert cjk_share("上海 2013！") == 1
    assert cjk_share("hello 2013") == 0
    assert cjk_share("...") == 0
