"""Terms of a question and a text in, which of them the text holds and what they weigh out; pure.

A search sees a hundred texts for the first time and asks each for ten terms. Such a text is
searched, not taken apart as by `words.hold`.
"""

from __future__ import annotations

import math
import re
from functools import lru_cache

from app.query.words import CJK, fold, is_cjk, stem
from ingest.types import Hit

_LETTER = re.compile(rf"[^\W_{CJK}]")
_LETTERS = re.compile(rf"[^\W_{CJK}]*")
_STOPS = re.compile(r"[.!?]\s+|[\u3002\uff01\uff1f\uff1b\n]+\s*")


@lru_cache(maxsize=1024)  # a search asks each of its texts for the same terms again
def terms_in(terms: tuple[str, ...], text: str) -> frozenset[str]:
    """Tell which terms of `content_terms` a text holds; says what `words.hold` says."""
    return terms_in_folded(terms, fold(text))


def terms_in_folded(terms: tuple[str, ...], folded: str) -> frozenset[str]:
    """Tell which terms of `content_terms` a text holds that has gone through `fold`."""
    return frozenset(
        term
        for term, stump, is_run in _stumps(terms)
        if stump in folded and (is_run or _has_form(term, stump, folded))
    )


@lru_cache(maxsize=256)
def _stumps(terms: tuple[str, ...]) -> tuple[tuple[str, str, bool], ...]:
    """Give each term with what all its forms begin with: cit(y, ies).

    Returns:
        (term, stump, whether it is CJK: then it counts wherever it stands).
    """
    return tuple(
        (term, term, True) if is_cjk(term) else (term, term[:-1] if len(term) > 3 else term, False)
        for term in terms
    )


def _has_form(term: str, stump: str, folded: str) -> bool:
    at = folded.find(stump)
    while at >= 0:
        if not (at and _LETTER.match(folded, at - 1)):
            rest = _LETTERS.match(folded, at + len(stump))
            if stem(folded[at : rest.end() if rest else None]) == term:
                return True
        at = folded.find(stump, at + 1)
    return False


@lru_cache(maxsize=1024)
def folded_sentences(text: str) -> tuple[str, ...]:
    """Cut a text roughly: whether a stop ends an abbreviation matters little here."""
    lines = "\n".join(_STOPS.split(text))  # none has a line break, and folding makes none
    return tuple(one for one in fold(lines).split("\n") if one)


def idf(n_texts: int, n_holding: int) -> float:
    """Tell what a term weighs that so many of the texts hold."""
    return math.log(1 + (n_texts - n_holding + 0.5) / (n_holding + 0.5))


def whole(hit: Hit) -> str:
    """Give a passage with what stands above it."""
    return f"{above(hit)}\n{hit.text}"


def above(hit: Hit) -> str:
    """Give the title and the headings of a passage."""
    return "\n".join((hit.title, *hit.headings))
