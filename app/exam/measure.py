"""Results of cases in, figures with intervals, comparisons and the bar of refusal out; pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import sqrt
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from app.exam.types import Difference, Estimate, Finding, Result

Floats = NDArray[np.float64]
Statistic = Callable[..., Floats]

N_RESAMPLES = 2_000
LEVEL = 0.95
_SEED = 20_251
_MAX_RANK = 10  # for MRR

# Which way is better: +1 more, -1 less.
FIGURES: Mapping[str, int] = {
    "hit@1": 1,
    "hit@5": 1,
    "mrr@10": 1,
    "span@5": 1,
    "citation precision": 1,
    "citations resolve": 1,
    "refused, answerable": -1,
    "refused, unanswerable": 1,
    "latency p50 ms": -1,
    "latency p95 ms": -1,
}
MIN_MOVED = 6  # cases that must differ: 2 * 0.5**6 < 0.05 < 2 * 0.5**5
MAX_WRONGLY_REFUSED = 0.05
BAR_BELOW, BAR_ABOVE = 0.06, 0.06  # how far a library's bar may lie from the usual one
MIN_FOR_BAR = 20  # questions of each sort, below which nothing is learnt


def figures(results: Sequence[Result]) -> dict[str, Estimate]:
    """Sum a run up; a figure that nothing was counted for is left out."""
    found: dict[str, Estimate] = {}
    for name in FIGURES:
        held = list(values(name, results).values())
        if held:
            found[name] = estimate(held, _statistic(name))
    return found


def by_group(results: Sequence[Result], name: str) -> dict[str, Estimate]:
    """Give one figure for each kind of question and each language."""
    groups: dict[str, list[Result]] = {}
    for one in results:
        for group in (one.kind, one.language):
            groups.setdefault(group, []).append(one)
    told = {group: values(name, held) for group, held in sorted(groups.items())}
    return {
        group: estimate(list(held.values()), _statistic(name))
        for group, held in told.items()
        if held
    }


def values(name: str, results: Sequence[Result]) -> dict[str, float]:
    """List what one figure is the mean (or the percentile) of, by case.

    Cases that failed or went stale are in none.
    """
    measure = _MEASURES[name]
    found: dict[str, float] = {}
    for one in results:
        if not one.error and not one.is_stale:
            value = measure(one)
            if value is not None:
                found[one.case_id] = value
    return found


def estimate(held: Sequence[float], statistic: Statistic) -> Estimate:
    """Give a figure with its interval: of a share Wilson's, else the percentile bootstrap, seeded.

    Where all cases went alike, the bootstrap would call two of two certain.

    Source: Wilson, Probable inference, JASA 22 (1927) 209-212; Efron and Tibshirani, An
        Introduction to the Bootstrap, 1993, chapter 13.
    """
    array = np.asarray(held, dtype=float)
    if statistic is np.mean and np.isin(array, (0.0, 1.0)).all():
        share = float(array.mean())
        return Estimate(share, *_wilson(share, len(array)), len(array))
    resampled = statistic(array[_draws(len(array))], axis=1)
    low, high = _interval(resampled, LEVEL)
    return Estimate(float(statistic(array, axis=0)), low, high, len(array))


def compared(
    before: Sequence[Result], after: Sequence[Result], level: float = LEVEL
) -> dict[str, Difference]:
    """Tell how every figure moved, on the cases that both runs have, paired."""
    found: dict[str, Difference] = {}
    for name in FIGURES:
        one, other = values(name, before), values(name, after)
        shared = sorted(one.keys() & other.keys())
        if shared:
            pair = ([one[case] for case in shared], [other[case] for case in shared])
            found[name] = difference(*pair, name, level)
    return found


def difference(
    before: Sequence[float], after: Sequence[float], name: str, level: float = LEVEL
) -> Difference:
    """Compare two runs case by case; a finding only where the interval leaves 0 out.

    Nor where a handful of cases moved: even if all moved alike, a sign test would not be sure.
    """
    statistic = _statistic(name)
    one, other = np.asarray(before, dtype=float), np.asarray(after, dtype=float)
    draws = _draws(len(one))
    moved = statistic(other[draws], axis=1) - statistic(one[draws], axis=1)
    low, high = _interval(moved, level)
    value = float(statistic(other, axis=0) - statistic(one, axis=0))
    finding: Finding = "no difference shown"
    if (low > 0 or high < 0) and np.count_nonzero(one != other) >= MIN_MOVED:
        finding = "better" if (value > 0) == (FIGURES[name] > 0) else "worse"
    return Difference(value, low, high, len(one), finding)


def bar_of(results: Sequence[Result], usual: float) -> float | None:
    """Choose below which confidence this library had better refuse; None = too little is known.

    Of all bars that refuse no more than 5 % of the answerable questions, the one that parts the
    two sorts best; never far from the usual bar, since a made-up question is easier than a real
    one: it shares its words with the documents.

    Args:
        usual: the bar that was measured on many libraries.
    """
    # Loose keywords are no question: of them no unanswerable ones are made to compare with.
    held = [one for one in results if not one.error and not one.is_stale and one.kind != "keywords"]
    good = np.sort([one.confidence for one in held if one.is_answerable])
    bad = np.sort([one.confidence for one in held if not one.is_answerable])
    if min(len(good), len(bad)) < MIN_FOR_BAR:
        return None
    low, high = max(0.0, usual - BAR_BELOW), min(1.0, usual + BAR_ABOVE)
    bars = np.unique(np.clip([usual, low, high, *good, *bad], low, high))
    wrongly = np.searchsorted(good, bars) / len(good)  # share below the bar
    rightly = np.searchsorted(bad, bars) / len(bad)
    allowed = wrongly <= MAX_WRONGLY_REFUSED
    if not allowed.any():
        return float(round(low, 3))
    gain = np.where(allowed, rightly - wrongly, -1.0)
    best = bars[gain >= gain.max() - 1e-9]
    nearest = best[np.abs(best - usual).argmin()]
    return round(float(nearest), 3)


def _draws(n: int) -> NDArray[np.int64]:
    return np.random.default_rng(_SEED).integers(0, n, size=(N_RESAMPLES, n))


def _wilson(share: float, n: int) -> tuple[float, float]:
    z = NormalDist().inv_cdf((1 + LEVEL) / 2)
    middle = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z * sqrt(share * (1 - share) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    return max(0.0, min(share, middle - half)), min(1.0, max(share, middle + half))


def _interval(resampled: Floats, level: float) -> tuple[float, float]:
    tail = 100 * (1 - level) / 2
    low, high = np.percentile(resampled, [tail, 100 - tail])
    return float(low), float(high)


def _statistic(name: str) -> Statistic:
    if name.startswith("latency"):
        share = 50 if "p50" in name else 95

        def percentile(array: Floats, axis: int) -> Floats:
            return np.asarray(np.percentile(array, share, axis=axis))

        return percentile
    return np.mean


def _hit(depth: int) -> Callable[[Result], float | None]:
    return lambda one: float(0 < one.rank <= depth) if one.is_answerable else None


def _reciprocal(one: Result) -> float | None:
    if not one.is_answerable:
        return None
    return 1 / one.rank if 0 < one.rank <= _MAX_RANK else 0.0


def _refused(is_answerable: bool) -> Callable[[Result], float | None]:
    def measure(one: Result) -> float | None:
        if one.is_answerable != is_answerable or one.is_refused is None:
            return None
        return float(one.is_refused)

    return measure


_MEASURES: Mapping[str, Callable[[Result], float | None]] = {
    "hit@1": _hit(1),
    "hit@5": _hit(5),
    "mrr@10": _reciprocal,
    "span@5": lambda one: float(one.is_span_found) if one.is_answerable else None,
    "citation precision": lambda one: (
        one.n_holding / one.n_citations if one.is_answerable and one.n_citations else None
    ),
    "citations resolve": lambda one: one.n_resolved / one.n_citations if one.n_citations else None,
    "refused, answerable": _refused(True),
    "refused, unanswerable": _refused(False),
    "latency p50 ms": lambda one: 1_000 * one.seconds,
    "latency p95 ms": lambda one: 1_000 * one.seconds,
}
