"""The worker with tokens tried ahead, without a model: what comes is what comes without."""

import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.errors import CancelledError, RuntimeFailedError
from engine.runtime.speculation import MAX_DRAFT, MAX_ROWS
from engine.types import Final, Options
from tests.engine.runtime.stand_ins import (
    END,
    StandInContext,
    alone,
    driven,
    events_of,
    request,
)

PROMPT = [1, 2, 3, 4, 5, 6, 7, 8]


def round_and_round(held):
    """Count to eight again and again."""
    return 1 + len(held) % 8


def mostly(held):
    """Count to eight, but say something else now and then; depends on all that is held."""
    chance = zlib.crc32(np.array(held, np.int64).tobytes())
    return 10 + chance % 30 if chance % 7 == 0 else round_and_round(held)


def trying(draw=round_and_round, **more):
    context = StandInContext(
        **{name: more.pop(name) for name in ("n_batch", "can_trim") if name in more}
    )
    context.draw = draw
    return driven(context, is_speculating=True, **more)


def answer(worker, work):
    worker.submit(work)
    worker.work_off()
    last = events_of(work)[-1]
    assert isinstance(last, Final)
    return last


def test_an_answer_that_repeats_takes_few_steps_and_tells_how_many_were_right():
    worker = trying()

    told = answer(worker, request(PROMPT, limit=100))

    assert told.context == alone(PROMPT, 100, round_and_round)
    assert told.n_generated == 100
    assert told.n_accepted > 60
    assert worker.stats().n_steps == 100 - told.n_accepted
    assert worker.stats().n_drafted_tokens == told.n_drafted >= told.n_accepted
    assert worker.stats().n_accepted_tokens == told.n_accepted
    assert worker.stats().n_generated_tokens == 100


def test_what_was_wrong_leaves_no_trace():
    worker = trying(mostly)

    told = answer(worker, request(PROMPT, limit=200))

    assert told.context == alone(PROMPT, 200, mostly)
    assert 0 < told.n_accepted < told.n_drafted
    assert worker.slots[0].cached == list(told.context[:-1])


@pytest.mark.parametrize(
    ("n_drafted", "most"), [(0, 0), (3, 3), (-1, MAX_DRAFT), (1000, MAX_DRAFT)]
)
def test_an_option_says_how_many_at_most(n_drafted, most):
    worker = trying()

    told = answer(worker, request(PROMPT, limit=200, options=Options(draft_num=n_drafted)))

    assert told.context == alone(PROMPT, 200, round_and_round)
    assert max(step[0] for step in worker._context.steps[1:]) == 1 + most
    assert bool(told.n_drafted) == bool(most)


def test_switched_off_nothing_is_tried():
    context = StandInContext()
    context.draw = round_and_round
    worker = driven(context, is_speculating=False)

    assert answer(worker, request(PROMPT, limit=50)).n_drafted == 0


def test_a_memory_that_cannot_drop_anything_is_given_nothing_to_try():
    worker = trying(can_trim=False)

    told = answer(worker, request(PROMPT, limit=50))

    assert (told.n_drafted, told.context) == (0, alone(PROMPT, 50, round_and_round))


@pytest.mark.parametrize("limit", [1, 2, 30, 31, 32, 33])
def test_the_limit_is_met_exactly(limit):
    told = answer(trying(), request(PROMPT, limit=limit))

    assert (told.n_generated, told.done_reason) == (limit, "length")


def test_the_end_in_the_middle_of_what_was_tried_ends_the_answer():
    def ends(held):
        return END if len(held) == 90 else round_and_round(held)

    worker = trying(ends)

    told = answer(worker, request([END, *PROMPT[1:]], limit=200))

    assert (told.done_reason, told.n_generated) == ("stop", 90 - 8)
    assert END not in told.context[1:]
    assert worker.slots[0].cached == list(told.context)


def test_the_end_itself_may_be_drafted():
    def ends(held):
        return END if held[-2:] == [5, 6] and len(held) > 40 else round_and_round(held)

    prompt = [5, 6, END, 5, 6, END, *PROMPT]

    told = answer(trying(ends), request(prompt, limit=200))

    assert told.done_reason == "stop"
    assert told.context[-2:] == (5, 6)


def test_a_stop_string_in_the_middle_of_what_was_tried_ends_the_answer():
    plain = driven(stopping := StandInContext())
    stopping.draw = mostly
    works = [request(PROMPT, limit=200, stop=("abcdefgha",)) for _ in range(2)]

    told = [answer(plain, works[0]), answer(trying(mostly), works[1])]

    assert told[0].stop_string == told[1].stop_string == "abcdefgha"
    assert told[0].context == told[1].context
    assert told[1].n_accepted > 0


@pytest.mark.parametrize("is_shifting", [True, False])
@pytest.mark.parametrize("n_ctx", [60, 61, 62, 67])
def test_a_context_that_fills_up_ends_or_shifts_where_it_does_without(is_shifting, n_ctx):
    context = StandInContext()
    context.draw = mostly
    plain, worker = driven(context, n_ctx=n_ctx), trying(mostly, n_ctx=n_ctx)
    works = [request(PROMPT, limit=150, is_shifting=is_shifting) for _ in range(2)]

    told = [answer(plain, works[0]), answer(worker, works[1])]

    assert told[0].context == told[1].context
    assert told[0].done_reason == told[1].done_reason
    assert told[1].n_accepted > 0
    assert max(len(one.cached) for one in worker.slots) < n_ctx


