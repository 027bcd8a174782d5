"""`quire jobs`, `quire job`: how far the server is with reading files, once more, no more."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.documents import JsonOption
from app.cli.format import clock, size, table
from app.cli.session import client_of, counted, note, summary_of, warn_of

if TYPE_CHECKING:
    from app.api.wire import JobOut

_ENDED = frozenset({"done", "failed"})


def jobs(
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=1000, help="How many.")] = 20,
    as_json: JsonOption = False,
) -> None:
    """List what was and is being read, newest first."""
    from app.api.wire import JobsOut

    with client_of() as client:
        found = client.get("/kb/jobs", JobsOut, {"limit": limit})
    if as_json:
        print(found.model_dump_json())
        return
    if not found.jobs:
        print("no jobs yet; `quire ingest PATH` makes one")
        return
    header = ("JOB", "COLLECTION", "STATE", "FILES", "FAILED", "CREATED")
    print(table(header, [_row(job) for job in found.jobs]))


def job(
    job_id: Annotated[str, typer.Argument(metavar="JOB", help="Its id; `quire jobs` lists them.")],
    is_retried: Annotated[bool, typer.Option("--retry", help="Do once more what failed.")] = False,
    is_cancelled: Annotated[
        bool, typer.Option("--cancel", help="Leave the rest undone; what is stored stays.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Tell how one job stands, with the reason of everything that failed."""
    if is_retried and is_cancelled:
        note("error: --retry and --cancel are opposites: choose one")
        raise typer.Exit(2)
    if is_retried or is_cancelled:
        steer(job_id if is_retried else "", job_id if is_cancelled else "")
        return
    with client_of() as client:
        found = client.job(job_id)
    print(found.model_dump_json() if as_json else described(found))


def steer(retry: str, cancel: str) -> None:
    """Do once more what failed of one job, or leave the rest of another undone."""
    from app.api.wire import JobOut
    from app.cli.waiting import wait_for_jobs

    with client_of() as client:
        if cancel:
            before = client.job(cancel)
            found = client.post(f"/kb/jobs/{cancel}/cancel", {}, JobOut)
            print(_cancelled(before, found))
            return
        n_failed = len(client.job(retry).errors)
        again = client.post(f"/kb/jobs/{retry}/retry", {}, JobOut)
        if again.state in _ENDED:
            print(f"job {retry}: nothing failed, so there is nothing to do again")
            return
        finished = wait_for_jobs(client, iter([(again.id, n_failed)]), n_failed)
    for one in finished:
        warn_of(one)
        print(summary_of(one))
    if any(one.errors for one in finished):
        raise typer.Exit(1)


def described(job: JobOut) -> str:
    """Word all that is known of a job."""
    lines = [f"job {job.id} into {job.collection!r}: {job.state}, {job.created_at[:16]}"]
    lines.append(f"  {summary_of(job) if job.state in _ENDED else pace_of(job)}")
    if job.state in _ENDED and job.message:
        lines.append(f"  {job.message}")
    lines += [f"  {error.path}: {error.reason}" for error in job.errors]
    if job.errors:
        lines.append(f"to try again: quire job {job.id} --retry")
    elif job.state not in _ENDED:
        lines.append(f"to leave the rest undone: quire job {job.id} --cancel")
    return "\n".join(lines)


def pace_of(job: JobOut) -> str:
    """Tell how far a running job is, how fast it goes, and when it will have ended."""
    parts = [f"{job.n_done:,} of {counted(job.n_files, 'file')}", *speeds(job)]
    if job.eta_s is not None:
        parts.append(f"about {clock(job.eta_s)} left")
    return ", ".join([*parts, job.message] if job.message else parts)


def speeds(job: JobOut) -> list[str]:
    """Tell how fast a job goes, as far as that is known."""
    parts = []
    if job.passages_per_s:
        parts.append(f"{job.passages_per_s:,.1f} passages/s")
    if job.bytes_per_s >= 1:
        parts.append(f"{size(round(job.bytes_per_s))}/s")
    return parts


def _row(job: JobOut) -> tuple[str, ...]:
    return (
        job.id,
        job.collection,
        job.state,
        f"{job.n_done:,}/{job.n_files:,}",
        f"{len(job.errors):,}" if job.errors else "",
        job.created_at[:16].replace("T", " "),
    )


def _cancelled(before: JobOut, after: JobOut) -> str:
    if before.state in _ENDED:
        return f"job {before.id} had ended before: {before.state}"
    n_left = before.n_files - before.n_done
    return f"job {after.id} is cancelled: {counted(n_left, 'file')} left undone, the rest stays"
