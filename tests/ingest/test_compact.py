import hashlib
import os
import shutil
import sqlite3
import time
from contextlib import contextmanager
from types import SimpleNamespace

import pytest

from ingest import compact
from ingest.compact import POLICIES, CompactionStoppedError, Compactor, Debt, Policy, is_due, rest_s
from ingest.compact_store import (
    FORGOTTEN,
    count_chunks,
    forget_jobs,
    is_worth_rewriting,
    merge_terms,
)
from ingest.errors import StorageFullError
from ingest.lexical import terms
from ingest.term_levels import count_levels
from tests.fakes import bag_of_terms, load_plain
from tests.ingest.test_reserve import spray

AT_ONCE = {"texts": Policy(least=1, wait_s=0), "index": Policy(least=1, wait_s=0)}
CANARY = "Xq7CanaryFerngulch93"
CHINESE = "锑鹮鱲龘"


def compactor_of(kb, **changes):
    options = {"is_busy": lambda: any(kb.status()["jobs"].values()), "policies": AT_ONCE}
    return Compactor(
        kb._store, kb._index, kb._expected, kb._documents.vectors_of, **(options | changes)
    )


@contextmanager
def compacting(kb, **changes):
    compactor = compactor_of(kb, **changes)
    compactor.start()
    try:
        yield compactor
    finally:
        compactor.stop()


def settle(kb, compactor):
    compactor.request("texts", "index")
    assert compactor.wait(120)
    assert compactor.status()["failed"] == ""


def needles(text):
    """Write a text in every form in which it may lie in a file."""
    words = {text, text.lower(), *terms(text), *(one.lower() for one in text.split())}
    return [word.encode(code) for word in words for code in ("utf-8", "utf-16-le", "utf-16-be")]


def files_with(folder, wanted):
    found = []
    for path in sorted(one for one in folder.rglob("*") if one.is_file()):
        data = path.read_bytes()
        found += [(path.name, one) for one in wanted if one in data]
    return found


def size_of(folder):
    return sum(one.stat().st_size for one in folder.rglob("*") if one.is_file())


POLICY = Policy(share=0.2, least=200, wait_s=60, wait_each_s=0.01)


@pytest.mark.parametrize(
    ("debt", "due", "due_when_busy"),
    [
        (Debt(1000, 0, 1e9), False, False),
        (Debt(1000, 1, 0), False, False),
        (Debt(1000, 1, 70), True, False),
        (Debt(1000, 1, 701), True, True),
        (Debt(1000, 199, 69), False, False),
        (Debt(1000, 200, 0), True, False),
        (Debt(10_000, 1_999, 159), False, False),
        (Debt(10_000, 2_000, 0), True, False),
        (Debt(10_000, 1, 160), True, False),
        (Debt(0, 5, 0), False, False),
    ],
)
def test_compaction_is_due_when_much_was_deleted_or_time_has_passed(debt, due, due_when_busy):
    assert is_due(debt, POLICY) is due
    assert is_due(debt, POLICY, is_idle=False) is due_when_busy


def test_a_library_in_which_something_is_deleted_all_day_is_not_rebuilt_all_day():
    hour = 3600.0

    assert is_due(Debt(10_000, 1, 2 * hour), POLICIES["index"])
    assert not is_due(Debt(1_000_000, 1, 24 * hour), POLICIES["index"])


@pytest.mark.parametrize(
    ("n_free", "n_pages", "is_worth"),
    [(0, 1000, False), (199, 1000, False), (201, 1000, True), (20, 60, False), (123, 200, True)],
)
def test_the_file_is_written_anew_only_when_much_of_it_is_free(n_free, n_pages, is_worth):
    assert is_worth_rewriting(n_free, n_pages, 8192) is is_worth


def spraying(text):
    """Load plain text as a loader does that leaves copies of it in memory."""

    def load(data, name):
        spray(text)
        return load_plain(data, name)

    return load


def spraying_vectors(kb, text):
    """Read vectors as if the thread that does it had read texts before."""

    def read(ids):
        spray(text)
        return kb._documents.vectors_of(ids)

    return read


