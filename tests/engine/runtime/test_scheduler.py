import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.runtime.scheduler import Row, Waiting, choose_beside, plan


def test_streams_go_before_a_long_prompt():
    prompt = Waiting(slot=1, position=0, n_pending=100, is_streaming=False)
    stream = Waiting(slot=2, position=40, n_pending=1, is_streaming=True)

    rows = plan([prompt, stream], budget=8)

    assert rows == [Row(1, 0, 7, wants_output=False), Row(2, 40, 1, wants_output=True)]


def test_the_last_piece_of_a_prompt_wants_output():
    assert plan([Waiting(0, 60, 4, is_streaming=False)], budget=8) == [
        Row(0, 60, 4, wants_output=True)
    ]


def test_two_short_prompts_share_a_step():
    first, second = Waiting(0, 0, 3, is_streaming=False), Waiting(1, 0, 9, is_streaming=False)

    assert plan([first, second], budget=8) == [
        Row(0, 0, 3, wants_output=True),
        Row(1, 0, 5, wants_output=False),
    ]


@given(
    st.lists(st.tuples(st.integers(1, 600), st.booleans()), max_size=20),
    st.integers(1, 512),
)
def test_a_step_never_exceeds_its_budget_and_never_starves_a_stream(sequences, budget):
    waiting = [
        Waiting(slot, 0, 1 if is_stream else size, is_stream)
        for slot, (size, is_stream) in enumerate(sequences)
    ]

    rows = plan(waiting, budget)

    assert sum(row.n_tokens for row in rows) <= budget
    assert len({row.slot for row in rows}) == len(rows)
    streams = [one.slot for one in waiting if one.is_streaming]
    assert {row.slot for row in rows} >= set(streams[:budget])


def test_a_short_prompt_does_not_wait_for_a_long_one_that_came_before():
    long = Waiting(0, 0, 2000, is_streaming=False, seated=1)
    short = Waiting(1, 0, 50, is_streaming=False, seated=2)

    assert plan([long, short], budget=512) == [
        Row(0, 0, 462, wants_output=False),
        Row(1, 0, 50, wants_output=True),
    ]


def test_of_two_long_prompts_the_older_goes_first_wherever_it_sits():
    younger = Waiting(0, 0, 900, is_streaming=False, seated=8)
    older = Waiting(3, 0, 900, is_streaming=False, seated=7)

    assert plan([younger, older], budget=512) == [Row(3, 0, 512, wants_output=False)]


def test_beside_streams_a_prompt_takes_no_more_than_a_short_pause():
    prompt = Waiting(0, 0, 2000, is_streaming=False)
    streams = [Waiting(slot, 9, 1, is_streaming=True) for slot in (1, 2)]

    rows = plan([prompt, *streams], budget=512, beside=128)

    assert [row.n_tokens for row in rows] == [128, 1, 1]
    assert plan([prompt], budget=512, beside=128)[0].n_tokens == 512


def test_rows_come_in_the_order_of_the_slots_so_that_they_are_computed_together():
    waiting = [Waiting(slot, 0, 1, slot != 1, seated=9 - slot) for slot in range(4)]

    assert [row.slot for row in plan(waiting, budget=8)] == [0, 1, 2, 3]


def test_drafts_take_what_the_other_streams_leave_and_go_before_prompts():
    drafting = Waiting(0, 9, 6, is_streaming=True)
    stream = Waiting(1, 9, 1, is_streaming=True)
    prompt = Waiting(2, 0, 9, is_streaming=False)

    assert [row.n_tokens for row in plan([drafting, stream, prompt], budget=10)] == [6, 1, 3]
    assert [row.n_tokens for row in plan([drafting, stream, prompt], budget=4)] == [3, 1]


def test_a_stream_whose_turn_is_a_picture_takes_no_row():
    assert plan([Waiting(0, 5, 0, is_streaming=False)], budget=8) == []


@pytest.mark.parametrize(
    ("tokens_per_s", "most", "chosen"),
    [
        (0, 512, 128),  # nothing is known yet
        (5, 512, 32),
        (60, 512, 60),
        (300, 512, 128),
        (1000, 512, 250),
        (10_000, 512, 512),
        (0, 64, 64),
    ],
)
def test_the_piece_of_a_prompt_beside_streams_suits_the_machine(tokens_per_s, most, chosen):
    assert choose_beside(tokens_per_s, most) == chosen


@given(st.lists(st.integers(1, 600), min_size=1, max_size=12), st.integers(16, 512))
def test_no_prompt_is_starved_by_others_that_keep_coming(sizes, budget):
    oldest = Waiting(0, 0, 10_000, is_streaming=False, seated=0)
    others = [
        Waiting(slot, 0, size, is_streaming=False, seated=slot)
        for slot, size in enumerate(sizes, start=1)
    ]

    rows = {row.slot: row.n_tokens for row in plan([oldest, *others], budget)}

    assert rows[0] >= budget // (len(sizes) + 1)
