"""A file in, this process's exclusive hold on it out; the system lets go of it when we die."""

from __future__ import annotations

import errno
import os
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from engine.errors import LibraryError

_WAIT_S = 30.0
_PAUSE_S = 0.05
_NO_LOCKS = frozenset({errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP})


def is_taken(file: BinaryIO, *, without_locks: bool = True) -> bool:
    """Try to take the advisory lock on an open file; closing the file lets go of it.

    Args:
        without_locks: the answer on a file system that knows no locks, as some of networks.
    """
    try:
        if sys.platform == "win32":
            import msvcrt

            file.seek(0)
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        return without_locks and error.errno in _NO_LOCKS
    return True


class StoreLock:
    """Lets one thread of one process change manifests and tidy up; reading needs no lock.

    May be taken again by the thread that holds it. A real Ollama knows nothing of it.
    """

    def __init__(self, path: Path, wait_s: float = _WAIT_S) -> None:
        self._path, self._wait_s = path, wait_s
        self._thread_lock = threading.RLock()
        self._depth = 0  # guarded by the lock above, as the file
        self._file: BinaryIO | None = None

    @contextmanager
    def held(self) -> Iterator[None]:
        """Hold the lock.

        Raises:
            LibraryError: another process does not let go of it, or the folder cannot be written.
        """
        if not self._thread_lock.acquire(timeout=self._wait_s):
            raise LibraryError(self._said("another request of this process"))
        try:
            if self._depth == 0:
                self._file = self._open()
            self._depth += 1
            try:
                yield
            finally:
                self._depth -= 1
                if self._depth == 0 and self._file is not None:
                    self._file.close()
                    self._file = None
        finally:
            self._thread_lock.release()

    def _open(self) -> BinaryIO:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            file = self._path.open("a+b")
        except OSError as error:
            raise LibraryError(
                f"cannot write to {self._path.parent}: {error.strerror or error}; "
                "point OLLAMA_MODELS to a folder that can be written"
            ) from error
        try:
            self._take(file)
        except BaseException:
            file.close()
            raise
        return file

    def _take(self, file: BinaryIO) -> None:
        end = time.monotonic() + self._wait_s
        while not is_taken(file):
            if time.monotonic() >= end:
                file.seek(0)
                holder = file.read(20).decode("ascii", "replace").strip()
                raise LibraryError(self._said(f"process {holder or 'unknown'}"))
            time.sleep(_PAUSE_S)
        try:
            file.truncate(0)
            file.write(f"{os.getpid()}\n".encode())
            file.flush()
        except OSError:  # a full disk shall not keep anybody from deleting a model
            return

    def _said(self, holder: str) -> str:
        return (
            f"{self._path.parent} is being changed by {holder} for more than {self._wait_s:g} s; "
            "try again later, or stop that one"
        )
