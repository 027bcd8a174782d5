import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.runtime.seating import (
    Place,
    Seat,
    choose_seat,
    common_prefix,
    is_worth_keeping,
    usable,
)

PASSAGES = list(range(1000, 2500))
FIRST = [*PASSAGES, *range(100)]
SECOND = [*PASSAGES, *range(500, 560)]


def busy(slot, cached, **more):
    return Place(slot, cached, is_free=False, **more)


def test_no_free_slot_no_seat():
    assert choose_seat([1], [busy(0, [1])]) is None
    assert choose_seat([1], []) is None


def test_a_request_takes_the_slot_that_it_continues():
    places = [Place(0, [1, 2], 5), Place(1, [1, 2, 3, 9], 1), Place(2, [])]

    assert choose_seat([1, 2, 3, 4], places) == Seat(1, 3)


def test_without_a_shared_prefix_the_longest_unused_slot_is_taken():
    assert choose_seat([7], [Place(0, [1], 9), Place(1, [2], 3)]) == Seat(1, 0)


def test_an_empty_slot_goes_before_a_used_one_and_the_lowest_number_first():
    places = [Place(0, [1] * 90, 1), Place(1, [], 7), Place(2, [], 5), Place(3, [], 5)]

    assert choose_seat([7], places) == Seat(2, 0)


def test_the_last_prompt_token_is_always_computed():
    assert choose_seat([1, 2, 3], [Place(0, [1, 2, 3, 4])]) == Seat(0, 2)


def test_another_conversation_with_the_same_beginning_takes_a_slot_of_its_own():
    first, second = [1, 2, 3, *range(100, 150)], [1, 2, 3, *range(200, 250)]

    assert choose_seat(second, [Place(0, first, 7), Place(1, [])]) == Seat(1, 0)
    assert choose_seat([*first, 4], [Place(0, first, 7), Place(1, [])]) == Seat(0, len(first))
    assert choose_seat(second, [Place(0, first, 7)]) == Seat(0, 3)


def test_the_beginning_is_copied_from_a_busy_slot():
    assert choose_seat(SECOND, [busy(0, FIRST), Place(1, [])]) == Seat(1, 1500, source=0)


def test_a_question_over_the_same_passages_goes_on_where_they_lie():
    assert choose_seat(SECOND, [Place(0, FIRST), Place(1, [])]) == Seat(0, 1500)


def test_a_long_conversation_is_not_overwritten_by_another_with_the_same_beginning():
    places = [Place(0, [*PASSAGES, *range(900)]), Place(1, [])]

    assert choose_seat(SECOND, places) == Seat(1, 1500, source=0)


def test_the_beginning_comes_from_memory_where_no_slot_holds_more():
    places = [Place(0, PASSAGES[:100], 9), Place(1, [])]

    assert choose_seat(SECOND, places, [[4], FIRST]) == Seat(0, 1500, saved=1)
    assert choose_seat(SECOND, [busy(0, FIRST), Place(1, [])], [FIRST]) == Seat(1, 1500, source=0)


def test_a_copy_must_be_worth_it():
    assert choose_seat([*range(20), -1], [busy(0, [*range(20)]), Place(1, [])]) == Seat(1, 0)
    long = [*range(40), *[7] * 4000]  # forty tokens are no reason to move four thousand
    assert choose_seat([*range(40), -1], [busy(0, long), Place(1, [])]) == Seat(1, 0)


def test_a_picture_is_worth_a_copy_however_few_positions_it_has():
    long, picture = [*range(400)], [-7, -7]

    seat = choose_seat([*long, *picture, 1], [busy(0, [*long, *picture, 2]), Place(1, long)])

    assert seat == Seat(1, 402, source=0)


def test_two_that_come_at_once_compute_their_common_beginning_once():
    leader = busy(0, [], coming=FIRST)

    assert choose_seat(SECOND, [leader, Place(1, [])]) == Seat(1, 1500, follows=0)
    half = busy(0, FIRST[:700], coming=FIRST)
    assert choose_seat(SECOND, [half, Place(1, [])]) == Seat(1, 1500, follows=0)


def test_nobody_waits_for_a_beginning_that_is_hardly_longer_than_what_is_there():
    leader = busy(0, FIRST[:1450], coming=FIRST)

    assert choose_seat(SECOND, [leader, Place(1, [])]) == Seat(1, 1450, source=0)


