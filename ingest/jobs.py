"""A queue of tasks in, one thread that works them off out; it outlives every failing file."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from time import monotonic

from ingest.ahead import Ahead
from ingest.errors import FileRefusedError, IngestError, StorageFullError
from ingest.faults import reach
from ingest.jobs_store import LOW, Jobs, TaskState, Waiting
from ingest.load_pool import ParserDiedError
from ingest.pipeline import Report, StoppedError, is_disk_full, storage_full
from ingest.rates import Meter
from ingest.room import SHORT_BYTES, Pause, is_full
from ingest.types import FileError, Job

log = logging.getLogger(__name__)

_IDLE_S = 5.0  # the longest that the thread sleeps without looking at the queue
_ROOM_S = 1.0  # between two looks for room on a full disk
_FOLLOWING = ("file", "move", "remove")  # steps of a folder that is followed
_STOP_S = 60.0  # the longest that closing waits for the batch being embedded

Run = Callable[[Waiting, Report], tuple[TaskState, str]]  # → state, what should be reported


@dataclass(frozen=True, slots=True)
class Aids:
    """What makes a worker faster or tells how it is; all of it can be left out."""

    meter: Meter = field(default_factory=Meter)
    ahead: Ahead | None = None
    free_bytes: Callable[[], int] = lambda: SHORT_BYTES  # on the disk of the library
    rest_s: float = 5.0  # from the last change of a folder to tidying: what left may arrive yet


class Worker:
    """The one thread that writes documents."""

    def __init__(
        self,
        jobs: Jobs,
        run: Run,
        *,
        settle: Callable[[Waiting], None],
        idle: Callable[[], None],
        aids: Aids | None = None,
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
        self._aids = aids or Aids()
        self._cancelled: set[str] = set()
        self._changed = threading.Condition()
        self._is_stopping = False
        self._is_tidy = True
        self._is_woken = False
        self._rest_until = 0.0
        self._message: tuple[str, str] = ("", "")  # job id, what happens now
        self._parked: dict[str, str] = {}  # jobs whose end cannot be written: disk full
        self._thread = threading.Thread(target=self._work, name="ingest", daemon=True)

    def start(self) -> None:
        """Begin with what is queued already."""
        self._thread.start()

    def wake(self) -> None:
        """Look at the queue now, and tidy up after it."""
        with self._changed:
            self._is_tidy, self._is_woken = False, True
            self._changed.notify_all()

    def stop(self) -> None:
        """Finish the batch at hand, leave the rest in the queue."""
        with self._changed:
            self._is_stopping = True
            self._changed.notify_all()
        if self._aids.ahead is not None:
            self._aids.ahead.close()
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

    def retry(self, job_id: str, path: str = "") -> Job:
        """Do once more what failed of a job.

        Args:
            path: of one file, as the job's errors name it; empty means all.
        Raises:
            JobNotFoundError: there is none of that id.
        """
        self._cancelled.discard(job_id)
        self._jobs.retry(job_id, path)
        self.wake()
        return self.job(job_id)

    def cancel(self, job_id: str) -> Job:
        """Leave the rest of a job undone; what was stored stays.

        Raises:
            JobNotFoundError: there is none of that id.
        """
        self._cancelled.add(job_id)
        for waiting in self._jobs.cancel(job_id):
            self._settle(waiting)
        self.wake()
        return self.job(job_id)

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
        if job.id != job_id or job.state != "running":
            return job
        rates = self._aids.meter.rates(job.id, job.n_files - job.n_done)
        return replace(
            job,
            message=message,
            passages_per_s=rates.passages_per_s,
            bytes_per_s=rates.bytes_per_s,
            eta_s=rates.eta_s,
        )

    def _work(self) -> None:
        is_resting = False
        while not self._is_stopping:
            self._is_woken = False
            waiting = self._next()
            if waiting is not None:
                is_resting = False
                if not self._message[0]:
                    self._aids.meter.start()
                is_low = waiting.task.kind in LOW  # its path is the id of a document
                message = "reading what is stored" if is_low else waiting.task.path
                self._message = (waiting.job_id, message)
                self._do(waiting)
                self._is_tidy = False
                if waiting.task.root and waiting.task.kind in _FOLLOWING:
                    self._rest_until = monotonic() + self._aids.rest_s
                continue
            self._message = ("", "")
            rest_s = self._rest_until - monotonic()
            if not self._is_tidy and rest_s <= 0:
                self._is_tidy = True
                self._guarded(self._tidy)
            is_resting = not self._is_tidy
            with self._changed:
                self._changed.notify_all()
                if not (self._is_stopping or self._is_woken):
                    self._changed.wait(min(rest_s, _IDLE_S) if rest_s > 0 else _IDLE_S)
        if is_resting:
            self._guarded(self._tidy)

    def _tidy(self) -> None:
        if self._aids.ahead is not None:
            self._aids.ahead.forget()
        self._cancelled.clear()
        self._idle()

    def _next(self) -> Waiting | None:
        found: list[Waiting | None] = [None]

        def take() -> None:
            found[0] = waiting = self._jobs.next(frozenset(self._parked))
            ahead = self._aids.ahead
            if ahead is not None and waiting is not None:
                ahead.look(waiting, self._jobs.upcoming(waiting.job_id, ahead.n_ahead))

        self._guarded(take)
        return found[0]

    def _do(self, waiting: Waiting) -> None:
        reach("task taken")
        is_final = True
        try:
            state, reason = self._run(waiting, lambda text: self._report(waiting, text))
        except StoppedError:
            return
        except (IngestError, OSError) as error:
            if self._is_stopping or self._is_room_awaited(waiting, error):
                return
            is_final = _is_final(error)
            state, reason = "failed", str(error)
            if isinstance(error, OSError) and is_disk_full(error):
                reason = str(storage_full(error))
        except Exception as error:  # the edge: loaders and models may raise anything
            log.exception("ingest_failed path=%s", waiting.task.path)
            state, reason, is_final = "failed", f"{type(error).__name__}: {error}", False
        reach("task done")
        self._note(waiting, state, reason, is_final=is_final)
        with self._changed:
            self._changed.notify_all()

    def _note(self, waiting: Waiting, state: TaskState, reason: str, *, is_final: bool) -> None:
        """Write down how a task ended; what may go better next time keeps its staged bytes."""
        try:
            self._jobs.finish(waiting, state, reason)
            self._aids.meter.finish(waiting.job_id)
            reach("task noted")
            if is_final or waiting.job_id in self._cancelled:
                self._settle(waiting)
            reach("task settled")
        except (StorageFullError, OSError) as error:
            if self._is_room_awaited(waiting, error):
                return
            # Not even the failure can be written. The task stays queued for the next start.
            log.warning("ingest_parked job=%s %s", waiting.job_id, error)
            self._parked[waiting.job_id] = str(error)

    def _report(self, waiting: Waiting, text: str) -> None:
        if self._is_stopping or waiting.job_id in self._cancelled:
            raise StoppedError
        self._message = (waiting.job_id, text)

    def _is_room_awaited(self, waiting: Waiting, error: Exception) -> bool:
        """Wait for room if the disk is full; tell whether that was the matter."""
        is_refused = isinstance(error, StorageFullError) or (
            isinstance(error, OSError) and is_disk_full(error)
        )
        free = self._aids.free_bytes()
        if not is_refused or not is_full(free):
            return False
        pause = Pause(waiting.job_id, free, monotonic())
        self._message = (waiting.job_id, pause.message)
        log.warning("ingest_paused job=%s %s", waiting.job_id, error)
        with self._changed:
            while not (self._is_stopping or waiting.job_id in self._cancelled):
                if pause.is_over(self._aids.free_bytes(), monotonic()):
                    break
                self._changed.wait(_ROOM_S)
        return True

    def _guarded(self, step: Callable[[], None]) -> None:
        try:
            step()
        except Exception:  # the edge: the thread must outlive a full disk
            log.exception("ingest_step_failed")


def _is_final(error: Exception) -> bool:
    """Tell whether another try with the same bytes would end the same way."""
    return isinstance(error, FileRefusedError) and not isinstance(error, ParserDiedError)
