"""Many files at once: moved and removed in few transactions, looked through without a write."""

import shutil
import threading
from contextlib import contextmanager
from dataclasses import replace

import pytest

from ingest.roots import Root
from ingest.watch import Pace
from tests.ingest.watching import until

FAST = Pace(stable_s=0.03, unstable_s=1.0, look_s=0.03, reconcile_s=0.1)
N_FILES = 80


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "docs"
    write(folder, N_FILES)
    return folder


def write(folder, n_files):
    for n in range(n_files):
        path = folder / f"{n % 10}" / f"{n}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"text {n}", encoding="utf-8")


def sync(kb, folder, timeout_s=60, **flags):
    job = kb.wait(kb.sync(folder, "default", **flags), timeout_s)
    assert (job.state, job.errors) == ("done", ())
    return job


@contextmanager
def counted(kb):
    """Count the transactions of the catalogue's only writer."""
    begun = []
    kb._store._writer.set_trace_callback(lambda sql: begun.append(sql) if "BEGIN" in sql else None)
    yield begun
    kb._store._writer.set_trace_callback(None)


def test_a_renamed_folder_is_followed_in_few_transactions_and_every_file_is_counted(
    kb, folder, model
):
    sync(kb, folder)
    n_embedded = model.n_embedded
    folder.joinpath("3").rename(folder / "three")
    folder.joinpath("4").rename(folder / "four")

    with counted(kb) as begun:
        job = sync(kb, folder)

    assert (job.n_files, job.n_done) == (16, 16)
    assert len(begun) < 12
    assert model.n_embedded == n_embedded
    assert len(kb.documents(query="three/")[0]) == 8


def test_a_deleted_folder_is_followed_in_few_transactions_and_every_file_is_counted(kb, folder):
    sync(kb, folder)
    for name in "123456":
        shutil.rmtree(folder / name)

    with counted(kb) as begun:
        job = sync(kb, folder, is_confirmed=True)

    assert (job.n_files, job.n_done) == (48, 48)
    assert len(begun) < 14
    assert kb.documents()[1] == N_FILES - 48


def test_looking_through_a_folder_without_changes_writes_nothing(kb, folder, tmp_path):
    with until(lambda: kb.documents()[1] == N_FILES):
        kb.watch(folder, "default", FAST)
    with until(lambda: all(job.state == "done" for job in kb.jobs())):
        pass
    kb.roots.stop()
    kb._worker._tidy()
    before = state(kb, tmp_path / "home"), state_of_files(folder)
    looks = []
    hands = kb._root_hands()
    asking = replace(hands, known=lambda *asked: looks.append(asked) or hands.known(*asked))

    root = Root(folder, "default", asking, FAST)
    with until(lambda: len(looks) > 2):  # at the start, and from time to time
        root.watcher.start()
    root.watcher.stop()

    assert (state(kb, tmp_path / "home"), state_of_files(folder)) == before


def state(kb, home):
    """Tell all that a write would change: rows, the catalogue's version, every file's time."""
    connection = kb._store._writer
    version = connection.execute("PRAGMA data_version").fetchone()
    return connection.total_changes, version, state_of_files(home)


def state_of_files(folder):
    return {
        path: (path.stat().st_size, path.stat().st_mtime_ns)
        for path in folder.rglob("*")
        if path.name != "kb.sqlite3-shm"  # readers note there that they read
    }


def test_a_saved_file_does_not_wait_behind_the_heap_of_its_own_folder(open_kb, folder, model):
    may_go_on = threading.Event()
    order = []

    def slow(texts, is_query):
        order.extend(texts)
        if len(order) > 5:
            may_go_on.wait(20)
        return model.embed(texts, is_query)

    kb = open_kb(model.embedder(embed=slow))
    with until(lambda: len(order) > 5):
        kb.watch(folder, "default", FAST)
    with until(lambda: len(kb.jobs()) > 1):
        (folder / "saved.txt").write_text("saved just now")
    may_go_on.set()
    with until(lambda: kb.documents()[1] == N_FILES + 1):
        pass

    assert order.index("saved just now") < 12
    assert len(order) == len(set(order)) == N_FILES + 1
    assert sum(job.n_files for job in kb.jobs()) == N_FILES + 1  # no file was queued twice


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_ten_thousand_files_at_once_come_in_and_move_and_are_looked_through(kb, tmp_path, model):
    folder = tmp_path / "many"
    write(folder, 10_000)

    assert sync(kb, folder, 3_000).n_stored == 10_000
    n_embedded = model.n_embedded
    assert sync(kb, folder).n_files == 0
    for path in list(folder.iterdir()):
        path.rename(folder / f"moved-{path.name}")
    assert sync(kb, folder, 300).n_done == 10_000
    assert model.n_embedded == n_embedded
