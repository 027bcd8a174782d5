"""Jobs and their tasks in the catalogue, so that they outlive the process; touches SQLite."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from ingest.errors import JobNotFoundError, QueueFullError
from ingest.store import Store, now
from ingest.types import FileError, Job, JobState

TaskKind = Literal["upload", "file", "move", "remove", "sync", "embed", "rebind"]
TaskState = Literal["stored", "skipped", "done", "failed"]

MAX_WAITING_TASKS = 10_000
MAX_WAITING_JOBS = 1_000
_KEPT_JOBS = 200  # finished ones, for those who ask later
_HIDDEN = "('sync', 'rebind')"  # steps that are no files


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
    """The queue of one catalogue, oldest job first."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def add(self, job_id: str, collection: str, tasks: Sequence[Task]) -> None:
        """Queue a job.

        Raises:
            QueueFullError: too much waits already.
        """
        with self._store.writing() as connection:
            n_tasks, n_jobs = connection.execute(
                "SELECT count(*), count(DISTINCT job_id) FROM job_files WHERE state = 'waiting'"
            ).fetchone()
            if n_tasks + len(tasks) > MAX_WAITING_TASKS or n_jobs >= MAX_WAITING_JOBS:
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
            connection.execute(
                "DELETE FROM jobs WHERE number <= ? AND state IN ('done', 'failed')",
                (number - _KEPT_JOBS,),
            )

    def next(self, parked: frozenset[str] = frozenset()) -> Waiting | None:
        """Take the task whose turn it is; its job now runs."""
        with self._store.reading() as connection:
            found = connection.execute(
                "SELECT j.id, j.state, j.collection, f.position, f.task, f.path, f.root, f.source"
                " FROM jobs j JOIN job_files f ON f.job_id = j.id AND f.state = 'waiting'"
                " WHERE j.state IN ('queued', 'running') ORDER BY j.number, f.position LIMIT ?",
                (1 if not parked else MAX_WAITING_TASKS * 2,),
            ).fetchall()
        for job_id, state, collection, position, *task in found:
            if job_id in parked:
                continue
            if state == "queued":
                with self._store.writing() as connection:
                    connection.execute("UPDATE jobs SET state='running' WHERE id=?", (job_id,))
            return Waiting(job_id, position, collection, Task(*task))
        return None

    def extend(self, job_id: str, tasks: Sequence[Task]) -> None:
        """Add the steps that a running job has found out about."""
        with self._store.writing() as connection:
            (last,) = connection.execute(
                "SELECT max(position) FROM job_files WHERE job_id=?", (job_id,)
            ).fetchone()
            _insert(connection, job_id, last + 1, tasks)

    def finish(self, waiting: Waiting, state: TaskState, reason: str = "") -> None:
        """Note how a task ended; the last one ends its job."""
        with self._store.writing() as connection:
            connection.execute(
                "UPDATE job_files SET state=?, reason=? WHERE job_id=? AND position=?",
                (state, reason, waiting.job_id, waiting.position),
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
        " THEN 'failed' ELSE 'done' END WHERE id = ?",
        (job_id,),
    )


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
        "SELECT CASE path WHEN '' THEN root ELSE path END, reason FROM job_files"
        " WHERE job_id=? AND reason <> '' ORDER BY position",
        (job_id,),
    ).fetchall()
    n_files = sum(counts.values())
    return Job(
        id=job_id,
        collection=collection,
        state=state,
        n_files=n_files,
        n_done=n_files - counts.get("waiting", 0),
        n_stored=counts.get("stored", 0),
        n_skipped=counts.get("skipped", 0),
        errors=tuple(FileError(*error) for error in errors),
        created_at=created_at,
        message=message,
    )
