"""How many tokens are tried ahead: tables, and whole answers played with invented costs."""

import random

import pytest

from engine.runtime.speculation import (
    EARNED,
    MAX_ROWS,
    SAVED_MOST,
    Guess,
    Outcomes,
    Speculation,
    StepCosts,
    class_of,
    expected,
    longest_draft,
)

CHEAP = {size: 1 + 0.02 * (size - 1) for size in (1, 2, 4, 8, 16, 32)}  # an accelerator
DEAR = {size: float(size) for size in (1, 2, 4, 8, 16, 32)}  # a processor that is busy with one


def with_costs(costs, saved=SAVED_MOST):
    speculation = Speculation()
    for size, seconds in costs.items():
        speculation.costs.note(size, seconds)
    speculation.saved = saved
    return speculation


@pytest.mark.parametrize(
    ("seen", "rows", "expected_s"),
    [
        ({}, 1, None),
        ({1: 2.0}, 1, 2.0),
        ({1: 2.0}, 5, 4.0),  # nothing known: a quarter for each further row
        ({5: 4.0}, 1, 2.0),
        ({1: 2.0, 5: 4.0}, 3, 3.0),
        ({1: 2.0, 5: 4.0}, 7, 5.0),
        ({1: 2.0, 5: 1.0}, 7, 1.0),  # more rows never make a step shorter than the last known
        ({12: 6.0}, 10, 6.0),  # of one class
    ],
)
def test_sizes_that_were_not_seen_lie_on_a_line(seen, rows, expected_s):
    costs = StepCosts()
    for size, seconds in seen.items():
        costs.note(size, seconds)

    assert costs.of(rows) == expected_s


def test_one_disturbed_step_changes_nothing():
    costs = StepCosts()
    for seconds in (1.0, 1.0, 50.0, 1.0):
        costs.note(1, seconds)

    assert costs.of(1) == 1.0


def test_old_steps_are_forgotten():
    costs = StepCosts()
    for seconds in [1.0] * 20 + [3.0] * 5:
        costs.note(1, seconds)

    assert costs.of(1) == 3.0


def test_unequal_rows_are_computed_in_parts():
    costs = StepCosts()
    for size in range(1, 9):
        costs.note(size, 10.0 + size)

    assert costs.of_step([1, 1, 1]) == 13.0
    assert costs.of_step([1, 5, 1]) == 13.0 + 14.0
    assert costs.of_step([2, 2, 3]) == 16.0 + 11.0


@pytest.mark.parametrize(
    ("chance", "n", "n_expected"), [(0.0, 5, 0.0), (1.0, 5, 5.0), (0.5, 2, 0.75), (0.9, 0, 0.0)]
)
def test_the_first_wrong_token_ends_a_draft(chance, n, n_expected):
    assert expected(chance, n) == n_expected


@pytest.mark.parametrize(
    ("wanted", "left", "free", "n"),
    [
        (-1, 100, 100, 16),
        (4, 100, 100, 4),
        (99, 100, 100, 16),
        (0, 100, 100, 0),
        (-1, 1, 100, 0),
        (-1, 5, 100, 4),
        (-1, 100, 3, 2),
        (-1, 100, 0, 0),
        (-1, 100, -7, 0),
    ],
)
def test_no_draft_goes_beyond_the_limit_or_the_context(wanted, left, free, n):
    assert longest_draft(wanted, n_limit_left=left, n_cells_free=free) == n


@pytest.mark.parametrize(("n_alike", "kind"), [(2, 2), (3, 3), (4, 3), (5, 5), (8, 5), (16, 9)])
def test_matches_are_sorted_by_length(n_alike, kind):
    assert class_of(n_alike) == kind


@pytest.mark.parametrize(
    ("costs", "chance", "n"),
    [
        (CHEAP, 0.95, 16),
        (CHEAP, 0.5, 4),
        (DEAR, 0.95, 0),
        ({1: 1.0, 2: 1.1, 4: 1.2, 8: 6.0}, 0.95, 3),  # not beyond where steps become dear
    ],
)
def test_the_length_that_brings_most_a_second_is_chosen(costs, chance, n):
    speculation = with_costs(costs, saved=SAVED_MOST if n else 0.0)

    assert speculation.lengths([Guess(0, 16, chance)], 1, 512).get(0, 0) == n