def test_a_deleted_text_leaves_every_byte_of_the_data_directory(open_kb, tmp_path):
    home = tmp_path / "home"
    rest = "\n\n".join(f"The harbour of {place} is open." for place in ("Oslo", "Leeds", "Suzhou"))
    secret = f"# {CANARY}\n\nThe password is {CANARY}. {CHINESE} 也在这里。\n\n{rest}"
    kb = open_kb(load=spraying(secret))
    kb.compactor._read_vectors = spraying_vectors(kb, secret)

    def put(files):
        kb.wait(kb.submit("default", [(name, text.encode()) for name, text in files.items()]), 30)

    put({f"{n}.txt": f"Report {n}.\n\n{rest}" for n in range(30)})
    put({f"{CANARY}.txt": secret})
    put({"other.txt": f"{CANARY} stands here too."})
    put({"other.txt": "And now it does not."})
    vector = bag_of_terms(CANARY)
    assert kb.lexical("default", CANARY, 9)[0].title == CANARY
    assert kb.dense("default", vector, 9)
    wanted = needles(CANARY) + needles(CHINESE)
    assert files_with(home, wanted)
    (document,) = (one for one in kb.documents()[0] if CANARY in one.title)

    kb.delete_document(document.id)

    assert kb.lexical("default", CANARY, 9) == []
    assert all(CANARY not in hit.text for hit in kb.dense("default", vector, 99))
    settle(kb, kb.compactor)
    assert files_with(home, wanted) == []
    assert kb.lexical("default", "harbour Suzhou", 3)
    assert kb.jobs()[0].n_stored == 1
    kb.close()
    assert files_with(home, wanted) == []
    open_kb().close()
    assert files_with(home, wanted) == []


def test_a_deleted_vector_leaves_the_files_of_the_index(kb, put, tmp_path):
    put({f"{n}.txt": f"Report {n} of the harbour." for n in range(20)})
    put({"gone.txt": "saffron walrus"})
    # Any four numbers in a row of the vector tell it; as the index stores it.
    row = bag_of_terms("saffron walrus").tobytes()
    (document,) = (one for one in kb.documents()[0] if one.paths == ("gone.txt",))
    assert files_with(tmp_path / "home" / "chroma", [row])

    kb.delete_document(document.id)
    with compacting(kb) as compactor:
        settle(kb, compactor)

    assert files_with(tmp_path / "home", [row]) == []


def test_compaction_runs_by_itself_when_nothing_is_to_do(kb, put, monkeypatch):
    monkeypatch.setattr(compact, "_LOOK_S", 0.05)
    put({f"{n}.txt": f"Report {n} of the harbour." for n in range(5)})
    kb.delete_document(kb.documents()[0][0].id)

    with compacting(kb) as compactor:
        until = time.monotonic() + 30
        while not all(compactor.status()[one] for one in ("n_texts", "n_index")):
            assert time.monotonic() < until
            time.sleep(0.02)

    assert compactor.debt("texts").n_deleted == compactor.debt("index").n_deleted == 0
    assert len(kb.dense("default", bag_of_terms("harbour"), 9)) == 4


def test_compaction_does_not_begin_while_documents_come_in(kb, put):
    put({"a.txt": "tea"})
    kb.delete_document(kb.documents()[0][0].id)
    policies = {"texts": Policy(least=1), "index": Policy(least=1)}
    compactor = compactor_of(kb, is_busy=lambda: True, policies=policies)

    assert compactor._next_step() is None
    assert compactor.debt("texts").n_deleted == 1


def test_what_was_asked_for_is_tried_again_while_a_reader_stands_in_the_way(kb, put):
    put({"a.txt": "tea", "b.txt": "coffee"})
    kb.delete_document(kb.documents()[0][0].id)

    with kb._store.reading() as connection:
        connection.execute("SELECT count(*) FROM documents").fetchone()
        with kb._store.writing() as writer:
            writer.execute("INSERT INTO meta VALUES ('newer', 'than what the reader sees')")
        kb.compactor.request("texts")
        assert not kb.compactor.wait(0.3)

    assert kb.compactor.wait(30)
    assert kb.compactor.status()["n_texts"] == 1
    assert kb.compactor.status()["failed"] == ""


def test_what_was_deleted_is_remembered_over_a_restart(open_kb):
    kb = open_kb()
    kb.wait(kb.submit("default", [("a.txt", b"tea"), ("b.txt", b"coffee")]), 20)
    kb.delete_document(kb.documents()[0][0].id)
    kb.close()

    kb = open_kb()

    assert compactor_of(kb).debt("index").n_deleted == 1
    assert count_chunks(kb._store).n_alive == 1


def test_records_of_jobs_keep_their_counts_and_the_paths_that_still_lead_somewhere(kb, put):
    job = put({"gone.txt": "tea", "kept.txt": "coffee", "broken.txt": b"\0broken"})
    (document,) = (one for one in kb.documents()[0] if one.paths == ("gone.txt",))
    kb.delete_document(document.id)

    compactor_of(kb).run("texts")

    with kb._store.reading() as connection:
        paths = {row[0] for row in connection.execute("SELECT path FROM job_files")}
    assert paths == {FORGOTTEN, "kept.txt", "broken.txt"}
    after = kb.job(job.id)
    assert (after.n_files, after.n_stored, after.errors) == (3, 2, job.errors)


