"""Spaces of collections in the catalogue, each bound to one embedding model; touches SQLite."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from ingest.errors import CollectionNotFoundError
from ingest.lexical import LEXICAL_VERSION
from ingest.schema import create_lexical_table, drop_lexical_table
from ingest.types import Embedder, Space, SpaceState

if TYPE_CHECKING:
    from ingest.store import Store

Binding = tuple[str, int, str, str]  # digest, dimensions, prefix of documents, of queries
Spaces = Mapping[SpaceState, Space]

_COLUMNS = (
    "s.id, s.collection_id, s.model, s.model_digest, s.n_dimensions, s.document_prefix,"
    " s.query_prefix, s.lexical_version, s.state"
)


def binding_of(one: Embedder | Space) -> Binding:
    """Tell what vectors depend on; the name of a model is not part of it."""
    digest = one.digest if isinstance(one, Embedder) else one.model_digest
    return digest, one.n_dimensions, one.document_prefix, one.query_prefix


def spaces_of(connection: sqlite3.Connection, collection_id: int) -> dict[SpaceState, Space]:
    """Read the spaces of a collection by their state."""
    found = connection.execute(
        f"SELECT {_COLUMNS} FROM spaces s WHERE s.collection_id = ?", (collection_id,)
    )
    return {space.state: space for space in (Space(*row) for row in found)}


def space_ids(connection: sqlite3.Connection, collection_id: int) -> list[int]:
    """Number all spaces of a collection."""
    found = connection.execute(
        "SELECT id FROM spaces WHERE collection_id = ? ORDER BY id", (collection_id,)
    )
    return [row[0] for row in found]


def written_ids(connection: sqlite3.Connection, collection_id: int) -> set[int]:
    """Number the spaces that new documents go into."""
    found = connection.execute(
        "SELECT id FROM spaces WHERE collection_id = ? AND state IN ('current', 'next')",
        (collection_id,),
    )
    return {row[0] for row in found}


def insert_space(
    connection: sqlite3.Connection, collection_id: int, embedder: Embedder, state: SpaceState
) -> int:
    """Make an empty space; return its number."""
    cursor = connection.execute(
        "INSERT INTO spaces (collection_id, model, model_digest, n_dimensions, document_prefix,"
        " query_prefix, lexical_version, state, created_at) VALUES (?,?,?,?,?,?,?,?,?)",
        (
            collection_id,
            embedder.model,
            *binding_of(embedder),
            LEXICAL_VERSION,
            state,
            datetime.now(UTC).isoformat(timespec="milliseconds"),
        ),
    )
    assert cursor.lastrowid is not None
    create_lexical_table(connection, cursor.lastrowid)
    return cursor.lastrowid


def drop_space(connection: sqlite3.Connection, space_id: int) -> None:
    """Remove a space with its chunks and terms, and the vectors that only it used."""
    keys = connection.execute(
        "SELECT DISTINCT vector_key FROM chunks WHERE collection_id = ?", (space_id,)
    ).fetchall()
    connection.execute("DELETE FROM chunks WHERE collection_id = ?", (space_id,))
    connection.executemany(
        "DELETE FROM vectors WHERE key = ?"
        " AND NOT EXISTS (SELECT 1 FROM chunks WHERE vector_key = key)",
        keys,
    )
    drop_lexical_table(connection, space_id)
    connection.execute("DELETE FROM spaces WHERE id = ?", (space_id,))


def set_state(connection: sqlite3.Connection, space_id: int, state: SpaceState) -> None:
    """Say what a space is now."""
    connection.execute("UPDATE spaces SET state = ? WHERE id = ?", (state, space_id))


class SpacesStore:
    """The spaces of one catalogue."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def of(self, collection: str) -> dict[SpaceState, Space]:
        """Look the spaces of a collection up.

        Raises:
            CollectionNotFoundError: there is none of that name.
        """
        with self._store.reading() as connection:  # both of one moment: it may be deleted just now
            return spaces_of(connection, collection_number(connection, collection))

    def named(self) -> dict[str, dict[SpaceState, Space]]:
        """Look the spaces of all collections up, by their names."""
        named: dict[str, dict[SpaceState, Space]] = {}
        with self._store.reading() as connection:
            for name, *row in connection.execute(
                f"SELECT c.name, {_COLUMNS} FROM spaces s JOIN collections c"
                " ON c.id = s.collection_id ORDER BY c.name"
            ):
                space = Space(*row)
                named.setdefault(name, {})[space.state] = space
        return named

    def missing(self, space: Space) -> list[str]:
        """List the documents that a space does not hold yet, newest first: they are asked for."""
        with self._store.reading() as connection:
            found = connection.execute(
                "SELECT d.id FROM documents d WHERE d.collection_id = ? AND NOT EXISTS (SELECT 1"
                " FROM chunks WHERE document_id = d.id AND collection_id = ?)"
                " ORDER BY d.added_at DESC, d.id",
                (space.collection_id, space.id),
            ).fetchall()
        return [row[0] for row in found]

    def held(self, space: Space, documents: Iterable[str]) -> set[str]:
        """Tell which of some documents a space holds."""
        with self._store.reading() as connection:
            found = connection.execute(
                "SELECT DISTINCT document_id FROM chunks WHERE collection_id = ?"
                " AND document_id IN (SELECT value FROM json_each(?))",
                (space.id, json.dumps(list(documents))),
            ).fetchall()
        return {row[0] for row in found}

    def counts(self, space: Space) -> tuple[int, int]:
        """Count the documents that a space holds, and those of its collection."""
        with self._store.reading() as connection:
            n_done, n_all = connection.execute(
                "SELECT (SELECT count(DISTINCT document_id) FROM chunks WHERE collection_id = ?),"
                " (SELECT count(*) FROM documents WHERE collection_id = ?)",
                (space.id, space.collection_id),
            ).fetchone()
        return int(n_done), int(n_all)

    def n_documents(self, space: Space) -> int:
        """Count the documents of a space's collection."""
        with self._store.reading() as connection:
            (n_documents,) = connection.execute(
                "SELECT count(*) FROM documents WHERE collection_id = ?", (space.collection_id,)
            ).fetchone()
        return int(n_documents)

    def next_of(self, space_id: int) -> Space | None:
        """Look a space up that is being filled; none if it is not any more."""
        with self._store.reading() as connection:
            row = connection.execute(
                f"SELECT {_COLUMNS} FROM spaces s WHERE s.id = ? AND s.state = 'next'", (space_id,)
            ).fetchone()
        return None if row is None else Space(*row)

    def job_of(self, space: Space, *, is_unfinished: bool = False) -> str | None:
        """Find the last job that fills a space.

        Args:
            is_unfinished: only one that will still let the space take over.
        """
        state = "= 'waiting'" if is_unfinished else "<> ''"
        with self._store.reading() as connection:
            row = connection.execute(
                "SELECT j.id FROM jobs j JOIN job_files f ON f.job_id = j.id"
                f" WHERE f.task = 'switch' AND f.root = ? AND f.state {state}"
                " ORDER BY j.number DESC LIMIT 1",
                (str(space.id),),
            ).fetchone()
        return None if row is None else str(row[0])

    def is_other_work(self) -> bool:
        """Tell whether anything waits that is not about filling a space."""
        with self._store.reading() as connection:
            row = connection.execute(
                "SELECT 1 FROM job_files WHERE state = 'waiting'"
                " AND task NOT IN ('carry', 'switch') LIMIT 1"
            ).fetchone()
        return row is not None

    def begin(self, collection: str, embedder: Embedder, *, is_anew: bool = False) -> list[int]:
        """Make the space of another model the next one; what is stored of it already is kept.

        An empty collection changes its model at once, and one whose model it is stays as it is.

        Args:
            is_anew: build a new space also for the model that the collection has.

        Returns:
            The spaces that were dropped: the vector index has to let go of them.

        Raises:
            CollectionNotFoundError: there is none of that name.
        """
        dropped: list[int] = []
        with self._store.writing() as connection:
            number = collection_number(connection, collection)
            spaces = spaces_of(connection, number)
            wanted = binding_of(embedder)
            is_empty = not connection.execute(
                "SELECT 1 FROM documents WHERE collection_id = ? LIMIT 1", (number,)
            ).fetchone()
            is_there = binding_of(spaces["current"]) == wanted
            if is_empty and not is_there:
                dropped += [one.id for one in spaces.values()]
                for one in dropped:
                    drop_space(connection, one)
                insert_space(connection, number, embedder, "current")
            elif is_there and not is_anew:
                dropped += _lay_aside(connection, spaces)
            elif not ("next" in spaces and binding_of(spaces["next"]) == wanted):
                dropped += _aim_at(connection, number, spaces, embedder, is_anew=is_anew)
        return dropped

    def switch(self, space_id: int) -> list[int]:
        """Let a collection answer from its next space; the current one becomes the previous one.

        Returns:
            The spaces that were dropped; nothing happens if the space is not the next one.
        """
        dropped: list[int] = []
        with self._store.writing() as connection:
            row = connection.execute(
                "SELECT collection_id FROM spaces WHERE id = ? AND state = 'next'", (space_id,)
            ).fetchone()
            if row is None:
                return []
            spaces = spaces_of(connection, row[0])
            dropped += _drop(connection, spaces.get("previous"))
            if binding_of(spaces["current"]) == binding_of(spaces["next"]):
                dropped += _drop(connection, spaces["current"])  # built anew: nothing to go back to
            else:
                set_state(connection, spaces["current"].id, "previous")
            set_state(connection, space_id, "current")
        return dropped


