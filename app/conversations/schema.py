"""The tables of conversations, as numbered migrations; touches one SQLite connection."""

from __future__ import annotations

import sqlite3

from ingest.lexical import LEXICAL_VERSION, TOKENIZE, terms
from ingest.schema import bring_up

# A migration is never changed after a release: a new one is added behind it.
MIGRATIONS: tuple[str, ...] = (
    """
    CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;

    CREATE TABLE conversations (
        number INTEGER PRIMARY KEY AUTOINCREMENT,  -- never used twice
        id TEXT NOT NULL UNIQUE,
        title TEXT NOT NULL,
        collection TEXT NOT NULL,
        created_at TEXT NOT NULL,
        updated_at TEXT NOT NULL,
        touched INTEGER NOT NULL UNIQUE  -- counts changes: clocks stand still and go back
    );

    CREATE TABLE messages (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        conversation INTEGER NOT NULL REFERENCES conversations(number) ON DELETE CASCADE,
        role TEXT NOT NULL,
        mode TEXT NOT NULL,
        text TEXT NOT NULL,
        rest TEXT NOT NULL,  -- JSON: sentences, citations, trace
        created_at TEXT NOT NULL
    );
    CREATE INDEX messages_by_conversation ON messages(conversation, id);
    """,
    """
    -- The id of the key that it was begun with; empty where nobody had to show one.
    ALTER TABLE conversations ADD COLUMN owner TEXT NOT NULL DEFAULT '';
    """,
)

WORDS_VERSION = "words version"  # in `meta`: how the words were cut that the index holds
UNSWEPT = "unswept"  # in `meta`: something was deleted and may linger in the file


def migrate(connection: sqlite3.Connection) -> None:
    """Bring the tables to the newest version.

    Raises:
        sqlite3.DatabaseError: the file was written by a newer version of the program.
    """
    bring_up(connection, MIGRATIONS, "the conversations have")


def refresh_words(connection: sqlite3.Connection) -> None:
    """Make the index of words anew unless it was made as this program would.

    The caller has a transaction open.
    """
    wanted = f"{LEXICAL_VERSION} {TOKENIZE}"
    row = connection.execute("SELECT value FROM meta WHERE key=?", (WORDS_VERSION,)).fetchone()
    if row is not None and row[0] == wanted:
        return
    tokenize = TOKENIZE.replace('"', '""')
    connection.execute("DROP TABLE IF EXISTS words")
    # Messages have their own number in it, titles the negative one of their conversation.
    connection.execute(f'CREATE VIRTUAL TABLE words USING fts5(terms, tokenize="{tokenize}")')
    for table in (
        "SELECT id, text FROM messages ORDER BY id",
        "SELECT -number, title FROM conversations ORDER BY number",
    ):
        for row_id, text in connection.execute(table):
            add_words(connection, row_id, text)
    connection.execute("INSERT OR REPLACE INTO meta VALUES (?,?)", (WORDS_VERSION, wanted))


def add_words(connection: sqlite3.Connection, row_id: int, text: str) -> None:
    """Make a text findable under a number, instead of what was findable under it."""
    connection.execute("DELETE FROM words WHERE rowid=?", (row_id,))
    connection.execute(
        "INSERT INTO words (rowid, terms) VALUES (?,?)", (row_id, " ".join(terms(text)))
    )
