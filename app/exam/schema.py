"""The tables of exams, as numbered migrations; touches one SQLite connection."""

from __future__ import annotations

import sqlite3

# A migration is never changed after a release: a new one is added behind it.
MIGRATIONS: tuple[str, ...] = (
    """
    CREATE TABLE exams (
        id TEXT PRIMARY KEY,
        collection TEXT NOT NULL,
        created_at TEXT NOT NULL,
        n_documents INTEGER NOT NULL
    );

    CREATE TABLE cases (
        exam_id TEXT NOT NULL REFERENCES exams(id) ON DELETE CASCADE,
        id TEXT NOT NULL,
        position INTEGER NOT NULL,
        kind TEXT NOT NULL,
        language TEXT NOT NULL,
        question TEXT NOT NULL,
        answer TEXT NOT NULL,
        digest TEXT NOT NULL,
        path TEXT NOT NULL,
        start INTEGER NOT NULL,
        "end" INTEGER NOT NULL,
        text TEXT NOT NULL,
        is_stale INTEGER NOT NULL,
        PRIMARY KEY (exam_id, id)
    );

    CREATE TABLE runs (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        id TEXT NOT NULL UNIQUE,
        exam_id TEXT NOT NULL REFERENCES exams(id) ON DELETE CASCADE,
        collection TEXT NOT NULL,
        created_at TEXT NOT NULL,
        state TEXT NOT NULL,
        settings TEXT NOT NULL,
        n_answers INTEGER NOT NULL,
        is_judging INTEGER NOT NULL,
        n_done INTEGER NOT NULL,
        n_cases INTEGER NOT NULL,
        message TEXT NOT NULL
    );

    -- Numbers and places, no text of a document: what is deleted is not kept here either.
    CREATE TABLE results (
        run_id TEXT NOT NULL REFERENCES runs(id) ON DELETE CASCADE,
        case_id TEXT NOT NULL,
        position INTEGER NOT NULL,
        result TEXT NOT NULL,
        PRIMARY KEY (run_id, case_id)
    );

    CREATE TABLE verdicts (
        collection TEXT PRIMARY KEY,
        reranker TEXT NOT NULL,
        share REAL,
        reason TEXT NOT NULL,
        bar REAL,
        embedding TEXT NOT NULL,
        measured_at TEXT NOT NULL
    );
    """,
)


def migrate(connection: sqlite3.Connection) -> None:
    """Bring the tables to the newest version, each migration in one transaction.

    Raises:
        sqlite3.DatabaseError: the file was written by a newer version of the program.
    """
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version > len(MIGRATIONS):
        raise sqlite3.DatabaseError(
            f"the file of exams has version {version}, this program knows up to {len(MIGRATIONS)}: "
            "update the program, or use another data directory"
        )
    for number, script in enumerate(MIGRATIONS[version:], start=version + 1):
        connection.executescript(f"BEGIN IMMEDIATE; {script} PRAGMA user_version={number}; COMMIT;")