def test_records_of_old_jobs_go_beyond_a_number_of_files_unless_something_failed(kb, put):
    broken = put({"broken.txt": b"\0broken"})
    old, new = put({"old.txt": "tea"}), put({"new.txt": "coffee"})
    with kb._store.writing() as connection:
        for job in (broken, old, new):
            connection.executemany(
                "INSERT INTO job_files VALUES (?, ?, 'upload', '', '', '', 'skipped', '')",
                [(job.id, n) for n in range(1, 1_500)],
            )

    assert forget_jobs(kb._store) == 1

    assert {one.id for one in kb.jobs()} == {broken.id, new.id}
    assert forget_jobs(kb._store) == 0


def test_closing_stops_a_rebuild_and_leaves_the_old_index(kb, put, tmp_path):
    put({f"{n}.txt": f"Report {n}." for n in range(5)})
    before = sorted(one.name for one in (tmp_path / "home" / "chroma").iterdir())
    compactor = compactor_of(kb)
    compactor._is_stopping = True

    with pytest.raises(CompactionStoppedError):
        compactor.run("index")

    assert sorted(one.name for one in (tmp_path / "home" / "chroma").iterdir()) == before
    assert len(kb.dense("default", bag_of_terms("Report"), 9)) == 5


def fill_with_unused_vectors(kb, n_rows=3_000):
    with kb._store.writing() as connection:
        rows = [(os.urandom(32), os.urandom(1_500)) for _ in range(n_rows)]
        connection.executemany("INSERT INTO vectors VALUES (?, ?)", rows)
    assert kb._store.truncate_log()


def test_a_file_with_much_free_room_is_written_anew_and_readers_see_no_difference(
    kb, put, tmp_path
):
    path = tmp_path / "home" / "kb.sqlite3"
    put({"tea.txt": "tea"})
    fill_with_unused_vectors(kb)
    full = path.stat().st_size
    kb._documents.free_unused_vectors()

    with kb._store.reading() as connection:
        before = connection.execute("SELECT count(*) FROM vectors").fetchone()
        assert kb._store.rewrite(lambda: False)
        assert connection.execute("SELECT count(*) FROM vectors").fetchone() == before == (1,)
    kb.compactor.request("texts")

    assert kb.compactor.wait(30)
    assert path.stat().st_size < full / 3
    assert problems(path) == []


def test_compaction_shrinks_the_file(kb, tmp_path):
    path = tmp_path / "home" / "kb.sqlite3"
    fill_with_unused_vectors(kb)
    full = path.stat().st_size
    kb._documents.free_unused_vectors()

    kb.compactor.request("texts")

    assert kb.compactor.wait(30)
    assert path.stat().st_size < full / 3


def test_a_rewrite_gives_way_to_a_writer(kb):
    fill_with_unused_vectors(kb)
    store = kb._store
    store._n_waiting = 1  # as while a writer stands in line

    assert not store.rewrite(lambda: False)

    store._n_waiting = 0
    assert not store.rewrite(lambda: True)
    assert store.rewrite(lambda: False)


def test_a_file_that_the_disk_has_no_room_to_write_anew_stays_as_it_is(kb, monkeypatch, tmp_path):
    path = tmp_path / "home" / "kb.sqlite3"
    fill_with_unused_vectors(kb)
    kb._documents.free_unused_vectors()
    full = path.stat().st_size
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=1_000))

    with pytest.raises(StorageFullError, match=r"shrinking kb.sqlite3 takes .* MB for a moment"):
        kb._store.rewrite(lambda: False)
    kb.compactor.request("texts")

    assert kb.compactor.wait(30)
    assert (kb.compactor.status()["failed"], kb.compactor.status()["n_texts"]) == ("", 1)
    assert path.stat().st_size == full


@pytest.mark.parametrize(("n_failed", "seconds"), [(0, 5), (1, 10), (5, 160), (99, 3600)])
def test_a_step_rests_longer_after_each_failure(n_failed, seconds):
    assert rest_s(n_failed) == seconds


def test_a_step_that_fails_rests_and_its_failure_is_told_until_it_ends_well(kb, put, monkeypatch):
    put({"a.txt": "tea", "b.txt": "coffee"})
    kb.delete_document(kb.documents()[0][0].id)
    compactor = compactor_of(kb, policies={"texts": Policy(), "index": Policy(least=1)})
    with monkeypatch.context() as patched:
        patched.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=1_000))
        compactor.start()
        until = time.monotonic() + 30
        while not compactor.status()["failed"]:
            assert time.monotonic() < until
            time.sleep(0.02)
    assert compactor.status()["failed"].startswith("the disk of the data directory has 0 MB free")
    assert compactor.debt("index").n_deleted == 1
    assert compactor._next_step() is None

    with compactor._changed:
        compactor._rests.clear()
        compactor._changed.notify_all()  # as when the time between two looks is over
    while compactor.status()["failed"]:
        assert time.monotonic() < until
        time.sleep(0.02)

    assert compactor.status()["n_index"] == 1
    compactor.stop()


