"""Text with hidden parts in, the visible text and sentences about the rest out; pure.

Hidden text is how a document steers a search or a model without its reader's knowledge: it stays
out of what is searched and is named in the warnings. OCR layers of scanned pages are no such text.
Source of the tag characters' use: "ASCII smuggling", OWASP LLM01 (prompt injection).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby, islice

import numpy as np
from numpy.typing import NDArray

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
_STEP = 1_000_000  # characters that are looked through at a time
_COMMENT = re.compile(r"<!--(.{0,2000}?)-->", re.DOTALL)
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
    if not _may_hide(text) or _ZERO_WIDTH.search(text) is None:
        return text, 0
    flags = _FLAG.findall(text)
    kept, n_dropped = _ZERO_WIDTH.subn("", _FLAG.sub("\x00", text) if flags else text)
    for flag in flags:
        kept = kept.replace("\x00", flag, 1)
    return kept, n_dropped


def _may_hide(text: str) -> bool:
    """Look for any character without width, twenty times as fast as an expression does."""
    if text.isascii():
        return False
    suspects = _suspects()
    for at in range(0, len(text), _STEP):
        units = text[at : at + _STEP].encode("utf-16-le", "surrogatepass")
        if suspects[np.frombuffer(units, dtype="<u2")].any():
            return True
    return False


@lru_cache(maxsize=1)
def _suspects() -> NDArray[np.bool_]:
    is_suspect = re.compile(f"[{_NEVER}\u200c-\u200f\u034f]").match
    found = [is_suspect(chr(code)) is not None for code in range(0x10000)]
    found[0xDB40] = True  # the first half of every tag character
    return np.array(found, dtype=np.bool_)


def smuggled(text: str) -> str:
    """Read what was written in tag characters, which no font shows."""
    found = _TAGS.findall(_FLAG.sub("", text))
    return " ".join("".join(chr(ord(tag) - 0xE0000) for tag in run) for run in found)


def warnings_in(text: str, *, has_comments: bool) -> list[str]:
    """Tell of what stands in a text that is kept as it is, though no reader of it sees that.

    Args:
        has_comments: `<!-- … -->` in it is not shown either.
    """
    told = []
    if not text.isascii():
        _, n_invisible = strip_zero_width(text)
        if n_invisible:
            told.append(f"characters without width or that turn words around: {n_invisible}")
        if n_invisible and (spelled := smuggled(text)):
            told.append(f"hidden text in tag characters: “{_first_words(spelled)}”")
    if has_comments and "<!--" in text:
        found = [" ".join(one.split()) for one in islice(_COMMENT.findall(text), MAX_WARNINGS)]
        told += [f"hidden text in a comment: “{_first_words(one)}”" for one in found if one]
    return told


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
