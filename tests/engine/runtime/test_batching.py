"""The worker without a model, turn by turn: what a slot says that it holds is what it holds."""

import threading
import time
import weakref

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.errors import CancelledError, DeadlineError, EngineError, RuntimeFailedError
from engine.types import Final, Priority
from tests.engine.runtime.stand_ins import StandInContext, alone, driven, events_of, request

PASSAGES = list(range(1000, 1150))


def final(work) -> Final:
    last = events_of(work)[-1]
    assert isinstance(last, Final)
    return last


def failure(work) -> EngineError:
    last = events_of(work)[-1]
    assert isinstance(last, EngineError)
    return last


def run(worker, *prompts, **more):
    works = [request(prompt, **more) for prompt in prompts]
    for work in works:
        worker.submit(work)
    worker.work_off()
    return [final(work) for work in works]


def test_another_slot_starts_from_what_a_busy_one_holds():
    context = StandInContext()
    worker = driven(context)
    worker.submit(first := request([*PASSAGES, 1], limit=30))
    while not first.generated:
        worker.turn()
    before = context.n_computed

    worker.submit(second := request([*PASSAGES, 2]))
    worker.work_off()

    told = final(second)
    assert (told.n_reused, told.context) == (150, alone([*PASSAGES, 2], 4))
    assert final(first).context == alone([*PASSAGES, 1], 30)
    assert context.n_computed - before < 40


def test_two_at_once_compute_their_common_beginning_once():
    context = StandInContext()
    worker = driven(context, n_slots=4)

    told = run(worker, *([*PASSAGES, at] for at in range(4)))

    assert [one.n_reused for one in told] == [0, 150, 150, 150]
    assert [one.context for one in told] == [alone([*PASSAGES, at], 4) for at in range(4)]
    assert context.n_computed == 150 + 4 * (1 + 3)


def test_who_waits_for_anothers_beginning_goes_on_when_that_one_is_cancelled():
    context = StandInContext()
    worker = driven(context)
    works = [request([*PASSAGES, at]) for at in range(2)]
    for work in works:
        worker.submit(work)
    worker.turn()

    worker.cancel(works[0])
    worker.work_off()

    assert isinstance(failure(works[0]), CancelledError)
    assert final(works[1]).context == alone([*PASSAGES, 1], 4)
    assert works[1].n_reused == 64  # what one step had computed


def test_who_waits_for_anothers_beginning_can_leave():
    worker = driven(StandInContext())
    works = [request([*PASSAGES, at]) for at in range(2)]
    for work in works:
        worker.submit(work)
    worker.turn()

    worker.cancel(works[1])
    worker.turn()

    assert isinstance(failure(works[1]), CancelledError)
    assert worker.slots[1].work is None
    assert worker.slots[1].follow is None


def test_a_short_common_beginning_is_no_reason_to_wait_for_a_long_prompt():
    worker = driven(StandInContext(n_batch=256), n_ctx=3000)
    worker.submit(long := request([*PASSAGES[:70], *range(2000)]))
    while len(worker.slots[0].cached) < 1000:
        worker.turn()

    worker.submit(short := request([*PASSAGES[:70], 5]))
    while not short.generated:
        worker.turn()

    assert not long.generated
    worker.work_off()
    assert final(short).context == alone([*PASSAGES[:70], 5], 4)


def test_behind_a_sliding_window_a_slot_keeps_what_it_holds_instead_of_a_useless_copy():
    context = StandInContext(n_window=20)
    worker = driven(context)
    works = [request([*PASSAGES[:n], 1], limit=200) for n in (150, 60)]
    for work in works:
        worker.submit(work)
        while not work.generated:
            worker.turn()
    worker.cancel(works[1])

    worker.submit(told := request([*PASSAGES, 2]))
    worker.work_off()

    assert (works[1].n_reused, told.n_reused) == (0, 60)
    assert final(told).context == alone([*PASSAGES, 2], 4)
    assert final(works[0]).context == alone([*PASSAGES, 1], 200)


class RememberingContext(StandInContext):
    """Counts the states that are still in memory whenever a further one is written."""

    def __init__(self):
        super().__init__()
        self.states, self.n_alive = [], []

    def save(self, sequence):
        self.n_alive.append(sum(one() is not None for one in self.states))
        state = super().save(sequence)
        self.states.append(weakref.ref(state))
        return state


def test_what_leaves_the_memory_for_prefixes_is_gone_before_its_room_is_taken():
    context = RememberingContext()
    worker = driven(context, n_slots=1, prefix_cache_bytes=1000)

    run(worker, *([at] * 100 for at in range(1, 5)))

    assert context.n_alive == [0, 0, 0]


def test_a_conversation_that_lost_its_slot_comes_back_from_memory():
    context = StandInContext()
    worker = driven(context, n_slots=1, prefix_cache_bytes=1 << 20)
    run(worker, [*PASSAGES, 1])
    run(worker, [7] * 100)
    assert worker.stats().n_cached_prefixes == 1

    (told,) = run(worker, [*PASSAGES, 2])

    assert (told.n_reused, told.context) == (150, alone([*PASSAGES, 2], 4))