def test_nobody_waits_for_one_that_has_got_so_far_but_holds_too_much_for_a_copy():
    coming = [*range(70), *[7] * 4000]
    leader = busy(0, coming[:3000], coming=coming)

    assert choose_seat([*range(70), -1], [leader, Place(1, [])]) == Seat(1, 0)


def test_nobody_waits_for_what_will_be_worth_no_copy():
    leader = busy(0, [], coming=FIRST)

    assert choose_seat(SECOND, [leader, Place(1, PASSAGES[:1400])]) == Seat(1, 1400)


@pytest.mark.parametrize(("n_window", "is_taken"), [(0, True), (1600, True), (1599, False)])
def test_a_copy_of_more_than_a_window_sees_cannot_be_shortened(n_window, is_taken):
    free, longer = Place(1, PASSAGES[:90]), busy(0, FIRST)
    leader = busy(0, [], coming=FIRST)
    own = Seat(1, 90)

    copied = choose_seat(SECOND, [longer, free], n_window=n_window)
    restored = choose_seat(SECOND, [free], [FIRST], n_window=n_window)
    followed = choose_seat(SECOND, [leader, free], n_window=n_window)

    assert copied == (Seat(1, 1500, source=0) if is_taken else own)
    assert restored == (Seat(1, 1500, saved=0) if is_taken else own)
    assert followed == (Seat(1, 1500, follows=0) if is_taken else own)


def test_behind_a_window_what_is_continued_is_copied_whole():
    places = [busy(0, PASSAGES, coming=PASSAGES), Place(1, [])]
    leader = busy(0, [], coming=PASSAGES)

    assert choose_seat(SECOND, places, n_window=99) == Seat(1, 1500, source=0)
    assert choose_seat(SECOND, [leader, places[1]], n_window=99) == Seat(1, 1500, follows=0)


def test_a_memory_that_cannot_be_cut_is_taken_over_whole_or_not_at_all():
    places = [busy(0, FIRST), busy(2, PASSAGES), Place(1, [])]

    assert choose_seat(SECOND, places, [FIRST], is_whole_only=True) == Seat(1, 1500, source=2)
    assert choose_seat(SECOND, [busy(0, FIRST), Place(1, [])], is_whole_only=True) == Seat(1, 0)
    leader = busy(0, [], coming=FIRST)
    assert choose_seat(SECOND, [leader, Place(1, [])], is_whole_only=True) == Seat(1, 0)


@pytest.mark.parametrize(
    ("n_held", "n_shared", "is_kept"),
    [(64, 0, True), (63, 0, False), (1600, 1500, False), (1600, 700, True), (0, 0, False)],
)
def test_what_is_lost_is_saved_if_it_is_most_and_not_little(n_held, n_shared, is_kept):
    assert is_worth_keeping(n_held, n_shared) is is_kept


TOKENS = st.lists(st.integers(0, 2), max_size=40)


@given(TOKENS, TOKENS, st.integers(0, 40))
def test_common_prefix_is_common_and_longest(left, right, n_same):
    right = left[:n_same] + right
    size = common_prefix(left, tuple(right))

    assert left[:size] == right[:size]
    assert size == min(len(left), len(right)) or left[size] != right[size]


@given(
    TOKENS.filter(bool),
    st.lists(st.tuples(TOKENS, st.booleans(), TOKENS), max_size=4),
    st.lists(TOKENS, max_size=3),
    st.booleans(),
)
def test_a_seat_promises_no_more_than_its_source_holds(prompt, slots, saved, is_whole_only):
    places = [
        Place(slot, cached, is_free=is_free, coming=() if is_free else cached + coming)
        for slot, (cached, is_free, coming) in enumerate(slots)
    ]

    seat = choose_seat(prompt, places, saved, is_whole_only=is_whole_only)

    if seat is None:
        assert not any(one.is_free for one in places)
        return
    assert places[seat.slot].is_free
    held = places[seat.slot].cached
    if seat.source is not None:
        held = places[seat.source].cached
    elif seat.saved is not None:
        held = saved[seat.saved]
    elif seat.follows is not None:
        held = places[seat.follows].coming
    assert seat.n_reused == usable(prompt, held, is_whole_only=is_whole_only) < len(prompt)
