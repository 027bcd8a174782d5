"""Text → spans of its sentences, English and Chinese; pure.

Invariant: spans come in order, do not overlap, and lose nothing but blanks and list marks.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from app.query.words import CJK, cjk_share

MAX_SENTENCE = (
    400  # characters; longer ones (tables, lists without stops) are cut at a comma or blank
)

_MARKS = r"(?:\s?\[\d+(?:\s*[,\u3001\uff0c]\s*\d+)*\]|\s?\u3010\d+\u3011)*"
_CLOSERS = "[\"'\u201d\u2019\u300d\u300f\uff09)\\]\u3011\u300b]*"
_STOP = re.compile(
    rf"(?:[\u3002\uff01\uff1f\uff1b\u2026]+|[!?]+(?=[\s\"'\u201d\u2019)\]\[{CJK}]|$)|\.+(?=[\s\"'\u201d\u2019)\]\[{CJK}]|$))"
    rf"(?!\d){_CLOSERS}{_MARKS}|\n"
)
_ABBREVIATION = re.compile(
    r"(?:\b(?:mr|mrs|ms|dr|prof|st|jr|sr|gen|col|lt|sgt|capt|rev|hon|gov|sen|rep|inc|ltd|corp|dept|univ|"
    r"vs|etc|no|nos|vol|fig|figs|eq|sec|ch|pp|p|ed|eds|al|ca|cf|approx|est|e\.g|i\.e|u\.s|u\.k|u\.n|"
    r"jan|feb|mar|apr|jun|jul|aug|sep|sept|oct|nov|dec|mt|ft|op)|(?:^|[\s(.])[a-z])\.$",
    re.IGNORECASE,
)
_FEW_ENDINGS = re.compile(r"\b(?:etc|inc|ltd|corp|jr|sr|al)\.$", re.IGNORECASE)
_LIST_NUMBER = re.compile(r"(?:^|\n)[ \t>]*\(?\d{1,3}\.$")
_OPENER = re.compile(
    r"[\s>]*(?:#{1,6}[ \t]+|[-*+\u2022\u00b7\u2013][ \t]+"
    r"|\(?\d{1,3}[.)\u3001\uff0e][ \t]*(?!\d)|\|[ \t]*)*"
)
_STRUCTURE = re.compile(
    r"[ \t>]*(?:#{1,6}[ \t]|[-*+\u2022\u00b7][ \t]|\(?\d{1,3}[.)\u3001\uff0e]|\||```|={3,}|-{3,})"
)
_SOFT_BREAK = re.compile(r"[,;:\uff0c\uff1b\uff1a\u3001|]\s*|\s+")
_WORDY = re.compile(r"\w")


def spans(text: str) -> list[tuple[int, int]]:
    """Find where the sentences of a text lie.

    A line end ends a sentence unless the text is merely wrapped there. Abbreviations, initials,
    decimals and the numbers of list items end none; citation marks after a stop belong before it.
    """
    found: list[tuple[int, int]] = []
    start = 0
    for stop in _STOP.finditer(text):
        if stop.start() >= start and _ends(text, start, stop):
            found += _trimmed(text, start, stop.end())
            start = stop.end()
    return found + _trimmed(text, start, len(text))


def split(text: str) -> list[str]:
    """List the sentences of a text."""
    return [text[start:end] for start, end in spans(text)]


def cut(text: str, n_characters: int) -> str:
    """Shorten a text to at most so many characters, at a sentence end where there is one."""
    if len(text) <= n_characters:
        return text
    ends = [end for _, end in spans(text) if end <= n_characters]
    return text[: ends[-1]] if ends else text[:n_characters].rstrip()


def _ends(text: str, start: int, stop: re.Match[str]) -> bool:
    """Tell whether the sentence that began at `start` ends at this stop."""
    mark = stop.group()
    if mark == "\n":
        return _line_ends(text, start, stop.start())
    if mark[0] in "!?.":
        # “Why?” she asked: a small letter goes on with the sentence.
        following = text[stop.end() : stop.end() + 8].lstrip()[:1]
        if following.islower() and following.isascii():
            return False
    if not mark.startswith(".") or mark.startswith(".."):
        return True
    before = text[start : stop.start() + 1]
    if _LIST_NUMBER.search(text[max(0, start - 1) : stop.start() + 1]) or re.fullmatch(
        r"\s*\d{1,3}\.", before
    ):
        return False
    if not _ABBREVIATION.search(before):
        return True
    following = text[stop.end() :].lstrip()[:1]
    return bool(_FEW_ENDINGS.search(before)) and following.isupper()


def _line_ends(text: str, start: int, at: int) -> bool:
    """Tell a line end that closes a sentence from one that merely wraps it."""
    line_start = max(start, text.rfind("\n", 0, at) + 1)
    line, rest = text[line_start:at].rstrip(), text[at + 1 :]
    after = rest[: rest.find("\n")] if "\n" in rest else rest
    if not line.strip() or not after.strip() or re.match(r"[ \t>]*(?:#{1,6}[ \t]|\|)", line):
        return True
    if _STRUCTURE.match(after):
        return True
    first = after.strip()[0]
    if cjk_share(line) > 0.5:
        wraps = re.match(rf"[{CJK}\uff0c\u3001\w]", first) is not None
        return not (wraps and len(line) >= 15 and re.search(rf"[{CJK}\uff0c\u3001]$", line))
    return not (
        len(line) >= 40
        and line[-1] not in ".!?:"
        and (first.islower() or first.isdigit() or line[-1] == ",")
    )


def _trimmed(text: str, start: int, end: int) -> list[tuple[int, int]]:
    """Drop blanks and list marks around a span; nothing if no word is left; cut it if too long."""
    opener = _OPENER.match(text, start, end)
    start = opener.end() if opener else start
    while end > start and text[end - 1].isspace():
        end -= 1
    if not _WORDY.search(text, start, end):
        return []
    return list(_pieces(text, start, end))


def _pieces(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Cut what is too long at the last comma or blank that fits."""
    while end - start > MAX_SENTENCE:
        breaks = [
            soft.end()
            for soft in _SOFT_BREAK.finditer(text, start + MAX_SENTENCE // 2, start + MAX_SENTENCE)
        ]
        at = breaks[-1] if breaks else start + MAX_SENTENCE
        yield start, start + len(text[start:at].rstrip())
        start = at + len(text[at:end]) - len(text[at:end].lstrip())
    if start < end:
        yield start, end
