"""A folder in, an exclusive claim on it out: one process at a time; touches one file."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import IO

from ingest.errors import LibraryLockedError


class FolderLock:
    """Holds a data directory for this process; the system lets go of it when the process dies."""

    def __init__(self, path: Path) -> None:
        """Take the lock.

        Raises:
            LibraryLockedError: another process (or another part of this one) holds it.
        """
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("a+", encoding="ascii")
        if not _is_taken(file):
            file.seek(0)
            holder = file.read(20).strip() or "unknown"
            file.close()
            raise LibraryLockedError(
                f"{path.parent} is open in another process (pid {holder}): ask that one over its "
                "API, stop it, or set QUIRE_HOME to another folder"
            )
        file.seek(0)
        file.truncate()
        file.write(f"{os.getpid()}\n")
        file.flush()
        self._file = file

    def release(self) -> None:
        """Let the next one in; releasing twice does nothing."""
        self._file.close()


def _is_taken(file: IO[str]) -> bool:
    try:
        if sys.platform == "win32":
            import msvcrt

            file.seek(0)
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
