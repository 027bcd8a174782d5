"""What two models found in, one order out whose scores are the first model's; pure."""

from __future__ import annotations

from collections.abc import Sequence, Set

RRF_K = 60


def weave(
    old: Sequence[tuple[int, float]], done: Set[int], new: Sequence[int]
) -> list[tuple[int, float | None]]:
    """Fuse the ranks of two models for what both know; all else keeps its place.

    While a second model learns a collection, its list holds only the documents that are done.
    Those are fused by reciprocal ranks, and take the places which they had among the others in
    the first list: being done is no merit. Each place keeps its score, so that scores mean what
    they mean without a second model; what only the second one found may take a place, too.

    Args:
        old: ids with scores by the first model, best first.
        done: ids of `old` that the second model knows as well.
        new: ids by the second model, best first, each once.

    Returns:
        Ids with scores, best first; those beyond the places of `old` have none.
    Source: reciprocal rank fusion, Cormack et al. 2009 (SIGIR); the keeping of places is ours.
    """
    known = [one for one, _ in old if one in done]
    scores: dict[int, float] = {}
    for ranked in (known, new):
        for rank, one in enumerate(ranked, 1):
            scores[one] = scores.get(one, 0.0) + 1 / (RRF_K + rank)
    fused = iter(sorted(scores, key=lambda one: -scores[one]))  # stable: the first model decides
    woven: list[tuple[int, float | None]] = [
        (next(fused) if one in done else one, score) for one, score in old
    ]
    return [*woven, *((one, None) for one in fused)]
