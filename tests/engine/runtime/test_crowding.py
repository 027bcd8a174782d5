import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.runtime.crowding import LAST_PATIENCE_S, N_STEPS, N_TRIED, Crowding

CALM, BUSY, HOPELESS = 0.011, 0.02, 0.5  # seconds on the wall for 0.01 of computing


def step(crowding, wall_s, now_s, n_most=4):
    n_threads = crowding.threads(n_most, now_s)
    crowding.note(n_threads, wall_s, 0.01, now_s)
    return n_threads


def test_an_idle_machine_keeps_all_threads():
    crowding = Crowding()

    assert {step(crowding, CALM, now_s) for now_s in range(100)} == {4}


@pytest.mark.parametrize(
    ("walls", "n_threads"),
    [
        ([BUSY] * (N_STEPS - 1), 4),  # not yet sure
        ([BUSY] * N_STEPS, 2),
        ([CALM, BUSY, CALM, BUSY, CALM], 4),
        ([HOPELESS], 4),  # a page that came from the disk
        ([HOPELESS] * 2, 2),
        ([HOPELESS] * 4, 1),
        ([HOPELESS] * 9, 1),
        ([BUSY] * 2 * N_STEPS, 1),
    ],
)
def test_threads_are_halved_while_steps_are_kept_waiting(walls, n_threads):
    crowding = Crowding()
    for wall_s in walls:
        step(crowding, wall_s, 0.0)

    assert crowding.threads(4, 0.0) == n_threads


def crowded():
    crowding = Crowding()
    for _ in range(N_STEPS):
        step(crowding, BUSY, 0.0, n_most=2)
    assert crowding.threads(2, 0.5) == 1
    return crowding


def test_more_threads_come_back_when_the_others_are_gone():
    crowding = crowded()

    tried = [step(crowding, CALM, 2.0, n_most=2) for _ in range(N_TRIED + 5)]

    assert set(tried) == {2}


def test_tries_that_fail_become_ever_rarer():
    crowding, tries_s, now_s = crowded(), [], 0.5
    while now_s < 300:
        if step(crowding, HOPELESS, now_s, n_most=2) == 2:
            tries_s.append(now_s)
        now_s += 0.25

    pauses_s = [after - before for before, after in zip(tries_s, tries_s[1:], strict=False)]
    assert pauses_s == sorted(pauses_s)
    assert pauses_s[-1] >= LAST_PATIENCE_S
    assert len(tries_s) < 20


def test_a_single_thread_says_nothing_of_the_machine():
    crowding = Crowding()
    for _ in range(100):
        step(crowding, HOPELESS, 0.0, n_most=1)

    assert crowding.level == 0


@given(st.integers(1, 64), st.lists(st.tuples(st.floats(0, 2), st.floats(0, 3), st.floats(0, 50))))
def test_there_is_always_a_thread_and_never_one_too_many(n_most, steps):
    crowding, now_s = Crowding(), 0.0
    for wall_s, cpu_s, pause_s in steps:
        now_s += pause_s
        n_threads = crowding.threads(n_most, now_s)
        assert 1 <= n_threads <= n_most
        crowding.note(n_threads, wall_s, cpu_s, now_s)
