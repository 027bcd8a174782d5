import numpy as np
import pytest

from ingest.fresh import Fresh, merge

ROWS = np.eye(200, dtype=np.float32)


@pytest.fixture
def fresh():
    fresh = Fresh()
    fresh.add(1, range(150), ROWS[:150], [f"d{n % 3}" for n in range(150)])
    return fresh


def test_every_row_finds_itself(fresh):
    assert len(fresh) == 150
    assert [fresh.nearest(1, ROWS[n], 1, None)[0] for n in (0, 63, 149)] == [
        (0, 1.0),
        (63, 1.0),
        (149, 1.0),
    ]


def test_a_filter_by_documents_is_exact(fresh):
    found = {one for one, _ in fresh.nearest(1, ROWS[0], 200, ["d1"])}

    assert found == set(range(1, 150, 3))
    assert fresh.nearest(1, ROWS[0], 5, ["unknown"]) == []


def test_deleted_rows_are_gone_and_the_others_stay_in_place(fresh):
    fresh.delete(1, [0, 149, 70, 999])

    assert fresh.ids(1) == set(range(150)) - {0, 149, 70}
    for one in fresh.ids(1):
        assert fresh.nearest(1, ROWS[one], 1, None) == [(one, 1.0)]
    assert fresh.nearest(1, ROWS[70], 1, None)[0][1] == 0


def test_rows_taken_in_batches_and_deleted_come_once_each(fresh):
    fresh.add(2, [7], ROWS[:1], ["d"])
    seen = []
    while (batch := fresh.some(64)) is not None:
        seen += [(batch.number, one) for one in batch.ids]
        assert batch.vectors.shape[0] == len(batch.ids) == len(batch.document_ids)
        fresh.delete(batch.number, batch.ids)

    assert sorted(seen) == [(1, n) for n in range(150)] + [(2, 7)]
    assert len(fresh) == 0


def test_unknown_collections_and_other_lengths_are_empty(fresh):
    assert fresh.nearest(9, ROWS[0], 3, None) == []
    assert fresh.nearest(1, np.ones(8, np.float32), 3, None) == []
    fresh.drop(1)
    fresh.drop(1)
    fresh.delete(1, [1])
    assert fresh.ids(1) == set()


def test_two_rankings_become_one_without_doubles():
    assert merge([(1, 0.9), (2, 0.5)], [(3, 0.7), (2, 0.5)], 3) == [(1, 0.9), (3, 0.7), (2, 0.5)]
    assert merge([(1, 0.9)], [(3, 0.7)], 1) == [(1, 0.9)]
