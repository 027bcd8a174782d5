"""The log on the disk: whole after a crash, turned over without a gap, patient with a full disk."""

import errno
import os
import signal
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from app.audit import log as module
from app.audit.files import entries_of, files_of, verify
from app.audit.log import AuditLog
from tests.app.audit.test_entry import entry


@pytest.fixture
def path(tmp_path):
    return tmp_path / "audit" / "audit.jsonl"


def numbers(path):
    return [one["n"] for one in entries_of(path)]


def write_some(path, n, **options):
    log = AuditLog(path, **options)
    for _ in range(n):
        log.add(entry())
    log.close()


def test_entries_are_written_for_the_owner_alone_and_go_on_after_a_restart(path):
    write_some(path, 3)
    write_some(path, 2)

    assert numbers(path) == [1, 2, 3, 4, 5]
    assert verify(path).is_whole
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_it_is_turned_over_by_size_without_a_gap_and_the_oldest_go(path):
    write_some(path, 100, max_bytes=2000)
    write_some(path, 1, max_bytes=2000)

    files = files_of(path)
    assert len(files) == 11
    assert all(one.stat().st_size <= 2000 for one in files)
    kept = numbers(path)
    assert kept == list(range(kept[0], 102))
    assert kept[0] > 1
    assert verify(path).is_whole


@pytest.mark.parametrize("torn", [b'{"n":4,"time":"2026', b"{", "\u00e9".encode()[:1]])
def test_half_a_line_is_kept_and_marked(path, torn):
    write_some(path, 3)
    with path.open("ab") as file:
        file.write(torn)
    assert not verify(path).is_whole

    write_some(path, 2)

    assert verify(path).is_whole
    assert torn + b"\n" in path.read_bytes()
    events = [one.get("event") for one in entries_of(path)]
    assert events == [None, None, None, "mended", None, None]


CHILD = """
import sys
from pathlib import Path
from app.audit.log import AuditLog
from tests.app.audit.test_entry import entry
log = AuditLog(Path(sys.argv[1]), max_bytes=20_000)
print("begun", flush=True)
while True:
    log.add(entry())
"""


def test_kill_in_the_middle_loses_no_chain(path):
    for _ in range(3):
        child = subprocess.Popen(
            [sys.executable, "-c", CHILD, str(path)], stdout=subprocess.PIPE, cwd=Path.cwd()
        )
        assert child.stdout.readline() == b"begun\n"
        while not path.exists() or path.stat().st_size < 3000:
            assert child.poll() is None
        child.send_signal(signal.SIGKILL)
        child.wait(30)
        child.stdout.close()
        write_some(path, 1)
        assert verify(path).faults == ()


class Disk:
    """Writes until it is full: then half of a line, then nothing."""

    def __init__(self):
        self.is_full = False
        self.n_refused = 0
        self.refused = threading.Event()

    def write(self, file, raw):
        if not self.is_full:
            return os.write(file, raw)
        self.n_refused += 1
        if self.n_refused == 1:
            return os.write(file, raw[:20])
        self.refused.set()
        raise OSError(errno.ENOSPC, "No space left on device")


def test_a_full_disk_is_told_once_and_what_waited_is_written_later(path, caplog, monkeypatch):
    monkeypatch.setattr(module, "RETRY_S", 0.01)
    disk = Disk()
    log = AuditLog(path, write=disk.write)
    log.add(entry())
    assert log.settle()
    disk.is_full = True

    log.add(entry())
    log.add(entry())
    assert disk.refused.wait(10)
    for _ in range(3):
        disk.refused.clear()
        assert disk.refused.wait(10)
    assert "No space left" in log.trouble
    assert verify(path).is_whole  # nothing half stays behind
    disk.is_full = False
    assert log.settle()
    log.close()

    assert log.trouble == ""
    assert numbers(path) == [1, 2, 3]
    assert verify(path).is_whole
    told = [one.getMessage().split()[0] for one in caplog.records]
    assert told == ["audit_log_cannot_be_written", "audit_log_written_again"]


def test_what_there_is_no_room_for_is_counted_in_the_log(path, monkeypatch):
    monkeypatch.setattr(module, "MAX_WAITING", 2)
    monkeypatch.setattr(module, "RETRY_S", 0.01)
    disk = Disk()
    disk.is_full = True
    log = AuditLog(path, write=disk.write)
    log.add(entry())
    assert disk.refused.wait(10)
    for _ in range(6):
        log.add(entry())
    disk.is_full = False
    assert log.settle()
    log.close()

    told = [(one.get("event"), one.get("n_lost")) for one in entries_of(path)]
    lost = [n for event, n in told if event == "lost"]
    assert sum(lost) + sum(event is None for event, _ in told) == 7
    assert sum(lost) >= 3
    assert verify(path).is_whole


def test_a_disk_that_stays_full_does_not_hold_the_end_up(path):
    disk = Disk()
    disk.is_full = True
    log = AuditLog(path, write=disk.write)
    log.add(entry())
    assert disk.refused.wait(10)

    log.close()

    assert numbers(path) == []


def test_two_processes_never_write_one_log(path):
    log = AuditLog(path)

    with pytest.raises(BlockingIOError):
        AuditLog(path)

    log.close()


def test_it_does_not_write_through_a_link(path, tmp_path):
    path.parent.mkdir()
    path.symlink_to(tmp_path / "elsewhere")

    with pytest.raises(OSError, match="symbolic"):
        AuditLog(path)


def test_refused_strangers_cannot_push_out_what_others_did(path, monkeypatch):
    monkeypatch.setattr(module, "STRANGERS_BURST", 3)
    now = [0.0]
    log = AuditLog(path, clock=lambda: now[0])
    for _ in range(10):
        log.add(entry(key="", status=401))
    log.add(entry(key="k1", status=403))
    assert log.settle()
    now[0] += 2.0
    for _ in range(10):
        log.add(entry(key="", status=429))
    log.close()

    told = list(entries_of(path))
    assert [one["status"] for one in told if "status" in one] == [401] * 3 + [403] + [429] * 2
    assert sum(one.get("n_refused", 0) for one in told) == 15
    assert verify(path).is_whole


def test_a_new_file_that_cannot_be_made_costs_no_older_one(path, monkeypatch):
    monkeypatch.setattr(module, "RETRY_S", 0.001)
    log = AuditLog(path, max_bytes=2000)
    opened, left = log._opened, [errno.EMFILE] * 30

    def opening():
        if left:
            raise OSError(left.pop(), "too many open files")
        return opened()

    monkeypatch.setattr(log, "_opened", opening)
    for _ in range(20):
        log.add(entry())
    assert log.settle(30)
    log.close()

    assert not left
    assert numbers(path) == list(range(1, 21))
    assert verify(path).is_whole
