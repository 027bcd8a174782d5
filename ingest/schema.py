"""The tables of the catalogue, as numbered migrations; touches one SQLite connection."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from ingest.lexical import TOKENIZE

# A migration is never changed after a release: a new one is added behind it.
MIGRATIONS: tuple[str, ...] = (
    """
    CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;

    CREATE TABLE collections (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        name TEXT NOT NULL UNIQUE,
        model TEXT NOT NULL,
        model_digest TEXT NOT NULL,
        n_dimensions INTEGER NOT NULL,
        document_prefix TEXT NOT NULL,
        query_prefix TEXT NOT NULL,
        lexical_version INTEGER NOT NULL,
        created_at TEXT NOT NULL
    );

    CREATE TABLE documents (
        id TEXT PRIMARY KEY,
        collection_id INTEGER NOT NULL REFERENCES collections(id) ON DELETE CASCADE,
        digest TEXT NOT NULL,
        title TEXT NOT NULL,
        media_type TEXT NOT NULL,
        size_bytes INTEGER NOT NULL,
        n_characters INTEGER NOT NULL,
        blocks TEXT NOT NULL,
        metadata TEXT NOT NULL,
        warnings TEXT NOT NULL,
        loader_version INTEGER NOT NULL,
        added_at TEXT NOT NULL
    );
    CREATE INDEX documents_by_collection ON documents(collection_id, added_at);

    -- Text lies in parts of a fixed number of characters, so that a slice of a long text is cheap.
    CREATE TABLE texts (
        document_id TEXT NOT NULL REFERENCES documents(id) ON DELETE CASCADE,
        part INTEGER NOT NULL,
        text TEXT NOT NULL,
        PRIMARY KEY (document_id, part)
    ) WITHOUT ROWID;

    -- root: the watched folder that the path is relative to; empty for uploads.
    CREATE TABLE places (
        collection_id INTEGER NOT NULL REFERENCES collections(id) ON DELETE CASCADE,
        root TEXT NOT NULL,
        path TEXT NOT NULL,
        document_id TEXT NOT NULL REFERENCES documents(id) ON DELETE CASCADE,
        mtime_ns INTEGER NOT NULL,
        size_bytes INTEGER NOT NULL,
        PRIMARY KEY (collection_id, root, path)
    ) WITHOUT ROWID;
    CREATE INDEX places_by_document ON places(document_id);

    CREATE TABLE vectors (key BLOB PRIMARY KEY, data BLOB NOT NULL);

    CREATE TABLE chunks (
        id INTEGER PRIMARY KEY AUTOINCREMENT,  -- never used twice
        document_id TEXT NOT NULL REFERENCES documents(id) ON DELETE CASCADE,
        collection_id INTEGER NOT NULL,
        start INTEGER NOT NULL,
        "end" INTEGER NOT NULL,
        page INTEGER,
        headings TEXT NOT NULL,
        n_tokens INTEGER NOT NULL,
        vector_key BLOB NOT NULL REFERENCES vectors(key)
    );
    CREATE INDEX chunks_by_document ON chunks(document_id, start);
    CREATE INDEX chunks_by_collection ON chunks(collection_id);
    CREATE INDEX chunks_by_vector ON chunks(vector_key);

    CREATE TABLE jobs (
        id TEXT PRIMARY KEY,
        collection TEXT NOT NULL,
        state TEXT NOT NULL,
        message TEXT NOT NULL,
        created_at TEXT NOT NULL,
        number INTEGER NOT NULL
    );
    CREATE INDEX jobs_by_number ON jobs(number);

    CREATE TABLE job_files (
        job_id TEXT NOT NULL REFERENCES jobs(id) ON DELETE CASCADE,
        position INTEGER NOT NULL,
        task TEXT NOT NULL,
        path TEXT NOT NULL,
        root TEXT NOT NULL,
        source TEXT NOT NULL,
        state TEXT NOT NULL,
        reason TEXT NOT NULL,
        PRIMARY KEY (job_id, position)
    ) WITHOUT ROWID;
    CREATE INDEX job_files_by_state ON job_files(state, job_id, position);
    """,
    """
    -- Chunks of before have no parent and no language until their document is ingested again.
    ALTER TABLE chunks ADD COLUMN parent_start INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE chunks ADD COLUMN parent_end INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE chunks ADD COLUMN language TEXT NOT NULL DEFAULT '';
    """,
    """
    -- What depends on the embedding model: a collection has one space for each model that it has,
    -- is given, or had. From here on chunks.collection_id is the number of a space.
    CREATE TABLE spaces (
        id INTEGER PRIMARY KEY AUTOINCREMENT,  -- never used twice
        collection_id INTEGER NOT NULL REFERENCES collections(id) ON DELETE CASCADE,
        model TEXT NOT NULL,
        model_digest TEXT NOT NULL,
        n_dimensions INTEGER NOT NULL,
        document_prefix TEXT NOT NULL,
        query_prefix TEXT NOT NULL,
        lexical_version INTEGER NOT NULL,
        state TEXT NOT NULL CHECK (state IN ('current', 'next', 'previous')),
        created_at TEXT NOT NULL,
        UNIQUE (collection_id, state)
    );
    INSERT INTO spaces SELECT id, id, model, model_digest, n_dimensions, document_prefix,
        query_prefix, lexical_version, 'current', created_at FROM collections;
    -- Numbers of collections that were deleted are not used again for spaces either.
    DELETE FROM sqlite_sequence WHERE name = 'spaces';
    INSERT INTO sqlite_sequence SELECT 'spaces', seq FROM sqlite_sequence
        WHERE name = 'collections';
    ALTER TABLE collections DROP COLUMN model;
    ALTER TABLE collections DROP COLUMN model_digest;
    ALTER TABLE collections DROP COLUMN n_dimensions;
    ALTER TABLE collections DROP COLUMN document_prefix;
    ALTER TABLE collections DROP COLUMN query_prefix;
    ALTER TABLE collections DROP COLUMN lexical_version;
    DROP INDEX chunks_by_document;
    CREATE INDEX chunks_by_document ON chunks(document_id, collection_id, start);
    """,
)


def migrate(connection: sqlite3.Connection) -> None:
    """Bring the catalogue's tables to the newest version.

    Raises:
        sqlite3.DatabaseError: the file was written by a newer version of the program.
    """
    bring_up(connection, MIGRATIONS, "the catalogue has")


def bring_up(connection: sqlite3.Connection, migrations: Sequence[str], what: str) -> None:
    """Bring a file to the version that its migrations lead to, each in one transaction.

    Args:
        migrations: SQL from version to version, the first one for an empty file.
        what: the beginning of an error: "the catalogue has".
    Raises:
        sqlite3.DatabaseError: the file was written by a newer version of the program.
    """
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version > len(migrations):
        raise sqlite3.DatabaseError(
            f"{what} version {version}, this program knows up to {len(migrations)}: "
            "update the program, or use another data directory"
        )
    for number, script in enumerate(migrations[version:], start=version + 1):
        connection.executescript(f"BEGIN IMMEDIATE; {script} PRAGMA user_version={number}; COMMIT;")


def lexical_table(space_id: int) -> str:
    """Name the FTS5 table of a space; one for each, so that word weights are its own."""
    return f"terms_{space_id:d}"


def create_lexical_table(connection: sqlite3.Connection, space_id: int) -> None:
    """Make an empty lexical index; contentless, since the text lies in `texts` already."""
    tokenize = TOKENIZE.replace('"', '""')
    connection.execute(
        f"CREATE VIRTUAL TABLE {lexical_table(space_id)} "
        f"USING fts5(terms, content='', tokenize=\"{tokenize}\")"
    )


def drop_lexical_table(connection: sqlite3.Connection, space_id: int) -> None:
    """Remove a lexical index with all its terms."""
    connection.execute(f"DROP TABLE IF EXISTS {lexical_table(space_id)}")
