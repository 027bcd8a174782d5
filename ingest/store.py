"""The catalogue file: connections, transactions, collections; touches SQLite.

SQLite is the truth. One writer at a time, each change of several rows in one transaction; readers
have connections of their own and never wait for the writer (WAL).
"""

from __future__ import annotations

import shutil
import sqlite3
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from ingest.errors import CollectionNotFoundError, IngestError, StorageFullError
from ingest.schema import migrate
from ingest.spaces_store import drop_space, insert_space, space_ids
from ingest.types import Collection, Embedder

_BUSY_S = 30.0
_MAX_IDLE_READERS = 8
# Readers see the file as memory instead of copying its pages, which takes a call of the system for
# every 8 KB: a search among 100,000 chunks makes a thousand of them. SQLite takes 2 GB at most.
_MAPPED_BYTES = 2**31
# Of a new file: five vectors of 768 dimensions fit into a page of 8 KB, only two into one of 4 KB.
_PAGE_BYTES = 8192
_STEPS_PER_LOOK = 1_000  # of SQLite's machine, between two looks at whether a rewrite should end


MODEL_CHOICE = "model choice"  # in `meta`: of all collections; of one with its name behind


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
        self._n_waiting = 0  # writers whose turn has not come
        self.n_writes = 0  # transactions since the file was opened
        self._writer = self._connect()
        try:
            with translated():
                migrate(self._writer)
        except sqlite3.DatabaseError as error:
            self._writer.close()
            raise IngestError(f"{path}: {error}") from error

    def _connect(self, n_mapped: int = 0) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self._path, timeout=_BUSY_S, isolation_level=None, check_same_thread=False
        )
        try:
            for pragma in (
                f"page_size={_PAGE_BYTES:d}",  # means nothing to a file that has pages already
                "journal_mode=WAL",
                "synchronous=FULL",
                "foreign_keys=ON",
                "secure_delete=ON",  # deleted text is gone in bytes too
                "temp_store=MEMORY",
                f"mmap_size={n_mapped:d}",
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
        with self._turn(), translated():
            self._writer.execute("BEGIN IMMEDIATE")
            try:
                yield self._writer
                self._writer.execute("COMMIT")
                self.n_writes += 1
            finally:
                if self._writer.in_transaction:
                    self._writer.execute("ROLLBACK")

    @contextmanager
    def writing_apart(self) -> Iterator[sqlite3.Connection]:
        """Give a connection of its own for one transaction; rolled back inside, it did nothing."""
        connection = self._connect()
        try:
            with self._turn(), translated():
                connection.execute("BEGIN IMMEDIATE")
                yield connection
                if connection.in_transaction:
                    connection.execute("COMMIT")
                    self.n_writes += 1
        finally:
            connection.close()

    @contextmanager
    def _turn(self) -> Iterator[None]:
        """Be the only writer; a rewrite of the file gives way to whoever waits for that."""
        with self._idle_lock:
            self._n_waiting += 1
        with self._lock:
            with self._idle_lock:
                self._n_waiting -= 1
            yield

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """Give a connection that sees one unchanging state of the catalogue."""
        with self._idle_lock:
            connection = self._idle.pop() if self._idle else None
        connection = connection or self._connect(_MAPPED_BYTES)
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

    def truncate_log(self) -> bool:
        """Move the write-ahead log into the file, so that nothing deleted lingers in it.

        Returns:
            False if a reader stood in the way: try again later.
        """
        with self._turn(), translated():
            (is_busy, *_) = self._writer.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        return not is_busy

    def free_pages(self) -> tuple[int, int, int]:
        """Count the pages that hold nothing any more, all pages, and the bytes of one."""
        with self.reading() as connection:
            free, every, size = (
                int(connection.execute(f"PRAGMA {name}").fetchone()[0])
                for name in ("freelist_count", "page_count", "page_size")
            )
        return free, every, size

    def rewrite(self, should_stop: Callable[[], bool]) -> bool:
        """Write the whole file anew without its free pages; readers go on, writers end it.

        Returns:
            False if it was ended; then the file is as it was.

        Raises:
            StorageFullError: the disk has no room for a second copy; the file is as it was.
        """
        self._require_room()
        connection = self._connect()
        try:
            connection.execute("PRAGMA temp_store=FILE")  # memory would have to hold all of it
            connection.set_progress_handler(
                lambda: self._n_waiting > 0 or should_stop(), _STEPS_PER_LOOK
            )
            with self._lock, translated():
                connection.execute("VACUUM")
        except sqlite3.OperationalError as error:
            if "interrupted" not in str(error):
                raise
            return False
        finally:
            connection.close()
        return True

    def _require_room(self) -> None:
        """Make sure that a rewrite fits: once into a file of its own, once into the log."""
        n_free, n_pages, page_bytes = self.free_pages()
        wanted = 2 * (n_pages - n_free) * page_bytes
        free = shutil.disk_usage(self._path.parent).free
        if free < wanted:
            raise StorageFullError(
                f"shrinking {self._path.name} takes {wanted / 1e6:,.0f} MB for a moment, but the "
                f"disk has {free / 1e6:,.0f} MB free: free some space"
            )

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

    def embedding_model(self, name: str) -> str:
        """Name the model of a collection's current space.

        Raises:
            CollectionNotFoundError: there is none of that name.
        """
        with self.reading() as connection:
            row = connection.execute(
                "SELECT s.model FROM collections c JOIN spaces s ON s.collection_id = c.id"
                " AND s.state = 'current' WHERE c.name = ?",
                (name,),
            ).fetchone()
        if row is None:
            raise CollectionNotFoundError(name, tuple(one.name for one in self.collections()))
        return str(row[0])

    def space_ids(self) -> list[int]:
        """Number the spaces of all collections: each has an index and lexical terms."""
        with self.reading() as connection:
            return [row[0] for row in connection.execute("SELECT id FROM spaces ORDER BY id")]

    def create_collection(self, name: str, embedder: Embedder) -> bool:
        """Add a collection bound to a model; tell whether it is new."""
        with self.writing() as connection:
            cursor = connection.execute(
                "INSERT INTO collections (name, created_at) VALUES (?,?)"
                " ON CONFLICT(name) DO NOTHING",
                (name, now()),
            )
            if cursor.rowcount > 0 and cursor.lastrowid is not None:
                insert_space(connection, cursor.lastrowid, embedder, "current")
            return cursor.rowcount > 0

    def delete_collection(self, name: str) -> list[int]:
        """Remove a collection with its documents, vectors and terms; return its spaces."""
        number = self.collection_id(name)
        with self.writing() as connection:
            spaces = space_ids(connection, number)
            for space_id in spaces:
                drop_space(connection, space_id)
            connection.execute("DELETE FROM collections WHERE id = ?", (number,))
            # Another collection of this name shall not have the model that was chosen for this one.
            connection.execute("DELETE FROM meta WHERE key = ?", (f"{MODEL_CHOICE} {name}",))
        self.truncate_log()
        return spaces

    def drop_meta(self, keys: Iterable[str]) -> None:
        """Forget some remembered values."""
        with self.writing() as connection:
            connection.executemany("DELETE FROM meta WHERE key = ?", [(key,) for key in keys])

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
    SELECT name, s.model, s.model_digest, s.n_dimensions, s.document_prefix, s.query_prefix,
        (SELECT count(*) FROM documents WHERE collection_id = collections.id),
        (SELECT count(*) FROM chunks WHERE collection_id = s.id)
    FROM collections JOIN spaces s ON s.collection_id = collections.id AND s.state = 'current'
"""


def now() -> str:
    """Tell the time as it is stored: ISO 8601, UTC."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


@contextmanager
def translated(advice: str = "free some space and send the file again") -> Iterator[None]:
    """Tell a disk that is full or failing from other errors of SQLite.

    Args:
        advice: what to do then.
    Raises:
        StorageFullError: the disk is full or failing.
    """
    try:
        yield
    except sqlite3.OperationalError as error:
        if "disk is full" in str(error) or "disk I/O error" in str(error):
            raise StorageFullError(
                f"the disk of the data directory is full or failing ({error}); nothing was "
                f"lost: {advice}"
            ) from error
        raise
