"""The tables of keys and sessions, as numbered migrations; touches one SQLite connection."""

from __future__ import annotations

import sqlite3

from ingest.schema import bring_up

# A migration is never changed after a release: a new one is added behind it.
MIGRATIONS: tuple[str, ...] = (
    """
    CREATE TABLE keys (
        id TEXT PRIMARY KEY,
        name TEXT NOT NULL,
        digest BLOB NOT NULL,  -- SHA-256 of the whole key; the secret is nowhere
        scopes TEXT NOT NULL,  -- JSON list
        collections TEXT,  -- JSON list; NULL = all
        created_at TEXT NOT NULL,
        last_used_at TEXT NOT NULL,
        expires_at TEXT NOT NULL,
        revoked_at TEXT NOT NULL
    ) WITHOUT ROWID;
    CREATE UNIQUE INDEX keys_by_name ON keys(name) WHERE revoked_at = '';

    -- by: the id of the key that was shown, with its digest, so that a session ends with its key.
    CREATE TABLE sessions (
        id TEXT PRIMARY KEY,
        digest BLOB NOT NULL,
        by TEXT NOT NULL,
        by_digest BLOB NOT NULL,
        expires_at TEXT NOT NULL
    ) WITHOUT ROWID;
    CREATE INDEX sessions_by_key ON sessions(by, expires_at);
    """,
)


def migrate(connection: sqlite3.Connection) -> None:
    """Bring the tables to the newest version.

    Raises:
        sqlite3.DatabaseError: the file was written by a newer version of the program.
    """
    bring_up(connection, MIGRATIONS, "the file of keys has")
