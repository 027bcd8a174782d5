"""Jobs and their tasks in the catalogue, so that they outlive the process; touches SQLite."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ingest.errors import JobNotFoundError, QueueFullError
from ingest.store import Store, now
from ingest.turns import MAX_SMALL, Lane, Standing, Turns
from ingest.types import FileError, Job, JobState

TaskKind = Literal["upload", "file", "move", "remove", "sync", "embed", "rebind", "carry", "switch"]
TaskState = Literal["stored", "skipped", "done", "failed", "cancelled"]

MAX_WAITING_TASKS = 10_000  # uploads; the steps of a folder are as many as its files at most
MAX_WAITING_JOBS = 1_000
_KEPT_JOBS = 200  # finished ones, for those who ask later
_HIDDEN = "('sync', 'rebind', 'switch')"  # steps that are no files

# Steps that wait until nothing else does, or for many turns. They are not counted against the
# limit of the queue, and each should be short: what comes in meanwhile waits for the one at hand.
LOW: frozenset[TaskKind] = frozenset({"carry", "switch"})


@dataclass(frozen=True, slots=True)
class Task:
    """One step of a job."""

    kind: TaskKind
    path: str  # of the file; the document's id for `embed`
    root: str = ""
    source: str = ""  # where the bytes lie; the old path for `move`


@dataclass(frozen=True, slots=True)
class Waiting:
    """The task whose turn it is."""

    job_id: str
    position: int
    collection: str
    task: Task


class Jobs:
    """The queue of one catalogue; whose turn it is, `turns` decides."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._turns = Turns()

    def add(self, job_id: str, collection: str, tasks: Sequence[Task]) -> None:
        """Queue a job.

        Raises:
            QueueFullError: too much waits already.
        """
        with self._store.writing() as connection:
            n_tasks, n_jobs = connection.execute(
                "SELECT count(*) FILTER (WHERE task = 'upload'), count(DISTINCT job_id)"
                " FROM job_files WHERE state = 'waiting'"
            ).fetchone()
            n_new = sum(task.kind == "upload" for task in tasks)
            if n_tasks + n_new > MAX_WAITING_TASKS or n_jobs >= MAX_WAITING_JOBS:
                raise QueueFullError(
                    f"{n_tasks:,} files in {n_jobs:,} jobs wait already (limits "
                    f"{MAX_WAITING_TASKS:,} and {MAX_WAITING_JOBS:,}): wait until some are done, "
                    "or send fewer at once"
                )
            (number,) = connection.execute("SELECT coalesce(max(number), 0) FROM jobs").fetchone()
            connection.execute(
                "INSERT INTO jobs VALUES (?,?,'queued','',?,?)",
                (job_id, collection, now(), number + 1),
            )
            _insert(connection, job_id, 0, tasks)
            if not tasks:
                _close(connection, job_id)
            forgotten = _forget(connection, number - _KEPT_JOBS)
        for staged in forgotten:
            Path(staged).unlink(missing_ok=True)

    def next(self, parked: frozenset[str] = frozenset()) -> Waiting | None:
        """Take the task whose turn it is; its job now runs.

        Args:
            parked: jobs that have no turn.
        """
        with self._store.reading() as connection:
            standings = _standings(connection, parked)
            chosen = self._turns.next(standings, lambda one: _comes_after_its_like(connection, one))
            if chosen is None:
                return None
            found = _waiting(connection, chosen.job_id, 1)
            state = connection.execute(
                "SELECT state FROM jobs WHERE id=?", (chosen.job_id,)
            ).fetchone()
        if state == ("queued",):
            with self._store.writing() as connection:
                connection.execute("UPDATE jobs SET state='running' WHERE id=?", (chosen.job_id,))
        return found[0]

    def upcoming(self, job_id: str, limit: int) -> list[Waiting]:
        """Look at what a job does next, without taking it."""
        with self._store.reading() as connection:
            return _waiting(connection, job_id, limit)

    def queued_files(self, but_of: str, collection: str, root: str) -> set[str]:
        """Name the files of a folder that other jobs will read, as they are by then.

        Args:
            but_of: the job that asks.
        """
        with self._store.reading() as connection:
            found = connection.execute(
                "SELECT f.path FROM job_files f JOIN jobs j ON j.id = f.job_id"
                " WHERE f.state='waiting' AND f.task='file' AND f.root=? AND j.collection=?"
                " AND j.id<>? AND j.state IN ('queued','running')",
                (root, collection, but_of),
            ).fetchall()
        return {path for (path,) in found}

    def following(self, collection: str, root: str) -> list[str]:
        """Name the jobs that still have to do with a folder."""
        with self._store.reading() as connection:
            found = connection.execute(
                "SELECT DISTINCT j.id FROM jobs j JOIN job_files f ON f.job_id = j.id"
                " WHERE f.state='waiting' AND f.root=? AND j.collection=?"
                " AND j.state IN ('queued','running')",
                (root, collection),
            ).fetchall()
        return [job_id for (job_id,) in found]

    def extend(self, waiting: Waiting, tasks: Sequence[Task]) -> None:
        """Add the steps that a running task has found out about.

        What the task had found out before a crash is forgotten: it was looked for again.
        """
        with self._store.writing() as connection:
            connection.execute(
                "DELETE FROM job_files WHERE job_id=? AND position>? AND state='waiting'",
                (waiting.job_id, waiting.position),
            )
            (last,) = connection.execute(
                "SELECT max(position) FROM job_files WHERE job_id=?", (waiting.job_id,)
            ).fetchone()
            _insert(connection, waiting.job_id, last + 1, tasks)

    def postpone(self, waiting: Waiting, source: str) -> None:
        """Give a task its turn once more, after all others of its job.

        Args:
            source: what the task remembers of this turn.
        """
        with self._store.writing() as connection:
            connection.execute(
                "UPDATE job_files SET source=?, position=(SELECT max(position) + 1 FROM job_files"
                " WHERE job_id=?) WHERE job_id=? AND position=? AND state='waiting'",
                (source, waiting.job_id, waiting.job_id, waiting.position),
            )

    def retry(self, job_id: str, path: str = "") -> int:
        """Queue what failed or was cancelled of a job once more; return how many tasks.

        Args:
            path: of one file, as the job's errors name it; empty means all.
        Raises:
            JobNotFoundError: there is none of that id.
        """
        with self._store.writing() as connection:
            if not connection.execute("SELECT 1 FROM jobs WHERE id=?", (job_id,)).fetchone():
                raise JobNotFoundError(job_id)
            found = connection.execute(
                "SELECT position, task, source FROM job_files f WHERE job_id=?"
                f" AND state IN ('failed','cancelled') AND ? IN ('', {_TOLD_PATH})",
                (job_id, path),
            ).fetchall()
            # A refused upload's copy is gone: trying again would only hide the reason.
            again = [
                (job_id, position)
                for position, task, source in found
                if task != "upload" or Path(source).exists()
            ]
            connection.executemany(
                "UPDATE job_files SET state='waiting', reason='' WHERE job_id=? AND position=?",
                again,
            )
            n_again = len(again)
            if n_again:
                connection.execute(
                    "UPDATE jobs SET state='queued', message='' WHERE id=?"
                    " AND state IN ('done','failed')",
                    (job_id,),
                )
        return n_again

    def cancel(self, job_id: str) -> list[Waiting]:
        """Take the waiting tasks of a job out of the queue; what is stored stays.

        Returns:
            What will not be done any more.

        Raises:
            JobNotFoundError: there is none of that id.
        """
        with self._store.writing() as connection:
            row = connection.execute("SELECT state FROM jobs WHERE id=?", (job_id,)).fetchone()
            if row is None:
                raise JobNotFoundError(job_id)
            left = _waiting(connection, job_id, -1)
            if left:
                connection.execute(
                    "UPDATE job_files SET state='cancelled' WHERE job_id=? AND state='waiting'",
                    (job_id,),
                )
                connection.execute(
                    "UPDATE jobs SET state='failed', message=? WHERE id=?",
                    (f"cancelled with {len(left):,} steps left; what was stored stays", job_id),
                )
        return left

    def finish(self, waiting: Waiting, state: TaskState, reason: str = "") -> None:
        """Note how a task ended; the last one ends its job."""
        self.finish_all([waiting], state, reason)

    def finish_all(self, tasks: Sequence[Waiting], state: TaskState, reason: str = "") -> None:
        """Note how tasks of one job ended, all at once; the last one ends the job."""
        if not tasks:
            return
        waiting = tasks[0]
        with self._store.writing() as connection:
            connection.executemany(
                "UPDATE job_files SET state=?, reason=? WHERE job_id=? AND position=?"
                " AND state='waiting'",
                [(state, reason, one.job_id, one.position) for one in tasks],
            )
            left = connection.execute(
                "SELECT 1 FROM job_files WHERE job_id=? AND state='waiting' LIMIT 1",
                (waiting.job_id,),
            ).fetchone()
            if left is None:
                _close(connection, waiting.job_id)

    def job(self, job_id: str) -> Job:
        """Look one job up.

        Raises:
            JobNotFoundError: there is none of that id.
        """
        with self._store.reading() as connection:
            row = connection.execute(f"{_JOBS} WHERE id = ?", (job_id,)).fetchone()
            if row is None:
                raise JobNotFoundError(job_id)
            return _job(connection, row)

    def jobs(self, limit: int) -> list[Job]:
        """List jobs, newest first."""
        with self._store.reading() as connection:
            found = connection.execute(f"{_JOBS} ORDER BY number DESC LIMIT ?", (limit,)).fetchall()
            return [_job(connection, row) for row in found]

    def unfinished(self) -> set[str]:
        """Name the jobs that are queued or running."""
        with self._store.reading() as connection:
            return {
                row[0]
                for row in connection.execute(
                    "SELECT id FROM jobs WHERE state IN ('queued', 'running')"
                )
            }

    def staged(self) -> set[str]:
        """List where the uploads lie that wait, or may be tried again."""
        with self._store.reading() as connection:
            found = connection.execute(
                "SELECT source FROM job_files WHERE task='upload' AND state IN ('waiting','failed')"
            ).fetchall()
        return {source for (source,) in found}

    def queued_sync(self, collection: str, root: str, source: str) -> str | None:
        """Find a sync that has not begun yet: asking for another one would do nothing new."""
        with self._store.reading() as connection:
            row = connection.execute(
                "SELECT j.id FROM jobs j JOIN job_files f ON f.job_id = j.id AND f.position = 0"
                " WHERE j.state='queued' AND j.collection=? AND f.task='sync' AND f.root=?"
                " AND f.source=?",
                (collection, root, source),
            ).fetchone()
        return None if row is None else str(row[0])

    def counts(self) -> dict[str, int]:
        """Count the jobs that are queued and running."""
        with self._store.reading() as connection:
            found = dict(
                connection.execute(
                    "SELECT state, count(*) FROM jobs WHERE state IN ('queued','running')"
                    " GROUP BY state"
                ).fetchall()
            )
        return {"queued": found.get("queued", 0), "running": found.get("running", 0)}


