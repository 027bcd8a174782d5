import pytest

from ingest.listing_store import Share, Wanted, clauses, passages_of


@pytest.mark.parametrize(
    ("counts", "bars"),
    [
        ([], []),
        ([1], [("1", 1)]),
        ([1, 2, 3, 4], [("1", 1), ("2-3", 2), ("4-7", 1)]),
        ([0, 9], [("0", 1), ("1", 0), ("2-3", 0), ("4-7", 0), ("8-15", 1)]),
    ],
)
def test_documents_are_sorted_by_their_passages_into_bars_that_double(counts, bars):
    assert passages_of(counts) == [Share(name, n) for name, n in bars]


def test_nothing_that_is_asked_for_becomes_sql():
    hostile = "'; DROP TABLE documents; --"
    where, order, values = clauses(
        Wanted((hostile,), hostile, hostile, "watched", hostile, hostile, hostile, "title")
    )

    assert "DROP" not in where + order
    assert sum(hostile in str(one) for one in values.values()) == 7


def test_a_wish_for_everything_has_no_condition():
    assert clauses(Wanted())[0] == ""


def test_no_collection_at_all_is_none_and_not_every_one():
    assert clauses(Wanted(()))[0] == "WHERE c.name IN ()"
