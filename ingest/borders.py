"""Sizes and priorities of atoms in, places to cut out, each decided by what lies near it; pure.

A place is a cut if it is the best one of a stretch that is longer than the limit. Both the stretch
and the choice depend on the surroundings alone, so an edit moves the cuts beside it and no others:
the cuts fall into step again, wherever the text was changed.

Source: local minima as cut places, Bjørner, Blass and Gurevich 2010, "Content-dependent chunking
for differential compression, the local maximum approach"; the stretches are those of a treap,
Seidel and Aragon 1996.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from hashlib import blake2b
from itertools import accumulate, pairwise

Priority = tuple[int, int]  # (rank, hash): lower is a better place to cut

_HEAD_CHARACTERS = 32
_NEAREST = 0.3  # share of the limit between two cuts, and between a cut and the end of a run
_DETOUR = 0.25  # share of the limit that a cut in two may lie off the middle for a better rank
_HASH_BITS, _PLACE_BITS = 64, 40  # of a priority's hash, of an atom's number
_MARGIN = 0.4  # share of the limit kept at both ends of a stretch that has no local minimum


def fingerprint(text: str, start: int, end: int) -> int:
    """Hash the first words of what follows a place: an edit further on leaves the place alone."""
    head = text[start : min(end, start + _HEAD_CHARACTERS)]
    return int.from_bytes(
        blake2b(head.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "big"
    )


def cuts(sizes: Sequence[int], priorities: Iterable[Priority], limit: int) -> list[int]:
    """Cut a run of atoms into stretches that are within the limit unless one atom is not.

    Args:
        priorities: for each atom that of the place before it; the first one's means nothing.

    Returns:
        The numbers of the atoms that a stretch starts with, in order, without the first.
    """
    offsets = [0, *accumulate(sizes)]
    if offsets[-1] <= limit:
        return []
    order = [_order(priority, at) for at, priority in enumerate(priorities)]
    if halves := _in_two(offsets, order, limit):
        return halves
    chosen = _worth_a_cut(offsets, order, _local_minima(offsets, order, _NEAREST * limit), limit)
    for start, end in list(pairwise([0, *chosen, len(sizes)])):
        chosen += _divided(offsets, order, start, end, limit)
    return sorted(chosen)


def _order(priority: Priority, at: int) -> int:
    """Put rank, hash and place into one number: of a book's atoms, tuples are half a gigabyte."""
    return ((priority[0] << _HASH_BITS | priority[1]) << _PLACE_BITS) | at


def _in_two(offsets: Sequence[int], order: Sequence[int], limit: int) -> list[int]:
    """Cut a run that makes two stretches near its middle: an edit costs both at most."""
    total = offsets[-1]
    low, high = max(_NEAREST * limit, total - limit), min(total - _NEAREST * limit, limit)
    places = [at for at in range(1, len(order)) if low <= offsets[at] <= high]
    return sorted(
        places,
        key=lambda at: abs(offsets[at] - total / 2) + _rank(order[at]) * _DETOUR * limit,
    )[:1]


def _rank(order: int) -> int:
    return order >> (_HASH_BITS + _PLACE_BITS)


def _local_minima(offsets: Sequence[int], order: Sequence[int], reach: float) -> list[int]:
    """Find the places that are better than all others within reach, not too near the ends."""
    found: list[int] = []
    last = len(order)
    for at in range(1, last):
        here = offsets[at]
        if here < reach or offsets[-1] - here < reach:
            continue
        before, after = at - 1, at + 1
        while before > 0 and here - offsets[before] < reach and order[before] > order[at]:
            before -= 1
        if before > 0 and here - offsets[before] < reach:
            continue
        while after < last and offsets[after] - here < reach and order[after] > order[at]:
            after += 1
        if after == last or offsets[after] - here >= reach:
            found.append(at)
    return found


def _worth_a_cut(
    offsets: Sequence[int],
    order: Sequence[int],
    places: Sequence[int],
    limit: int,
) -> list[int]:
    """Keep the places between whose better neighbours on both sides there is too much."""
    left = _better_before(order, places, 0)
    right = _better_before(order, places[::-1], len(order))[::-1]
    return [
        place
        for place, start, end in zip(places, left, right, strict=True)
        if offsets[end] - offsets[start] > limit
    ]


def _better_before(order: Sequence[int], places: Sequence[int], outside: int) -> list[int]:
    """Find for each place the nearest earlier one that is better, else the end of the run."""
    found: list[int] = []
    open_ones: list[int] = []
    for place in places:
        while open_ones and order[open_ones[-1]] > order[place]:
            open_ones.pop()
        found.append(open_ones[-1] if open_ones else outside)
        open_ones.append(place)
    return found


def _divided(
    offsets: Sequence[int], order: Sequence[int], start: int, end: int, limit: int
) -> list[int]:
    """Cut a stretch without any local minimum at its best places until all is within the limit."""
    chosen: list[int] = []
    stretches = [(start, end)]
    while stretches:
        first, last = stretches.pop()
        if offsets[last] - offsets[first] <= limit or last - first == 1:
            continue
        low, high = offsets[first] + _MARGIN * limit, offsets[last] - _MARGIN * limit
        middle = (offsets[first] + offsets[last]) / 2
        at = min(
            (one for one in range(first + 1, last) if low <= offsets[one] <= high),
            key=order.__getitem__,
            default=0,
        ) or min(range(first + 1, last), key=lambda one: abs(offsets[one] - middle))
        chosen.append(at)
        stretches += [(first, at), (at, last)]
    return chosen
