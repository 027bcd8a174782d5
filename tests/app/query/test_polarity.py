from __future__ import annotations

import pytest

from app.query.polarity import apart


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Pets are prohibited", "Pets are not allowed"),
        ("Trucks may not cross", "Trucks are not permitted to cross"),
        ("They do not need to pay", "They need not pay"),
        ("It seems that otters returned", "Otters reportedly returned"),
        ("The tenant shall pay", "The tenant must pay"),
        ("不得通过", "不能通过"),
        ("无需说明", "不需要说明"),
        ("从未展出", "没有展出"),
        ("据说回来了", "似乎回来了"),
    ],
)
def test_two_ways_of_limiting_agree(one, other):
    assert apart(one)[1].agrees(apart(other)[1])


@pytest.mark.parametrize(
    ("told", "given"),
    [
        ("It opened", "It did not open"),
        ("It opens", "It may open"),
        ("It opens", "It will open"),
        ("It must open", "It may open"),
        ("It opened", "It seems that it opened"),
        ("It opened", "It probably opened"),
        ("All of them left", "Some of them left"),
        ("They left", "Some of them left"),
        ("All of them left", "They left"),
        ("They left", "Only they left"),
        ("They left", "He denied that they left"),
        ("They left", "He said that they left"),
        ("他来了", "他声称来了"),
        ("They leave", "They leave unless it rains"),
        ("可以通过", "不得通过"),
        ("展出过", "从未展出过"),
        ("将开设", "可能开设"),
        ("全部关闭", "部分关闭"),
        ("最大的卫星之一", "最大的卫星"),
        ("他来了", "据说他来了"),
        ("可以审批", "必须审批"),
    ],
)
def test_a_claim_does_not_rest_on_what_is_denied_limited_or_in_doubt(told, given):
    assert not apart(told)[1].agrees(apart(given)[1])


def test_less_may_be_claimed_than_all():
    assert apart("They left")[1].agrees(apart("All of them left")[1])


def test_two_denials_make_none_and_words_stay():
    rest, polarity = apart("Nobody did not pay the rent")

    assert not polarity.is_negated
    assert rest.split() == ["did", "pay", "the", "rent"]


@pytest.mark.parametrize(
    "text",
    ["不断增长", "未来", "无线电", "非常大", "董事会", "将军", "The notion is known", "May 2020"],
)
def test_words_that_only_look_like_denials_are_none(text):
    assert not apart(text)[1].is_negated
