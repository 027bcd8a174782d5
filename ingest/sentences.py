"""Text in, spans of sentences, lines or halves out; English and Chinese; pure.

One rule says where sentences end. `sentence_spans` covers everything, for cutting; `spans` leaves
out list marks and wordless lines and bounds the length, for citing.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

Span = tuple[int, int]

MAX_SENTENCE = 400  # characters; what is longer is cited in pieces, cut at a comma or blank

CJK = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
_CJK_ONE = re.compile(rf"[{CJK}]")
_LETTER = re.compile(r"[^\W\d_]")
_MARKS = r"(?:\s?\[\d+(?:\s*[,\u3001\uff0c]\s*\d+)*\]|\s?\u3010\d+\u3011)*"
_CLOSERS = "[\"'\u201d\u2019\u300d\u300f\uff09)\\]\u3011\u300b]*"
_AHEAD = rf"(?=[\s\"'\u201d\u2019)\]\[{CJK}]|$)"
_STOP = re.compile(
    rf"(?:[\u3002\uff01\uff1f\uff1b\uff61\u2026]+|[!?]+{_AHEAD}|\.+{_AHEAD})"
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
_BARE_NUMBER = re.compile(r"\s*\d{1,3}\.")
_OPENER = re.compile(
    r"[\s>]*(?:#{1,6}[ \t]+|[-*+\u2022\u00b7\u2013][ \t]+"
    r"|\(?\d{1,3}[.)\u3001\uff0e][ \t]*(?!\d)|\|[ \t]*)*"
)
_STRUCTURE = re.compile(
    r"[ \t>]*(?:#{1,6}[ \t]|[-*+\u2022\u00b7][ \t]|\(?\d{1,3}[.)\u3001\uff0e]|\||```|={3,}|-{3,})"
)
_ROW = re.compile(r"[ \t>]*(?:#{1,6}[ \t]|\|)")
_SOFT_BREAK = re.compile(r"[,;:\uff0c\uff1b\uff1a\u3001|]\s*|\s+")
_WORDY = re.compile(r"\w")
_LOOK_BACK = 24  # characters: longer than any abbreviation or list number
_LOOK_ALONG = 200  # characters of a line that say whether it is merely wrapped
# Where a run without sentence ends is best cut, best first.
_CUTS = (
    re.compile(r"\n+"),
    re.compile(r"[,;:，、：—]+\s*"),
    re.compile(r"\s+"),
)


def sentence_spans(text: str, start: int, end: int) -> Iterator[Span]:
    """Yield the trimmed sentences of a span; all that is not blank is in one of them."""
    for begin, stop in _whole(text, start, end):
        yield from _span(text, begin, stop)


def spans(text: str) -> list[Span]:
    """Find where the sentences of a text lie, without list marks, none longer than the maximum.

    A line end ends a sentence unless the text is merely wrapped there. Abbreviations, initials,
    decimals and the numbers of list items end none; citation marks after a stop belong before it.
    """
    return [piece for whole in _whole(text, 0, len(text)) for piece in _citable(text, *whole)]


def split(text: str) -> list[str]:
    """List the sentences of a text."""
    return [text[start:end] for start, end in spans(text)]


def cut(text: str, n_characters: int) -> str:
    """Shorten a text to at most so many characters, at a sentence end where there is one."""
    if len(text) <= n_characters:
        return text
    ends = [end for _, end in spans(text) if end <= n_characters]
    return text[: ends[-1]] if ends else text[:n_characters].rstrip()


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
    if end - start < 2:
        return list(_span(text, start, end))
    middle = (start + end) // 2
    reach = max(1, (end - start) // 4)
    at = _best_cut(text, max(start + 1, middle - reach), min(end, middle + reach), middle)
    if at is None:
        at = _between_characters(text, start, end, middle)
    return [*_span(text, start, at), *_span(text, at, end)]


def trimmed(text: str, start: int, end: int) -> Span:
    """Move both ends of a span inward past white space."""
    while start < end and text[start].isspace():
        start += 1
    while end > start and text[end - 1].isspace():
        end -= 1
    return start, end


def _whole(text: str, start: int, end: int) -> Iterator[Span]:
    """Yield the sentences of a span with all between them."""
    begin = start
    for stop in _STOP.finditer(text, start, end):
        if stop.start() >= begin and _ends(text, begin, stop, end):
            yield begin, stop.end()
            begin = stop.end()
    if begin < end:
        yield begin, end


def _ends(text: str, start: int, stop: re.Match[str], end: int) -> bool:
    """Tell whether the sentence that began at `start` ends at this stop."""
    mark = stop.group()
    if mark == "\n":
        return _line_ends(text, start, stop.start(), end)
    following = text[stop.end() : min(end, stop.end() + 8)].lstrip()[:1]
    # “Why?” she asked: a small letter goes on with the sentence.
    if mark[0] in "!?." and following.islower() and following.isascii():
        return False
    if not mark.startswith(".") or mark.startswith(".."):
        return True
    at = stop.start() + 1
    before = text[max(start, at - _LOOK_BACK) : at]
    if _LIST_NUMBER.search(text[max(0, start - 1, at - _LOOK_BACK) : at]):
        return False
    if at - start <= _LOOK_BACK and _BARE_NUMBER.fullmatch(before):
        return False
    if not _ABBREVIATION.search(before):
        return True
    return bool(_FEW_ENDINGS.search(before)) and following.isupper()


def _line_ends(text: str, start: int, at: int, end: int) -> bool:
    """Tell a line end that closes a sentence from one that merely wraps it."""
    line_start = max(start, text.rfind("\n", start, at) + 1)
    newline = text.find("\n", at + 1, min(end, at + 1 + _LOOK_ALONG))
    after = text[at + 1 : newline if newline >= 0 else min(end, at + 1 + _LOOK_ALONG)].strip()
    line = text[max(line_start, at - _LOOK_ALONG) : at].rstrip()
    if not line.strip() or not after:
        return True
    if _ROW.match(text, line_start, at) or _STRUCTURE.match(text, at + 1, end):
        return True
    first = after[0]
    if _cjk_share(line) > 0.5:
        wraps = re.match(rf"[{CJK}\uff0c\u3001\w]", first) is not None
        return not (wraps and len(line) >= 15 and re.search(rf"[{CJK}\uff0c\u3001]$", line))
    return not (
        len(line) >= 40
        and line[-1] not in ".!?:"
        and (first.islower() or first.isdigit() or line[-1] == ",")
    )


def _cjk_share(text: str) -> float:
    n_letters = 0 if text.isascii() else len(_LETTER.findall(text))
    return len(_CJK_ONE.findall(text)) / n_letters if n_letters else 0.0


def _citable(text: str, start: int, end: int) -> Iterator[Span]:
    """Drop blanks and list marks around a span; nothing if no word is left; cut it if too long."""
    opener = _OPENER.match(text, start, end)
    start = opener.end() if opener else start
    end = trimmed(text, start, end)[1]
    if not _WORDY.search(text, start, end):
        return
    while end - start > MAX_SENTENCE:
        breaks = [
            soft.end()
            for soft in _SOFT_BREAK.finditer(text, start + MAX_SENTENCE // 2, start + MAX_SENTENCE)
        ]
        at = breaks[-1] if breaks else start + MAX_SENTENCE
        yield start, trimmed(text, start, at)[1]
        start = trimmed(text, at, end)[0]
    if start < end:
        yield start, end


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
