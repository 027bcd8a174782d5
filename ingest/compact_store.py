"""A catalogue in, one without traces of what was deleted out; touches SQLite.

Free pages hold zeros (`secure_delete`) and serve the next document; the file is written anew only
when many are free. All else is short transactions: a question or a document waits for one at most.
"""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass

from ingest.errors import StorageFullError
from ingest.store import Store
from ingest.term_levels import RECORD_ID, count_levels, without_empty_levels

log = logging.getLogger(__name__)

FORGOTTEN = "(deleted)"  # stands in job records for the path of a document that is gone

_MERGE_PAGES = 200  # of a lexical index, in one transaction
_MAX_LEVELS = 64  # of a lexical index; more of them and the empty ones are taken out
_KEPT_LEVELS = 16  # that stay, so that small new segments are not merged with the large old one
_KEPT_RECORDS = 2_000  # of files in finished jobs; the newest job stays, however large
_REWRITE_SHARE = 0.2  # of all pages: as long as fewer are free, the file stays as it is
_REWRITE_BYTES = 200_000

Pause = Callable[[], None]


@dataclass(frozen=True, slots=True)
class ChunkCounts:
    """How many chunks there are, and how many there were that are gone."""

    n_alive: int
    n_gone: int


def count_chunks(store: Store) -> ChunkCounts:
    """Count chunks; their numbers are never used twice, so the missing ones were deleted."""
    with store.reading() as connection:
        (n_alive,) = connection.execute("SELECT count(*) FROM chunks").fetchone()
        row = connection.execute("SELECT seq FROM sqlite_sequence WHERE name='chunks'").fetchone()
    return ChunkCounts(int(n_alive), (int(row[0]) if row else 0) - int(n_alive))


def merge_terms(store: Store, pause: Pause) -> None:
    """Merge every lexical index into one piece: only then do deleted terms leave the file.

    Source: https://www.sqlite.org/fts5.html#the_merge_command (first -N, then N until idle).
    """
    for table in _lexical_tables(store):
        n_pages = -_MERGE_PAGES
        is_merging = True
        while is_merging:
            pause()
            with store.writing() as connection:
                if not _exists(connection, table):
                    break  # its collection was deleted meanwhile
                before = connection.total_changes
                statement = f"INSERT INTO {table} ({table}, rank) VALUES ('merge', ?)"
                connection.execute(statement, (n_pages,))
                # Fewer than two changes: there was nothing left to merge.
                is_merging = n_pages < 0 or connection.total_changes - before >= 2
            n_pages = _MERGE_PAGES
    trim_levels(store)


def trim_levels(store: Store, most: int = _MAX_LEVELS) -> int:
    """Take empty levels out of lexical indexes before they are too many; count those indexes."""
    n_trimmed = 0
    for table in _lexical_tables(store):
        with store.reading() as connection:
            n_levels = count_levels(_record(connection, table))
        if n_levels > most:
            log.info("lexical_levels_trimmed table=%s n=%d", table, n_levels)
            n_trimmed += _trim(store, table)
    return n_trimmed


def _trim(store: Store, table: str) -> bool:
    """Write one structure record anew; nothing happens to an index that would not be sound then."""
    # By another connection: the writer's keeps the record in memory until somebody else writes.
    with store.writing_apart() as connection:
        if not _exists(connection, table):
            return False
        try:
            record = without_empty_levels(_record(connection, table), _KEPT_LEVELS)
            connection.execute(
                f"UPDATE {table}_data SET block = ? WHERE id = {RECORD_ID:d}", (record,)
            )
            connection.execute(f"INSERT INTO {table} ({table}) VALUES ('integrity-check')")
        except (sqlite3.DatabaseError, ValueError) as error:
            connection.execute("ROLLBACK")
            log.warning("lexical_levels_kept table=%s %s", table, error)
            return False
    return True


def _lexical_tables(store: Store) -> list[str]:
    with store.reading() as connection:
        return [
            str(row[0])
            for row in connection.execute(
                "SELECT name FROM sqlite_master WHERE type='table' AND name GLOB 'terms_[0-9]*'"
                " AND sql LIKE 'CREATE VIRTUAL TABLE%' ORDER BY name"
            )
        ]


def _exists(connection: sqlite3.Connection, table: str) -> bool:
    found = connection.execute("SELECT 1 FROM sqlite_master WHERE name = ?", (table,))
    return found.fetchone() is not None


def _record(connection: sqlite3.Connection, table: str) -> bytes:
    row = connection.execute(f"SELECT block FROM {table}_data WHERE id = {RECORD_ID:d}").fetchone()
    return bytes(row[0]) if row else b""


def forget_paths(store: Store) -> int:
    """Take the paths of documents that are gone out of the records of finished jobs."""
    with store.writing() as connection:
        return connection.execute(
            "UPDATE job_files SET path = ?1, source = '' WHERE state IN ('stored','skipped','done')"
            " AND task IN ('upload','file','move','remove') AND path <> ?1"
            " AND job_id IN (SELECT id FROM jobs WHERE state IN ('done','failed'))"
            " AND NOT EXISTS (SELECT 1 FROM places p JOIN collections c ON c.id = p.collection_id"
            " JOIN jobs j ON j.id = job_files.job_id WHERE c.name = j.collection"
            " AND p.root = job_files.root AND p.path = job_files.path)",
            (FORGOTTEN,),
        ).rowcount


def forget_jobs(store: Store) -> int:
    """Drop the records of old jobs in which nothing failed, beyond a number of files in all."""
    with store.writing() as connection:
        return connection.execute(
            "DELETE FROM jobs WHERE id IN (SELECT id FROM (SELECT id, n, sum(n) OVER"
            " (ORDER BY number DESC) AS so_far FROM (SELECT id, number, (SELECT count(*) FROM"
            " job_files WHERE job_id = jobs.id) AS n FROM jobs WHERE state IN ('done', 'failed')))"
            " WHERE so_far > ?1 AND so_far > n)"
            " AND NOT EXISTS (SELECT 1 FROM job_files WHERE job_id = jobs.id"
            " AND state NOT IN ('stored', 'skipped', 'done', 'cancelled'))",
            (_KEPT_RECORDS,),
        ).rowcount


def is_worth_rewriting(n_free: int, n_pages: int, page_bytes: int) -> bool:
    """Decide whether so many pages are free that the file should be written anew."""
    return n_free > _REWRITE_SHARE * n_pages and n_free * page_bytes >= _REWRITE_BYTES


def give_pages_back(store: Store, should_stop: Callable[[], bool]) -> bool:
    """Shrink the file if much of it is free; false if somebody wanted to write meanwhile."""
    if not is_worth_rewriting(*store.free_pages()):
        return True
    try:
        return store.rewrite(should_stop)
    except StorageFullError as error:
        log.warning(
            "catalogue_not_shrunk %s", error
        )  # its free pages hold zeros and are used again
        return True
