from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.query import numerals
from app.query.quantities import held_by, masked, missing, quantities

ALIKE = [
    ("on 3 March 2021", "on 2021-03-03"),
    ("on March 3, 2021", "于2021年3月3日"),
    ("on the 3rd of March 2021", "二〇二一年三月三日"),
    ("on Nov. 12, 1931", "1931年11月12号"),
    ("14/01/2005", "2005/1/14"),
    ("at 9:15 pm", "21点15分"),
    ("at 21:15", "晚上9:15"),
    ("12 km", "twelve kilometres"),
    ("1.2 million lamps", "1,200,000 lamps"),
    ("120万盏灯", "1200000盏灯"),
    ("一百二十万盏灯", "120万盏灯"),
    ("3万元", "30000元"),
    ("€38 million", "38,000,000 euros"),
    ("USD 1,450", "$1450"),
    ("15 %", "fifteen percent"),
    ("百分之十五", "15%"),
    ("-60 °C", "-60 degrees Celsius"),
    ("零下60摄氏度", "-60℃"),
    ("the fifth day", "the 5th day"),
    ("第三家", "第3家"),
    ("3 working days", "three working days"),
    ("5 天", "五天"),
    ("over 12 tonnes", "more than 12 tonnes"),
    ("约30人", "大约三十人"),
    ("１２ km", "12 km"),
    ("two hundred and five men", "205 men"),
    ("光绪三十一年", "光绪31年"),
    ("in 2019", "2019年"),
]
UNLIKE = [
    ("12 km", "12 miles"),
    ("12 km", "12 m"),
    ("38 million euros", "38 billion euros"),
    ("38 million euros", "38 million dollars"),
    ("15 %", "15 percentage points"),
    ("15%", "15倍"),
    ("3800万元", "3800亿元"),
    ("37 %", "37 women"),
    ("212名患者", "212名女性"),
    ("3 March 2021", "4 March 2021"),
    ("3 March 2021", "3 May 2021"),
    ("2021年3月3日", "2012年3月3日"),
    ("光绪三十一年", "宣统三十一年"),
    ("光绪三十一年", "光绪二十一年"),
    ("21:15", "22:15"),
    ("9:15 am", "9:15 pm"),
    ("above 12 tonnes", "below 12 tonnes"),
    ("about 30 people", "more than 30 people"),
    ("60摄氏度", "零下60摄氏度"),
    ("25 days", "25 weeks"),
    ("the third day", "3 days"),
    ("1.13万人", "1.31万人"),
]


@pytest.mark.parametrize(("one", "other"), ALIKE)
def test_two_ways_of_writing_are_one_quantity(one, other):
    (first,), (second,) = quantities(one), quantities(other)

    assert held_by(first, second)
    assert held_by(second, first)


@pytest.mark.parametrize(("one", "other"), UNLIKE)
def test_what_differs_in_value_unit_or_bound_is_another_quantity(one, other):
    (first,), (second,) = quantities(one), quantities(other)

    assert not held_by(first, second)
    assert not held_by(second, first)


def test_less_may_be_said_but_not_more():
    full, year = quantities("on 3 March 2021"), quantities("in 2021")

    assert missing(year, full) == []
    assert missing(full, year) == list(full)
    assert missing(quantities("340 in Leeds"), quantities("340 people in Leeds")) == []
    assert missing(quantities("340 people"), quantities("340 women")) == []
    assert missing(quantities("340 women"), quantities("340 people")) != []


@pytest.mark.parametrize(
    "text",
    [
        "",
        "统一",
        "万一下雨",
        "十分重要",
        "千里马",
        "COX-1",
        "the X-15",
        "one report",
        "a second look",
        "v1.2.3",
        "may open",
        "三国",
    ],
)
def test_words_that_hold_numerals_are_no_quantities(text):
    assert quantities(text) == ()


def test_a_masked_text_keeps_everything_else():
    plain, found = masked("In 2019 it sold 1.2 million lamps.")

    assert [one.text for one in found] == ["2019", "1.2 million"]
    assert plain == "In  \ue000  it sold  \ue001  lamps."
    assert masked("private \ue000 use")[1] == ()


@given(st.dates(date(1000, 1, 1), date(2100, 12, 31)))
def test_a_date_is_the_same_in_every_spelling(day):
    spellings = [
        f"on {day.day} {day:%B} {day.year}",
        f"on {day:%B} {day.day}, {day.year}",
        day.isoformat(),
        f"{day.year}年{day.month}月{day.day}日",
        f"{day.year}/{day.month}/{day.day}",
    ]
    found = [quantities(one) for one in spellings]
    (other,) = quantities((day + timedelta(days=1)).isoformat())

    assert all(len(one) == 1 and held_by(one[0], found[2][0]) for one in found)
    assert not any(held_by(one[0], other) for one in found)


@given(st.integers(0, 10**11), st.integers(0, 10**11))
def test_a_grouped_number_is_the_number_and_no_other(one, other):
    (grouped,), (plain,), (second,) = (
        quantities(f"{one:,} m"), quantities(f"{one} m"), quantities(f"{other} m")
    )  # fmt: skip

    assert held_by(grouped, plain)
    assert held_by(grouped, second) == (one == other)


@given(st.integers(11, 99_999_999))
def test_chinese_numerals_read_back(number):
    assert numerals.chinese(_spelled(number)) == number


@given(st.text(max_size=80))
def test_any_text_can_be_read(text):
    plain, found = masked(text)

    assert all(one.value for one in found)
    assert sum("\ue000" <= one <= "\uf8ff" for one in plain) == len(found)
    assert missing(found, found) == []


def test_numbers_in_words_and_digits():
    assert numerals.english("two hundred and five") == 205
    assert numerals.english("one million two thousand") == 1_002_000
    assert numerals.english("lamp") is None
    assert numerals.chinese("1.2亿") == 120_000_000
    assert numerals.chinese("") is None
    assert numerals.digits("1,000.50") == Decimal("1000.5")
    assert numerals.digits("3,5") == Decimal("3.5")
    assert numerals.digits("1.2.3") is None


def _spelled(number: int) -> str:
    """Write a number below 100 million in Chinese."""
    high, low = divmod(number, 10_000)
    if high:
        zero = "零" if low and low < 1_000 else ""
        return f"{_spelled(high)}万{zero}{_spelled(low) if low else ''}"
    text, is_gap = "", False
    for place, name in ((1_000, "千"), (100, "百"), (10, "十"), (1, "")):
        digit = number // place % 10
        if digit:
            text += ("零" if is_gap else "") + "〇一二三四五六七八九"[digit] + name
            is_gap = False
        elif text and number % place:
            is_gap = True
    return text