def test_a_slow_draft_model_drafts_less():
    speculation = with_costs(CHEAP)

    fast = speculation.lengths([Guess(0, 16, 0.8, token_s=0.01)], 1, 512)[0]
    slow = speculation.lengths([Guess(0, 16, 0.8, token_s=0.3)], 1, 512)[0]

    assert fast > slow > 0


def test_all_rows_of_a_step_are_bounded_and_the_likeliest_come_first():
    speculation = with_costs(CHEAP | {64: 1.6})
    guesses = [Guess(slot, 16, 0.9 + 0.01 * slot) for slot in range(4)]

    lengths = speculation.lengths(guesses, 4, 512)

    assert 4 + sum(lengths.values()) <= MAX_ROWS
    assert lengths[3] == 16
    assert not speculation.lengths(guesses, 4, 4)


def test_without_savings_nothing_is_risked():
    assert not with_costs(CHEAP, saved=0.0).lengths([Guess(0, 16, 0.99)], 1, 512)


def test_before_a_step_was_seen_nothing_is_tried():
    assert not Speculation().lengths([Guess(0, 16, 0.99)], 1, 512)


def test_a_size_never_seen_is_approached_by_doubling():
    assert with_costs({1: 1.0}).lengths([Guess(0, 16, 0.99)], 1, 512) == {0: 1}
    assert with_costs({1: 1.0, 2: 1.1}).lengths([Guess(0, 16, 0.99)], 1, 512) == {0: 3}


def test_a_new_answer_starts_from_what_others_saw():
    speculation = Speculation()
    first, second = Outcomes(), Outcomes()
    before = speculation.chance(second, 9)

    for _ in range(5):
        speculation.note_draft(first, 9, 4, 0)

    assert speculation.chance(first, 9) <= speculation.chance(second, 9) < before


def play(costs, chances, n_tokens=600, seed=1, n_most=16):
    """Generate an answer whose drafted tokens are right as often as `chances` says; its time."""
    speculation, own, draw = Speculation(), Outcomes(), random.Random(seed)
    table = StepCosts()
    for size, seconds in costs.items():
        table.note(size, seconds)
    spent_s, n_done = 0.0, 0
    while n_done < n_tokens:
        chance = chances(n_done)
        guess = Guess(0, n_most, speculation.chance(own, 9))
        length = speculation.lengths([guess], 1, 512).get(0, 0)
        n_accepted = 0
        while n_accepted < length and draw.random() < chance:
            n_accepted += 1
        seconds = table.of(1 + length) * draw.uniform(0.9, 1.1)
        if length:
            speculation.note_draft(own, 9, length, n_accepted)
        speculation.note_step([1 + length], 1 + n_accepted, seconds)
        spent_s, n_done = spent_s + seconds, n_done + 1 + n_accepted
    return n_done / spent_s * costs[1]  # times the speed without drafts


MIDDLE = {1: 1.0, 2: 1.35, 4: 1.65, 8: 2.4, 16: 3.6, 32: 7.0}  # measured, 2 cores, 135M model


@pytest.mark.parametrize("costs", [CHEAP, MIDDLE, DEAR])
@pytest.mark.parametrize(
    "chances",
    [
        lambda _: 0.0,
        lambda _: 0.2,
        lambda _: 0.5,
        lambda at: 0.95 if at % 200 < 40 else 0.0,  # quotes now and then
        lambda at: 0.0 if at > 60 else 1.0,  # quotes at first: nothing stays believed
    ],
)
def test_whatever_the_text_it_is_hardly_ever_slower(costs, chances):
    ratios = [play(costs, chances, seed=seed) for seed in range(5)]

    assert sum(ratios) / len(ratios) >= 0.97
    assert min(ratios) >= 0.95  # step times vary by a tenth


@pytest.mark.parametrize("costs", [CHEAP, MIDDLE])
def test_where_drafts_are_right_it_is_much_faster(costs):
    assert play(costs, lambda _: 0.95) >= 1.5


def test_it_is_tried_again_where_it_did_not_pay_before():
    late = play(CHEAP, lambda at: 0.0 if at < 300 else 0.97, n_tokens=900)
    never = play(CHEAP, lambda _: 0.0, n_tokens=900)

    assert late > 1.3 > never


def test_losses_are_bounded_by_what_was_saved():
    assert play(MIDDLE, lambda _: 0.0, n_tokens=2000) >= 1 - EARNED - 0.01
