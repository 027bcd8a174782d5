"""One at a time changes a store; whoever waits too long is told for whom."""

from __future__ import annotations

import errno
import fcntl
import os
import subprocess
import sys
import threading

import pytest

from engine.errors import LibraryError
from engine.library.claims import Claims
from engine.library.lock import StoreLock
from engine.library.partial import opened

HOLD = """
import sys
from pathlib import Path
from engine.library.{module} import {kind}
with {kind}(Path(sys.argv[1])).held({argument}):
    print("held", flush=True)
    sys.stdin.read()
"""


def holder(path, module, kind, argument=""):
    """Start a process that holds something until its input ends."""
    return run(HOLD.format(module=module, kind=kind, argument=argument), path)


def run(code, path):
    """Start a process; give it when it says that it is ready."""
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": "."},  # noqa: TID251
    )
    assert process.stdout.readline() == "held\n"
    return process


def test_another_process_is_waited_for_and_then_named(tmp_path):
    lock = StoreLock(tmp_path / "lock", wait_s=0.1)
    with holder(tmp_path / "lock", "lock", "StoreLock") as process:
        with pytest.raises(LibraryError, match=f"is being changed by process {process.pid} "):
            lock.held().__enter__()
        process.stdin.close()
        process.wait(20)

    with lock.held():
        assert (tmp_path / "lock").read_text() == f"{os.getpid()}\n"


def test_a_process_that_is_killed_holds_nothing(tmp_path):
    with holder(tmp_path / "lock", "lock", "StoreLock") as process:
        process.kill()
        process.wait(20)

    with StoreLock(tmp_path / "lock", wait_s=0.1).held():
        pass


def test_another_thread_is_waited_for_and_then_named(tmp_path):
    lock, errors = StoreLock(tmp_path / "lock", wait_s=0.05), []

    def take():
        try:
            with lock.held():
                pass
        except LibraryError as error:
            errors.append(str(error))

    with lock.held():
        thread = threading.Thread(target=take)
        thread.start()
        thread.join(20)

    assert "by another request of this process" in errors[0]


def test_the_same_thread_may_take_it_again_and_keeps_it_until_the_last_end(tmp_path):
    lock, other = (StoreLock(tmp_path / "lock", wait_s=0) for _ in range(2))

    with lock.held():
        with lock.held():
            pass
        with pytest.raises(LibraryError, match="is being changed"):
            other.held().__enter__()

    with other.held():
        pass


def test_a_folder_that_cannot_be_written_says_so(tmp_path):
    (tmp_path / "file").write_bytes(b"")

    with pytest.raises(LibraryError, match="cannot write to"):
        StoreLock(tmp_path / "file" / "lock").held().__enter__()


def test_claims_add_up_and_end(tmp_path):
    claims = Claims(tmp_path / "claims")

    with claims.held(["a", "b"]), claims.held(["b"]):
        assert claims.current() == {"a", "b"}

    assert claims.current() == frozenset()
    assert list((tmp_path / "claims").iterdir()) == []


def test_claims_of_other_processes_count_while_they_live(tmp_path):
    claims = Claims(tmp_path / "claims")
    with holder(tmp_path / "claims", "claims", "Claims", '["a", "b"]') as process:
        assert claims.current() == {"a", "b"}
        process.kill()
        process.wait(20)

    assert claims.current() == frozenset()
    assert list((tmp_path / "claims").iterdir()) == []


def test_claims_that_cannot_be_written_still_count_here(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    claims = Claims(tmp_path / "file" / "claims")

    with claims.held(["a"]):
        assert claims.current() == {"a"}


LOOK = """
import sys
from pathlib import Path
from engine.library.claims import Claims
claims = Claims(Path(sys.argv[1]))
print("held", flush=True)
while Path(sys.argv[1], "go").exists():
    claims.current()
"""


def test_a_claim_is_never_taken_for_one_of_a_dead_process(tmp_path):
    (tmp_path / "go").touch()
    claims, lost = Claims(tmp_path), 0
    with run(LOOK, tmp_path):
        for _ in range(2000):
            with claims.held(["a"]):
                lost += not list(tmp_path.glob("claim-*"))
        (tmp_path / "go").unlink()

    assert lost == 0


def test_a_file_system_without_locks_is_used_without(tmp_path, monkeypatch):
    claims = Claims(tmp_path / "claims")
    with holder(tmp_path / "claims", "claims", "Claims", '["a"]') as process:

        def refuse(*_):
            raise OSError(errno.ENOLCK, "no locks available")

        monkeypatch.setattr(fcntl, "flock", refuse)
        with StoreLock(tmp_path / "lock", wait_s=0).held():
            pass
        with opened(tmp_path / "blob", 1) as partial:
            is_open = partial is not None
        found = claims.current()  # nobody knows whether that process lives
        process.kill()

    assert is_open
    assert found == {"a"}