_JOBS = "SELECT id, collection, state, message, created_at FROM jobs"
# What a step is about, for people: some have the number of a document or a space for a path.
_TOLD_PATH = """CASE
    WHEN task = 'carry' THEN coalesce((SELECT title FROM documents WHERE id = f.path), f.path)
    WHEN task = 'switch' THEN coalesce((SELECT c.name FROM spaces s
        JOIN collections c ON c.id = s.collection_id WHERE s.id = f.root), '')
    WHEN path = '' THEN root ELSE path END"""


def _forget(connection: sqlite3.Connection, last: int) -> list[str]:
    """Drop old jobs that have ended; return where uploads lie that were kept for a retry."""
    where = "WHERE number <= ? AND state IN ('done', 'failed')"
    found = connection.execute(
        "SELECT source FROM job_files WHERE task='upload' AND state='failed'"
        f" AND job_id IN (SELECT id FROM jobs {where})",
        (last,),
    ).fetchall()
    connection.execute(f"DELETE FROM jobs {where}", (last,))
    return [source for (source,) in found]


def _insert(connection: sqlite3.Connection, job_id: str, first: int, tasks: Sequence[Task]) -> None:
    connection.executemany(
        "INSERT INTO job_files VALUES (?,?,?,?,?,?,'waiting','')",
        [
            (job_id, position, task.kind, task.path, task.root, task.source)
            for position, task in enumerate(tasks, start=first)
        ],
    )