def problems(path):
    with sqlite3.connect(path) as connection:
        found = [row[0] for row in connection.execute("PRAGMA integrity_check")]
        tables = connection.execute(
            "SELECT name FROM sqlite_master WHERE sql LIKE 'CREATE VIRTUAL%'"
        )
        for (table,) in tables.fetchall():
            # Tells of nothing but raises if the index is not sound.
            connection.execute(f"INSERT INTO {table} ({table}) VALUES ('integrity-check')")
    connection.close()
    return [one for one in found if one != "ok"]


def test_a_lexical_index_outlives_any_number_of_compactions(kb, put, tmp_path):
    put({f"{n}.txt": f"Report {n} of the harbour." for n in range(100)})

    for document in kb.documents()[0][:80]:
        kb._documents.remove(document.id)
        merge_terms(kb._store, lambda: None)

    with kb._store.reading() as connection:
        (record,) = connection.execute("SELECT block FROM terms_1_data WHERE id=10").fetchone()
    assert 0 < count_levels(record) <= 65
    assert len(kb.lexical("default", "harbour", 99)) == 20
    assert problems(tmp_path / "home" / "kb.sqlite3") == []


def test_a_lexical_index_with_too_many_levels_is_mended_when_the_library_opens(open_kb, tmp_path):
    kb = open_kb()
    kb.wait(kb.submit("default", [(f"{n}.txt", b"harbour") for n in range(3)]), 20)
    with kb._store.writing() as connection:
        connection.execute("INSERT INTO terms_1 (terms_1) VALUES ('optimize')")
    kb.close()
    with sqlite3.connect(tmp_path / "home" / "kb.sqlite3") as connection:
        read = "SELECT block FROM terms_1_data WHERE id=10"
        (record,) = connection.execute(read).fetchone()
        n_levels, n_segments, n_writes = record[4], record[5], record[6]
        assert (n_levels, n_segments) == (1, 1)
        # As many empty levels as some thousand merges leave: 2,002 as one of SQLite's numbers.
        broken = record[:4] + b"\x8f\x52" + bytes([1, n_writes]) + bytes(2 * 2001) + record[7:]
        connection.execute("UPDATE terms_1_data SET block=? WHERE id=10", (broken,))
    connection.close()

    kb = open_kb()

    assert len(kb.lexical("default", "harbour", 9)) == 1
    assert problems(tmp_path / "home" / "kb.sqlite3") == []


def resident_bytes():
    with open("/proc/self/statm", encoding="ascii") as file:  # noqa: PTH123
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def paragraphs(cycle, number):
    words = hashlib.sha256(f"{cycle} {number}".encode()).hexdigest()
    return f"# {words[:6]}\n\n" + " ".join(words[at : at + 7] for at in range(40))


def grow_and_shrink(kb, home, *, n_cycles, n_documents):
    """Add and delete again and again; list the bytes on disk and in memory after each time."""
    sizes, memory = [], []
    for cycle in range(n_cycles):
        files = [(f"{n}.md", paragraphs(cycle, n).encode()) for n in range(n_documents)]
        job = kb.wait(kb.submit("default", files), 600)
        assert job.n_stored == n_documents
        for document in kb.documents(limit=n_documents)[0]:
            if document.paths != ("0.md",):
                kb.delete_document(document.id)
        settle(kb, kb.compactor)
        sizes.append(size_of(home))
        memory.append(resident_bytes())
    assert len(kb.lexical("default", paragraphs(n_cycles - 1, 0)[2:8], 9)) == 1
    assert problems(home / "kb.sqlite3") == []
    return sizes, memory


def test_disk_comes_back_after_each_cycle_of_adding_and_deleting(kb, tmp_path):
    sizes, _ = grow_and_shrink(kb, tmp_path / "home", n_cycles=3, n_documents=60)

    assert sizes[-1] <= 1.2 * sizes[0]


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_ten_cycles_of_a_thousand_documents_leave_disk_and_memory_as_they_were(kb, tmp_path):
    sizes, memory = grow_and_shrink(kb, tmp_path / "home", n_cycles=10, n_documents=1000)

    assert sizes[-1] <= 1.2 * sizes[0], sizes
    assert memory[-1] <= 1.2 * memory[0], memory
