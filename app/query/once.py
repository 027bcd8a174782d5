"""An answer as it is written → the same with nothing said twice, and whether it circles; pure.

A small model often says its sentence again, with the same mark or another, and then again until it
is stopped. What begins like something that was said is held back until it turns out to differ.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from app.query import sentences
from app.query.verify import without_marks
from app.query.words import CJK, fold

MAX_IN_ROW = 2  # repetitions after one another: the next one would only be one more
MAX_EQUAL = 8  # times that a word may stand in a list: yes, no, yes
MAX_SHORT = 3  # times that a short item may
SHORT = 24  # letters of an item that may stand in a list again, as a town does; of Chinese half
PERIODS = 4  # times in a row that the same words make a circle
MIN_CIRCLE, MIN_CIRCLE_TABLE = 16, 64  # words in all of them; a table may be full of zeros
MAX_PERIOD = 30  # words; what is longer has ends and is found as sentences
_TAIL = 1_200  # characters that are looked at for circles

_STRUCTURE = re.compile(r"^\s*(?:[-*+\u2022\u00b7|>#]|\(?\d{1,3}[.)\u3001\uff0e](?!\d))\s*")
_NUMBER = re.compile(r"\s*\(?\d{1,3}[.)\u3001\uff0e]?\s*$")
_MARK_END = re.compile(r"[\]\u3011]\s*$")
_MARK_OPEN = re.compile(r"[ \t]*[\[\u3010][^\]\u3011\n]{0,24}$")
_STOPPED = re.compile(
    r"(?:\n|[.!?\u3002\uff01\uff1f\uff1b\u2026\]\u3011][\"'\u201d\u2019)*_]*)\s*$"
)
_GOES_ON = frozenset(".,;:!?)]}[\u3010\uff0c\u3002\uff1b\uff1a\u3001\uff01\uff1f\uff09")
_CLOSERS = frozenset("\"'\u201d\u2019*_")
_MARK = re.compile(r"\[\d[^\]\n]{0,20}\]|\u3010\d[^\u3011\n]{0,20}\u3011")
_EMPHASIS = re.compile(r"[*_`\"\u201c\u201d]+")
_ENDS = " \t\n.,;:!?|\u3002\uff0c\uff1b\uff1a\uff01\uff1f\u2026"
_WORD = re.compile(rf"[{CJK}]|[^\W_{CJK}]+(?:[.,][^\W_{CJK}]+)*")
_DIGIT = re.compile(r"\d")
_CJK_ONE = re.compile(rf"[{CJK}]")
_FENCE = "```"


class Once:
    """Lets pass what was not said before.

    However the answer is cut into pieces, what passes is the same.
    """

    def __init__(self) -> None:
        self._passed: list[str] = []
        self._known: list[str] = []  # units that passed, in one spelling
        self._unit = ""  # as far as it has come
        self._n_shown = 0  # of its characters
        self._is_new = False  # it differs from all that is known
        self._in_row = 0
        self._n_left_out = 0

    @property
    def is_circling(self) -> bool:
        """Whether the answer repeats itself and will go on so."""
        return self._in_row >= MAX_IN_ROW or circle(self._written) is not None

    @property
    def text(self) -> str:
        """What passed; of words that went round in circles, the first round."""
        at = circle(self._written)
        return self._written if at is None else self._written[:at].rstrip()

    @property
    def is_cut(self) -> bool:
        """Whether more has passed than `text` holds."""
        return circle(self._written) is not None

    @property
    def notices(self) -> tuple[str, ...]:
        """What the trace should tell of it."""
        told = []
        if self._n_left_out:
            told.append(f"the model repeated itself: {self._n_left_out} sentences left out")
        if self.is_circling:
            told.append("the model was stopped: it went in circles")
        return tuple(told)

    def push(self, piece: str) -> str:
        """Take a piece; give what may pass by now."""
        return self._pass("".join(self._take(one) for one in piece))

    def finish(self) -> str:
        """Give what is left; a sentence that breaks off in a repetition is none."""
        if self._in_row and not self._is_new:
            self._unit = ""
        return self._pass(self._close())

    @property
    def _written(self) -> str:
        return "".join(self._passed)

    def _pass(self, text: str) -> str:
        self._passed.append(text)
        return text

    def _take(self, character: str) -> str:
        closed = self._close() if self._ends_before(character) else ""
        self._unit += character
        if not self._is_new:
            so_far = spelled(_NUMBER.sub("", _MARK_OPEN.sub("", self._unit)))
            self._is_new = bool(so_far) and not any(one.startswith(so_far) for one in self._known)
        if not self._is_new:
            return closed
        shown, self._n_shown = self._unit[self._n_shown :], len(self._unit)
        return closed + shown

    def _ends_before(self, character: str) -> bool:
        if character.isspace() or character in _GOES_ON or not _STOPPED.search(self._unit):
            return False
        if character in _CLOSERS and not self._unit[-1].isspace():
            return False
        if not spelled(self._unit):
            return False  # the number of a list item, a mark
        if _MARK_END.search(self._unit):
            return character.isupper() or _CJK_ONE.match(character) is not None
        if _STRUCTURE.match(character) and self._unit.endswith("\n"):
            return True
        found = sentences.spans(f"{self._unit}{character}x")
        return bool(found) and found[-1][0] >= len(self._unit)

    def _close(self) -> str:
        """End the unit: give what has not been shown of it, if it may be."""
        unit, n_shown = self._unit, self._n_shown
        self._unit, self._n_shown, is_new, self._is_new = "", 0, self._is_new, False
        said = spelled(unit)
        is_code = self._written.count(_FENCE) % 2 == 1 or _FENCE in unit
        if said and not is_new and not is_code and is_repeated(said, self._known, is_item(unit)):
            self._in_row += 1
            self._n_left_out += 1
            return ""
        if said:
            self._known.append(said)
            self._in_row = 0
        return unit[n_shown:]


def is_repeated(said: str, known: Sequence[str], in_list: bool) -> bool:
    """Tell whether a sentence or line says only what was said before.

    Short cells of a list may be equal: "yes" or "5 EUR" in each, the same town in two. The same
    item right after itself is told twice, unless it is one word or holds a number.
    """
    n = known.count(said)
    if not n:
        return False
    is_again = known[-1] == said
    n_cjk = len(_CJK_ONE.findall(said))
    is_short = len(said) + n_cjk <= SHORT
    if (" " not in said and n_cjk <= 4) or (in_list and is_short and _DIGIT.search(said)):
        return n >= MAX_EQUAL or (is_again and not in_list)
    return not (in_list and is_short) or n >= MAX_SHORT or is_again


def is_item(unit: str) -> bool:
    """Tell whether a line belongs to a list or a table."""
    return _STRUCTURE.match(unit) is not None


def spelled(unit: str) -> str:
    """Spell a sentence for comparison: without marks, list signs, emphasis and its end."""
    plain = _EMPHASIS.sub("", without_marks(_STRUCTURE.sub("", unit, count=1)))
    return " ".join(fold(plain).split()).strip(_ENDS)


def circle(text: str) -> int | None:
    """Find where words begin to go round at the end of a text: after their first round.

    None if they do not. A circle is the same words four times in a row, sixteen in all.
    """
    begin = max(0, len(text) - _TAIL)
    tail = _MARK.sub(lambda mark: " " * len(mark.group()), text[begin:])
    found = list(_WORD.finditer(tail))
    words = [one.group().casefold() for one in found]
    line = text[text.rfind("\n") + 1 :]
    least = MIN_CIRCLE_TABLE if "|" in line or text.count(_FENCE) % 2 else MIN_CIRCLE
    for period in range(1, min(MAX_PERIOD, len(words) // PERIODS) + 1):
        n = 0
        while n + period < len(words) and words[-1 - n] == words[-1 - n - period]:
            n += 1
        if n + period >= max(least, PERIODS * period):
            return begin + found[len(words) - n].start()
    return None