def _close(connection: sqlite3.Connection, job_id: str) -> None:
    connection.execute(
        "UPDATE jobs SET state = CASE WHEN"
        " EXISTS (SELECT 1 FROM job_files WHERE job_id = jobs.id AND state = 'failed') AND NOT"
        " EXISTS (SELECT 1 FROM job_files WHERE job_id = jobs.id AND state <> 'failed'"
        f" AND task NOT IN {_HIDDEN})"
        " THEN 'failed' ELSE 'done' END WHERE id = ? AND NOT"
        " EXISTS (SELECT 1 FROM job_files WHERE job_id = jobs.id AND state = 'cancelled')",
        (job_id,),
    )


def _standings(connection: sqlite3.Connection, parked: frozenset[str]) -> list[Standing]:
    """Tell of every unfinished job what decides about its turn, oldest first."""
    found = connection.execute(
        "SELECT j.id, j.collection, f.task, f.root, (SELECT count(*) FROM (SELECT 1 FROM job_files"
        " WHERE job_id=j.id AND state='waiting' LIMIT ?))"
        " FROM jobs j JOIN job_files f ON f.job_id=j.id AND f.position = (SELECT min(position)"
        " FROM job_files WHERE job_id=j.id AND state='waiting')"
        " WHERE j.state IN ('queued','running') ORDER BY j.number",
        (MAX_SMALL + 1,),
    ).fetchall()
    return [
        Standing(job_id, _lane(collection, kind, root, n_left), n_left, is_low=kind in LOW)
        for job_id, collection, kind, root, n_left in found
        if job_id not in parked
    ]


