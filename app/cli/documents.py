"""`quire ingest`, `watch`, `status`, `reindex`: documents on the command line."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.format import clock
from app.cli.session import client_of, counted, note, settings_of, summary_of, warn_of

if TYPE_CHECKING:
    from app.api.watched_wire import WatchedOut
    from app.api.wire import JobOut, StatusOut
    from app.client import Client

BATCH_FILES = 64
BATCH_BYTES = 64 * 1024**2

_SHOWN_FAILURES = 5  # the latest; `quire job` has all
CollectionOption = Annotated[str, typer.Option("--collection", "-c", help="Which collection.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]


def ingest(
    paths: Annotated[list[Path], typer.Argument(help="Files, or folders with all below them.")],
    collection: CollectionOption = "default",
    as_json: JsonOption = False,
    workers: Annotated[
        int | None,
        typer.Option("--workers", min=1, help="Processes that load files; a server has its own."),
    ] = None,
) -> None:
    """Take documents in: files, or whole folders."""
    files = files_below(paths)
    if not files:
        note(f"error: nothing to read in {', '.join(str(path) for path in paths)}")
        raise typer.Exit(1)
    from app.cli.waiting import wait_for_jobs

    started_s = monotonic()
    with _client_with(workers) as client:
        jobs = wait_for_jobs(client, _sent(client, files, collection), len(files))
    for job in jobs:
        warn_of(job)
    if as_json:
        print(json.dumps([job.model_dump() for job in jobs], ensure_ascii=False))
    else:
        print(f"{summary_of(_together(jobs))}, in {clock(monotonic() - started_s)}")
    if any(job.errors or job.state == "failed" for job in jobs):
        note("to try again what failed, say the same once more: what is stored is not read twice")
        raise typer.Exit(1)


def watch(
    folder: Annotated[Path | None, typer.Argument(help="A folder to keep indexed.")] = None,
    collection: CollectionOption = "default",
    is_list: Annotated[bool, typer.Option("--list", help="List what is watched.")] = False,
    is_stop: Annotated[bool, typer.Option("--stop", help="End it; documents stay.")] = False,
    is_forget: Annotated[
        bool, typer.Option("--forget", help="End it and take its documents out.")
    ] = False,
    is_confirm: Annotated[
        bool, typer.Option("--confirm", help="Take out what is gone, however much.")
    ] = False,
) -> None:
    """Keep a folder indexed: what appears, changes or goes is followed."""
    if is_list:
        _list_watched()
        return
    if folder is None:
        note("error: name a folder, or say --list")
        raise typer.Exit(1)
    folder = folder.resolve()
    if is_stop or is_forget:
        _end_watch(folder, collection, is_forget=is_forget)
    elif is_confirm:
        _confirm(folder, collection)
    else:
        _begin_watch(folder, collection)


def _list_watched() -> None:
    from app.api.watched_wire import WatchedListOut

    with client_of() as client:
        found = client.get("/kb/watched", WatchedListOut).watched
    for one in found:
        print(_watched_line(one))
    if not found:
        print("nothing is watched; `quire watch FOLDER` begins")


def _begin_watch(folder: Path, collection: str) -> None:
    from app.api.watched_wire import WatchedOut

    if not folder.is_dir():
        note(f"error: {folder}: not a folder")
        raise typer.Exit(1)
    with client_of() as client:
        told = {job.id for job in _finished(client)}
        body = {"folder": str(folder), "collection": collection}
        watched = client.post("/kb/watched", body, WatchedOut)
        if not client.is_private:
            print(_until_it_ends(watched))
            return
        note(f"watching {watched.folder} into {watched.collection!r}; Ctrl-C ends")
        follow(client, told)


def _end_watch(folder: Path, collection: str, *, is_forget: bool) -> None:
    from urllib.parse import urlencode

    asked = {"folder": str(folder), "collection": collection, "forget": str(is_forget).lower()}
    with client_of() as client:
        client.tell("DELETE", f"/kb/watched?{urlencode(asked)}", {})
    rest = "are taken out" if is_forget else "stay"
    print(f"{folder} is no longer watched into {collection!r}; its documents {rest}")


def _confirm(folder: Path, collection: str) -> None:
    from app.api.wire import JobIdOut
    from app.cli.waiting import wait_for_jobs

    with client_of() as client:
        body = {"folder": str(folder), "collection": collection}
        job_id = client.post("/kb/watched/confirm", body, JobIdOut).job_id
        jobs = wait_for_jobs(client, iter([(job_id, 0)]), 0)
    for job in jobs:
        warn_of(job)
        print(f"{folder}: {job.state}, {counted(job.n_done, 'change')}")


def status(
    as_json: JsonOption = False,
    retry: Annotated[
        str, typer.Option("--retry", metavar="JOB", help="Do once more what failed of a job.")
    ] = "",
    cancel: Annotated[
        str, typer.Option("--cancel", metavar="JOB", help="Leave the rest of a job undone.")
    ] = "",
) -> None:
    """Tell what is stored, which models are in use, what is going on."""
    from app.api.wire import JobsOut, StatusOut
    from app.cli.jobs import pace_of, steer
    from app.client import find_server

    if retry or cancel:
        steer(retry, cancel)
        return
    settings = settings_of()
    if not (settings.home / "kb.sqlite3").is_file() and not find_server(settings, "knowledge"):
        text = f"no library yet in {settings.home}; `quire up` makes one, so does `quire ingest`"
        print(_nothing_yet(settings.home, text).model_dump_json() if as_json else text)
        return
    with client_of() as client:
        found = client.get("/kb/status", StatusOut)
        jobs = client.get("/kb/jobs", JobsOut).jobs
        where = "no server runs" if client.is_private else client.url
    if as_json:
        print(found.model_dump_json())
        return
    print(_describe(found, where))
    for job in jobs:
        if job.state == "running":
            print(f"job {job.id}: {pace_of(job)}")
    failures = [(job.id, failure) for job in jobs for failure in job.errors]
    for job_id, failure in failures[:_SHOWN_FAILURES]:
        print(f"not indexed: {failure.path}: {failure.reason} (job {job_id})")
    if failures:
        print(f"to try again: quire job {failures[0][0]} --retry")
    if len(failures) > _SHOWN_FAILURES:
        print(f"and {len(failures) - _SHOWN_FAILURES} more; `quire jobs` lists the jobs")


def reindex(
    collection: Annotated[
        str, typer.Option("--collection", "-c", help="Only this one; empty means all.")
    ] = "",
) -> None:
    """Embed the stored text anew with the embedding model in use."""
    from app.api.wire import CollectionsOut, JobIdOut
    from app.cli.waiting import wait_for_jobs

    with client_of() as client:
        known = client.get("/kb/collections", CollectionsOut).collections
        wanted = [collection] if collection else [one.name for one in known]
        counts = {one.name: one.n_documents for one in known}

        def started() -> Iterator[tuple[str, int]]:
            for name in wanted:
                job_id = client.post(f"/kb/collections/{name}/reindex", {}, JobIdOut).job_id
                yield job_id, counts.get(name, 0)

        jobs = wait_for_jobs(client, started(), sum(counts.get(name, 0) for name in wanted))
    for job in jobs:
        warn_of(job)
        print(f"{job.collection}: {job.state}, {counted(job.n_done, 'document')}")
    if any(job.errors or job.state == "failed" for job in jobs):
        raise typer.Exit(1)


def files_below(paths: Sequence[Path]) -> list[Path]:
    """List files: the named ones, of folders those of a kind that can be read.

    A path that does not exist is an error, so that a slip of the fingers is not silence.
    """
    from ingest.folders import list_files
    from ingest.load.loaders import SUFFIXES

    found: dict[Path, None] = {}
    left_out: dict[str, int] = {}
    for path in paths:
        if not path.exists():
            note(f"error: {path}: no such file or folder")
            raise typer.Exit(1)
        root = path.resolve()
        if root.is_file():
            found[root] = None
            continue
        names, unreadable = list_files(root, lambda _: True, has_empty=True)
        for name, seen in names.items():
            suffix = Path(name).suffix.casefold()
            if suffix in SUFFIXES and not seen.size_bytes:
                note(f"left out: {root / name} is empty")
            elif suffix in SUFFIXES:
                found[root / name] = None
            else:
                left_out[suffix] = left_out.get(suffix, 0) + 1
        for name in unreadable:
            note(f"left out: {root / name} cannot be read")
    if left_out:
        kinds = ", ".join(f"{n} {suffix or 'without suffix'}" for suffix, n in left_out.items())
        note(f"left out, as no loader reads them: {kinds}")
    return list(found)


def batches(files: Sequence[tuple[Path, int]]) -> Iterator[list[Path]]:
    """Cut a list of (file, bytes) into uploads of bearable size; a large file goes alone."""
    batch: list[Path] = []
    n_bytes = 0
    for path, size in files:
        if batch and (len(batch) >= BATCH_FILES or n_bytes + size > BATCH_BYTES):
            yield batch
            batch, n_bytes = [], 0
        batch.append(path)
        n_bytes += size
    if batch:
        yield batch


def follow(client: Client, told: set[str]) -> None:
    """Say when something was indexed, until interrupted.

    Args:
        told: ids of jobs that ended before.
    """
    import time

    while True:
        for job in _finished(client):
            if job.id not in told:
                told.add(job.id)
                warn_of(job)
                if job.n_stored or job.errors:
                    note(summary_of(job))
        time.sleep(1.0)


def _sent(client: Client, files: Sequence[Path], collection: str) -> Iterator[tuple[str, int]]:
    sized = [(path, path.stat().st_size) for path in files]
    for batch in batches(sized):
        job_id = client.upload([(path.as_posix(), path) for path in batch], collection)
        yield job_id, len(batch)


@contextmanager
def _client_with(workers: int | None) -> Iterator[Client]:
    """Open a client; a private server gets so many loading processes."""
    from app.client import connect
    from app.server import stopping_cleanly

    settings = settings_of({"QUIRE_WORKERS": str(workers)} if workers else None)
    with stopping_cleanly(), connect(settings, note, "knowledge") as client:
        if workers and not client.is_private:
            note(f"--workers {workers} is left out: the server at {client.url} has its own number")
        yield client


def _together(jobs: Sequence[JobOut]) -> JobOut:
    first = jobs[0]
    return first.model_copy(
        update={
            "n_files": sum(job.n_files for job in jobs),
            "n_stored": sum(job.n_stored for job in jobs),
            "n_skipped": sum(job.n_skipped for job in jobs),
            "errors": [error for job in jobs for error in job.errors],
        }
    )


def _finished(client: Client) -> list[JobOut]:
    """List the jobs that have ended, oldest first."""
    from app.api.wire import JobsOut

    jobs = client.get("/kb/jobs", JobsOut).jobs
    return [job for job in reversed(jobs) if job.state in {"done", "failed"}]


def _until_it_ends(watched: WatchedOut) -> str:
    return (
        f"the running server watches {watched.folder} into {watched.collection!r}, also after a "
        f"restart; `quire watch --stop {watched.folder} -c {watched.collection}` ends that"
    )


def _watched_line(one: WatchedOut) -> str:
    notes = [one.state]
    if one.n_held:
        notes.append(f"{counted(one.n_held, 'file')} gone")
    if one.is_polling:
        notes.append("polling")
    line = f"watching {one.folder} into {one.collection} ({', '.join(notes)})"
    return f"{line}: {one.reason}" if one.reason else line


def _nothing_yet(home: Path, text: str) -> StatusOut:
    """Describe a data directory that nothing has been put into."""
    import os

    from app.api.wire import StatusOut
    from app.version import VERSION

    return StatusOut(
        version=VERSION,
        ready=False,
        mode="full",
        home=str(home),
        pid=os.getpid(),
        uptime_s=0.0,
        notices=[text],
    )


def _amount(n_documents: int, n_chunks: int) -> str:
    return f"{counted(n_documents, 'document')}, {counted(n_chunks, 'passage')}"


def _describe(found: StatusOut, where: str) -> str:
    lines = [f"Quire {found.version}, {where}", f"data: {found.home}"]
    if found.models is not None:
        embedding = found.models.embedding
        lines.append(f"chat model: {found.models.chat.name or 'none'}")
        lines.append(f"embedding model: {embedding.name} ({embedding.n_dimensions} dimensions)")
        if found.models.reranker is not None:
            lines.append(f"reranker: {found.models.reranker.name}")
    lines.append(_amount(found.n_documents, found.n_chunks))
    lines += [
        f"  {one.name}: {_amount(one.n_documents, one.n_chunks)} ({one.model})"
        for one in found.collections
    ]
    if found.jobs.queued or found.jobs.running:
        lines.append(f"jobs: {found.jobs.running} running, {found.jobs.queued} waiting")
    lines += [_watched_line(one) for one in found.watched]
    lines += [f"note: {text}" for text in found.notices]
    return "\n".join(lines)
