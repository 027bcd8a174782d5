import sqlite3

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.term_levels import RECORD_ID, _number, _written, count_levels, without_empty_levels


def record_of(levels, n_writes=300):
    n_segments = sum(len(segments) for _, segments in levels)
    numbers = [len(levels), n_segments, n_writes]
    for n_merging, segments in levels:
        numbers += [n_merging, len(segments), *(one for segment in segments for one in segment)]
    return b"\0\0\0\7" + _written(numbers)


BIG = (4, 1, 328)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ([], []),
        ([(0, [])], [(0, [])]),
        ([(0, [BIG])], [(0, [BIG])]),
        ([(0, [])] * 2001 + [(0, [BIG])], [(0, [])] * 2 + [(0, [BIG])]),
        (
            [(0, [(9, 1, 1)]), *[(0, [])] * 5, (1, [BIG, (5, 1, 2)]), (0, [(6, 1, 1)])],
            [(0, [(9, 1, 1)]), (0, []), (1, [BIG, (5, 1, 2)]), (0, [(6, 1, 1)])],
        ),
    ],
)
def test_segments_stay_in_their_order_and_empty_levels_go(before, after):
    assert without_empty_levels(record_of(before), 2) == record_of(after)
    assert count_levels(record_of(before)) == len(before)


@given(st.lists(st.integers(0, (1 << 56) - 1), min_size=1))
def test_numbers_are_read_as_they_were_written(numbers):
    data, at = _written(numbers), 0
    for number in numbers:
        found, at = _number(data, at)
        assert found == number
    assert at == len(data)


@pytest.mark.parametrize("data", [b"", b"\0\0\0\0", b"\0\0\0\0\x81", record_of([(0, [BIG])])[:-1]])
def test_a_damaged_record_is_refused(data):
    with pytest.raises(ValueError, match="structure record"):
        without_empty_levels(data, 2)


def test_a_record_of_another_kind_is_left_alone():
    record = b"\0\0\0\0\xff\x00\x00\x01\x02"

    assert count_levels(record) == 0
    assert without_empty_levels(record, 2) == record


def test_what_sqlite_wrote_is_understood():
    with sqlite3.connect(":memory:") as connection:
        connection.execute("CREATE VIRTUAL TABLE t USING fts5(terms, content='')")
        for n in range(40):
            connection.execute("INSERT INTO t (rowid, terms) VALUES (?, 'salt amber')", (n,))
            connection.commit()
        read = f"SELECT block FROM t_data WHERE id = {RECORD_ID}"
        (record,) = connection.execute(read).fetchone()
    connection.close()

    assert count_levels(record) >= 1
    assert without_empty_levels(record, 64) == record
