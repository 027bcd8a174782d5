"""Queries in, hits out: the lexical leg, and the rows behind chunk ids; reads SQLite."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping, Sequence

from ingest import rows_store as rows
from ingest.lexical import match_expression
from ingest.schema import lexical_table
from ingest.store import Store
from ingest.types import Hit


class Searches:
    """Read-only questions to one catalogue."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def lexical(
        self, collection: str, query: str, k: int, document_ids: Sequence[str] | None
    ) -> list[Hit]:
        """Find chunks by their words, best first; score is BM25, higher is better.

        Raises:
            CollectionNotFoundError: there is none of that name.
        """
        number = self._store.collection_id(collection)
        expression = match_expression(query)
        if not expression or k < 1:
            return []
        table = lexical_table(number)
        where = ""
        if document_ids is not None:
            # The plus keeps SQLite from running the match once for each of the rows.
            where = (
                " AND +rowid IN (SELECT id FROM chunks WHERE document_id IN"
                " (SELECT value FROM json_each(?)))"
            )
        values = [expression, *([json.dumps(document_ids)] if document_ids is not None else []), k]
        with self._store.reading() as connection:
            found = connection.execute(
                f"SELECT rowid, -bm25({table}) FROM {table} WHERE {table} MATCH ?{where}"
                " ORDER BY rank, rowid LIMIT ?",
                values,
            ).fetchall()
            return _hits(connection, dict(found))

    def hits(self, collection: str, scores: Mapping[int, float]) -> tuple[list[Hit], list[int]]:
        """Turn chunk ids into hits, best first.

        Returns:
            The hits, and the ids that the collection does not hold.

        Raises:
            CollectionNotFoundError: there is none of that name.
        """
        with self._store.reading() as connection:
            number = rows.collection_number(connection, collection)
            alive = _alive(connection, number, list(scores))
            hits = _hits(connection, {one: scores[one] for one in alive})
        return hits, [one for one in scores if one not in alive]


def _alive(connection: sqlite3.Connection, number: int, ids: Sequence[int]) -> set[int]:
    alive: set[int] = set()
    for batch in rows.batches(ids):
        statement = f"SELECT id FROM chunks WHERE collection_id=? AND id IN ({rows.marks(batch)})"
        alive.update(row[0] for row in connection.execute(statement, (number, *batch)))
    return alive


def _hits(connection: sqlite3.Connection, scores: Mapping[int, float]) -> list[Hit]:
    hits: list[Hit] = []
    for batch in rows.batches(list(scores)):
        rows_found = connection.execute(
            f"{_HITS} WHERE k.id IN ({rows.marks(batch)})", batch
        ).fetchall()
        hits += [_hit(connection, row, scores[row[0]]) for row in rows_found]
    return sorted(hits, key=lambda hit: (-hit.score, hit.chunk_id))


def _hit(connection: sqlite3.Connection, row: sqlite3.Row, score: float) -> Hit:
    number, document, path, title, page, headings, start, end, *around = row
    parent_start, parent_end, previous_id, next_id, language = around
    return Hit(
        chunk_id=number,
        document_id=document,
        path=path or "",
        title=title,
        page=page,
        headings=tuple(json.loads(headings)),
        start=start,
        end=end,
        text=rows.slice_of(connection, document, start, end),
        score=score,
        # A chunk that was stored without a parent is its own.
        parent=(parent_start, parent_end) if parent_end else (start, end),
        previous_id=previous_id,
        next_id=next_id,
        language=language,
    )


_HITS = """
    SELECT k.id, k.document_id,
        (SELECT path FROM places WHERE document_id = d.id ORDER BY root, path LIMIT 1),
        d.title, k.page, k.headings, k.start, k."end", k.parent_start, k.parent_end,
        (SELECT id FROM chunks WHERE document_id = d.id AND start < k.start
            ORDER BY start DESC LIMIT 1),
        (SELECT id FROM chunks WHERE document_id = d.id AND start > k.start
            ORDER BY start LIMIT 1),
        k.language
    FROM chunks k JOIN documents d ON d.id = k.document_id
"""