def test_without_memory_for_prefixes_nothing_is_saved():
    worker = driven(StandInContext(), n_slots=1)
    run(worker, [*PASSAGES, 1])
    run(worker, [7] * 100)

    (told,) = run(worker, [*PASSAGES, 2])

    assert (told.n_reused, worker.stats().n_cached_prefixes) == (0, 0)


def test_a_state_that_cannot_be_restored_is_computed_again():
    context = StandInContext()
    worker = driven(context, n_slots=1, prefix_cache_bytes=1 << 20)
    run(worker, [*PASSAGES, 1])
    run(worker, [7] * 100)
    context.is_restoring = False

    (told,) = run(worker, [*PASSAGES, 2])

    assert (told.n_reused, told.context) == (0, alone([*PASSAGES, 2], 4))


def test_a_state_that_cannot_be_saved_is_computed_again():
    context = StandInContext()
    worker = driven(context)
    for work in (request([*PASSAGES, 1], limit=200), request([*PASSAGES[:9], *[8] * 90], limit=1)):
        worker.submit(work)
        while not work.generated:
            worker.turn()
    context.is_saving = False

    worker.submit(second := request([*PASSAGES, 2]))
    worker.work_off()

    assert second.n_reused == 9
    assert final(second).context == alone([*PASSAGES, 2], 4)


def test_what_stands_behind_a_shift_is_never_taken_over():
    context = StandInContext()
    worker = driven(context, n_slots=2, n_ctx=200)
    (shifted,) = run(worker, [*PASSAGES, 1], limit=100, is_shifting=True)
    assert shifted.n_generated == 100
    held = list(worker.slots[0].cached)

    (told,) = run(worker, held[:150])

    assert told.n_reused == 4  # the cut began there
    assert told.context == alone(held[:150], 4)


def test_a_memory_that_cannot_be_cut_is_reused_whole():
    context = StandInContext(can_trim=False, can_shift=False)
    worker = driven(context, n_slots=2, prefix_cache_bytes=1 << 20)
    (first,) = run(worker, [*PASSAGES, 1])
    held = list(worker.slots[0].cached)

    (other,) = run(worker, [*PASSAGES, 2])
    (same,) = run(worker, [*held, 5])

    assert (other.n_reused, same.n_reused) == (0, len(held))
    assert same.context == alone([*held, 5], 4)
    assert first.context[: len(held)] == tuple(held)


def test_one_that_breaks_its_step_ends_alone():
    context = StandInContext()
    context.poisoned = 666
    worker = driven(context, n_slots=3)
    works = [request([at] * 20, limit=9) for at in (1, 2)]
    for work in works:
        worker.submit(work)
    while not works[1].generated:
        worker.turn()
    worker.submit(bad := request([5] * 10 + [666]))

    worker.work_off()

    assert isinstance(failure(bad), RuntimeFailedError)
    assert [final(work).context for work in works] == [alone([at] * 20, 9) for at in (1, 2)]
    assert worker.stats().n_failed == 1


@pytest.mark.parametrize("kind", ["before", "halfway"])
def test_a_step_that_fails_once_is_made_good(kind):
    context = StandInContext()
    worker = driven(context)
    works = [request([at] * 20) for at in (1, 2)]
    for work in works:
        worker.submit(work)
    context.failures = [kind]

    worker.work_off()

    assert [final(work).context for work in works] == [alone([at] * 20, 4) for at in (1, 2)]


def test_a_step_that_fails_again_and_again_ends_with_the_reason_and_leaves_a_clean_slot():
    context = StandInContext()
    worker = driven(context)
    worker.submit(work := request([1] * 20))
    context.failures = ["halfway"]

    worker.work_off()

    assert "no memory" in str(failure(work))
    assert work.sampler.is_closed
    assert run(worker, [1] * 20)[0].context == alone([1] * 20, 4)


def test_a_request_whose_time_is_up_ends_in_the_middle_of_its_prompt():
    worker = driven(StandInContext())
    worker.submit(work := request([1] * 300, deadline_s=time.monotonic() + 3600))
    worker.turn()
    work.deadline_s = time.monotonic() - 1

    worker.turn()

    assert isinstance(failure(work), DeadlineError)
    assert worker.slots[0].work is None
    assert run(worker, [1] * 300)[0].n_reused == 64  # its work is not lost


def test_a_request_whose_time_is_up_leaves_the_queue():
    worker = driven(StandInContext(), n_slots=1)
    worker.submit(request([1] * 300, limit=100))
    worker.turn()
    worker.submit(late := request([2], deadline_s=time.monotonic() - 1))

    worker.turn()

    assert isinstance(failure(late), DeadlineError)
    assert worker.stats().n_waiting == 0
    assert late.sampler.is_closed


