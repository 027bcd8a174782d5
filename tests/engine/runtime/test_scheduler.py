from hypothesis import given
from hypothesis import strategies as st

from engine.runtime.scheduler import Row, Seat, Waiting, choose_slot, common_prefix, plan


def test_streams_go_before_a_long_prompt():
    prompt = Waiting(slot=1, position=0, n_pending=100, is_streaming=False)
    stream = Waiting(slot=2, position=40, n_pending=1, is_streaming=True)

    rows = plan([prompt, stream], budget=8)

    assert rows == [Row(2, 40, 1, wants_output=True), Row(1, 0, 7, wants_output=False)]


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


def test_a_request_takes_the_slot_with_the_longest_shared_prefix():
    free = [(0, [1, 2], 5), (1, [1, 2, 3, 9], 1), (2, [], 0)]

    assert choose_slot([1, 2, 3, 4], free) == Seat(1, 3)


def test_without_a_shared_prefix_the_longest_unused_slot_is_taken():
    assert choose_slot([7], [(0, [1], 9), (1, [2], 3)]) == Seat(1, 0)


def test_the_last_prompt_token_is_always_computed():
    assert choose_slot([1, 2, 3], [(0, [1, 2, 3, 4], 0)]) == Seat(0, 2)


def test_no_free_slot_no_seat():
    assert choose_slot([1], []) is None


@given(st.lists(st.integers(0, 3)), st.lists(st.integers(0, 3)))
def test_common_prefix_is_common_and_longest(left, right):
    size = common_prefix(left, right)

    assert left[:size] == right[:size]
    assert size == min(len(left), len(right)) or left[size] != right[size]


def test_another_conversation_with_the_same_beginning_takes_a_slot_of_its_own():
    first, second = [1, 2, 3, *range(100, 150)], [1, 2, 3, *range(200, 250)]

    assert choose_slot(second, [(0, first, 7), (1, [], 0)]) == Seat(1, 0)
    assert choose_slot([*first, 4], [(0, first, 7), (1, [], 0)]) == Seat(0, len(first))
    assert choose_slot(second, [(0, first, 7)]) == Seat(0, 3)
