"""A queue of tasks in, one thread that works them off out; it outlives every failing file."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import replace
from time import monotonic

from ingest.errors import IngestError, StorageFullError
from ingest.jobs_store import Jobs, TaskState, Waiting
from ingest.pipeline import Report, is_disk_full, storage_full
from ingest.types import FileError, Job

log = logging.getLogger(__name__)

_IDLE_S = 5.0  # the longest that the thread sleeps without looking at the queue
_STOP_S = 60.0  # the longest that closing waits for the batch being embedded

Run = Callable[[Waiting, Report], tuple[TaskState, str]]  # → state, what should be reported


class StoppedError(Exception):
    """The process is closing: the task stays in the queue and is done next time."""


class Worker:
    """The one thread that writes documents."""

    def __init__(
        self,
        jobs: Jobs,
        run: Run,
        *,
        settle: Callable[[Waiting], None],
        idle: Callable[[], None],
    ) -> None:
        """Prepare the thread.

        Args:
            run: does one task.
            settle: cleans up after a task that is finished for good.
            idle: is called when the queue has run empty.
        """
        self._jobs = jobs
        self._run = run
        self._settle = settle
        self._idle = idle
        self._changed = threading.Condition()
        self._is_stopping = False
        self._is_tidy = True
        self._message: tuple[str, str] = ("", "")  # job id, what happens now
        self._parked: dict[str, str] = {}  # jobs whose end cannot be written: disk full
        self._thread = threading.Thread(target=self._work, name="ingest", daemon=True)

    def start(self) -> None:
        """Begin with what is queued already."""
        self._thread.start()

    def wake(self) -> None:
        """Look at the queue now, and tidy up after it."""
        with self._changed:
            self._is_tidy = False
            self._changed.notify_all()

    def stop(self) -> None:
        """Finish the batch at hand, leave the rest in the queue."""
        with self._changed:
            self._is_stopping = True
            self._changed.notify_all()
        if self._thread.is_alive():
            self._thread.join(_STOP_S)

    def job(self, job_id: str) -> Job:
        """Look a job up, with what it is doing now.

        Raises:
            JobNotFoundError: there is none of that id.
        """
        return self._dressed(self._jobs.job(job_id))

    def listed(self, limit: int) -> list[Job]:
        """List jobs, newest first."""
        return [self._dressed(job) for job in self._jobs.jobs(limit)]

    def wait(self, job_id: str, timeout_s: float) -> Job:
        """Wait until a job has ended or the time is over; tell how it stands.

        Raises:
            JobNotFoundError: there is none of that id.
        """
        deadline = monotonic() + timeout_s
        with self._changed:
            while True:
                job = self.job(job_id)
                left = deadline - monotonic()
                if job.state in ("done", "failed") or left <= 0:
                    return job
                self._changed.wait(min(left, _IDLE_S))

    def _dressed(self, job: Job) -> Job:
        job_id, message = self._message
        if job.id in self._parked:
            error = FileError("", self._parked[job.id])
            return replace(job, state="failed", errors=(*job.errors, error))
        return replace(job, message=message) if job.id == job_id else job

    def _work(self) -> None:
        while not self._is_stopping:
            waiting = self._next()
            if waiting is not None:
                self._do(waiting)
                self._is_tidy = False
                continue
            self._message = ("", "")
            if not self._is_tidy:
                self._is_tidy = True
                self._guarded(self._idle)
            with self._changed:
                self._changed.notify_all()
                if not self._is_stopping and self._is_tidy:
                    self._changed.wait(_IDLE_S)

    def _next(self) -> Waiting | None:
        found: list[Waiting | None] = [None]

        def take() -> None:
            found[0] = self._jobs.next(frozenset(self._parked))

        self._guarded(take)
        return found[0]

    def _do(self, waiting: Waiting) -> None:
        try:
            state, reason = self._run(waiting, lambda text: self._report(waiting, text))
        except StoppedError:
            return
        except IngestError as error:
            state, reason = "failed", str(error)
        except OSError as error:
            state = "failed"
            reason = str(storage_full(error) if is_disk_full(error) else error)
        except Exception as error:  # the edge: loaders and models may raise anything
            log.exception("ingest_failed path=%s", waiting.task.path)
            state, reason = "failed", f"{type(error).__name__}: {error}"
        try:
            self._jobs.finish(waiting, state, reason)
            self._settle(waiting)
        except (StorageFullError, OSError) as error:
            # Not even the failure can be written. The task stays queued for the next start.
            log.warning("ingest_parked job=%s %s", waiting.job_id, error)
            self._parked[waiting.job_id] = str(error)
        with self._changed:
            self._changed.notify_all()

    def _report(self, waiting: Waiting, text: str) -> None:
        if self._is_stopping:
            raise StoppedError
        self._message = (waiting.job_id, text)

    def _guarded(self, step: Callable[[], None]) -> None:
        try:
            step()
        except Exception:  # the edge: the thread must outlive a full disk
            log.exception("ingest_step_failed")
