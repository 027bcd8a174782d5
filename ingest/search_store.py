"""Queries in, hits out: the lexical leg, and the rows behind chunk ids; reads SQLite."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from ingest import rows_store as rows
from ingest.lexical import match_expression
from ingest.schema import lexical_table
from ingest.spaces_store import collection_number, spaces_of
from ingest.store import Store
from ingest.types import Hit


class Searches:
    """Read-only questions to one catalogue."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def lexical(
        self,
        collection: str,
        query: str,
        k: int,
        document_ids: Sequence[str] | None,
        *,
        is_next_asked: bool = False,
    ) -> list[Hit]:
        """Find chunks by their words, best first; score is BM25, higher is better.

        Args:
            is_next_asked: look also for documents that only the next space holds.

        Raises:
            CollectionNotFoundError: there is none of that name.
        """
        expression = match_expression(query)
        with self._store.reading() as connection:  # all of one moment: it may be deleted just now
            number = collection_number(connection, collection)
            if not expression or k < 1:
                return []
            spaces = spaces_of(connection, number)
            asked = _Asked(expression, k, document_ids)
            scores = asked.of(connection, spaces["current"].id)
            if is_next_asked and "next" in spaces:
                scores |= asked.of(connection, spaces["next"].id, but_of=spaces["current"].id)
            return _hits(connection, scores, number)[:k]

    def hits(self, collection: str, scores: Mapping[int, float]) -> tuple[list[Hit], list[int]]:
        """Turn chunk ids into hits, best first.

        Returns:
            The hits, and the ids that the collection does not hold.

        Raises:
            CollectionNotFoundError: there is none of that name.
        """
        with self._store.reading() as connection:
            number = collection_number(connection, collection)
            hits = _hits(connection, scores, number)
        alive = {hit.chunk_id for hit in hits}
        return hits, [one for one in scores if one not in alive]

    def counterparts(self, space_id: int, chunk_ids: Sequence[int]) -> dict[int, int]:
        """Find for chunks of another space what holds most of the same text in this one."""
        found: dict[int, int] = {}
        with self._store.reading() as connection:
            for batch in rows.batches(chunk_ids):
                statement = (
                    f"{_COUNTERPARTS} WHERE n.id IN ({rows.marks(batch)}) ORDER BY 3, c.start"
                )
                for chunk_id, counterpart, _ in connection.execute(statement, (space_id, *batch)):
                    found.setdefault(chunk_id, counterpart)
        return found


@dataclass(frozen=True, slots=True)
class _Asked:
    """What is looked for by words."""

    expression: str
    k: int
    document_ids: Sequence[str] | None

    def of(
        self, connection: sqlite3.Connection, space_id: int, *, but_of: int | None = None
    ) -> dict[int, float]:
        """Ask one space, except for documents that another one holds."""
        table = lexical_table(space_id)
        where, values = "", [self.expression]
        if self.document_ids is not None:
            # The plus keeps SQLite from running the match once for each of the rows.
            where = (
                " AND +rowid IN (SELECT id FROM chunks WHERE document_id IN"
                " (SELECT value FROM json_each(?)))"
            )
            values.append(json.dumps(self.document_ids))
        if but_of is not None:
            where += (
                f" AND +rowid IN (SELECT id FROM chunks WHERE collection_id = {space_id:d}"
                " AND document_id NOT IN"
                f" (SELECT document_id FROM chunks WHERE collection_id = {but_of:d}))"
            )
        found = connection.execute(
            # `rank` is BM25, worked out once for a row; `bm25()` beside it would do it again.
            f"SELECT rowid, -rank FROM {table} WHERE {table} MATCH ?{where}"
            " ORDER BY rank, rowid LIMIT ?",
            (*values, self.k),
        ).fetchall()
        return dict(found)


def _hits(connection: sqlite3.Connection, scores: Mapping[int, float], number: int) -> list[Hit]:
    """Read chunks of a collection, best first; others are left out."""
    found: list[sqlite3.Row] = []
    for batch in rows.batches(list(scores)):
        statement = f"{_HITS} AND k.id IN ({rows.marks(batch)})"
        found += connection.execute(statement, (number, *batch))
    found.sort(key=lambda row: (row[1], row[6]))  # what stands together is read together
    texts = rows.slices_of(connection, [(row[1], row[6], row[7]) for row in found])
    hits = [_hit(row, text, scores[row[0]]) for row, text in zip(found, texts, strict=True)]
    return sorted(hits, key=lambda hit: (-hit.score, hit.chunk_id))


def _hit(row: sqlite3.Row, text: str, score: float) -> Hit:
    number, document, path, title, page, headings, start, end, *around = row
    parent_start, parent_end, previous_id, next_id, language = around
    return Hit(
        chunk_id=number,
        document_id=document,
        path=path or "",
        title=title,
        page=page,
        headings=_headings(headings),
        start=start,
        end=end,
        text=text,
        score=score,
        # A chunk that was stored without a parent is its own.
        parent=(parent_start, parent_end) if parent_end else (start, end),
        previous_id=previous_id,
        next_id=next_id,
        language=language,
    )


@lru_cache(maxsize=1024)  # many chunks stand under the same ones
def _headings(written: str) -> tuple[str, ...]:
    return tuple(json.loads(written))


_HITS = """
    SELECT k.id, k.document_id,
        (SELECT path FROM places WHERE document_id = d.id ORDER BY root, path LIMIT 1),
        d.title, k.page, k.headings, k.start, k."end", k.parent_start, k.parent_end,
        (SELECT id FROM chunks WHERE document_id = d.id AND collection_id = k.collection_id
            AND start < k.start ORDER BY start DESC LIMIT 1),
        (SELECT id FROM chunks WHERE document_id = d.id AND collection_id = k.collection_id
            AND start > k.start ORDER BY start LIMIT 1),
        k.language
    FROM chunks k JOIN documents d ON d.id = k.document_id
    -- The plus keeps SQLite from beginning with all documents of the collection.
    WHERE +d.collection_id = ?
"""
_COUNTERPARTS = """
    SELECT n.id, c.id, max(c.start, n.start) - min(c."end", n."end") AS overlap_below_zero
    FROM chunks n JOIN chunks c ON c.document_id = n.document_id AND c.collection_id = ?
        AND c.start < n."end" AND c."end" > n.start
"""
