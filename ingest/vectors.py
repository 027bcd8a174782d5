"""Chunk ids and vectors in, nearest chunk ids out: the only import of chromadb.

The index is a copy of what SQLite holds and can be made anew at any time. Torn index files kill
the whole process when they are touched (chroma issues 7238, 6949, 7069), so after an unclean end
a child process touches them first. Deleted vectors stay in the files of the library for good, so
the index is compacted by making it anew beside the old one, which answers until then.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING

import numpy as np

from ingest.faults import reach
from ingest.fresh import Fresh, merge
from ingest.generations import (
    current_generation,
    discard,
    next_generation,
    point_to,
    probe_in_child,
    require_room,
)
from ingest.memory import give_back_memory
from ingest.reserve import clear_reserve
from ingest.types import Vectors

if TYPE_CHECKING:
    from chromadb.api import ClientAPI
    from chromadb.api.models.Collection import Collection

log = logging.getLogger(__name__)

_MAX_ROWS = 5_000  # the library refuses more than 5,461 at once
# A search waits until the rows being added are linked, some 2 ms each: so few are added at once,
# and none while there are searches, as long as memory allows it.
_STEP_ROWS = 64
_BULK_ROWS = 512  # while nobody searches: a third faster
_MAX_FRESH_ROWS = 8_192
_BUSY_S = 2.0  # after a search, more are expected for so long
_LOOK_S = 0.5  # between two looks at whether there are none any more
_PROBE_TIMEOUT_S = 600.0
_DRAIN_S = 60.0  # the longest that an old index waits for its last searches
_SAMPLE = 64  # stored vectors that must find themselves after an unclean end
_HNSW = {
    "space": "cosine",
    "ef_construction": 200,
    "ef_search": 128,
    "max_neighbors": 32,
    "batch_size": 100,
    "sync_threshold": 500,  # vectors wait for it in a queue, which stays that large on disk
}

# Chunk ids → those still there, their vectors, their document ids.
ReadVectors = Callable[[Sequence[int]], tuple[list[int], Vectors, list[str]]]


@dataclass(frozen=True, slots=True)
class Expected:
    """What the index of one collection should hold."""

    chunk_ids: Sequence[int]


class _Files:
    """One opened folder of the library; safe for one writer beside many readers."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.n_readers = 0
        clear_reserve(folder)  # that a crash left
        self._client = _open(folder)
        self._collections: dict[int, Collection] = {}

    def names(self) -> list[str]:
        return [one.name for one in self._client.list_collections()]

    def collection(self, number: int) -> Collection | None:
        known = self._collections.get(number)
        if known is None and _name(number) in self.names():
            known = self._client.get_collection(_name(number), embedding_function=None)
            self._collections[number] = known
        return known

    def ids(self, number: int) -> set[int]:
        collection = self.collection(number)
        return set() if collection is None else {int(one) for one in _all_ids(collection)}

    def nearest(
        self, number: int, vector: Vectors, k: int, document_ids: Sequence[str] | None
    ) -> list[tuple[int, float]]:
        from chromadb.errors import NotFoundError

        try:
            collection = self.collection(number)
            if collection is None:
                return []
            found = collection.query(
                query_embeddings=vector.reshape(1, -1),
                n_results=min(k, _MAX_ROWS),
                where=None if document_ids is None else {"d": {"$in": list(document_ids)}},
                include=["distances"],
            )
        except NotFoundError:  # dropped a moment ago
            return []
        distances = (found["distances"] or [[]])[0]
        return [
            (int(one), 1.0 - float(distance))
            for one, distance in zip(found["ids"][0], distances, strict=True)
        ]

    def add(
        self, number: int, ids: Sequence[int], vectors: Vectors, document_ids: Sequence[str]
    ) -> None:
        if number not in self._collections:
            self._collections[number] = self._client.get_or_create_collection(
                _name(number), embedding_function=None, configuration={"hnsw": _HNSW}
            )
        self._collections[number].add(
            ids=[str(one) for one in ids],
            embeddings=vectors,
            metadatas=[{"d": one} for one in document_ids],
        )

    def delete(self, number: int, ids: Sequence[int]) -> None:
        collection = self.collection(number)
        if collection is not None:
            for at in range(0, len(ids), _MAX_ROWS):
                collection.delete(ids=[str(one) for one in ids[at : at + _MAX_ROWS]])

    def drop(self, name: str) -> None:
        self._collections.clear()
        if name in self.names():
            self._client.delete_collection(name)

    def settle(self) -> None:
        """Zero the memory that the library wrote to disk; nobody else may be at work here."""
        clear_reserve(self.folder)

    def close(self) -> None:
        self._collections.clear()
        self._client.close()
        clear_reserve(self.folder)


