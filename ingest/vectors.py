"""Chunk ids and vectors in, nearest chunk ids out: the only import of chromadb.

The index is a copy of what SQLite holds and can be made anew at any time. Torn index files kill
the whole process when they are touched (chroma issues 7238, 6949, 7069), so after an unclean end
a child process touches them first.
"""

from __future__ import annotations

import logging
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ingest.types import Vectors

if TYPE_CHECKING:
    from chromadb.api import ClientAPI
    from chromadb.api.models.Collection import Collection

log = logging.getLogger(__name__)

_MAX_ROWS = 5_000  # the library refuses more than 5,461 at once
_PROBE_TIMEOUT_S = 600.0
_SAMPLE = 64  # stored vectors that must find themselves after an unclean end
_HNSW = {
    "space": "cosine",
    "ef_construction": 200,
    "ef_search": 128,
    "max_neighbors": 32,
    "batch_size": 100,
    "sync_threshold": 2_000,
}

# Chunk ids → those still there, their vectors, their document ids.
ReadVectors = Callable[[Sequence[int]], tuple[list[int], Vectors, list[str]]]


@dataclass(frozen=True, slots=True)
class Expected:
    """What the index of one collection should hold."""

    chunk_ids: Sequence[int]


class VectorIndex:
    """The vector index of one data directory; thread-safe."""

    def __init__(self, folder: Path) -> None:
        """Open the index, or start an empty one if the old one is torn."""
        self._folder = folder
        self._marker = folder.with_name(folder.name + ".unclean")
        self._lock = threading.RLock()
        self._was_unclean = self._marker.exists()
        self.is_behind = False  # a write failed: `reconcile` makes up for it
        self.n_rebuilt = 0  # collections made anew since this index was opened
        if self._was_unclean and not _is_healthy(folder):
            log.warning("vector_index_torn folder=%s: it is made anew from the catalogue", folder)
            _set_aside(folder)
        folder.mkdir(parents=True, exist_ok=True)
        self._client = _open(folder)
        self._collections: dict[int, Collection] = {}
        self._is_open = True

    # Repair

    def reconcile(self, expected: dict[int, Expected], read_vectors: ReadVectors) -> None:
        """Make the index equal to the catalogue; cheap if it is already."""
        with self._lock:
            self.is_behind = False
            for name in self._names():
                if name not in {_name(number) for number in expected}:
                    self._mark()
                    self._collections.clear()
                    self._client.delete_collection(name)
            for number, one in expected.items():
                self._reconcile_one(number, one, read_vectors)
            self._was_unclean = False

    def _reconcile_one(self, number: int, expected: Expected, read_vectors: ReadVectors) -> None:
        held = self._ids(number)
        wanted = set(expected.chunk_ids)
        is_sound = not self._was_unclean or self._answers_right(number, held & wanted, read_vectors)
        if not is_sound:
            log.warning("vector_index_wrong collection=%d: it is made anew", number)
            self.drop(number)
            held = set()
        if not held & wanted:
            # Also right after a change of the model: the old index has other dimensions.
            self.drop(number)
            held = set()
        if held - wanted:
            log.info("vector_index_repair collection=%d n_extra=%d", number, len(held - wanted))
            self.delete(number, sorted(held - wanted))
        if wanted - held:
            log.info("vector_index_repair collection=%d n_missing=%d", number, len(wanted - held))
            self.n_rebuilt += not held
            missing = sorted(wanted - held)
            for at in range(0, len(missing), _MAX_ROWS):
                self.add(number, *read_vectors(missing[at : at + _MAX_ROWS]))

    def _answers_right(self, number: int, ids: set[int], read_vectors: ReadVectors) -> bool:
        """Compare every vector with the catalogue's, and let a sample find itself."""
        collection = self._collection(number)
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
        best = collection.query(query_embeddings=vectors, n_results=1, include=["distances"])[
            "distances"
        ]
        # Equal vectors under several ids are all right: the distance tells.
        n_found = sum(bool(row) and row[0] < 1e-3 for row in best or [])
        return n_found >= 0.9 * len(there)

    # Writing

    def add(
        self, number: int, ids: Sequence[int], vectors: Vectors, document_ids: Sequence[str]
    ) -> None:
        """Add vectors of new chunks; ids that are there already are left alone."""
        if ids:
            with self._lock, self._noting_failure():
                self._mark()
                self._add(number, ids, vectors, document_ids)

    def _add(
        self, number: int, ids: Sequence[int], vectors: Vectors, document_ids: Sequence[str]
    ) -> None:
        if number not in self._collections:
            self._collections[number] = self._client.get_or_create_collection(
                _name(number), embedding_function=None, configuration={"hnsw": _HNSW}
            )
        for at in range(0, len(ids), _MAX_ROWS):
            part = slice(at, at + _MAX_ROWS)
            self._collections[number].add(
                ids=[str(one) for one in ids[part]],
                embeddings=vectors[part],
                metadatas=[{"d": one} for one in document_ids[part]],
            )

    def delete(self, number: int, ids: Sequence[int]) -> None:
        """Remove vectors; unknown ids do nothing."""
        with self._lock, self._noting_failure():
            collection = self._collection(number)
            if collection is None or not ids:
                return
            self._mark()
            for at in range(0, len(ids), _MAX_ROWS):
                collection.delete(ids=[str(one) for one in ids[at : at + _MAX_ROWS]])

    def drop(self, number: int) -> None:
        """Remove a collection's index."""
        with self._lock:
            self._collections.pop(number, None)
            if _name(number) in self._names():
                self._mark()
                self._client.delete_collection(_name(number))

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
        with self._lock:
            collection = self._collection(number)
        # The library is thread-safe: a search need not wait for a batch that is being added.
        if collection is None or k < 1 or (document_ids is not None and not document_ids):
            return []
        from chromadb.errors import NotFoundError

        try:
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

    def ids(self, number: int) -> set[int]:
        """List the chunk ids that the index of a collection holds."""
        with self._lock:
            return self._ids(number)

    def close(self) -> None:
        """Flush and let go of the files; closing twice does nothing."""
        with self._lock:
            if self._is_open:
                self._is_open = False
                self._client.close()
                self._marker.unlink(missing_ok=True)

    def _ids(self, number: int) -> set[int]:
        collection = self._collection(number)
        return set() if collection is None else {int(one) for one in _all_ids(collection)}

    def _collection(self, number: int) -> Collection | None:
        if number not in self._collections:
            if _name(number) not in self._names():
                return None
            self._collections[number] = self._client.get_collection(
                _name(number), embedding_function=None
            )
        return self._collections[number]

    def _names(self) -> list[str]:
        return [one.name for one in self._client.list_collections()]

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


