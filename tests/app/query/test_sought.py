from __future__ import annotations

import pytest

from app.query.sought import terms_in, terms_in_folded
from app.query.words import content_terms, hold


@pytest.mark.parametrize(
    "text",
    [
        "Three cities are stopped by the happiest studies of taxis, boxes and glasses.",
        "He didn't make e-mails; O'Neill, v1.25 is no v1.2, and making is not remaking.",
        "The sit-in at St. Mary's, foo_bar() and x/y: 1,000.50 metres in 1931.",
        "使用iPhone15手机的人很多，铁路全长59.3公里。",
        "Naïve cafés: ＦＵＬＬ ｗｉｄｔｈ, straße",
        "",
    ],
)
@pytest.mark.parametrize(
    "question",
    [
        "city stop happy study tax box glass",
        "make email e-mail O'Neill v1.2 v1.25 remake",
        "sit-in Mary foo_bar bar x y 1,000.50 1931 metre",
        "iphone15 手机 铁路全长 59.3 公里 iphone",
        "naive café full width STRASSE",
    ],
)
def test_searching_a_text_says_what_taking_it_apart_says(text, question):
    apart, terms = hold(text), content_terms(question)

    assert terms_in(terms, text) == {term for term in terms if apart.has(term)}


def test_a_word_within_another_one_is_not_held():
    assert terms_in(("lamp",), "a clamp, a lamppost") == frozenset()
    assert terms_in(("lamp",), "a clamp and lamps") == {"lamp"}


def test_a_folded_text_is_searched_as_it_stands():
    assert terms_in_folded(("lamp", "灯塔"), "the lamp of 灯塔") == {"lamp", "灯塔"}
    assert terms_in_folded(("lamp",), "LAMP") == frozenset()
