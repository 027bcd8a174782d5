"""The tables of exams, as numbered migrations; touches one SQLite connection."""

from __future__ import annotations

import sqlite3

from ingest.schema import bring_up

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
    """
    -- What people think of answers: places and their own words, no text of a document.
    CREATE TABLE opinions (
        conversation TEXT NOT NULL,
        message INTEGER NOT NULL,
        collection TEXT NOT NULL,
        verdict TEXT NOT NULL,
        comment TEXT NOT NULL,
        is_missing INTEGER NOT NULL,
        document TEXT,
        start INTEGER,
        "end" INTEGER,
        created_at TEXT NOT NULL,
        cases TEXT NOT NULL,
        PRIMARY KEY (conversation, message)
    );
    """,
)


def migrate(connection: sqlite3.Connection) -> None:
    """Bring the tables to the newest version.

    Raises:
        sqlite3.DatabaseError: the file was written by a newer version of the program.
    """
    bring_up(connection, MIGRATIONS, "the file of exams has")
