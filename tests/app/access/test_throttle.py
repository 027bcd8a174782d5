"""Who has to wait at the login: guessers, however they knock; not those beside them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.access.known import Known
from app.access.throttle import (
    MAX_FAILURES,
    WITHIN_S,
    Failure,
    Knock,
    Throttle,
    counted_as,
    unforgiven,
    wait_after,
)

FULL = tuple(Failure(float(n), "K1") for n in range(MAX_FAILURES))


@pytest.mark.parametrize(
    ("knock", "name"),
    [
        (Knock("192.0.2.1"), "192.0.2.1"),
        (Knock("192.0.2.1", "K1"), "192.0.2.1"),
        (Knock("192.0.2.1", "K1", "K1"), "key K1"),
        (Knock("192.0.2.1", "K2", "K1"), "192.0.2.1"),  # a mark is for its own key
        (Knock("192.0.2.1", "", "K1"), "192.0.2.1"),
        (Knock("2001:db8::1", "K1"), "2001:db8::/64"),
        (Knock("", "K1"), ""),
    ],
)
def test_failures_count_by_address_but_for_a_browser_that_knows_its_key(knock, name):
    assert counted_as(knock) == name


@pytest.mark.parametrize(
    ("failures", "now_s", "wait_s"),
    [
        ((), 0.0, 0.0),
        (FULL[1:], 9.0, 0.0),
        (FULL, 9.0, WITHIN_S - 9.0),
        (FULL, WITHIN_S - 1, 1.0),
        (FULL, WITHIN_S, 0.0),
        ((*FULL, Failure(20.0, "")), 20.0, WITHIN_S + 1 - 20.0),  # only the last ten count
    ],
)
def test_ten_failures_have_to_be_five_minutes_old(failures, now_s, wait_s):
    assert wait_after(failures, now_s) == wait_s


@pytest.mark.parametrize(
    ("tried", "left"),
    [("K1", ["K2", "K2"]), ("K2", ["K1"]), ("K3", ["K1", "K2", "K2"]), ("", ["K1", "K2", "K2"])],
)
def test_a_login_makes_good_what_failed_with_its_key_or_was_no_key(tried, left):
    failures = [Failure(float(n), one) for n, one in enumerate(("K1", "", "K2", "", "K2"))]

    assert [one.tried for one in unforgiven(failures, tried)] == left


KNOCKS = st.tuples(
    st.sampled_from(["", "K1", "K2", "mine"]),  # what the guesser shows; his own key is right
    st.booleans(),  # whether with the mark of his own key
    st.sampled_from([0.0, 1.0, 40.0, WITHIN_S]),  # how long after the try before
)


@given(st.lists(KNOCKS, max_size=80))
def test_no_order_of_tries_gives_a_guesser_more_of_them(knocks):
    """Tries at keys of others from one address: never more than ten in five minutes."""
    now, tried = [0.0], []
    throttle = Throttle(lambda: now[0])
    for shown, is_marked, later_s in knocks:
        now[0] += later_s
        knock = Knock("192.0.2.1", shown, "mine" if is_marked else "")
        if throttle.wait_s(knock):
            continue
        if shown == "mine":
            throttle.forgive(knock)
            continue
        throttle.fail(knock)
        if shown:
            tried.append(now[0])

    for first, last in zip(tried, tried[MAX_FAILURES:], strict=False):
        assert last - first >= WITHIN_S


def test_a_mark_is_believed_by_who_wrote_it_and_by_nobody_else():
    known, mark = Known(), Known(b"a" * 32).mark("K1")

    assert known.key_id(known.mark("K1")) == "K1"
    assert Known(b"a" * 32).key_id(mark) == "K1"
    for bad in ("", ".", "K1", "K1.", mark, mark.replace("K1", "K2"), "\udcff.é", "x" * 9999):
        assert known.key_id(bad) == ""
