"""Figures, intervals, comparisons and the bar, from made-up results."""

import random

import pytest

from app.exam.measure import MIN_FOR_BAR, bar_of, by_group, compared, figures, values
from app.exam.types import Result

USUAL = 0.3


def answerable(number, **more):
    return Result(f"a{number}", True, **more)


def unanswerable(number, **more):
    return Result(f"u{number}", False, **more)


def test_figures_of_a_small_run_by_hand():
    results = [
        answerable(1, rank=1, is_span_found=True, n_citations=2, n_resolved=2, n_holding=1,
                   is_refused=False, seconds=0.010),
        answerable(2, rank=4, is_refused=True, seconds=0.030),
        answerable(3, rank=0, seconds=0.020),
        answerable(4, rank=10, seconds=0.020),
        unanswerable(1, is_refused=True, seconds=0.020),
        unanswerable(2, is_refused=False, n_citations=1, n_resolved=0, seconds=0.020),
    ]  # fmt: skip

    found = {name: one.value for name, one in figures(results).items()}

    assert found["hit@1"] == 0.25
    assert found["hit@5"] == 0.5
    assert found["mrr@10"] == pytest.approx((1 + 1 / 4 + 1 / 10) / 4)
    assert found["span@5"] == 0.25
    assert found["citation precision"] == 0.5
    assert found["citations resolve"] == 0.5
    assert found["refused, answerable"] == 0.5
    assert found["refused, unanswerable"] == 0.5
    assert found["latency p50 ms"] == pytest.approx(20)


def test_an_error_and_a_stale_case_are_in_no_figure():
    results = [answerable(1, rank=1), answerable(2, error="broken"), answerable(3, is_stale=True)]

    found = figures(results)["hit@1"]

    assert (found.value, found.n) == (1.0, 1)


def test_what_was_not_measured_is_left_out():
    assert "refused, answerable" not in figures([answerable(1, rank=1)])
    assert figures([]) == {}
    assert figures([answerable(1, error="x")]) == {}


def test_intervals_hold_the_value_narrow_with_more_cases_and_are_the_same_each_time():
    few = figures([answerable(at, rank=at % 2) for at in range(20)])["hit@1"]
    many = figures([answerable(at, rank=at % 2) for at in range(500)])["hit@1"]

    assert few.low < few.value < few.high
    assert many.high - many.low < few.high - few.low
    assert few == figures([answerable(at, rank=at % 2) for at in range(20)])["hit@1"]


@pytest.mark.parametrize(
    ("after", "finding"),
    [
        ([1] * 60, "better"),
        ([0] * 60, "worse"),
        ([at % 2 for at in range(60)], "no difference shown"),
        ([at % 2 for at in range(59)] + [0], "no difference shown"),
    ],
)
def test_a_change_is_called_one_only_where_the_interval_leaves_zero_out(after, finding):
    before = [answerable(at, rank=at % 2) for at in range(60)]

    moved = compared(before, [answerable(at, rank=rank) for at, rank in enumerate(after)])

    assert moved["hit@1"].finding == finding


@pytest.mark.parametrize(
    ("ranks", "low", "high"),
    [
        ([1] * 10, 0.722, 1.0),
        ([0] * 10, 0.0, 0.278),
        ([1] * 9 + [0], 0.596, 0.982),
        ([1], 0.207, 1.0),
    ],
)
def test_the_interval_of_a_share_is_wilsons(ranks, low, high):
    found = figures([answerable(at, rank=rank) for at, rank in enumerate(ranks)])["hit@1"]

    assert (found.low, found.high) == pytest.approx((low, high), abs=0.001)


@pytest.mark.parametrize(("n", "finding"), [(5, "no difference shown"), (6, "better")])
def test_a_handful_of_questions_shows_nothing(n, finding):
    before = [answerable(at, rank=0) for at in range(n)]
    after = [answerable(at, rank=1) for at in range(n)]

    assert compared(before, after)["hit@1"].finding == finding


def test_more_latency_and_more_wrong_refusals_are_worse():
    before = [answerable(at, seconds=0.01, is_refused=False) for at in range(40)]
    after = [answerable(at, seconds=0.05, is_refused=True) for at in range(40)]

    moved = compared(before, after)

    assert moved["latency p50 ms"].finding == "worse"
    assert moved["refused, answerable"].finding == "worse"


def test_only_cases_of_both_runs_are_compared():
    before = [answerable(1, rank=1), answerable(2, rank=0)]
    after = [answerable(2, rank=0), answerable(3, rank=1)]

    moved = compared(before, after)["hit@1"]

    assert (moved.n, moved.value) == (1, 0.0)
    assert compared(before, [answerable(9, rank=1)]) == {}


def test_figures_are_given_for_each_kind_and_language():
    results = [
        answerable(1, rank=1, kind="table", language="en"),
        answerable(2, rank=0, kind="wh", language="zh"),
    ]

    found = {name: one.value for name, one in by_group(results, "hit@5").items()}

    assert found == {"table": 1.0, "wh": 0.0, "en": 1.0, "zh": 0.0}
    assert list(values("hit@5", results)) == ["a1", "a2"]


def scored(good, bad):
    results = [answerable(at, confidence=one, kind="wh") for at, one in enumerate(good)]
    return results + [
        unanswerable(at, confidence=one, kind="unanswerable") for at, one in enumerate(bad)
    ]


def test_a_bar_refuses_at_most_a_twentieth_of_the_answerable():
    rng = random.Random(3)
    good = [rng.uniform(0.25, 0.9) for _ in range(200)]
    bad = [rng.uniform(0.1, 0.6) for _ in range(200)]

    bar = bar_of(scored(good, bad), USUAL)

    assert bar is not None
    assert sum(one < bar for one in good) / len(good) <= 0.05


@pytest.mark.parametrize(
    ("good", "bad", "bar"),
    [
        (0.8, 0.1, 0.3),  # the usual bar parts them already
        (0.8, 0.34, 0.36),  # higher helps, but no further than allowed
        (0.25, 0.1, 0.25),  # lower is needed
        (0.05, 0.01, 0.24),  # but never lower than this
        (0.3, 0.9, 0.3),  # nothing parts them: as usual
    ],
)
def test_the_bar_is_where_the_two_sorts_part_and_near_the_usual_one(good, bad, bar):
    found = bar_of(scored([good] * 40, [bad] * 40), USUAL)

    assert found == pytest.approx(bar, abs=0.021)


def test_too_few_questions_teach_no_bar():
    assert bar_of(scored([0.8] * (MIN_FOR_BAR - 1), [0.1] * 50), USUAL) is None
    assert bar_of([], USUAL) is None
