"""Text with hidden parts in, the visible text and sentences about the rest out; pure.

Hidden text is how a document steers a search or a model without its reader's knowledge: it stays
out of what is searched and is named in the warnings. OCR layers of scanned pages are no such text.
Source of the tag characters' use: "ASCII smuggling", OWASP LLM01 (prompt injection).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

MAX_SHOWN = 60  # characters of a hidden text that a warning repeats
MAX_WARNINGS = 20  # of one document

# Never spelling: zero-width blanks, invisible operators, direction overrides, tag characters.
_NEVER = (
    "\u180e\u200b\u2060-\u2064\u202a-\u202e\u2066-\u2069\ufeff\U000e0000-\U000e007f"
    "\u115f\u1160\u3164\uffa0"
)
# Joiners and directional marks are spelling in Arabic, Hebrew, Indic scripts and in emoji;
# next to Latin, Greek, Cyrillic or Chinese they are not.
_SPELLED_WITHOUT = "\u0021-\u007e\u00c0-\u052f\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff"
_ZERO_WIDTH = re.compile(
    rf"[{_NEVER}]|(?<=[{_SPELLED_WITHOUT}])[\u200c-\u200f\u034f]+"
    rf"|[\u200c-\u200f\u034f]+(?=[{_SPELLED_WITHOUT}])"
)
_TAGS = re.compile("[\U000e0020-\U000e007e]+")
_FLAG = re.compile("\U0001f3f4[\U000e0030-\U000e007a]{3,6}\U000e007f")  # of Wales, say


@dataclass(frozen=True, slots=True)
class Hidden:
    """One piece of text that a reader of the document cannot see."""

    reason: str  # "white on white", "off the page" …
    text: str
    page: int | None = None


def strip_zero_width(text: str) -> tuple[str, int]:
    """Drop characters without width that spell nothing; count them.

    To be called before offsets into a text are taken: nothing is put in their place.
    """
    if text.isascii() or _ZERO_WIDTH.search(text) is None:
        return text, 0
    flags = _FLAG.findall(text)
    kept, n_dropped = _ZERO_WIDTH.subn("", _FLAG.sub("\x00", text) if flags else text)
    for flag in flags:
        kept = kept.replace("\x00", flag, 1)
    return kept, n_dropped


def smuggled(text: str) -> str:
    """Read what was written in tag characters, which no font shows."""
    found = _TAGS.findall(_FLAG.sub("", text))
    return " ".join("".join(chr(ord(tag) - 0xE0000) for tag in run) for run in found)


def warnings_of(hidden: Sequence[Hidden]) -> list[str]:
    """Say per page and reason what was left out, with its first words."""
    told = []
    for (page, reason), pieces in groupby(hidden, key=lambda one: (one.page, one.reason)):
        text = " ".join(" ".join(one.text for one in pieces).split())
        where = "" if page is None else f" on page {page}"
        told.append(f"hidden text{where} left out ({reason}): “{_first_words(text)}”")
    if len(told) > MAX_WARNINGS:
        more = len(told) - MAX_WARNINGS
        told[MAX_WARNINGS:] = [f"hidden text left out at {more} more places"]
    return told


def warning_of_zero_width(n_dropped: int, page: int | None = None) -> str:
    """Say that characters without width were dropped."""
    where = "" if page is None else f" on page {page}"
    return f"characters without width{where} left out: {n_dropped}"


def _first_words(text: str) -> str:
    if len(text) <= MAX_SHOWN:
        return text
    cut = text[:MAX_SHOWN]
    head, _, _ = cut.rpartition(" ")
    return (head if len(head) > MAX_SHOWN // 2 else cut) + " …"