def test_a_step_that_has_no_room_for_drafts_computes_less_of_them():
    worker = trying(n_batch=6, n_slots=4)
    works = [request([at, *PROMPT], limit=60) for at in range(20, 24)]
    for work in works:
        worker.submit(work)

    worker.work_off()

    for work in works:
        assert events_of(work)[-1].context == alone(work.prompt, 60, round_and_round)
    assert max(sum(step.values()) for step in worker._context.steps) <= 6


def test_many_streams_share_a_bounded_number_of_rows():
    worker = trying(n_slots=8, n_batch=512)
    works = [request([at, *PROMPT], limit=150) for at in range(20, 28)]
    for work in works:
        worker.submit(work)
    while not all(work.generated for work in works):
        worker.turn()
    worker._context.steps.clear()

    worker.work_off()

    sizes = [sum(step.values()) for step in worker._context.steps]
    assert 8 < max(sizes) <= MAX_ROWS


def test_a_step_that_fails_is_made_good_without_drafts():
    worker = trying()
    worker.submit(work := request(PROMPT, limit=100))
    while not work.n_accepted:
        worker.turn()
    worker._context.failures = ["halfway"]

    worker.work_off()

    assert events_of(work)[-1].context == alone(PROMPT, 100, round_and_round)


def test_a_cancelled_one_leaves_a_clean_slot():
    worker = trying()
    worker.submit(work := request(PROMPT, limit=300))
    while not work.n_accepted:
        worker.turn()

    worker.cancel(work)
    worker.turn()

    assert isinstance(events_of(work)[-1], CancelledError)
    assert worker.slots[0].pending == []
    assert worker.slots[0].n_drafted == 0
    told = answer(worker, request([*PROMPT, 9], limit=9))
    assert told.context == alone([*PROMPT, 9], 9, round_and_round)


class StubbornContext(StandInContext):
    """Refuses once to drop the end of a sequence."""

    n_refused = 0

    def forget(self, sequence, from_position=0):
        if from_position and not self.n_refused:
            self.n_refused += 1
            return False
        return super().forget(sequence, from_position)


def test_a_memory_that_unexpectedly_cannot_drop_computes_anew_and_tries_no_more():
    context = StubbornContext()
    context.draw = mostly
    worker = driven(context, is_speculating=True)
    worker.submit(work := request(PROMPT, limit=200))
    while not context.n_refused:
        worker.turn()
    n_drafted = work.n_drafted

    worker.work_off()

    assert events_of(work)[-1].context == alone(PROMPT, 200, mostly)
    assert work.n_drafted == n_drafted


class FailingSampler:
    """Gives up in the middle of what was tried."""

    is_closed = False
    n_left = 40

    def sample(self, context, at):
        self.n_left -= 1
        if not self.n_left:
            raise RuntimeFailedError("the grammar allows no further token")
        return context.drawn(at)

    def close(self):
        self.is_closed = True


def test_a_sampler_that_gives_up_in_the_middle_ends_its_request_alone():
    worker = trying()
    work, other = request(PROMPT, limit=100), request([9, *PROMPT], limit=100)
    work.sampler = FailingSampler()
    worker.submit(work)
    worker.submit(other)

    worker.work_off()

    assert "no further token" in str(events_of(work)[-1])
    assert work.sampler.is_closed
    assert worker.slots[0].cached == []
    assert events_of(other)[-1].context == alone([9, *PROMPT], 100, round_and_round)


MOVES = st.one_of(
    st.tuples(
        st.just("submit"),
        st.integers(0, 20),
        st.integers(0, 120),
        st.booleans(),
        st.integers(-1, 5),
    ),
    st.tuples(st.just("turn"), st.integers(1, 12)),
    st.tuples(st.just("cancel"), st.integers(0, 20)),
    st.tuples(st.just("fail"), st.sampled_from(["before", "halfway"])),
)


@settings(deadline=None, max_examples=60)
@given(st.lists(MOVES, max_size=25), st.integers(1, 4), st.sampled_from([8, 64]))
def test_whatever_happens_the_answers_are_those_without_drafts(moves, n_slots, n_batch):
    worker = trying(mostly, n_slots=n_slots, n_batch=n_batch, n_ctx=160)
    works = []
    for kind, *what in moves:
        if kind == "submit":
            n_prompt, limit, is_shifting, n_drafted = what
            works.append(
                request(
                    [9, *(1 + at % 8 for at in range(n_prompt))],
                    limit=limit,
                    is_shifting=is_shifting,
                    options=Options(draft_num=n_drafted),
                )
            )
            worker.submit(works[-1])
        elif kind == "turn":
            for _ in range(what[0]):
                worker.turn()
        elif kind == "cancel" and works:
            worker.cancel(works[what[0] % len(works)])
        elif kind == "fail":
            worker._context.failures.append(what[0])
    worker.work_off()

    for work in works:
        last = events_of(work)[-1]
        assert work.sampler.is_closed
        if isinstance(last, Final) and len(work.prompt) + last.n_generated <= 159:
            assert last.context == alone(work.prompt, last.n_generated, mostly)
        else:
            assert isinstance(last, Final | CancelledError) or "no memory" in str(last)
