"""SQLite files in, whole copies of one moment out; touches SQLite."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

from app.backup.errors import ArchiveError, BackupError, NewerArchiveError
from ingest.store import translated

_BUSY_S = 30.0
_STEP_PAGES = 4096
_SPACES_SINCE = 3  # version of the catalogue from which on models belong to spaces
# Where the catalogue names places in the data directory: its inbox, uploads that wait.
_PLACES = (("places", "root"), ("roots", "root"), ("job_files", "root"), ("job_files", "source"))


@contextmanager
def held(
    paths: Sequence[Path], meanwhile: Callable[[], None] = lambda: None
) -> Iterator[Mapping[str, sqlite3.Connection]]:
    """Hold the states of some files fast, by name: all of them as they are at one moment.

    Writers wait for that moment, some milliseconds; then they go on, and what they write is not
    seen here.

    Args:
        paths: the one first whose writers may take long.
        meanwhile: is called at that moment, to hold fast what belongs to the files.
    Raises:
        BackupError: a file cannot be read, or somebody writes to it without an end.
    """
    with ExitStack() as opened:
        found: dict[str, sqlite3.Connection] = {}
        with ExitStack() as waiting:
            for path in paths:
                with _told(path):
                    keeper = waiting.enter_context(closing(_opened(path)))
                    keeper.execute("BEGIN IMMEDIATE")
            for path in paths:
                with _told(path):
                    found[path.name] = opened.enter_context(closing(_opened(path)))
                    found[path.name].execute("BEGIN")
                    # A transaction begins to see at its first look.
                    found[path.name].execute("SELECT count(*) FROM sqlite_master").fetchone()
            meanwhile()
        yield found


@contextmanager
def _told(path: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.OperationalError as error:
        raise BackupError(
            f"{path} is being written to for so long that no backup can begin ({error}): try "
            "again when `quire jobs` shows less to do"
        ) from error
    except sqlite3.DatabaseError as error:
        raise BackupError(
            f"{path} cannot be read ({error}): run `quire doctor`, or restore the newest backup"
        ) from error


def copy(connection: sqlite3.Connection, target: Path) -> None:
    """Write the state that a connection holds fast into a new file.

    Raises:
        StorageFullError: the disk is full.
    """
    with translated(), closing(sqlite3.connect(target, isolation_level=None)) as new:
        # Until it is whole nobody needs it: no journal, no waiting for the disk.
        new.execute("PRAGMA journal_mode=OFF")
        new.execute("PRAGMA synchronous=OFF")
        connection.backup(new, pages=_STEP_PAGES)


def version_of(connection: sqlite3.Connection) -> int:
    """Tell the version of a file's tables."""
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def counts_of(connection: sqlite3.Connection) -> tuple[int, int]:
    """Count the documents and the chunks of a catalogue."""
    return (
        int(connection.execute("SELECT count(*) FROM documents").fetchone()[0]),
        int(connection.execute("SELECT count(*) FROM chunks").fetchone()[0]),
    )


def staged_in(connection: sqlite3.Connection) -> set[str]:
    """List where the uploads lie that wait to be read, or did."""
    return {row[0] for row in connection.execute("SELECT DISTINCT source FROM job_files")}


def models_of(connection: sqlite3.Connection, *, is_filled: bool = False) -> list[tuple[str, str]]:
    """List the embedding models of a catalogue with their digests.

    Args:
        is_filled: only those that documents are searched with now.
    """
    is_old = version_of(connection) < _SPACES_SINCE
    where = ""
    if is_filled:
        where = "WHERE id IN (SELECT collection_id FROM documents)"
        if not is_old:
            where = (
                "WHERE state = 'current' AND collection_id IN (SELECT collection_id FROM documents)"
            )
    return [
        (str(name), str(digest))
        for name, digest in connection.execute(
            f"SELECT DISTINCT model, model_digest FROM {'collections' if is_old else 'spaces'}"
            f" {where} ORDER BY model, model_digest"
        )
    ]


def check(path: Path, newest: int) -> None:
    """Make sure that a file that came from elsewhere is whole and only holds tables.

    Args:
        newest: version of the tables that this program knows.
    Raises:
        NewerArchiveError: a newer version of the program wrote it.
        ArchiveError: it is damaged, or would run something when it is opened.
    """
    try:
        with closing(_opened(path)) as connection:
            connection.execute("PRAGMA trusted_schema=OFF")
            connection.execute("PRAGMA cell_size_check=ON")
            version = version_of(connection)
            if version > newest:
                raise NewerArchiveError(
                    f"{path.name} has version {version}, this program knows up to {newest}: "
                    "update the program"
                )
            row = connection.execute(
                "SELECT name FROM sqlite_master WHERE type IN ('trigger', 'view')"
            ).fetchone()
            if row is not None:
                raise ArchiveError(f"{path.name} holds {row[0]!r}, which is no table of ours")
            (said,) = connection.execute("PRAGMA quick_check(1)").fetchone()
            if said != "ok":
                raise ArchiveError(f"{path.name} is damaged: {said}")
    except sqlite3.DatabaseError as error:
        raise ArchiveError(f"{path.name} is no file of ours: {error}") from error


@dataclass(frozen=True, slots=True)
class Looked:
    """What a look at a catalogue gave."""

    n_documents: int
    n_failed: int  # files that could not be read
    newest: str  # when the youngest document was added; empty without one
    models: tuple[tuple[str, str], ...]  # that it is searched with: names and digests


def look(path: Path) -> Looked:
    """Look at a catalogue, while others write to it."""
    with closing(_opened(path)) as connection:
        n_documents, newest = connection.execute(
            "SELECT count(*), coalesce(max(added_at), '') FROM documents"
        ).fetchone()
        (n_failed,) = connection.execute(
            "SELECT count(*) FROM job_files WHERE state = 'failed'"
        ).fetchone()
        models = models_of(connection, is_filled=True)
    return Looked(n_documents, n_failed, newest, tuple(models))


def quick_check(path: Path, patience_s: float = 10.0) -> str:
    """Look for damage in a file, while others write to it; empty if there is none.

    Args:
        patience_s: the look ends then; what was looked at by then counts.
    """
    deadline = monotonic() + patience_s
    try:
        with closing(_opened(path)) as connection:
            connection.set_progress_handler(lambda: monotonic() > deadline, 100_000)
            (said,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    except BackupError as error:
        return str(error)
    except sqlite3.DatabaseError as error:
        return "" if "interrupted" in str(error) else str(error)
    return "" if said == "ok" else str(said)


def relocate(path: Path, old: str, new: str) -> None:
    """Let a catalogue name the places below another data directory than it was taken from."""
    with translated(), closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA trusted_schema=OFF")
        connection.execute("BEGIN IMMEDIATE")
        there = {row[0] for row in connection.execute("SELECT name FROM sqlite_master")}
        for table, column in _PLACES:
            if table in there:
                connection.execute(
                    f"UPDATE OR REPLACE {table} SET {column} = ?2 || substr({column},"
                    f" length(?1) + 1) WHERE substr({column}, 1, length(?1) + 1) = ?1 || '/'",
                    (old.rstrip("/"), new.rstrip("/")),
                )
        connection.execute("COMMIT")


def _opened(path: Path) -> sqlite3.Connection:
    if not path.is_file():
        raise BackupError(f"{path} is not there")
    return sqlite3.connect(path, timeout=_BUSY_S, isolation_level=None, check_same_thread=False)
