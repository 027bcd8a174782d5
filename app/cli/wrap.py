"""Text as it streams in, the same text broken between words out; keeps the cursor's column."""

from __future__ import annotations

import unicodedata

_MARGIN = 5  # columns left free at the right edge
_MIN_COLUMNS = 10  # narrower terminals are not worth wrapping for
_MIN_ROOM = 10  # a word that leaves less of the line than this is broken instead of moved


class Wrapper:
    """Moves a word that does not fit to the next line, also if half of it is shown already."""

    def __init__(self, n_columns: int) -> None:
        """Wrap for a terminal.

        Args:
            n_columns: its width; 0 lets the text through as it is.
        """
        self._limit = n_columns - _MARGIN if n_columns >= _MIN_COLUMNS else 0
        self._column = 0
        self._word = ""

    def feed(self, text: str) -> str:
        """Give what to write for the next piece of text."""
        if not self._limit:
            return text
        return "".join(self._place(letter) for letter in text)

    def _place(self, letter: str) -> str:
        if letter == "\n":
            self._column, self._word = 0, ""
            return letter
        width = columns(letter)
        before = ""
        if self._column + width > self._limit:
            if letter == " ":  # the word before it fits; the line break stands for the space
                self._column, self._word = 0, ""
                return "\n"
            before = self._break()
        self._column += width
        self._word = "" if letter in " \t" else self._word + letter
        return before + letter

    def _break(self) -> str:
        width = columns(self._word)
        if not width or width > self._limit - _MIN_ROOM:
            self._column, self._word = 0, ""
            return "\n"
        self._column = width
        return f"\x1b[{width}D\x1b[K\n{self._word}"


def columns(text: str) -> int:
    """Count the columns that a text takes on a terminal."""
    return sum(_width(letter) for letter in text)


def _width(letter: str) -> int:
    if unicodedata.combining(letter):
        return 0
    return 2 if unicodedata.east_asian_width(letter) in "WF" else 1
