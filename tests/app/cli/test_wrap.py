"""Words go to the next line whole, also when half of one is shown already."""

from __future__ import annotations

import re

from hypothesis import given, settings
from hypothesis import strategies as st

from app.cli.wrap import Wrapper, columns

WORDS = st.lists(st.text("abcü漢", min_size=1, max_size=12), min_size=1, max_size=30)


def screen_of(written):
    """Play a terminal: letters, line feeds, cursor to the left, erase to the end of the line."""
    lines, at = [""], 0
    for code, n_back, letter in re.findall(r"(\x1b\[(?:(\d+)D|K))|([\s\S])", written):
        if n_back:
            at -= int(n_back)
        elif code:
            while columns(lines[-1]) > at:
                lines[-1] = lines[-1][:-1]
        elif letter == "\n":
            lines.append("")
            at = 0
        else:
            lines[-1] += letter
            at += columns(letter)
    return lines


@given(WORDS, st.integers(30, 60), st.integers(1, 7))
@settings(deadline=None)
def test_no_line_is_too_long_and_no_letter_is_lost(words, n_columns, n_letters):
    text = " ".join(words)
    wrapper = Wrapper(n_columns)

    pieces = [text[at : at + n_letters] for at in range(0, len(text), n_letters)]
    lines = screen_of("".join(wrapper.feed(piece) for piece in pieces))

    assert all(columns(line) <= n_columns - 5 for line in lines)
    assert [word for line in lines for word in line.split()] == words


def test_a_word_moves_as_a_whole():
    wrapper = Wrapper(25)

    assert screen_of(wrapper.feed("one two three four five six")) == [
        "one two three four ",
        "five six",
    ]


def test_a_word_longer_than_a_line_is_broken():
    assert screen_of(Wrapper(20).feed("a" * 20)) == ["a" * 15, "a" * 5]


def test_without_a_width_everything_stays():
    assert Wrapper(0).feed("x" * 500) == "x" * 500