def _lane(collection: str, kind: TaskKind, root: str, n_left: int) -> Lane:
    """Tell with which jobs one waits in line: a file saved now waits for no heap of its folder."""
    if kind == "upload":
        return ("upload",)
    return (collection, root, "heap") if n_left > MAX_SMALL else (collection, root)


def _comes_after_its_like(connection: sqlite3.Connection, one: Standing) -> bool:
    """Tell whether an older job still has to store another version of the same path."""
    found = connection.execute(
        "SELECT 1 FROM job_files f JOIN jobs mine ON mine.id = f.job_id"
        " JOIN job_files g ON g.state='waiting' AND g.path = f.path AND g.task='upload'"
        " JOIN jobs other ON other.id = g.job_id AND other.number < mine.number"
        " AND other.collection = mine.collection AND other.state IN ('queued','running')"
        " WHERE f.job_id=? AND f.state='waiting' LIMIT 1",
        (one.job_id,),
    ).fetchone()
    return found is not None


def _waiting(connection: sqlite3.Connection, job_id: str, limit: int) -> list[Waiting]:
    found = connection.execute(
        "SELECT f.position, j.collection, f.task, f.path, f.root, f.source FROM job_files f"
        " JOIN jobs j ON j.id = f.job_id WHERE f.job_id=? AND f.state='waiting'"
        " ORDER BY f.position LIMIT ?",
        (job_id, limit),
    ).fetchall()
    return [
        Waiting(job_id, position, collection, Task(*task)) for position, collection, *task in found
    ]


def _job(connection: sqlite3.Connection, row: tuple[str, str, JobState, str, str]) -> Job:
    job_id, collection, state, message, created_at = row
    counts = dict(
        connection.execute(
            f"SELECT state, count(*) FROM job_files WHERE job_id=? AND task NOT IN {_HIDDEN}"
            " GROUP BY state",
            (job_id,),
        ).fetchall()
    )
    errors = connection.execute(
        f"SELECT {_TOLD_PATH}, reason FROM job_files f"
        " WHERE job_id=? AND reason <> '' ORDER BY position",
        (job_id,),
    ).fetchall()
    n_files = sum(counts.values())
    return Job(
        id=job_id,
        collection=collection,
        state=state,
        n_files=n_files,
        n_done=n_files - counts.get("waiting", 0) - counts.get("cancelled", 0),
        n_stored=counts.get("stored", 0),
        n_skipped=counts.get("skipped", 0),
        errors=tuple(FileError(*error) for error in errors),
        created_at=created_at,
        message=message,
    )
