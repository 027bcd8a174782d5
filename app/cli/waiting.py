"""Jobs of the server in, a bar on the terminal or plain lines in a pipe out, until they end."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from app.cli.format import clock
from app.cli.session import counted, note

if TYPE_CHECKING:
    from app.api.wire import JobOut
    from app.client import Client

_POLL_S = 0.2
_TELL_S = 10.0  # between two lines in a pipe
_NAME_CHARACTERS = 40

Show = Callable[[int, "JobOut"], None]  # (files finished in earlier jobs, job at hand)


def wait_for_jobs(client: Client, job_ids: Iterator[tuple[str, int]], n_files: int) -> list[JobOut]:
    """Follow jobs until all are finished.

    Args:
        job_ids: (id, files in it), each yielded when its files have been sent.
        n_files: of all jobs together.
    """
    if not sys.stderr.isatty():
        return _follow(client, job_ids, _Lines(n_files).show)
    columns = (TextColumn("{task.description}"), BarColumn(24), MofNCompleteColumn())
    console = Console(file=sys.stderr)
    with Progress(*columns, TextColumn("{task.fields[pace]}"), console=console) as bars:
        bar = bars.add_task("sending", total=n_files, pace="")

        def draw(n_before: int, job: JobOut) -> None:
            is_finished = job.state in {"done", "failed"}
            told = "done" if is_finished else file_of(job.message) or job.state
            bars.update(
                bar,
                completed=n_before + job.n_done,
                total=max(n_files, n_before + job.n_files),
                description=escape(told),
                pace="" if is_finished else pace_of(job, n_files - n_before),
            )

        return _follow(client, job_ids, draw)


def pace_of(job: JobOut, n_files: int) -> str:
    """Word how fast a job goes and how long all files will take.

    Args:
        n_files: that were not finished when this job began.
    """
    from app.cli.jobs import speeds

    left_s = left_of(job, n_files)
    parts = [*speeds(job), f"{clock(left_s)} left" if left_s is not None else ""]
    return " · ".join(part for part in parts if part)


def left_of(job: JobOut, n_files: int) -> float | None:
    """Reckon the seconds until all files are finished from what the server says of one job."""
    n_left_in_job = job.n_files - job.n_done
    if job.eta_s is None or n_left_in_job <= 0:
        return None
    n_left = max(n_files - job.n_done, n_left_in_job)
    return job.eta_s * n_left / n_left_in_job


def file_of(message: str) -> str:
    """Shorten what a job is doing to the file's name and what follows."""
    line = " ".join(message.split()).rpartition("/")[2]
    return line if len(line) <= _NAME_CHARACTERS else f"{line[: _NAME_CHARACTERS - 1]}…"


def _follow(client: Client, job_ids: Iterator[tuple[str, int]], show: Show) -> list[JobOut]:
    finished: list[JobOut] = []
    n_before = 0
    for job_id, n_in_job in job_ids:
        try:
            job = client.job(job_id)
            while job.state in {"queued", "running"}:
                show(n_before, job)
                time.sleep(_POLL_S)
                job = client.job(job_id)
        except KeyboardInterrupt:
            note(_interrupted(client, job_id))
            raise
        show(n_before, job)
        n_before += n_in_job
        finished.append(job)
    return finished


def _interrupted(client: Client, job_id: str) -> str:
    if client.is_private:
        return f"job {job_id} waits and goes on at the next start of Quire; `quire jobs` shows it"
    return f"the server goes on with job {job_id}; `quire job {job_id} --cancel` ends it"


class _Lines:
    """Tells a pipe from time to time how far it is."""

    def __init__(self, n_files: int) -> None:
        self._n_files = n_files
        self._told_s = time.monotonic()

    def show(self, n_before: int, job: JobOut) -> None:
        now = time.monotonic()
        if now - self._told_s < _TELL_S:
            return
        self._told_s = now
        n_done = f"{n_before + job.n_done:,} of {counted(self._n_files, 'file')}"
        pace = pace_of(job, self._n_files - n_before)
        note(f"{n_done} · {pace}" if pace else n_done)
