"""Files that change while they are read, and files that are too large to be read at all."""

import os
from pathlib import Path
from time import monotonic

import pytest

from ingest.jobs_store import Task, Waiting
from ingest.tasks import Hands, run_task

NAMES = ("report.txt", "other.txt")
TEXT = "# Report\n\n" + "green tea and oats " * 2_000


@pytest.fixture
def folder(kb, tmp_path):
    """A folder with a file whose bytes are never as many as its size says: as if written to."""
    kb.create_collection("default")
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "report.txt").symlink_to("/proc/self/status")
    return folder


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs Linux")
def test_a_file_that_changes_while_it_is_read_waits_and_is_read_when_it_is_whole(kb, folder):
    (folder / "other.txt").write_text("other")
    kb._jobs.add("job", "default", [Task("file", one, str(folder)) for one in NAMES])
    kb._worker.wake()
    deadline = monotonic() + 20
    while "waiting until report.txt is written" not in kb.job("job").message:
        assert monotonic() < deadline, kb.job("job")
    assert kb.job("job").n_stored == 1  # the other one did not wait
    (folder / "whole").write_text(TEXT)
    (folder / "whole").replace(folder / "report.txt")

    job = kb.wait("job", 30)

    assert (job.state, job.n_files, job.n_stored, job.errors) == ("done", 2, 2, ())
    assert TEXT in {kb.text(one.id) for one in kb.documents()[0]}


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs Linux")
def test_a_file_that_never_settles_is_reported(kb, folder):
    kb._jobs.add("job", "default", [Task("file", "report.txt", str(folder))])
    kb._worker.wake()

    job = kb.wait("job", 60)

    assert job.state == "failed"
    assert job.errors[0].reason.startswith("report.txt is being written")


def test_a_file_of_two_gigabytes_is_refused_unread_by_a_limit_that_names_its_setting(kb, tmp_path):
    folder = tmp_path / "folder"
    folder.mkdir()
    with (folder / "huge.txt").open("wb") as file:
        file.truncate(2 * 1024**3)

    job = kb.wait(kb.sync(folder, "default"), 20)

    assert job.state == "failed"
    assert job.errors[0].path == "huge.txt"
    assert "has 2,147,483,648 bytes, the limit is 1,000,000" in job.errors[0].reason
    assert "QUIRE_MAX_FILE_MB" in job.errors[0].reason


@pytest.mark.parametrize(
    "bytes_now", [b"", b"\0broken", b"x" * 1_000_001], ids=["empty", "broken", "too large"]
)
def test_a_followed_file_that_cannot_be_read_any_more_answers_nothing(kb, tmp_path, bytes_now):
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "notes.txt").write_text("the harbour office opens at nine")
    assert kb.wait(kb.sync(folder, "default"), 20).n_stored == 1
    (folder / "notes.txt").write_bytes(bytes_now)

    job = kb.wait(kb.sync(folder, "default", is_confirmed=True), 20)

    assert [one.path for one in job.errors] == (["notes.txt"] if bytes_now else [])
    assert kb.documents() == ([], 0)
    assert kb.lexical("default", "harbour", 5) == []


def test_an_upload_that_is_too_large_is_refused_by_its_own_name(kb):
    job = kb.wait(kb.submit("default", [("deep/huge.txt", b"x" * 1_000_001)]), 20)

    assert job.errors[0].reason.startswith("deep/huge.txt has 1,000,001 bytes")
    assert "QUIRE_MAX_FILE_MB" in job.errors[0].reason


def test_a_step_of_another_kind_is_done_by_whoever_brings_it(kb):
    done = []
    parts = (kb._store, kb._documents, kb._jobs, kb._pipeline)
    more = {"carry": lambda waiting, _report: (done.append(waiting.task.path) or "stored", "")}
    hands = Hands(*parts, lambda _: None, lambda _: True, 1_000, more=more)

    ended = run_task(hands, Waiting("job", 0, "default", Task("carry", "one")), lambda _: None)

    assert (ended, done) == (("stored", ""), ["one"])


@pytest.mark.parametrize("kind", ["file", "remove"])
def test_a_file_that_grows_past_the_limit_or_is_a_pipe_by_its_turn_stops_nothing(
    kb, tmp_path, kind
):
    """What a folder held when it was looked through may be something else by now."""
    (tmp_path / "big.txt").write_bytes(b"x" * 1_000_001)
    os.mkfifo(tmp_path / "pipe.txt")
    (tmp_path / "good.txt").write_text("fine")
    kb.create_collection("default")
    names = ("big.txt", "pipe.txt", "good.txt")
    kb._jobs.add("job", "default", [Task(kind, one, str(tmp_path)) for one in names])
    kb._worker.wake()

    job = kb.wait("job", 20)

    refused = [error.path for error in job.errors]
    assert (job.n_done, refused) == (3, ["big.txt", "pipe.txt"] if kind == "file" else [])
