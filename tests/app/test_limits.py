"""Rates, paces, lengths: decided by tables."""

import pytest

from app.limits import (
    GRACE_S,
    MIN_BURST,
    PACE_BYTES,
    PACE_S,
    SILENT_S,
    Allowances,
    Bucket,
    Pace,
    Rate,
    declared_length,
    is_streamed,
    needs_allowance,
)


@pytest.mark.parametrize(
    ("bucket", "now_s", "left", "wait_s"),
    [
        (None, 5.0, 99, 0),  # a stranger may have a whole burst: 600 a minute, ten seconds of it
        (Bucket(1, 0), 0.0, 0, 0),
        (Bucket(0, 0), 0.0, 0, 0.1),
        (Bucket(0, 0), 0.05, 0.5, 0.05),
        (Bucket(0, 0), 0.1, 0, 0),
        (Bucket(0, 0), 1e6, 99, 0),  # rest does not add up beyond a burst
        (Bucket(5, 100), 50.0, 4, 0),  # a clock that goes backwards takes nothing away
    ],
)
def test_tokens_come_back_with_time_and_never_above_a_burst(bucket, now_s, left, wait_s):
    after, waits_s = Rate(600).take(bucket, now_s)

    assert after.tokens == pytest.approx(left)
    assert waits_s == pytest.approx(wait_s)


def test_a_small_rate_still_allows_a_page_with_its_parts():
    assert Rate(1).burst == MIN_BURST


def test_zero_is_no_limit_and_no_table():
    allowances = Allowances(Rate(0))

    assert [allowances.take("a", 0.0) for _ in range(1000)] == [0.0] * 1000
    assert len(allowances) == 0


def test_clients_do_not_spend_each_others_allowance():
    allowances = Allowances(Rate(60))
    for _ in range(MIN_BURST):
        assert allowances.take("a", 0.0) == 0
    assert allowances.take("a", 0.0) == pytest.approx(1.0)

    assert allowances.take("b", 0.0) == 0


def test_the_table_is_bounded_and_forgets_who_was_not_seen_longest():
    allowances = Allowances(Rate(60), max_clients=3)
    for name in "abcada":
        allowances.take(name, 0.0)

    assert len(allowances) == 3
    assert allowances.take("b", 0.0) == 0  # began anew


@pytest.mark.parametrize(
    ("parts", "is_fast"),
    [
        ([(20.0, 1), (9.0, 1)], True),  # slow, but still in the time of grace
        ([(GRACE_S, 1), (PACE_S, 10)], False),
        ([(GRACE_S, 1), (PACE_S - 1, PACE_BYTES)], True),
        ([(GRACE_S, 1), (5.0, 600), (4.0, 600), (9.0, 10)], True),  # a new span after each KB
        ([(GRACE_S, 1), (5.0, 600), (6.0, 1)], False),
        ([(0.0, 10**6)] * 100, True),
    ],
)
def test_a_body_that_dribbles_is_given_up_after_a_while(parts, is_fast):
    pace = Pace()

    assert [pace.came(*part) for part in parts][-1] is is_fast


def test_patience_shrinks_to_what_is_left_of_the_span():
    pace = Pace()
    assert pace.patience_s() == SILENT_S
    pace.came(GRACE_S, 1)
    pace.came(4.0, 1)

    assert pace.patience_s() == pytest.approx(PACE_S - 4.0)


@pytest.mark.parametrize(
    ("raw", "length"),
    [("0", 0), ("12", 12), ("", None), ("-1", None), ("1e3", None), ("٣", None), ("9" * 30, None)],
)
def test_lengths_that_are_no_numbers_are_none(raw, length):
    assert declared_length(raw) == length


@pytest.mark.parametrize(
    ("path", "is_so"),
    [
        ("/kb/documents", True),
        ("/kb/documents/x/feedback", False),
        ("/api/blobs/sha256:0", True),
        ("/api/chat", False),
        ("/v1/audio/transcriptions", True),
    ],
)
def test_files_have_limits_of_their_own(path, is_so):
    assert is_streamed(path) is is_so


@pytest.mark.parametrize(
    ("path", "is_so"), [("/healthz", False), ("/ui/static/x.js", False), ("/kb/query", True)]
)
def test_probes_and_files_of_pages_cost_nothing(path, is_so):
    assert needs_allowance(path) is is_so
