"""Two passages → whether they say the same; pure.

Copies of a text differ in blanks, marks or a running title. What differs in a number, a name or a
negation says something else, however alike it looks.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from app.query.polarity import Polarity, apart
from app.query.words import fold, is_cjk, names, numbers

ALIKE = 0.9  # share of the shingles of both that both must have
_SHINGLE = 3  # words
_FEW = 12  # shingles; a shorter text is compared as a whole
_PIECE = re.compile(r"[^\W_]+")


@dataclass(frozen=True, slots=True)
class Sameness:
    """What two texts are compared by."""

    text: str  # folded, blanks made one
    shingles: frozenset[str]  # three words in a row, pairs of characters in Chinese
    facts: tuple[frozenset[str], frozenset[str], Polarity]  # numbers, names, what it denies


@lru_cache(maxsize=512)
def sameness_of(text: str) -> Sameness:
    """Read a text once, to compare it with others."""
    folded = " ".join(fold(text).split())
    return Sameness(folded, _shingles(folded), (numbers(text), names(text), apart(folded)[1]))


def says_the_same(one: Sameness, other: Sameness) -> bool:
    """Tell whether the other text holds this one, or both are copies of one.

    Source: shingling and resemblance as in Broder 1997, “On the resemblance and containment of
    documents”.
    """
    if one.text in other.text:
        return True
    if min(len(one.shingles), len(other.shingles)) < _FEW or one.facts != other.facts:
        return False
    n_common = len(one.shingles & other.shingles)
    return n_common >= ALIKE * len(one.shingles | other.shingles)


def _shingles(folded: str) -> frozenset[str]:
    words: list[str] = []
    found: set[str] = set()
    for piece in _PIECE.findall(folded):
        if is_cjk(piece):
            found.update(piece[at : at + 2] for at in range(len(piece) - 1))
        else:
            words.append(piece)
    found.update(
        " ".join(words[at : at + _SHINGLE]) for at in range(max(0, len(words) - _SHINGLE + 1))
    )
    return frozenset(found)
