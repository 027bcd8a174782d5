"""The file of keys and sessions, shared by processes; touches SQLite.

Reading takes one row by its id from a page that SQLite holds in memory: no copy is kept that could
be older than what another process has written, and a revoked key opens nothing from then on.
Reading and writing have a connection each, so that a request never waits for somebody's disk.
"""

from __future__ import annotations

import json
import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.access.errors import KeyNotFoundError, KeyRefusedError, KeyStoreError
from app.access.keys import Key
from app.access.schema import migrate

FILE = "access.sqlite3"
MAX_KEYS = 10_000  # that are kept, revoked ones included; the oldest revoked ones go first
MAX_SESSIONS = 100  # of one key; the oldest go first

_BUSY_S = 10.0
_BUSY_READING_S = 1.0  # every request waits meanwhile
_KEY = "id, name, scopes, collections, created_at, last_used_at, expires_at, revoked_at"


@dataclass(frozen=True, slots=True)
class SessionRow:
    """A session as it is kept."""

    id: str
    digest: bytes
    by: str  # id of the key
    by_digest: bytes
    expires_at: str


class AccessStore:
    """The keys and sessions of one data directory."""

    def __init__(self, path: Path) -> None:
        """Open or create the file, readable by its owner alone.

        Raises:
            KeyStoreError: it is no file of keys, of a newer version, or cannot be opened.
        """
        self.path = path
        self._reading, self._changing = threading.Lock(), threading.Lock()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            # Made before SQLite does: its -wal and -shm take over the mode of the file.
            os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
            path.chmod(0o600)
            self._writer = _connected(path, _BUSY_S)
        except (OSError, sqlite3.Error) as error:
            raise KeyStoreError(f"{path}: {error}") from error
        try:
            migrate(self._writer)
            self._reader = _connected(path, _BUSY_READING_S)
        except sqlite3.Error as error:
            self._writer.close()
            raise KeyStoreError(f"{path}: {error}") from error

    def close(self) -> None:
        """Close the file."""
        with self._reading:
            self._reader.close()
        with self._changing:
            self._writer.close()

    # Keys

    def add(self, key: Key, digest: bytes) -> None:
        """Keep a key.

        Raises:
            KeyRefusedError: another one has its name, or there are too many.
        """
        with self._writing() as db:
            (n_kept,) = db.execute("SELECT count(*) FROM keys").fetchone()
            if n_kept >= MAX_KEYS:
                cursor = db.execute(
                    "DELETE FROM keys WHERE id = (SELECT id FROM keys WHERE revoked_at <> ''"
                    " ORDER BY revoked_at LIMIT 1)"
                )
                if not cursor.rowcount:
                    raise KeyRefusedError(f"there are {n_kept:,} keys: revoke some first")
            values = (key.id, key.name, digest, json.dumps(sorted(key.scopes)))
            bound = None if key.collections is None else json.dumps(sorted(key.collections))
            times = (key.created_at, key.last_used_at, key.expires_at, key.revoked_at)
            try:
                db.execute("INSERT INTO keys VALUES (?,?,?,?,?,?,?,?,?)", (*values, bound, *times))
            except sqlite3.IntegrityError as error:
                raise KeyRefusedError(
                    f"there is a key called {key.name!r} already: choose another name, or revoke "
                    "that one first"
                ) from error

    def find(self, key_id: str) -> tuple[Key, bytes] | None:
        """Look a key up by its id, with its digest."""
        row = self._row(f"SELECT {_KEY}, digest FROM keys WHERE id=?", key_id)
        return None if row is None else (_key(*row[:-1]), bytes(row[-1]))

    def listed(self) -> list[Key]:
        """List all keys, revoked ones too, newest first."""
        # Not by the reader: every request would wait until all of very many keys are read.
        with self._changing, _named(self.path):
            rows = self._writer.execute(
                f"SELECT {_KEY} FROM keys ORDER BY created_at DESC, id"
            ).fetchall()
        return [_key(*row) for row in rows]

    def revoke(self, id_or_name: str, now: str) -> Key:
        """End a key and the sessions made with it, for good.

        Raises:
            KeyNotFoundError: no key that holds is called so.
        """
        with self._writing() as db:
            row = db.execute(
                "SELECT id FROM keys WHERE revoked_at='' AND (id=? OR name=?) ORDER BY id<>?",
                (id_or_name, id_or_name, id_or_name),
            ).fetchone()
            if row is None:
                raise KeyNotFoundError(
                    f"no key is called {id_or_name!r}: `quire keys list` shows all"
                )
            db.execute("UPDATE keys SET revoked_at=? WHERE id=?", (now, row[0]))
            db.execute("DELETE FROM sessions WHERE by=?", row)
            found = db.execute(f"SELECT {_KEY} FROM keys WHERE id=?", row).fetchone()
        return _key(*found)

    def used(self, key_id: str, now: str) -> None:
        """Note that a key is in use."""
        with self._writing() as db:
            db.execute("UPDATE keys SET last_used_at=? WHERE id=?", (now, key_id))

    # Sessions

    def begin(self, session: SessionRow, now: str) -> None:
        """Keep a session; those that are over go, and the oldest of very many."""
        with self._writing() as db:
            db.execute("DELETE FROM sessions WHERE expires_at <= ?", (now,))
            db.execute(
                "DELETE FROM sessions WHERE id IN (SELECT id FROM sessions WHERE by=?"
                " ORDER BY expires_at DESC LIMIT -1 OFFSET ?)",
                (session.by, MAX_SESSIONS - 1),
            )
            row = (session.id, session.digest, session.by, session.by_digest, session.expires_at)
            db.execute("INSERT INTO sessions VALUES (?,?,?,?,?)", row)

    def session(self, session_id: str) -> SessionRow | None:
        """Look a session up by its id."""
        row = self._row(
            "SELECT id, digest, by, by_digest, expires_at FROM sessions WHERE id=?", session_id
        )
        return None if row is None else SessionRow(*row)

    def end(self, session_id: str) -> None:
        """End a session; one that is over already is no error."""
        with self._writing() as db:
            db.execute("DELETE FROM sessions WHERE id=?", (session_id,))

    def _row(self, sql: str, value: str) -> tuple[Any, ...] | None:
        with self._reading, _named(self.path):
            found: tuple[Any, ...] | None = self._reader.execute(sql, (value,)).fetchone()
            return found

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        """Give the connection for one transaction: all of it or nothing."""
        with self._changing, _named(self.path):
            self._writer.execute("BEGIN IMMEDIATE")
            try:
                yield self._writer
                self._writer.execute("COMMIT")
            finally:
                if self._writer.in_transaction:
                    self._writer.execute("ROLLBACK")


def _connected(path: Path, busy_s: float) -> sqlite3.Connection:
    connection = sqlite3.connect(
        path, timeout=busy_s, isolation_level=None, check_same_thread=False
    )
    try:
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "secure_delete=ON"):
            connection.execute(f"PRAGMA {pragma}")
    except BaseException:
        connection.close()
        raise
    return connection


@contextmanager
def _named(path: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise KeyStoreError(f"{path}: {error}") from error


def _key(key_id: str, name: str, scopes: str, collections: str | None, *times: str) -> Key:
    bound = None if collections is None else frozenset(json.loads(collections))
    return Key(key_id, name, frozenset(json.loads(scopes)), bound, *times)
