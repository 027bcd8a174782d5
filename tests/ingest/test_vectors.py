import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from ingest.vectors import Expected, VectorIndex, _Files
from tests.ingest import rebuild_child

ROOT = Path(__file__).resolve().parents[2]


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


def everything(rows):
    return lambda: {1: Expected(range(len(rows)))}


def test_search_answers_from_the_old_index_until_the_new_one_is_complete(index, folder):
    rows = unit_rows(400)
    fill(index, rows, range(400))
    answers = []

    def pause():
        answers.append(index.query(1, rows[len(answers)], 1)[0][0])

    assert index.rebuild(everything(rows), reader(rows), pause)

    assert answers == list(range(len(answers)))
    assert len(answers) >= 5
    assert [one.name for one in folder.iterdir() if one.is_dir()] == ["g-2"]
    assert index.ids(1) == set(range(400))
    assert index.query(1, rows[399], 1)[0][0] == 399
    assert index.n_rebuilt == 0


def test_what_is_added_and_deleted_during_a_rebuild_is_in_the_new_index(index):
    rows = unit_rows(300)
    alive = set(range(200))
    fill(index, rows, range(200))
    n_pauses = 0

    def pause():
        nonlocal n_pauses
        n_pauses += 1
        if n_pauses == 1:
            fill(index, rows, range(200, 210))
            index.delete(1, [3, 199])
            alive.update(range(200, 210))
            alive.difference_update({3, 199})

    index.rebuild(lambda: {1: Expected(sorted(alive))}, reader(rows), pause)

    assert index.ids(1) == alive
    assert 3 not in {one for one, _ in index.query(1, rows[3], 5)}
    assert index.query(1, rows[205], 1)[0][0] == 205


def test_a_vector_read_just_before_its_deletion_does_not_come_back(index):
    rows = unit_rows(100)
    alive = set(range(100))
    fill(index, rows, range(100))

    def read_then_delete(ids):
        found = reader(rows)(ids)
        if 50 in alive:
            alive.discard(50)
            index.delete(1, [50])
        return found

    index.rebuild(lambda: {1: Expected(sorted(alive))}, read_then_delete)

    assert index.ids(1) == alive


def test_a_rebuild_that_fails_leaves_the_old_index_and_nothing_else(index, folder):
    rows = unit_rows(100)
    fill(index, rows, range(100))

    def fail():
        raise OSError("the disk is full")

    with pytest.raises(OSError, match="full"):
        index.rebuild(everything(rows), reader(rows), fail)

    assert [one.name for one in folder.iterdir() if one.is_dir()] == ["g-1"]
    assert len(index.query(1, rows[0], 10)) == 10
    fill(index, unit_rows(101), [100])
    assert index.rebuild(everything(unit_rows(101)), reader(unit_rows(101)))


def test_a_rebuild_that_cannot_even_be_given_up_cleanly_does_not_bar_the_next(
    index, folder, monkeypatch
):
    rows = unit_rows(100)
    fill(index, rows, range(100))
    close = _Files.close

    def fail(*_):
        raise OSError("the disk is full")

    monkeypatch.setattr(_Files, "close", lambda one: fail(close(one)))
    with pytest.raises(OSError, match="full"):
        index.rebuild(everything(rows), reader(rows), fail)
    monkeypatch.setattr(_Files, "close", close)

    assert [one.name for one in folder.iterdir() if one.is_dir()] == ["g-1"]
    assert index.rebuild(everything(rows), reader(rows))
    assert len(index.query(1, rows[0], 10)) == 10


def test_a_collection_that_is_deleted_while_its_vectors_are_read_does_not_come_back(index):
    rows = unit_rows(100)
    alive = {1: Expected(range(100)), 2: Expected(range(10))}
    for number, one in alive.items():
        index.add(number, *reader(rows)(one.chunk_ids))

    def read_then_drop(ids):
        found = reader(rows)(ids)
        if len(ids) == 10 and alive.pop(2, None):
            index.drop(2)
        return found

    index.rebuild(lambda: dict(alive), read_then_drop)

    assert index._files.names() == ["kb-1"]
    assert index.ids(1) == set(range(100))


def test_a_second_rebuild_does_not_begin_beside_the_first(index):
    rows = unit_rows(10)
    fill(index, rows, range(10))
    second = []

    index.rebuild(
        everything(rows),
        reader(rows),
        lambda: second.append(index.rebuild(everything(rows), reader(rows))),
    )

    assert second == [False]


def test_a_rebuilt_index_is_the_one_that_opens_next(index, folder):
    rows = unit_rows(20)
    fill(index, rows, range(20))
    index.rebuild(everything(rows), reader(rows))
    index.close()

    again = VectorIndex(folder)

    assert again.ids(1) == set(range(20))
    again.close()


def test_an_old_index_is_not_closed_under_a_search(index, folder):
    rows = unit_rows(50)
    fill(index, rows, range(50))
    with index._reading():
        rebuilding = threading.Thread(
            target=index.rebuild, args=(everything(rows), reader(rows)), daemon=True
        )
        rebuilding.start()
        rebuilding.join(0.5)
        assert rebuilding.is_alive()
        assert (folder / "g-1").is_dir()
    rebuilding.join(30)

    assert not (folder / "g-1").exists()


@pytest.mark.parametrize(
    ("point", "generation"),
    [
        ("half built", "g-1"),
        ("index built", "g-1"),
        ("index switched", "g-2"),
        ("old half removed", "g-2"),
    ],
)
def test_a_kill_during_a_rebuild_leaves_one_whole_generation(folder, point, generation):
    child = [sys.executable, str(ROOT / "tests/ingest/rebuild_child.py"), str(ROOT)]
    done = subprocess.run([*child, str(folder), point], capture_output=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr[-2000:]

    index = VectorIndex(folder)

    rows = rebuild_child.unit_rows()
    assert [one.name for one in folder.iterdir() if one.is_dir()] == [generation]
    assert index.ids(1) == set(range(rebuild_child.N_ROWS))
    assert [index.query(1, rows[n], 1)[0][0] for n in (0, 150, 299)] == [0, 150, 299]
    index.close()


def test_a_search_does_not_wait_for_whoever_writes(index):
    rows = unit_rows(50)
    fill(index, rows, range(50))
    is_held, is_over = threading.Event(), threading.Event()

    def write():
        with index._lock:
            is_held.set()
            is_over.wait(30)

    writer = threading.Thread(target=write)
    writer.start()
    assert is_held.wait(10)
    try:
        with ThreadPoolExecutor(1) as others:
            assert others.submit(index.query, 1, rows[7], 1).result(10)[0][0] == 7
    finally:
        is_over.set()
        writer.join()