def collection_number(connection: sqlite3.Connection, name: str) -> int:
    """Look up a collection's number within a transaction.

    Raises:
        CollectionNotFoundError: there is none of that name.
    """
    row = connection.execute("SELECT id FROM collections WHERE name = ?", (name,)).fetchone()
    if row is None:
        known = connection.execute("SELECT name FROM collections ORDER BY name")
        raise CollectionNotFoundError(name, tuple(one for (one,) in known))
    return int(row[0])


def _drop(connection: sqlite3.Connection, space: Space | None) -> list[int]:
    if space is None:
        return []
    drop_space(connection, space.id)
    return [space.id]


def _lay_aside(connection: sqlite3.Connection, spaces: Spaces) -> list[int]:
    """End a migration half way; what it has stored is kept for the next try."""
    if "next" not in spaces:
        return []
    dropped = _drop(connection, spaces.get("previous"))
    if binding_of(spaces["next"]) == binding_of(spaces["current"]):
        return [*dropped, *_drop(connection, spaces["next"])]
    set_state(connection, spaces["next"].id, "previous")
    return dropped


def _aim_at(
    connection: sqlite3.Connection,
    number: int,
    spaces: Spaces,
    embedder: Embedder,
    *,
    is_anew: bool,
) -> list[int]:
    dropped = _drop(connection, spaces.get("next"))
    previous = spaces.get("previous")
    if previous and not is_anew and binding_of(previous) == binding_of(embedder):
        set_state(connection, previous.id, "next")
        return dropped
    dropped += _drop(connection, previous)
    insert_space(connection, number, embedder, "next")
    return dropped
