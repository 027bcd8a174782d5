"""The steps that come next in, their files loaded by the time they are needed out.

While one file is embedded the next ones are read and loaded by other processes: a bounded number
of files and bytes ahead. A text that was loaded ahead is used only for the very bytes that it was
made from, so that a file that changes meanwhile is simply loaded once more.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path, PurePosixPath

from ingest.documents_store import Documents, document_id
from ingest.errors import FileRefusedError
from ingest.jobs_store import Waiting
from ingest.load_pool import LoadPool, is_light
from ingest.types import Loaded

MAX_AHEAD_BYTES = 64 * 1024**2  # of files, all together
MAX_FILE_BYTES = 32 * 1024**2  # larger ones are loaded when it is their turn

_Key = tuple[str, int]  # job, position
_Result = tuple[str, Loaded | FileRefusedError]  # digest of the bytes, what became of them


@dataclass(frozen=True, slots=True)
class _InFlight:
    future: Future[_Result | None]
    n_bytes: int


def ahead_of(
    n_workers: int,
    load: Callable[[bytes, str], Loaded],
    documents: Documents,
    loader_version: int,
    max_file_bytes: int,
) -> Ahead | None:
    """Begin loading with so many processes; with none, files are loaded where they are needed."""
    if not n_workers:
        return None

    def is_known(collection: str, digest: str) -> bool:
        return documents.holds(document_id(collection, digest), loader_version)

    return Ahead(LoadPool(n_workers, in_process=load), is_known, max_file_bytes)


class Ahead:
    """Loads by a pool, ahead of the one writer that asks."""

    def __init__(
        self, pool: LoadPool, is_known: Callable[[str, str], bool], max_file_bytes: int
    ) -> None:
        """Prepare the threads that feed the pool.

        Args:
            is_known: tells whether a collection holds the bytes of a digest: no need to load them.
        """
        self._pool = pool
        self._is_known = is_known
        self._max_file_bytes = min(MAX_FILE_BYTES, max_file_bytes)
        self.n_ahead = 2 * pool.n_children + 2
        self._threads = ThreadPoolExecutor(pool.n_children, thread_name_prefix="load")
        self._lock = threading.Lock()
        self._in_flight: dict[_Key, _InFlight] = {}
        self._current: _Key = ("", 0)

    def look(self, current: Waiting, upcoming: Sequence[Waiting]) -> None:
        """Begin with the files of what comes next; forget what does not come any more."""
        self._current = (current.job_id, current.position)
        keys = {self._current, *((one.job_id, one.position) for one in upcoming)}
        with self._lock:
            for key in [one for one in self._in_flight if one[0] == current.job_id]:
                if key not in keys:
                    self._in_flight.pop(key).future.cancel()
            for one in upcoming[: self.n_ahead]:
                key = (one.job_id, one.position)
                if key != self._current and key not in self._in_flight:
                    self._begin(key, one)

    def load(self, data: bytes, name: str) -> Loaded:
        """Give the text of the file whose turn it is.

        Raises:
            FileRefusedError: it cannot be read.
        """
        with self._lock:
            begun = self._in_flight.pop(self._current, None)
        result = None
        if begun is not None:
            try:
                result = begun.future.result()
            except (OSError, CancelledError):  # gone while it was read; its turn will tell
                result = None
        if result is None or result[0] != sha256(data).hexdigest():
            held = [data]
            del data  # of a large file it is as much as its text: the pool lets it go
            return self._pool.load(held.pop(), name)
        if isinstance(result[1], FileRefusedError):
            raise result[1]
        return result[1]

    def forget(self) -> None:
        """Drop what was loaded for jobs that do not go on."""
        with self._lock:
            for one in self._in_flight.values():
                one.future.cancel()
            self._in_flight.clear()

    def close(self) -> None:
        """Stop loading at once."""
        self.forget()
        self._pool.close()
        self._threads.shutdown(wait=True, cancel_futures=True)

    def _begin(self, key: _Key, waiting: Waiting) -> None:
        task = waiting.task
        if task.kind not in ("file", "upload") or len(self._in_flight) >= self.n_ahead:
            return
        path = Path(task.source) if task.kind == "upload" else Path(task.root) / task.path
        name = PurePosixPath(task.path).name
        try:
            n_bytes = path.stat().st_size
        except OSError:
            return
        n_ahead = sum(one.n_bytes for one in self._in_flight.values())
        if n_bytes > self._max_file_bytes or n_ahead + n_bytes > MAX_AHEAD_BYTES:
            return
        if path.is_file() and not is_light(n_bytes, name):
            future = self._threads.submit(self._loaded, waiting.collection, path, name)
            self._in_flight[key] = _InFlight(future, n_bytes)

    def _loaded(self, collection: str, path: Path, name: str) -> _Result | None:
        with path.open("rb") as file:
            data = file.read(self._max_file_bytes + 1)
        digest = sha256(data).hexdigest()
        if len(data) > self._max_file_bytes or self._is_known(collection, digest):
            return None
        try:
            return digest, self._pool.load(data, name)
        except FileRefusedError as error:
            return digest, error
