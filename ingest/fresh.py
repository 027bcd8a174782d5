"""Vectors that are not in the index yet in, the nearest of them out; in memory, exact, thread-safe.

A search in the index waits for vectors that are being linked into it. While somebody searches, new
vectors wait here instead; the catalogue holds them already, so that a crash loses nothing.
"""

from __future__ import annotations

import threading
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

import numpy as np

from ingest.types import Vectors

_FIRST_ROWS = 64


@dataclass(frozen=True, slots=True)
class Batch:
    """Rows of one collection."""

    number: int
    ids: list[int]
    vectors: Vectors
    document_ids: list[str]


@dataclass(slots=True)
class _Rows:
    """The rows of one collection; the first `len(ids)` of `vectors` count."""

    vectors: Vectors
    ids: list[int] = field(default_factory=list)
    document_ids: list[str] = field(default_factory=list)
    places: dict[int, int] = field(default_factory=dict)


class Fresh:
    """New vectors of all collections."""

    def __init__(self) -> None:
        self._rows: dict[int, _Rows] = {}
        self._lock = threading.Lock()

    def __len__(self) -> int:
        with self._lock:
            return sum(len(rows.ids) for rows in self._rows.values())

    def add(
        self, number: int, ids: Sequence[int], vectors: Vectors, document_ids: Sequence[str]
    ) -> None:
        """Keep rows; ids that are there already are left alone."""
        with self._lock:
            rows = self._rows.get(number)
            if rows is None:
                empty = np.zeros((_FIRST_ROWS, vectors.shape[1]), np.float32)
                rows = self._rows[number] = _Rows(empty)
            for one, vector, document in zip(ids, vectors, document_ids, strict=True):
                if one in rows.places:
                    continue
                at = len(rows.ids)
                if at == len(rows.vectors):
                    rows.vectors = np.concatenate([rows.vectors, np.zeros_like(rows.vectors)])
                rows.vectors[at] = vector
                rows.places[one] = at
                rows.ids.append(one)
                rows.document_ids.append(document)

    def delete(self, number: int, ids: Sequence[int]) -> None:
        """Forget rows; unknown ids do nothing."""
        with self._lock:
            rows = self._rows.get(number)
            if rows is None:
                return
            for one in ids:
                _forget(rows, one)
            if not rows.ids:
                del self._rows[number]

    def drop(self, number: int) -> None:
        """Forget a collection."""
        with self._lock:
            self._rows.pop(number, None)

    def ids(self, number: int) -> set[int]:
        """List the ids of a collection's rows."""
        with self._lock:
            rows = self._rows.get(number)
            return set() if rows is None else set(rows.ids)

    def nearest(
        self, number: int, vector: Vectors, k: int, document_ids: Collection[str] | None
    ) -> list[tuple[int, float]]:
        """Find the nearest rows, best first, with their cosine."""
        with self._lock:
            rows = self._rows.get(number)
            if rows is None or rows.vectors.shape[1] != vector.size:
                return []
            cosines = rows.vectors[: len(rows.ids)] @ vector.reshape(-1)
            if document_ids is not None:
                wanted = set(document_ids)
                cosines[[one not in wanted for one in rows.document_ids]] = -np.inf
            best = np.argsort(-cosines, kind="stable")[:k]
            return [(rows.ids[at], float(cosines[at])) for at in best if np.isfinite(cosines[at])]

    def some(self, n_rows: int) -> Batch | None:
        """Copy some rows of one collection, which stay here until they are deleted."""
        with self._lock:
            for number, rows in self._rows.items():
                part = slice(0, min(n_rows, len(rows.ids)))
                return Batch(
                    number, rows.ids[part], rows.vectors[part].copy(), rows.document_ids[part]
                )
        return None


def _forget(rows: _Rows, one: int) -> None:
    """Put the last row in the place of the forgotten one."""
    at = rows.places.pop(one, None)
    if at is None:
        return
    last, document = rows.ids.pop(), rows.document_ids.pop()
    if last != one:
        rows.vectors[at] = rows.vectors[len(rows.ids)]
        rows.ids[at], rows.document_ids[at] = last, document
        rows.places[last] = at


def merge(
    indexed: Sequence[tuple[int, float]], fresh: Sequence[tuple[int, float]], k: int
) -> list[tuple[int, float]]:
    """Join two rankings, best first; an id in both counts once."""
    found = dict(indexed) | dict(fresh)
    return sorted(found.items(), key=lambda one: -one[1])[:k]