class VectorIndex:
    """The vector index of one data directory; thread-safe."""

    def __init__(self, folder: Path) -> None:
        """Open the index, or start an empty one if the old one is torn."""
        self._marker = folder.with_name(folder.name + ".unclean")
        self._lock = threading.RLock()  # of writers; a search never waits for it
        self._switch = threading.Condition()  # guards which files count, and who reads them
        self._rebuilding = threading.Lock()
        self._was_unclean = self._marker.exists()
        self._searched_s = float("-inf")
        self.is_behind = False  # a write failed: `reconcile` makes up for it
        self.n_rebuilt = 0  # collections found wrong and made anew since this index was opened
        generation = current_generation(folder)
        if self._was_unclean:
            result = probe_in_child(generation, _PROBE_TIMEOUT_S)
            if not result.is_healthy:
                log.warning("vector_index_torn %s: made anew from the catalogue", result.reason)
                discard(generation)
        self._files = _Files(generation)
        self._next: _Files | None = None  # being made anew: written to, not yet read
        self._fresh = Fresh()
        self._closing = threading.Event()
        self._pouring = threading.Thread(target=self._pour_when_quiet, name="vectors", daemon=True)
        self._pouring.start()

    # Repair

    def reconcile(self, expected: dict[int, Expected], read_vectors: ReadVectors) -> None:
        """Make the index equal to the catalogue; cheap if it is already."""
        with self._lock:
            self._pour(lambda: False)
            self.is_behind = False
            for name in set(self._files.names()).difference(map(_name, expected)):
                self._mark()
                self._files.drop(name)
            for number, one in expected.items():
                self._reconcile_one(number, one, read_vectors)
            self._was_unclean = False

    def _reconcile_one(self, number: int, expected: Expected, read_vectors: ReadVectors) -> None:
        held = self._files.ids(number)
        wanted = set(expected.chunk_ids)
        is_sound = not self._was_unclean or self._answers_right(number, held & wanted, read_vectors)
        if not is_sound:
            log.warning("vector_index_wrong collection=%d: it is made anew", number)
            held = set()
        if not held & wanted:
            # Also right after a change of the model: the old index has other dimensions.
            self.drop(number)
            held = set()
        if held - wanted:
            log.info("vector_index_repair collection=%d n_extra=%d", number, len(held - wanted))
            self.delete(number, sorted(held - wanted))
        if missing := sorted(wanted - held):
            log.info("vector_index_repair collection=%d n_missing=%d", number, len(missing))
            self.n_rebuilt += not held
            for at in range(0, len(missing), _BULK_ROWS):
                self.add(number, *read_vectors(missing[at : at + _BULK_ROWS]))

    def _answers_right(self, number: int, ids: set[int], read_vectors: ReadVectors) -> bool:
        """Compare every vector with the catalogue's, and let a sample find itself."""
        collection = self._files.collection(number)
        if collection is None or not ids:
            return True
        listed = sorted(ids)
        for at in range(0, len(listed), _MAX_ROWS):
            there, vectors, _ = read_vectors(listed[at : at + _MAX_ROWS])
            held = _embeddings(collection, there)
            if held.shape != vectors.shape or not np.allclose(held, vectors, atol=1e-3):
                return False
        sample = listed[:: max(1, len(listed) // _SAMPLE)][:_SAMPLE]
        there, vectors, _ = read_vectors(sample)
        found = collection.query(query_embeddings=vectors, n_results=1, include=["distances"])
        # Equal vectors under several ids are all right: the distance tells.
        n_found = sum(bool(row) and row[0] < 1e-3 for row in found["distances"] or [])
        return n_found >= 0.9 * len(there)

    # Compaction

    def rebuild(
        self,
        expected: Callable[[], dict[int, Expected]],
        read_vectors: ReadVectors,
        pause: Callable[[], None] = lambda: None,
    ) -> bool:
        """Make the whole index anew beside the old one, which answers until the new is complete.

        Args:
            expected: reads what the index should hold, each time it is asked.
            pause: is called between small steps: it may wait, or raise to give up.

        Returns:
            False if another rebuild is under way already.

        Raises:
            StorageFullError: the disk has no room for a second index; nothing was written.
        """
        if not self._rebuilding.acquire(blocking=False):
            return False
        fresh: _Files | None = None
        try:
            require_room(self._files.folder)
            fresh = _Files(next_generation(self._files.folder))
            with self._lock:
                self._mark()
                self._next = fresh  # from now on, what is added and deleted goes to both
            self._fill(fresh, expected, read_vectors, pause)
            with self._lock:
                # What changed meanwhile, and was read just before it was deleted.
                self._fill(fresh, expected, read_vectors, lambda: None)
                fresh.settle()
                reach("index built")
                old = self._switch_to(fresh)
            fresh = None
            reach("index switched")
            self._retire(old)
        finally:
            try:
                if fresh is not None:
                    self._give_up(fresh)
            finally:
                self._rebuilding.release()
        return True

    def _give_up(self, fresh: _Files) -> None:
        with self._lock:
            self._next = None
        try:
            fresh.close()
        finally:
            discard(fresh.folder)

    def _fill(
        self,
        files: _Files,
        expected: Callable[[], dict[int, Expected]],
        read_vectors: ReadVectors,
        pause: Callable[[], None],
    ) -> None:
        wished = expected()
        for name in set(files.names()).difference(map(_name, wished)):
            files.drop(name)  # read just before its collection was deleted
        for number, one in wished.items():
            held, wanted = files.ids(number), set(one.chunk_ids)
            files.delete(number, sorted(held - wanted))
            missing = sorted(wanted - held)
            while missing:
                pause()
                n_rows = self._step_rows()
                part, missing = missing[:n_rows], missing[n_rows:]
                ids, vectors, document_ids = read_vectors(part)
                if ids:
                    with self._lock:
                        files.add(number, ids, vectors, document_ids)

    def _switch_to(self, fresh: _Files) -> _Files:
        point_to(fresh.folder)
        with self._switch:
            old, self._files, self._next = self._files, fresh, None
        return old

    def settle(self, timeout_s: float) -> bool:
        """Zero the memory that the library wrote to disk; searches wait for some milliseconds.

        Returns:
            False if a search took too long: try again later.
        """
        with self._lock, self._switch:
            is_free = self._switch.wait_for(lambda: self._files.n_readers == 0, timeout_s)
            if is_free:
                self._files.settle()
        return is_free

    def _retire(self, old: _Files) -> None:
        with self._switch:
            is_free = self._switch.wait_for(lambda: old.n_readers == 0, _DRAIN_S)
        if is_free:
            old.close()
            discard(old.folder)
            give_back_memory()
        else:
            log.warning("vector_index_kept folder=%s: a search hangs; removed later", old.folder)

    # Writing

    def add(
        self, number: int, ids: Sequence[int], vectors: Vectors, document_ids: Sequence[str]
    ) -> None:
        """Add vectors of new chunks; ids that are there already are left alone."""
        if ids:
            with self._lock:
                self._mark()
                self._fresh.add(number, ids, vectors, document_ids)
            self._pour(self.is_in_use)

    def delete(self, number: int, ids: Sequence[int]) -> None:
        """Remove vectors; unknown ids do nothing."""
        if not ids:
            return
        with self._lock, self._noting_failure():
            self._mark()
            self._fresh.delete(number, ids)
            for files in self._written():
                files.delete(number, ids)

    def drop(self, number: int) -> None:
        """Remove a collection's index."""
        with self._lock:
            self._mark()
            self._fresh.drop(number)
            for files in self._written():
                files.drop(_name(number))

    def _pour(self, is_in_use: Callable[[], bool]) -> None:
        """Move fresh vectors into the files, unless somebody searches and there is room left."""
        while (n_fresh := len(self._fresh)) and not (n_fresh < _MAX_FRESH_ROWS and is_in_use()):
            with self._lock:
                batch = self._fresh.some(self._step_rows())
                if batch is None:
                    return
                with self._noting_failure():
                    self._mark()
                    for files in self._written():
                        files.add(batch.number, batch.ids, batch.vectors, batch.document_ids)
                # After a failure too: `reconcile` reads them from the catalogue.
                self._fresh.delete(batch.number, batch.ids)

    def _pour_when_quiet(self) -> None:
        while not self._closing.wait(_LOOK_S):
            try:
                self._pour(lambda: self._closing.is_set() or self.is_in_use())
            except Exception:  # the edge: the thread must outlive one bad batch
                log.exception("vectors_not_added")
                self.is_behind = True

    def _written(self) -> list[_Files]:
        return [self._files] if self._next is None else [self._files, self._next]

    @contextmanager
    def _noting_failure(self) -> Iterator[None]:
        """Go on after a failed write: the catalogue is right, and the index follows later."""
        from chromadb.errors import ChromaError

        try:
            yield
        except (ChromaError, OSError) as error:
            log.warning("vector_index_behind %s", error)
            self.is_behind = True

    # Reading

    def query(
        self, number: int, vector: Vectors, k: int, document_ids: Sequence[str] | None = None
    ) -> list[tuple[int, float]]:
        """Find the nearest chunks, best first, with their cosine.

        Shapes:
            vector: (n_dimensions,) or (1, n_dimensions), of length 1.
        """
        if k < 1 or (document_ids is not None and not document_ids):
            return []
        with self._reading() as files:
            # In this order: a vector that moves into the files meanwhile is found twice, not never.
            fresh = self._fresh.nearest(number, vector, k, document_ids)
            return merge(files.nearest(number, vector, k, document_ids), fresh, k)

    def ids(self, number: int) -> set[int]:
        """List the chunk ids that the index of a collection holds."""
        with self._lock:
            return self._fresh.ids(number) | self._files.ids(number)

    def is_in_use(self) -> bool:
        """Tell whether somebody searches, or did a moment ago."""
        return monotonic() - self._searched_s < _BUSY_S

    def _step_rows(self) -> int:
        return _STEP_ROWS if self.is_in_use() else _BULK_ROWS

    @contextmanager
    def _reading(self) -> Iterator[_Files]:
        with self._switch:
            files = self._files
            files.n_readers += 1
            self._searched_s = monotonic()
        try:
            yield files
        finally:
            with self._switch:
                files.n_readers -= 1
                self._searched_s = monotonic()
                self._switch.notify_all()

    def close(self) -> None:
        """Flush and let go of the files; closing twice does nothing."""
        if self._closing.is_set():
            return
        self._closing.set()
        self._pouring.join(_DRAIN_S)
        with self._lock:
            self._pour(lambda: False)
            self._files.close()
            self._marker.unlink(missing_ok=True)

    def _mark(self) -> None:
        self._marker.touch()


def probe(folder: str) -> None:
    """Touch everything that a torn index could die of; run in a process that may die."""
    client = _open(Path(folder))
    for listed in client.list_collections():
        collection = client.get_collection(listed.name, embedding_function=None)
        ids = _all_ids(collection)
        for at in range(0, len(ids), _MAX_ROWS):
            held = _embeddings(collection, ids[at : at + _MAX_ROWS])
            collection.query(query_embeddings=held[:_SAMPLE], n_results=10, include=["distances"])
    client.close()


def _open(folder: Path) -> ClientAPI:
    import chromadb
    from chromadb.config import Settings

    return chromadb.PersistentClient(
        str(folder), settings=Settings(anonymized_telemetry=False, is_persistent=True)
    )


def _name(number: int) -> str:
    return f"kb-{number:d}"


def _all_ids(collection: Collection) -> list[str]:
    ids: list[str] = []
    while page := collection.get(include=[], limit=_MAX_ROWS, offset=len(ids))["ids"]:
        ids += page
    return ids


def _embeddings(collection: Collection, ids: Sequence[int] | Sequence[str]) -> Vectors:
    """Read vectors in the order of the ids, which need not be the order they come in."""
    wanted = [str(one) for one in ids]
    found = collection.get(ids=wanted, include=["embeddings"])
    rows = dict(zip(found["ids"], np.asarray(found["embeddings"], np.float32), strict=True))
    return np.array([rows[one] for one in wanted if one in rows], np.float32)
