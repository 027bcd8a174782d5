import numpy as np
import pytest

from ingest.vectors import Expected, VectorIndex


def unit_rows(n, seed=0):
    rows = np.random.default_rng(seed).standard_normal((n, 48)).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def reader(rows):
    def read(ids):
        return list(ids), rows[list(ids)], [f"d{one % 7}" for one in ids]

    return read


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "chroma"


@pytest.fixture
def index(folder):
    index = VectorIndex(folder)
    yield index
    index.close()


def fill(index, rows, ids):
    index.add(1, *reader(rows)(ids))


def test_more_rows_than_the_library_takes_at_once_are_cut(index):
    rows = unit_rows(5_300)
    fill(index, rows, range(5_300))

    assert index.query(1, rows[5_250], 1)[0] == (5_250, pytest.approx(1.0, abs=1e-4))
    index.delete(1, list(range(5_200)))
    assert index.ids(1) == set(range(5_200, 5_300))


def test_a_filter_by_documents_is_exact(index):
    rows = unit_rows(700)
    fill(index, rows, range(700))

    found = index.query(1, rows[0], 10, ["d3", "d5"])

    cosine = rows @ rows[0]
    best = sorted((n for n in range(700) if n % 7 in (3, 5)), key=lambda n: -cosine[n])[:10]
    assert [one for one, _ in found] == best
    assert index.query(1, rows[0], 10, ["unknown"]) == []


def test_an_unknown_collection_is_empty(index):
    assert index.query(9, unit_rows(1)[0], 3) == []
    assert index.ids(9) == set()
    index.delete(9, [1])
    index.drop(9)


def test_reconcile_adds_what_is_missing_and_removes_what_is_extra(index):
    rows = unit_rows(50)
    fill(index, rows, range(30))
    index.add(2, *reader(rows)([1]))

    index.reconcile({1: Expected(range(20, 50))}, reader(rows))

    assert index.ids(1) == set(range(20, 50))
    assert index.ids(2) == set()


def test_reconcile_takes_vectors_of_another_length(index):
    fill(index, unit_rows(10), range(10))
    shorter = unit_rows(40)[:, :16]

    index.reconcile({1: Expected(range(20, 40))}, reader(shorter))

    assert index.ids(1) == set(range(20, 40))


@pytest.mark.parametrize("damage", ["links_ones", "links_zeros", "level0_cut", "level0_zeros"])
def test_torn_files_neither_kill_the_process_nor_give_wrong_answers(folder, damage):
    rows = unit_rows(2_500)
    index = VectorIndex(folder)
    fill(index, rows, range(2_500))
    index.close()
    name, _, way = damage.partition("_")
    (file,) = folder.rglob({"links": "link_lists.bin", "level0": "data_level0.bin"}[name])
    size = file.stat().st_size
    assert size
    data = {"cut": b"\1" * (size // 3), "ones": b"\xff" * size, "zeros": b"\0" * size}[way]
    file.write_bytes(data)
    folder.with_name("chroma.unclean").touch()

    index = VectorIndex(folder)
    index.reconcile({1: Expected(range(2_500))}, reader(rows))

    for one in (0, 1_234, 2_499):
        assert index.query(1, rows[one], 1)[0][0] == one
    # Some upper links may be damaged without harm; then nothing needs to be made anew.
    assert index.n_rebuilt == (damage != "links_ones")
    index.close()
    assert not folder.with_name("chroma.unclean").exists()
