"""Text as it arrives in, the place of a tag or the end of a value out; pure.

Everything here gives the same result however the text is cut, and looks at each character a
bounded number of times.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

MAX_DEPTH = 200  # brackets within brackets; deeper is no call but a bomb
_MARKS = re.compile(r"[\[\]{}()\"'\\]")


class NotACallError(Exception):
    """What began like a call cannot become one."""

    def __init__(self, at: int) -> None:
        super().__init__("not a call")
        self.at = at  # characters of the last text up to the one that makes it impossible


def open_end(text: str, needles: Sequence[str]) -> int:
    """Count the characters at the end that may be the beginning of a needle."""
    longest = max(map(len, needles), default=1)
    tail = text[max(0, len(text) - longest + 1) :]
    for at in range(len(tail)):
        if any(needle.startswith(tail[at:]) for needle in needles):
            return len(tail) - at
    return 0


class Search:
    """Find the first of some texts in a stream; what may begin one is held back."""

    def __init__(self, needles: Sequence[str]) -> None:
        """Take the texts to look for; none may begin inside another one."""
        self._needles = tuple(needles)
        longest_first = sorted(needles, key=len, reverse=True)
        self._pattern = re.compile("|".join(map(re.escape, longest_first)) or r"(?!)")
        self.held = ""

    def push(self, text: str) -> tuple[str, str, str]:
        """Return what stands before, the text found (or nothing), and what follows it."""
        whole, self.held = self.held + text, ""
        found = self._pattern.search(whole)
        if found:
            return whole[: found.start()], found.group(), whole[found.end() :]
        cut = len(whole) - open_end(whole, self._needles)
        self.held = whole[cut:]
        return whole[:cut], "", ""

    def finish(self) -> str:
        """Return what was held back."""
        held, self.held = self.held, ""
        return held


class Trail:
    """Hold back the white space at the end, until it is known whether a tag follows it."""

    def __init__(self) -> None:
        self._space: list[str] = []

    def push(self, text: str) -> str:
        """Return the text up to its last visible character, with the space held before it."""
        visible = text.rstrip()
        if not visible:
            self._space.append(text)
            return ""
        shown = "".join((*self._space, visible))
        self._space = [text[len(visible) :]]
        return shown

    def finish(self) -> str:
        """Return the space after all."""
        space = "".join(self._space)
        self._space = []
        return space

    def drop(self) -> None:
        """Forget the space: a tag follows it."""
        self._space = []


class Skip:
    """Pass over white space and some texts, until something else begins."""

    def __init__(self, needles: Sequence[str]) -> None:
        self._needles = tuple(needle for needle in needles if needle)
        self._held = ""

    def push(self, text: str) -> str:
        """Return what begins here, or nothing while only skipped things came."""
        whole = (self._held + text).lstrip()
        self._held = ""
        while whole:
            known = next((each for each in self._needles if whole.startswith(each)), "")
            if not known:
                break
            whole = whole[len(known) :].lstrip()
        if whole and any(each.startswith(whole) for each in self._needles):
            self._held, whole = whole, ""
        return whole

    def finish(self) -> str:
        """Return what may have become one of the texts."""
        held, self._held = self._held, ""
        return held


class Balance:
    """Find where a bracketed value ends, brackets in quotes left aside."""

    def __init__(self, quotes: str = '"') -> None:
        self._quotes = quotes
        self._depth = 0
        self._quote = ""
        self._is_escaped = False

    def push(self, text: str) -> int:
        """Return how many characters belong to the value if it ends here, else -1.

        Raises:
            NotACallError: nested too deeply.
        """
        at = 0
        if self._is_escaped and text:
            self._is_escaped, at = False, 1
        while mark := _MARKS.search(text, at):
            at = mark.end()
            if self._quote:
                if mark.group() == "\\":
                    self._is_escaped = at == len(text)
                    at += 1
                elif mark.group() == self._quote:
                    self._quote = ""
            elif self._take(mark.group()):
                return at
            elif self._depth > MAX_DEPTH:
                raise NotACallError(at)
        return -1

    def _take(self, mark: str) -> bool:
        """Count a mark outside of quotes; tell whether it ends the value."""
        if mark in self._quotes:
            self._quote = mark
        elif mark in "[{(":
            self._depth += 1
        elif mark in "]})":
            self._depth -= 1
            return self._depth <= 0
        return False


class ValueEnd:
    """Find the end of one JSON (or Python) value behind a short header."""

    def __init__(self, *, n_header: int = 0, starts: str = "{[", quotes: str = '"') -> None:
        """Say what may come.

        Args:
            n_header: characters that may stand before the value's brace; none but space by default.
            starts: brackets that the value may begin with if no header stands before it.
        """
        self._balance = Balance(quotes)
        self._n_left = n_header
        self._starts = starts
        self.is_inside = False  # the value itself has begun
        self._has_header = False

    def push(self, text: str) -> int:
        """Return how many characters belong to the section if it ends here, else -1.

        Raises:
            NotACallError: no value comes.
        """
        start = 0 if self.is_inside else self._pass_header(text)
        if not self.is_inside:
            return -1
        try:
            end = self._balance.push(text[start:])
        except NotACallError as error:
            raise NotACallError(start + error.at) from None
        return -1 if end < 0 else start + end

    def _pass_header(self, text: str) -> int:
        for at, here in enumerate(text):
            if here in ("{" if self._has_header else self._starts):
                self.is_inside = True
                return at
            if self._has_header or not here.isspace():
                self._has_header = True
                self._n_left -= 1
                if self._n_left < 0:
                    raise NotACallError(at)
        return len(text)


class TextEnd:
    """Find a closing tag."""

    def __init__(self, closer: str) -> None:
        self._closer = closer
        self._tail = ""

    def push(self, text: str) -> int:
        """Return how many characters belong to the section if it ends here, else -1."""
        whole = self._tail + text
        at = whole.find(self._closer)
        if at >= 0:
            return at + len(self._closer) - len(self._tail)
        self._tail = whole[max(0, len(whole) - len(self._closer) + 1) :]
        return -1
