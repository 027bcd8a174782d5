"""Digests in use by running work in, the same told to every process out; touches small files.

A pull or a create relies on blobs that no manifest names yet. Whoever tidies up, in this process
or in another one, must leave those alone.
"""

from __future__ import annotations

import logging
import os
import tempfile
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from engine.library.lock import is_taken

log = logging.getLogger(__name__)


class Claims:
    """The digests that running work relies on: of this process in memory, of others in files.

    Invariant: a claim's file is locked as long as its work runs, so that the file of a process
    that died claims nothing.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._own: Counter[str] = Counter()

    @contextmanager
    def held(self, digests: list[str]) -> Iterator[None]:
        """Claim digests for as long as the block runs."""
        with self._lock:
            self._own.update(digests)
        try:
            with self._told(digests):
                yield
        finally:
            with self._lock:
                self._own.subtract(digests)
                self._own += Counter()  # drops the zeros

    def current(self) -> frozenset[str]:
        """Give what anybody claims; the files of processes that died are removed."""
        with self._lock:
            found = set(self._own)
        for path in self._folder.glob("claim-*"):
            found.update(_digests_in(path))
        return frozenset(found)

    @contextmanager
    def _told(self, digests: list[str]) -> Iterator[None]:
        """Write a claim for other processes; if that cannot be, this one must do without."""
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            number, name = tempfile.mkstemp(prefix="new-", dir=self._folder)
        except OSError as error:
            log.debug("claim_not_written reason=%s", error.strerror)
            yield
            return
        path = Path(name)
        try:
            with os.fdopen(number, "w+b") as file:
                is_taken(file)
                try:
                    file.write("\n".join(digests).encode())
                    file.flush()
                    # Not before it is locked: whoever looks takes an unlocked one for a dead one.
                    path = path.rename(path.with_name(path.name.replace("new-", "claim-", 1)))
                except OSError as error:
                    log.debug("claim_not_written reason=%s", error.strerror)
                yield
        finally:
            path.unlink(missing_ok=True)


def _digests_in(path: Path) -> list[str]:
    try:
        with path.open("r+b") as file:
            if is_taken(file, without_locks=False):  # nobody holds it
                path.unlink(missing_ok=True)
                return []
            return file.read().decode("ascii", "replace").split()
    except OSError:  # gone meanwhile
        return []
