"""Entries in, lines on the disk out: written by a thread of its own, so that no request waits."""

from __future__ import annotations

import fcntl
import logging
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path

from app.audit.entry import Entry, sealed
from app.audit.files import FOLDER, N_KEPT, end_of
from app.notices import Notice

MAX_BYTES = 10 * 1024 * 1024
MAX_WAITING = 20_000  # entries, while the disk is full or slow
STRANGERS_BURST = 1000  # refusals of who shows no key that are written one by one
STRANGERS_PER_S = 1.0  # and as many further ones; else anybody could push out what others did
RETRY_S = 1.0
CLOSE_S = 5.0
_FAILED = 400  # from this status on
TROUBLE = "the audit log cannot be written: {why}; requests go on being answered"

_log = logging.getLogger(__name__)


class AuditLog:
    """An append-only file with a chain of hashes, turned over by size.

    While it cannot be written, entries wait; those for which there is no room are counted, and
    the count is written down. Requests are answered all the same: a full disk must not shut
    people out of what they own. Whoever wants the opposite watches `trouble`.
    """

    def __init__(
        self,
        path: Path,
        *,
        max_bytes: int = MAX_BYTES,
        write: Callable[[int, bytes], int] = os.write,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Open the file, mend its end, start the thread.

        Args:
            path: the file that is written; older ones lie beside it as `.1`, `.2` …
        Raises:
            OSError: it cannot be opened.
            BlockingIOError: another process writes it.
        """
        self._path, self._max_bytes, self._write, self._clock = path, max_bytes, write, clock
        self._waiting: deque[Mapping[str, object]] = deque()
        self._changed = threading.Condition()
        self._n_lost = 0
        self._n_spared = 0  # refusals that are counted only
        self._room, self._room_at_s = float(STRANGERS_BURST), clock()
        self._is_closing = False
        self._is_writing = False
        self.trouble = ""  # why nothing can be written; empty = all is well
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._file = self._opened()
        self._link, n_torn = end_of(path)
        self._is_torn = n_torn > 0  # a crash did it; the next line says so, nothing is taken away
        if n_torn:
            self._waiting.append({"time": _now(), "event": "mended", "n_bytes": n_torn})
        self._thread = threading.Thread(target=self._run, name="audit", daemon=True)
        self._thread.start()

    def add(self, entry: Entry) -> None:
        """Let an entry be written soon; never waits."""
        with self._changed:
            if self._is_one_of_many(entry):
                self._n_spared += 1
                return
            if len(self._waiting) >= MAX_WAITING:
                self._n_lost += 1
                return
            self._waiting.append(entry.fields())
            self._changed.notify_all()

    def settle(self, timeout_s: float = CLOSE_S) -> bool:
        """Wait until everything is written; tell whether it is."""
        with self._changed:
            return self._changed.wait_for(
                lambda: not self._waiting and not self._is_writing, timeout_s
            )

    def close(self) -> None:
        """Write what waits, if it can be written, and close the file."""
        with self._changed:
            self._is_closing = True
            self._changed.notify_all()
        self._thread.join(CLOSE_S)
        if not self._thread.is_alive():
            os.close(self._file)

    def _is_one_of_many(self, entry: Entry) -> bool:
        """Tell whether strangers were refused so often lately that one more is only counted."""
        if entry.key or entry.status < _FAILED:
            return False
        now_s = self._clock()
        gained = (now_s - self._room_at_s) * STRANGERS_PER_S
        self._room, self._room_at_s = min(float(STRANGERS_BURST), self._room + gained), now_s
        if self._room < 1:
            return True
        self._room -= 1
        return False

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._is_closing)
                batch, self._waiting = list(self._waiting), deque()
                n_lost, self._n_lost = self._n_lost, 0
                n_spared, self._n_spared = self._n_spared, 0
                self._is_writing = bool(batch)
                is_closing = self._is_closing
            if n_lost:
                batch.append({"time": _now(), "event": "lost", "n_lost": n_lost})
            if n_spared:
                batch.append({"time": _now(), "event": "refused", "n_refused": n_spared})
            rest = self._written(batch)
            with self._changed:
                self._waiting.extendleft(reversed(rest))
                self._is_writing = False
                self._changed.notify_all()
                if is_closing and (rest or not self._waiting):
                    return
                if rest:
                    self._changed.wait_for(lambda: self._is_closing, RETRY_S)

    def _written(self, batch: list[Mapping[str, object]]) -> list[Mapping[str, object]]:
        """Write entries; give those back that could not be written."""
        for at, fields in enumerate(batch):
            try:
                self._put(fields)
            except OSError as error:
                self._note(error)
                return batch[at:]
        if batch:
            self._note(None)
            try:
                os.fdatasync(self._file)
            except OSError as error:
                self._note(error)
        return []

    def _put(self, fields: Mapping[str, object]) -> None:
        raw, link = sealed(self._link, fields)
        size = os.fstat(self._file).st_size
        if self._is_torn:
            raw = b"\n" + raw
        elif size and size + len(raw) > self._max_bytes:
            self._turn_over()
            size = 0
        n_done = 0
        try:
            while n_done < len(raw):
                n_done += self._write(self._file, raw[n_done:])
        except OSError:
            if n_done:  # half a line on a full disk would break the chain
                os.ftruncate(self._file, size)
            raise
        self._link, self._is_torn = link, False

    def _turn_over(self) -> None:
        if self._path.exists():  # else it was tried already, and no new file could be made
            for number in range(N_KEPT, 0, -1):
                older = self._older(number)
                if older.exists():
                    older.unlink() if number == N_KEPT else older.rename(self._older(number + 1))
            self._path.rename(self._older(1))
        old, self._file = self._file, self._opened()
        os.close(old)

    def _older(self, number: int) -> Path:
        return self._path.with_name(f"{self._path.name}.{number}")

    def _opened(self) -> int:
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        file = os.open(self._path, flags, 0o600)
        try:
            os.fchmod(file, 0o600)
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(file)
            raise
        return file

    def _note(self, error: OSError | None) -> None:
        if error is None:
            if self.trouble:
                _log.warning("audit_log_written_again")
            self.trouble = ""
        elif not self.trouble:
            why = error.strerror or error
            self.trouble = Notice(TROUBLE.format(why=why), "audit_not_written", why=why)
            _log.error("audit_log_cannot_be_written error=%s", error)


def audit_path(home: Path, *, is_engine_only: bool = False) -> Path:
    """Tell where the log of a data directory is; the engine alone has one of its own."""
    return home / FOLDER / ("engine.jsonl" if is_engine_only else "audit.jsonl")


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