def _is_healthy(folder: Path) -> bool:
    """Run `probe` in a child process and see whether it survives."""
    if not folder.exists():
        return True
    program = "import sys; sys.path.insert(0, sys.argv[1]); "
    program += "from ingest.vectors import probe; probe(sys.argv[2])"
    root = str(Path(__file__).resolve().parents[1])
    try:
        done = subprocess.run(
            [sys.executable, "-c", program, root, str(folder)],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_PROBE_TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return False
    if done.returncode != 0:
        log.warning("vector_index_probe rc=%d %s", done.returncode, done.stderr[-500:])
    return done.returncode == 0


def _set_aside(folder: Path) -> None:
    aside = folder.with_name(folder.name + ".torn")
    shutil.rmtree(aside, ignore_errors=True)
    folder.rename(aside)
    shutil.rmtree(aside, ignore_errors=True)


def _open(folder: Path) -> ClientAPI:
    import chromadb
    from chromadb.config import Settings

    return chromadb.PersistentClient(
        str(folder), settings=Settings(anonymized_telemetry=False, is_persistent=True)
    )


def _name(number: int) -> str:
    return f"kb-{number:d}"


def _all_ids(collection: Collection) -> list[str]:
    return list(_pages(collection))


def _pages(collection: Collection) -> Iterator[str]:
    offset = 0
    while page := collection.get(include=[], limit=_MAX_ROWS, offset=offset)["ids"]:
        yield from page
        offset += len(page)


def _embeddings(collection: Collection, ids: Sequence[int] | Sequence[str]) -> Vectors:
    """Read vectors in the order of the ids, which need not be the order they come in."""
    wanted = [str(one) for one in ids]
    found = collection.get(ids=wanted, include=["embeddings"])
    rows = dict(zip(found["ids"], np.asarray(found["embeddings"], np.float32), strict=True))
    return np.array([rows[one] for one in wanted if one in rows], np.float32)
