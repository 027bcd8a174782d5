"""Text in, spans of sentences, lines or halves out; English and Chinese; pure."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

Span = tuple[int, int]

_CLOSERS = "\"'”’»)]}）】」』》"
_END = re.compile(
    rf"[。！？；｡]+[{re.escape(_CLOSERS)}]*"  # Chinese and Japanese ends need no space after them
    rf"|(?:[.!?]+|…+)[{re.escape(_CLOSERS)}]*(?=\s)"
    r"|\n[ \t\r]*\n"
)
_ABBREVIATION = re.compile(
    r"(?:^|[\s(])(?:[A-Z]|(?:[A-Za-z]\.)+[A-Za-z]|Mr|Mrs|Ms|Dr|Prof|St|Jr|Sr|vs|etc|cf|al|No|Nos|Fig|"
    r"Figs|Eq|Sec|Ch|Vol|pp|p|approx|Inc|Ltd|Co|Corp|Jan|Feb|Mar|Apr|Jun|Jul|Aug|Sep|Sept|Oct|"
    r"Nov|Dec)\.$"
)
# Where a run without sentence ends is best cut, best first.
_CUTS = (
    re.compile(r"\n+"),
    re.compile(r"[,;:，、：—]+\s*"),
    re.compile(r"\s+"),
)


def trimmed(text: str, start: int, end: int) -> Span:
    """Move both ends of a span inward past white space."""
    while start < end and text[start].isspace():
        start += 1
    while end > start and text[end - 1].isspace():
        end -= 1
    return start, end


def sentence_spans(text: str, start: int, end: int) -> Iterator[Span]:
    """Yield the trimmed sentences of a span; all that is not blank is in one of them."""
    begin = start
    for match in _END.finditer(text, start, end):
        if not _is_sentence_end(text, begin, match):
            continue
        yield from _span(text, begin, match.end())
        begin = match.end()
    yield from _span(text, begin, end)


def _is_sentence_end(text: str, begin: int, match: re.Match[str]) -> bool:
    if match.group() != ".":
        return True
    if _ABBREVIATION.search(text, max(begin, match.start() - 12), match.end()):
        return False
    following = text[match.end() : match.end() + 4].lstrip()
    return not following[:1].islower()


def line_spans(text: str, start: int, end: int) -> Iterator[Span]:
    """Yield the trimmed lines of a span: rows of a table, items of a list, lines of code."""
    begin = start
    while begin < end:
        newline = text.find("\n", begin, end)
        stop = end if newline < 0 else newline
        yield from _span(text, begin, stop)
        begin = stop + 1


def cut_in_half(text: str, start: int, end: int) -> list[Span]:
    """Cut a span near its middle: at a line end, a comma or a space, else between characters.

    Returns:
        One or two trimmed spans, the first shorter than the whole if it has two characters or more.
    """
    middle = (start + end) // 2
    reach = max(1, (end - start) // 4)
    at = _best_cut(text, max(start + 1, middle - reach), min(end, middle + reach), middle)
    if at is None:
        at = _between_characters(text, start, end, middle)
    return [*_span(text, start, at), *_span(text, at, end)]


def _best_cut(text: str, low: int, high: int, middle: int) -> int | None:
    for pattern in _CUTS:
        places = [match.end() for match in pattern.finditer(text, low, high) if match.end() < high]
        if places:
            return min(places, key=lambda place: abs(place - middle))
    return None


def _between_characters(text: str, start: int, end: int, middle: int) -> int:
    """Avoid cutting before a combining mark or inside a joined emoji, where there is a choice."""
    for at in range(middle, min(end, middle + 16)):
        if at > start and not _is_joined(text[at - 1], text[at]):
            return at
    return max(start + 1, middle)


def _is_joined(left: str, right: str) -> bool:
    joiners = "\u200d\ufe0f"
    return (
        unicodedata.combining(right) > 0
        or left == "\u200d"
        or right in joiners
        or "\U0001f3fb" <= right <= "\U0001f3ff"
    )


def _span(text: str, start: int, end: int) -> Iterator[Span]:
    start, end = trimmed(text, start, end)
    if start < end:
        yield start, end
