"""The catalogue file: connections, transactions, collections; touches SQLite.

SQLite is the truth. One writer at a time, each change of several rows in one transaction; readers
have connections of their own and never wait for the writer (WAL).
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from ingest.errors import CollectionNotFoundError, IngestError, StorageFullError
from ingest.lexical import LEXICAL_VERSION
from ingest.schema import create_lexical_table, drop_lexical_table, migrate
from ingest.types import Collection, Embedder

_BUSY_S = 30.0
_MAX_IDLE_READERS = 8


class Store:
    """One catalogue file."""

    def __init__(self, path: Path) -> None:
        """Open or create the file and bring its tables to the newest version.

        Raises:
            IngestError: not a catalogue, or one of a newer version.
        """
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path = path
        self._lock = threading.RLock()
        self._idle: list[sqlite3.Connection] = []
        self._idle_lock = threading.Lock()
        self._is_closed = False
        self._writer = self._connect()
        try:
            with _translated():
                migrate(self._writer)
        except sqlite3.DatabaseError as error:
            self._writer.close()
            raise IngestError(f"{path}: {error}") from error

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self._path, timeout=_BUSY_S, isolation_level=None, check_same_thread=False
        )
        try:
            for pragma in (
                "journal_mode=WAL",
                "synchronous=FULL",
                "foreign_keys=ON",
                "secure_delete=ON",  # deleted text is gone in bytes too
                "temp_store=MEMORY",
            ):
                connection.execute(f"PRAGMA {pragma}")
        except sqlite3.DatabaseError as error:
            connection.close()
            raise IngestError(f"{self._path}: {error}; is it a catalogue?") from error
        return connection

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """Give the writer's connection for one transaction: all of it or nothing.

        Raises:
            StorageFullError: the disk is full; nothing was written.
        """
        with self._lock, _translated():
            self._writer.execute("BEGIN IMMEDIATE")
            try:
                yield self._writer
                self._writer.execute("COMMIT")
            finally:
                if self._writer.in_transaction:
                    self._writer.execute("ROLLBACK")

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """Give a connection that sees one unchanging state of the catalogue."""
        with self._idle_lock:
            connection = self._idle.pop() if self._idle else None
        connection = connection or self._connect()
        try:
            connection.execute("BEGIN")
            yield connection
        finally:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            with self._idle_lock:
                is_kept = not self._is_closed and len(self._idle) < _MAX_IDLE_READERS
                if is_kept:
                    self._idle.append(connection)
            if not is_kept:
                connection.close()

    def close(self) -> None:
        """Close all connections; what is written stays."""
        with self._idle_lock:
            self._is_closed = True
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()
        with self._lock:
            self._writer.close()

    def truncate_log(self) -> None:
        """Move the write-ahead log into the file, so that nothing deleted lingers in it."""
        with self._lock, _translated():
            self._writer.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    # Collections

    def collections(self) -> list[Collection]:
        """List all collections by name."""
        with self.reading() as connection:
            rows = connection.execute(f"{_COLLECTIONS} ORDER BY name").fetchall()
        return [Collection(*row) for row in rows]

    def collection(self, name: str) -> Collection:
        """Look one collection up.

        Raises:
            CollectionNotFoundError: there is none of that name.
        """
        with self.reading() as connection:
            row = connection.execute(f"{_COLLECTIONS} WHERE name = ?", (name,)).fetchone()
        if row is None:
            raise CollectionNotFoundError(name, tuple(one.name for one in self.collections()))
        return Collection(*row)

    def collection_id(self, name: str) -> int:
        """Look up the number of a collection; numbers are never used twice.

        Raises:
            CollectionNotFoundError: there is none of that name.
        """
        with self.reading() as connection:
            row = connection.execute(
                "SELECT id FROM collections WHERE name = ?", (name,)
            ).fetchone()
        if row is None:
            raise CollectionNotFoundError(name, tuple(one.name for one in self.collections()))
        return int(row[0])

    def collection_ids(self) -> dict[int, Collection]:
        """Map numbers to collections."""
        return {self.collection_id(one.name): one for one in self.collections()}

    def create_collection(self, name: str, embedder: Embedder) -> bool:
        """Add a collection bound to a model; tell whether it is new."""
        with self.writing() as connection:
            cursor = connection.execute(
                "INSERT INTO collections (name, model, model_digest, n_dimensions, document_prefix,"
                " query_prefix, lexical_version, created_at) VALUES (?,?,?,?,?,?,?,?)"
                " ON CONFLICT(name) DO NOTHING",
                (name, *binding(embedder), LEXICAL_VERSION, now()),
            )
            if cursor.rowcount > 0 and cursor.lastrowid is not None:
                create_lexical_table(connection, cursor.lastrowid)
            return cursor.rowcount > 0

    def bind(self, name: str, embedder: Embedder) -> None:
        """Bind an empty collection to another model."""
        with self.writing() as connection:
            connection.execute(
                "UPDATE collections SET model=?, model_digest=?, n_dimensions=?, document_prefix=?,"
                " query_prefix=? WHERE name=?",
                (*binding(embedder), name),
            )

    def delete_collection(self, name: str) -> int:
        """Remove a collection with its documents, vectors and terms; return its number."""
        number = self.collection_id(name)
        with self.writing() as connection:
            keys = connection.execute(
                "SELECT DISTINCT vector_key FROM chunks WHERE collection_id = ?", (number,)
            ).fetchall()
            connection.execute("DELETE FROM collections WHERE id = ?", (number,))
            connection.executemany(
                "DELETE FROM vectors WHERE key = ?"
                " AND NOT EXISTS (SELECT 1 FROM chunks WHERE vector_key = key)",
                keys,
            )
            drop_lexical_table(connection, number)
        self.truncate_log()
        return number

    def meta(self, key: str) -> str | None:
        """Read one remembered value."""
        with self.reading() as connection:
            row = connection.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
        return None if row is None else str(row[0])

    def set_meta(self, key: str, value: str) -> None:
        """Remember one value."""
        with self.writing() as connection:
            connection.execute(
                "INSERT INTO meta VALUES (?, ?) ON CONFLICT(key)"
                " DO UPDATE SET value = excluded.value",
                (key, value),
            )


_COLLECTIONS = """
    SELECT name, model, model_digest, n_dimensions, document_prefix, query_prefix,
        (SELECT count(*) FROM documents WHERE collection_id = collections.id),
        (SELECT count(*) FROM chunks WHERE collection_id = collections.id)
    FROM collections
"""


def binding(embedder: Embedder) -> tuple[str, str, int, str, str]:
    """Tell what a collection's vectors depend on, in the order of the columns."""
    return (
        embedder.model,
        embedder.digest,
        embedder.n_dimensions,
        embedder.document_prefix,
        embedder.query_prefix,
    )


def now() -> str:
    """Tell the time as it is stored: ISO 8601, UTC."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except sqlite3.OperationalError as error:
        if "disk is full" in str(error) or "disk I/O error" in str(error):
            raise StorageFullError(
                f"the disk of the data directory is full or failing ({error}); nothing was "
                "lost: free some space and send the file again"
            ) from error
        raise
