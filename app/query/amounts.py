"""A clause of an answer + a clause of the evidence → the quantity told without its fellow; pure.

"5 to 10 days" is not "10 days", "from 3 to 5 million" not "to 3 million", "20 percent of the
students" not "the students", "the third longest" not "the longest".
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from app.query.quantities import MASK, Quantity, held_by
from app.query.words import CJK

_M = "[\ue000-\uf8ff]"
_RANGE = re.compile(
    rf"(?P<from>\bfrom\s+|\b[Bb]etween\s+|[从由自]\s*)?"
    rf"({_M})\s*(?:to|and|-|\u2013|\u2014|~|\uff5e|至|到)\s*({_M})"
)
_SHARE = re.compile(rf"({_M})\s+of\s+(?=[a-z])|({_M})\s*的")
_RANKED = re.compile(rf"({_M})[\s-]+(?:most\b|least\b|[a-z]{{2,}}est\b)")
_ROLES = (
    (re.compile(r"(?:[从由自]|\bfrom)\s*$", re.IGNORECASE), "from"),
    (re.compile(r"(?:[到至达]|\b(?:to|into))\s*$"), "to"),
    (re.compile(r"(?:[增减升降涨跌长加少低高]了?|\bby)\s*$"), "by"),
)


def torn(
    told: str, given: str, mine: Sequence[Quantity], theirs: Sequence[Quantity]
) -> Quantity | None:
    """Find a quantity of the evidence without which the answer tells something else.

    Args:
        told: the answer's clause, its quantities as masks.
        given: that of the evidence.
        mine: the quantities of the answer, by mask.
        theirs: those of the evidence.
    """
    kept = [mine[ord(one) - MASK] for one in re.findall(_M, told)]

    def is_told(mask: str) -> bool:
        return any(held_by(one, theirs[ord(mask) - MASK]) for one in kept)

    for found in _RANGE.finditer(given):
        low, high = found.group(2), found.group(3)
        prefix = (found.group("from") or "").strip().casefold()
        is_range = prefix == "between" if " and " in found.group() else prefix != "from"
        is_range = is_range and prefix not in tuple("从由自")
        # Ohm and Weber earned 700 and 900 euros.
        is_range = is_range or (" and " in found.group() and given.count(" and ") > 1)
        both = (theirs[ord(low) - MASK], theirs[ord(high) - MASK])
        if is_range and all(one.kind == "number" for one in both) and is_told(low) != is_told(high):
            return both[is_told(low)]
    for found in _SHARE.finditer(given):
        mask = found.group(1) or found.group(2)
        quantity = theirs[ord(mask) - MASK]
        is_part = given[: found.start()].rstrip().endswith("分之")
        is_share = found.group(1) or is_part or "%" in quantity.units or "分之" in quantity.text
        is_lost = is_share and quantity.kind == "number" and not is_told(mask)
        if is_lost and _goes_on(told, given, found.end()):
            return quantity
    for found in _RANKED.finditer(given):
        word = re.split(r"[\s-]+", found.group())[-1]
        if not is_told(found.group(1)) and re.search(rf"\b{word}\b", told):
            return theirs[ord(found.group(1)) - MASK]
    return _exchanged(told, given, mine, theirs)


def _goes_on(told: str, given: str, end: int) -> bool:
    """Whether the answer takes over what the share is of."""
    rest = given[end:].strip()
    if re.match(rf"[{CJK}]", rest):
        return rest[:2] in told
    words = [one for one in re.findall(r"[a-z]+", rest.casefold()) if one not in _ARTICLES]
    return bool(words) and words[0] in told.casefold()


_ARTICLES = frozenset(("the", "all", "its", "his", "her", "their", "these", "those", "a", "an"))


def _exchanged(
    told: str, given: str, mine: Sequence[Quantity], theirs: Sequence[Quantity]
) -> Quantity | None:
    """Find a quantity that was reached in the one and added or left behind in the other."""
    there = _roles(given)
    for mask, role in _roles(told):
        quantity = mine[ord(mask) - MASK]
        roles = [other for one, other in there if held_by(quantity, theirs[ord(one) - MASK])]
        is_both = quantity.kind == "number" and role and roles
        if is_both and all(one and one != role for one in roles):
            return quantity
    return None


def _roles(text: str) -> list[tuple[str, str]]:
    """List the masks of a text with what stands before each: from, to, by or nothing."""
    told = []
    for found in re.finditer(_M, text):
        before = text[: found.start()]
        told.append((found.group(), next((one for way, one in _ROLES if way.search(before)), "")))
    return told
