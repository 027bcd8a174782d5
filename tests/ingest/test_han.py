from __future__ import annotations

import pytest

from ingest.han import simplified
from ingest.lexical import match_expression, terms


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("臺灣鐵路", "台湾铁路"),
        ("後來與裏面", "后来与里面"),
        ("乾淨", "干净"),
        ("上海轨道交通", "上海轨道交通"),
        ("ひらがなカタカナ", "ひらがなカタカナ"),
        ("plain text", "plain text"),
        ("naïve 鐵路 x9", "naïve 铁路 x9"),
        ("", ""),
    ],
)
def test_traditional_characters_become_simple_and_nothing_else_changes(text, wanted):
    assert simplified(text) == wanted


def test_no_character_more_or_less_so_that_places_stay():
    text = "萬里長城 the wall 𠉂 著名的長城"

    assert len(simplified(text)) == len(text)


def test_folding_twice_changes_nothing_more():
    text = "歐洲聯盟總部設於布魯塞爾"

    assert simplified(simplified(text)) == simplified(text)


@pytest.mark.parametrize(
    ("one", "other"), [("臺灣鐵路", "台湾铁路"), ("電腦軟體", "电脑软体"), ("後", "后")]
)
def test_both_scripts_are_searched_under_the_same_terms(one, other):
    assert terms(one) == terms(other)
    assert match_expression(one) == match_expression(other)
