"""A question in, a title of one line out; pure."""

from __future__ import annotations

import re
import unicodedata

MAX_TITLE = 60  # characters of a title made here
_MIN_SHARE = 0.4  # of those: a word boundary before it leaves too little, so the word is cut

_JOINERS = "\u200c\u200d"  # within words of some scripts, and within emoji
_CUT_AT = re.compile(r"(?<=[\s\u3000-\u303f\uff00-\uff0f\uff1a-\uff20])")  # also after 。，：？
_ALPHABETIC = re.compile(r"[^\W\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u2e80-\U0003ffff]")


def title_of(question: str) -> str:
    """Take the first line that says something, cut at a word."""
    lines = (one_line(line) for line in question.splitlines())
    return shortened(next((line for line in lines if line), ""))


def one_line(text: str) -> str:
    """Put a text on one line, without what cannot be seen or turns the direction of reading."""
    return " ".join("".join(map(_visible, text)).split())


def shortened(line: str, limit: int = MAX_TITLE) -> str:
    """Cut a line behind a word or, where words have no gaps, behind a character."""
    if len(line) <= limit:
        return line
    at = limit - 1  # an ellipsis follows
    if _ALPHABETIC.match(line[at]) and _ALPHABETIC.match(line[at - 1]):
        gaps = [found.start() for found in _CUT_AT.finditer(line, 0, at + 1)]
        starts = [*gaps, *(i for i in range(1, at) if _is_seam(line, i))]
        at = max((one for one in starts if one >= limit * _MIN_SHARE and one <= at), default=at)
    while at > 1 and _is_attached(line[at], line[at - 1]):
        at -= 1
    return line[:at].rstrip() + "…"


def _is_seam(line: str, at: int) -> bool:
    """Whether a word in letters begins where one in characters ends, or the other way round."""
    before, after = line[at - 1], line[at]
    return bool(_ALPHABETIC.match(before)) != bool(_ALPHABETIC.match(after)) and not (
        after in "'’-_.@" or before in "'’-_.@"
    )


def _is_attached(character: str, before: str) -> bool:
    """Whether a character belongs to the one before it: an accent, a part of an emoji."""
    return (
        unicodedata.category(character) in ("Mn", "Me", "Mc")
        or character in _JOINERS
        or before == "\u200d"
        or "\U0001f3fb" <= character <= "\U0001f3ff"
    )


def _visible(character: str) -> str:
    if character in _JOINERS:
        return character
    return " " if unicodedata.category(character) in ("Cc", "Cf", "Cs", "Zl", "Zp") else character
