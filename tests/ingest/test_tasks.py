"""Files that change while they are read, and files that are too large to be read at all."""

from pathlib import Path
from time import monotonic

import pytest

from ingest.jobs_store import Task

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


def test_an_upload_that_is_too_large_is_refused_by_its_own_name(kb):
    job = kb.wait(kb.submit("default", [("deep/huge.txt", b"x" * 1_000_001)]), 20)

    assert job.errors[0].reason.startswith("deep/huge.txt has 1,000,001 bytes")
    assert "QUIRE_MAX_FILE_MB" in job.errors[0].reason
