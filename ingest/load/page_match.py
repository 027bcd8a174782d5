"""Words of a loaded text in, the characters of its page that they are out; pure.

A loader mends hyphens, joins lines and drops running heads, so a span of its text is found on the
page by letters and digits alone, in the page's own order.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

Box = tuple[float, float, float, float]  # left, bottom, right, top
Found = Literal["exact", "partial", "none"]

_LEAST = 6  # letters of a line that alone tell that it belongs to a span
_MAX_PLACES = 500  # where the same words stand; the nearest of them is meant


@dataclass(frozen=True, slots=True)
class Squashed:
    """A text's letters and digits, and which character each comes from."""

    text: str
    origin: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Match:
    """Characters of a page, as indices in order."""

    found: Found
    characters: tuple[int, ...] = ()


def squash(text: str) -> Squashed:
    """Leave letters and digits only, without accents and case; ligatures come apart."""
    letters: list[str] = []
    origin: list[int] = []
    for at, character in enumerate(text):
        plain = character
        if not character.isascii():
            plain = unicodedata.normalize("NFKD", character)
        for one in plain.casefold():
            if one.isalnum():
                letters.append(one)
                origin.append(at)
    return Squashed("".join(letters), tuple(origin))


def match(needle: str, page: str, share: float) -> Match:
    """Find a span on its page.

    Args:
        page: the characters of the page in the file's order, lines parted by line breaks.
        share: how far down the page's text the span begins, 0 to 1: which of several is meant.
    """
    wanted, there = squash(needle), squash(page)
    if not wanted.text or not there.text:
        return Match("none")
    at = _nearest(wanted.text, there.text, share)
    if at is not None:
        first, last = there.origin[at], there.origin[at + len(wanted.text) - 1]
        last += _signs_after(needle[wanted.origin[-1] + 1 :], page, last + 1)
        # Signs between letters belong to them; blanks and what is not printed do not.
        inked = (at for at in range(first, last + 1) if page[at].isprintable() and page[at] != " ")
        return Match("exact", tuple(inked))
    parts = [index for line in _lines(page) for index in _of_line(line, page, wanted.text)]
    return Match("partial", tuple(parts)) if parts else Match("none")


def boxes(places: Sequence[Box]) -> list[Box]:
    """Join the boxes of characters that stand beside one another to one for each line."""
    joined: list[Box] = []
    for left, bottom, right, top in places:
        if right <= left or top <= bottom:
            continue
        last = joined[-1] if joined else None
        height = top - bottom
        if last is not None:
            overlap = min(last[3], top) - max(last[1], bottom)
            is_beside = -height < left - last[2] < 2 * height
            if overlap > 0.5 * min(height, last[3] - last[1]) and is_beside:
                joined[-1] = (
                    min(last[0], left), min(last[1], bottom),
                    max(last[2], right), max(last[3], top),
                )  # fmt: skip
                continue
        joined.append((left, bottom, right, top))
    return joined


def _signs_after(signs: str, page: str, at: int) -> int:
    """Count the characters of a page that are the signs with which a span ends."""
    n = 0
    for one in signs.split("\n", 1)[0].strip():
        if at + n < len(page) and page[at + n] == one:
            n += 1
        else:
            break
    return n


def _nearest(wanted: str, there: str, share: float) -> int | None:
    best: int | None = None
    at = there.find(wanted)
    for _ in range(_MAX_PLACES):
        if at < 0:
            break
        if best is None or abs(at - share * len(there)) < abs(best - share * len(there)):
            best = at
        at = there.find(wanted, at + 1)
    return best


def _lines(page: str) -> Iterator[tuple[int, int]]:
    start = 0
    for end, character in enumerate(page + "\n"):
        if character in "\r\n":
            if end > start:
                yield start, end
            start = end + 1


def _of_line(line: tuple[int, int], page: str, wanted: str) -> list[int]:
    """Pick what of a line belongs to a span that stands there in another order."""
    start, end = line
    held = squash(page[start:end])
    n = len(held.text)
    if n < _LEAST:
        return []
    if held.text in wanted:
        first, last = 0, n
    else:
        lengths = range(min(n, len(wanted)), _LEAST - 1, -1)
        # The span begins in the middle of the line, or ends there.
        tail = next((k for k in lengths if wanted.startswith(held.text[n - k :])), 0)
        head = next((k for k in lengths if wanted.endswith(held.text[:k])), 0)
        if not tail and not head:
            return []
        first, last = (n - tail, n) if tail >= head else (0, head)
    return list(dict.fromkeys(start + at for at in held.origin[first:last]))
