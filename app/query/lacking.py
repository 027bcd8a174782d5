"""A Chinese question and passages in, what the passages lack of it out; pure.

Chinese has no blanks, so a question is read character by character: one is there if a passage
holds it together with the character before or after it. A pair that straddles two words stands
nowhere, and would be missed in every passage if pairs were counted.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Sequence
from functools import lru_cache

from app.query.sought import above, folded_sentences, idf, terms_in, terms_in_folded, whole
from app.query.words import content_terms, content_words, fold, is_cjk
from ingest.types import Hit

# Words of asking, which no answer repeats: with the measure of what is counted (多少天).
_ASKING = re.compile(
    "怎么办|怎么做|怎么样|什么时间|什么地方|什么地区|什么原因|什么样子|什么名字|应该|应当|能否|可以|可能"
    "|大约|大概|通常|一般|主要|分别|具体|曾经|目前|现在|一共|总共|共有|叫做|叫什么|称为|之一|时候|时期"
    "|时间|地方|名字|哪天|多高|多远|哪一?[年月日天个位种]|有?(?:多少|几)[个天年月日次人名位家座元米种条只]?|[叫时]"
)
_DATE = re.compile(r"\d{3,4}\s*年|\d+\s*[年月日]|世纪|年代|\b(?:1\d|20)\d\d\b")
_NUMBER = re.compile(r"\d|[一二三四五六七八九十百千万亿两]")
_KINDS = (  # what is asked for → what a sentence that tells it has
    (re.compile("什么时候|何时|哪一?年|哪一?天|什么时间|几年|哪一?月|年份"), _DATE),
    (re.compile("多少|几[^乎]|多大|多长|多高|多久|多远|第几"), _NUMBER),
    (
        re.compile("哪里|哪儿|什么地方|何处|什么地区|哪些地方|哪个(?:国|省|市|县|地)"),
        re.compile("位于|[在省市县国区州岛山河洋海地镇村路街]"),
    ),
    (re.compile("为什么|为何|原因"), re.compile("由于|所以|原因|为了|导致|[因故使]")),
    (re.compile("谁|哪位|什么人"), re.compile("[人者家师王帝将长·父母子]")),
)

Units = tuple[tuple[str, ...], ...]


def missing(question: str, known: Sequence[Hit], passages: Sequence[Hit]) -> float:
    """Tell how much of a question the passage that holds most of it lacks.

    Args:
        known: all that was found; what many of them hold counts little.

    Returns:
        A number of characters: one that stands nowhere counts 1.
    """
    units = _units(question)
    if not units or not passages:
        return 0.0
    pairs = _pairs(units)
    counts = Counter(at for hit in known for at in _held(units, terms_in(pairs, whole(hit))))
    weights = [idf(len(known), counts[at]) for at in range(len(units))]
    there = (
        sum(weights[at] for at in _held(units, terms_in(pairs, whole(hit)))) for hit in passages
    )
    return max(0.0, sum(weights) - max(there)) / idf(len(known), 0)


def lacks_kind(question: str, passages: Sequence[Hit]) -> bool:
    """Tell whether the sentence that fits best has nothing of the kind that is asked for.

    A question for a date wants one, and one for a number another than its own.
    """
    asked = fold(question)
    wanted = next((told for asks, told in _KINDS if asks.search(asked)), None)
    if wanted is None:
        return False
    units = _units(question)
    pairs = _pairs(units)
    best, most = "", -1
    for hit in passages:
        titled = terms_in(pairs, above(hit))
        for folded in folded_sentences(hit.text):
            n_held = len(_held(units, titled | terms_in_folded(pairs, folded)))
            if n_held > most:
                best, most = folded, n_held
    if wanted in (_DATE, _NUMBER):
        for pair in pairs:
            best = best.replace(pair, " ")
    return wanted.search(best) is None


@lru_cache(maxsize=64)
def _units(question: str) -> Units:
    """List what a question is about: a character with the pairs that it is in, or a word."""
    found: list[tuple[str, ...]] = []
    for word in content_words(_ASKING.sub(" ", fold(question))):
        if not is_cjk(word):
            found += [(term,) for term in content_terms(word)]
            continue
        pairs = [word[at : at + 2] for at in range(len(word) - 1)]
        found += [tuple(pairs[max(0, at - 1) : at + 1]) or (word,) for at in range(len(word))]
    return tuple(found)


def _held(units: Units, pairs: Collection[str]) -> list[int]:
    return [at for at, unit in enumerate(units) if any(pair in pairs for pair in unit)]


def _pairs(units: Units) -> tuple[str, ...]:
    return tuple(dict.fromkeys(pair for unit in units for pair in unit))