def test_a_cancelled_one_frees_its_slot_in_the_middle_of_its_prompt():
    worker = driven(StandInContext(), n_slots=1)
    worker.submit(work := request([1] * 300))
    worker.turn()
    assert len(worker.slots[0].cached) == 64

    worker.cancel(work)
    worker.submit(after := request([1] * 300))
    worker.turn()

    assert isinstance(failure(work), CancelledError)
    assert after.n_reused == 64  # its work is not lost


def test_a_long_prompt_stops_no_stream_for_more_than_a_step():
    context = StandInContext()
    worker = driven(context, n_slots=3)
    streams = [request([at] * 5, limit=40) for at in (1, 2)]
    for work in streams:
        worker.submit(work)
    while not all(work.generated for work in streams):
        worker.turn()
    context.steps.clear()
    worker.submit(request(list(range(300))))

    worker.work_off()

    together = [step for step in context.steps if step.get(2)]
    assert all(step[0] == step[1] == 1 for step in together[:4])


def test_first_come_first_served_also_where_a_later_one_would_fit_better():
    worker = driven(StandInContext(), n_slots=1)
    run(worker, [*PASSAGES, 1])
    worker.submit(blocker := request([9] * 5, limit=20))
    worker.turn()
    works = [request([4] * 5), request([*PASSAGES, 2])]
    for work in works:
        worker.submit(work)

    while not works[0].generated:
        worker.turn()

    assert len(blocker.generated) == 20
    assert not works[1].generated


def test_numbers_tell_what_was_done():
    worker = driven(StandInContext(), n_slots=2, prefix_cache_bytes=1 << 20)
    run(worker, [*PASSAGES, 1], limit=3)
    run(worker, [*PASSAGES, 2], limit=5)

    told = worker.stats()

    assert (told.n_slots, told.n_busy, told.n_waiting) == (2, 0, 0)
    assert (told.n_prompt_tokens, told.n_reused_tokens) == (302, 150)
    assert (told.n_generated_tokens, told.n_failed, told.n_cancelled) == (8, 0, 0)
    assert told.n_steps > 8


PROMPTS = st.builds(
    lambda which, n_shared, tail: [*range(100 * which, 100 * which + n_shared), *tail],
    st.integers(1, 3),
    st.integers(0, 120),
    st.lists(st.integers(1, 5), min_size=1, max_size=8),
)
MOVES = st.one_of(
    st.tuples(st.just("submit"), PROMPTS, st.integers(0, 90), st.booleans()),
    st.tuples(st.just("turn"), st.integers(1, 12)),
    st.tuples(st.just("cancel"), st.integers(0, 20)),
    st.tuples(st.just("fail"), st.sampled_from(["before", "halfway"])),
    st.tuples(st.just("restoring"), st.booleans()),
)


@settings(deadline=None, max_examples=60)
@given(
    st.lists(MOVES, max_size=30),
    st.integers(1, 4),
    st.sampled_from([0, 900, 1 << 20]),
    st.booleans(),
)
def test_whatever_happens_slots_know_what_they_hold_and_every_request_ends(
    moves, n_slots, prefix_cache_bytes, can_trim
):
    context = StandInContext(can_trim=can_trim, can_shift=can_trim)
    worker = driven(context, n_slots=n_slots, n_ctx=160, prefix_cache_bytes=prefix_cache_bytes)
    works = []
    for kind, *what in moves:
        if kind == "submit":
            works.append(request(what[0], limit=what[1], is_shifting=what[2]))
            worker.submit(works[-1])
        elif kind == "turn":
            for _ in range(what[0]):
                worker.turn()
        elif kind == "cancel" and works:
            worker.cancel(works[what[0] % len(works)])
        elif kind == "fail":
            context.failures.append(what[0])
        elif kind == "restoring":
            context.is_restoring = what[0]
    worker.work_off()

    for work in works:
        last = events_of(work)[-1]
        assert work.sampler.is_closed
        if isinstance(last, Final) and len(work.prompt) + last.n_generated <= 159:
            assert last.context == alone(work.prompt, last.n_generated)
        else:
            assert isinstance(last, Final | CancelledError) or "no memory" in str(last)
    assert worker.stats().cached_bytes <= prefix_cache_bytes


def test_step_follows_step_until_somebody_else_wants_to_compute():
    context = StandInContext()
    worker = driven(context)
    worker.submit(request([1, 2, 3], limit=4))
    asking = threading.Thread(target=lambda: _ask(worker._gate))

    with worker._gate.hold(Priority.INTERACTIVE):
        asking.start()
        while not worker._gate.is_wanted():
            asking.join(0.001)
        worker._turns()
        n_beside = len(context.steps)
    asking.join(5)
    worker._turns()

    assert (n_beside, len(context.steps)) == (1, 4)


def _ask(gate):
    with gate.hold(Priority.QUERY, timeout_s=5):
        pass
