"""Jobs of the server in, a bar on the terminal out, until they are finished."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
)

if TYPE_CHECKING:
    from app.api.wire import JobOut
    from app.client import Client

_POLL_S = 0.2


def wait_for_jobs(client: Client, job_ids: Iterator[tuple[str, int]], n_files: int) -> list[JobOut]:
    """Follow jobs until all are finished.

    Args:
        job_ids: (id, files in it), each yielded when its files have been sent.
        n_files: of all jobs together.
    """
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    finished: list[JobOut] = []
    with Progress(*columns, TimeRemainingColumn(), console=Console(file=sys.stderr)) as bars:
        bar = bars.add_task("reading", total=n_files)
        n_before = 0
        for job_id, n_in_job in job_ids:
            while (job := client.job(job_id)).state in {"queued", "running"}:
                bars.update(bar, completed=n_before + job.n_done, description=job.message[:60])
                time.sleep(_POLL_S)
            n_before += n_in_job
            bars.update(bar, completed=n_before, description="indexed")
            finished.append(job)
    return finished
