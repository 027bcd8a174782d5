"""A layer in, its blob in the folder out; network and disk, resumable, in parallel."""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from engine.errors import LibraryError, RegistryError
from engine.library.blobs import BlobFolder, file_digest
from engine.library.jobs import Job, Jobs
from engine.library.manifest import Layer
from engine.library.partial import (
    Part,
    Partial,
    PartSizes,
    opened,
    plan_parts,
    read_parts,
    unwritable,
)
from engine.library.registry_client import Registry
from engine.library.source import Source
from engine.types import Progress

_WAIT_S = 0.2  # between two looks at what another process downloads
_PROGRESS_BYTES = 1024 * 1024  # a connection that brought so much counts as working
_CONTENT_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+|\*)")


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a transfer waits, how often it is tried again, and how it is cut into parts."""

    n_tries: int = 6
    first_pause_s: float = 0.5  # doubles from try to try
    silence_s: float = 30.0  # a connection that brings nothing for so long has failed
    note_every_s: float = 1.0  # how much of a download a killed process may lose
    sizes: PartSizes = field(default_factory=PartSizes)
    sleep: Callable[[float], None] = time.sleep  # of requests that nobody can stop

    def pauses(self) -> Iterator[float | None]:
        """Give the pause to make after each try; None after the last."""
        for number in range(self.n_tries - 1):
            yield self.first_pause_s * 2**number
        yield None


@dataclass(frozen=True, slots=True)
class Fetch:
    """What one download needs."""

    blobs: BlobFolder
    source: Source
    layer: Layer
    patience: Patience


def download(
    jobs: Jobs,
    blobs: BlobFolder,
    registry: Registry,
    layer: Layer,
    patience: Patience,
    *,
    url: str | None = None,
) -> Iterator[Progress]:
    """Fetch one blob, from where an earlier attempt broke off; skip it if it is stored.

    Several pulls of one blob share one download, also those of several processes.

    Args:
        url: where the blob lies, if not where the registry's blobs do.

    Raises:
        RegistryError: not to be had, or other bytes than promised.
        LibraryError: the folder cannot be written, or has no room.
    """
    status, total = f"pulling {layer.digest[7:19]}", layer.size_bytes
    _drop_damaged(blobs, layer)

    def work(job: Job) -> None:
        with registry.again(patience.silence_s) as own:  # whoever began may leave first
            source = Source(own, url or f"{own.base}/blobs/{layer.digest}", total)
            _fetch(Fetch(blobs, source, layer, patience), job)

    if blobs.size(layer.digest) is None:
        for done in jobs.follow((layer.digest, total), work):
            yield Progress(status, layer.digest, total, done)
    blobs.touch(layer.digest)
    yield Progress(status, layer.digest, total, total)


def _drop_damaged(blobs: BlobFolder, layer: Layer) -> None:
    """Remove a stored blob that something else cut short, but never on a manifest's word alone."""
    size = blobs.size(layer.digest)
    if size in {None, layer.size_bytes}:
        return
    if file_digest(blobs.path(layer.digest)) == layer.digest:
        raise RegistryError(
            f"{layer.digest} has {size:,} bytes, not the {layer.size_bytes:,} that the manifest "
            "promises"
        )
    blobs.remove(layer.digest)


def _fetch(fetch: Fetch, job: Job) -> None:
    blobs, layer = fetch.blobs, fetch.layer
    blobs.prepare()
    path = blobs.partial_path(layer.digest)
    while blobs.size(layer.digest) is None and not job.is_stopped:
        with opened(path, layer.size_bytes) as partial:
            if partial is None:  # another process is at it
                job.done_bytes = sum(part.completed for part in read_parts(path))
                job.pause(_WAIT_S)
                continue
            if blobs.size(layer.digest) is not None:  # finished since; this file is a new one
                partial.discard()
                return
            partial.load(fetch.patience.sizes)
            _check_room(partial, layer)
            _fill(fetch, partial, job)
            _settle(fetch, partial, job)


def _fill(fetch: Fetch, partial: Partial, job: Job) -> None:
    """Fetch what is missing, several parts at once where the server can do that."""
    job.done_bytes = partial.completed
    if (len(partial.parts) > 1 or partial.completed) and not _probed(fetch, job):
        partial.start(plan_parts(fetch.layer.size_bytes, _UNCUT))
    missing = [part for part in partial.parts if not part.is_complete]
    if not missing or job.is_stopped:
        return
    with ThreadPoolExecutor(min(len(missing), fetch.patience.sizes.n_parts)) as pool:
        runs = [pool.submit(_fetch_part, fetch, partial, part, job) for part in missing]
        if any(run.exception() for run in wait(runs, return_when=FIRST_EXCEPTION).done):
            job.stop()  # the other parts need not go on
    for run in runs:
        run.result()


_UNCUT = PartSizes(1, 2**62, 2**62)


def _probed(fetch: Fetch, job: Job) -> bool:
    """Ask the server for the length and whether it can send parts."""
    for pause_s in fetch.patience.pauses():
        try:
            return fetch.source.probe()
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            if pause_s is None or job.is_stopped:
                raise _failed(fetch.layer, str(error) or type(error).__name__) from error
            job.pause(pause_s)
    raise AssertionError("patience has at least one try")


def _fetch_part(fetch: Fetch, partial: Partial, part: Part, job: Job) -> None:
    tries, best = fetch.patience.pauses(), part.completed
    while not part.is_complete and not job.is_stopped:
        reason = _attempt(fetch, partial, part, job)
        partial.note(part)
        if job.is_stopped:
            return
        if part.completed >= best + _PROGRESS_BYTES:
            tries, best = fetch.patience.pauses(), part.completed  # count anew
        if reason is None:
            continue
        pause_s = next(tries)
        if pause_s is None:
            raise _failed(fetch.layer, reason)
        job.pause(pause_s)


def _attempt(fetch: Fetch, partial: Partial, part: Part, job: Job) -> str | None:
    """Read one response into the part; give why it ended early, if it did."""
    is_all = part.size == fetch.layer.size_bytes
    try:
        wanted = None if is_all and not part.completed else part
        with fetch.source.open(wanted) as response, job.reading(response):
            reason = _check_answer(fetch, partial, part, response)
            if reason is None:
                _write(fetch, partial, part, job, response)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        reason = str(error) or type(error).__name__
    if reason is None and not part.is_complete and not job.is_stopped:
        reason = "the connection ended early"
    return reason


def _check_answer(
    fetch: Fetch, partial: Partial, part: Part, response: httpx.Response
) -> str | None:
    """See that an answer begins where the part goes on; give why it cannot be used."""
    total = fetch.layer.size_bytes
    if response.status_code == 206:
        found = response.headers.get("Content-Range", "")
        match = _CONTENT_RANGE.fullmatch(found)
        if match is None or not _is_asked_for(match, part, total):
            raise RegistryError(
                f"{fetch.layer.digest}: asked for bytes {part.position}-{part.end - 1}/{total}, "
                f'the server sends "{found}"'
            )
        return None
    if response.status_code != 200:
        return f"{response.status_code} to a request for a file"
    if part.size != total:
        return "the server sends the whole file instead of a part"
    length = response.headers.get("Content-Length", str(total))
    if length != str(total):
        partial.discard()
        raise _promised(fetch.layer, length)
    part.completed = 0
    return None


def _is_asked_for(match: re.Match[str], part: Part, total: int) -> bool:
    first, last, whole = match.groups()
    return int(first) == part.position and int(last) < part.end and whole in {"*", str(total)}


def _write(fetch: Fetch, partial: Partial, part: Part, job: Job, response: httpx.Response) -> None:
    noted_at = time.monotonic()
    # As it comes: pieces of a given size would be lost with the connection.
    for chunk in response.iter_raw():
        if job.is_stopped:
            break
        if part.completed + len(chunk) > part.size:
            partial.discard()
            raise _promised(fetch.layer, "more")
        partial.write(part, chunk)
        job.done_bytes = partial.completed
        if time.monotonic() - noted_at >= fetch.patience.note_every_s:
            noted_at = time.monotonic()
            partial.note(part)


def _settle(fetch: Fetch, partial: Partial, job: Job) -> None:
    """Give the bytes their final name, if they are the promised ones."""
    if job.is_stopped or not all(part.is_complete for part in partial.parts):
        return
    wanted = fetch.layer.digest
    found = partial.digest(lambda: job.is_stopped)
    if found is None:
        return
    if found != wanted:
        partial.discard()
        raise RegistryError(
            f"digest mismatch, file must be downloaded again: want {wanted}, got {found}"
        )
    try:
        fetch.blobs.settle(partial.file, partial.path, wanted)
    except OSError as error:
        raise unwritable(partial.path, error) from error
    partial.remove_notes()


def _check_room(partial: Partial, layer: Layer) -> None:
    wanted = layer.size_bytes - partial.completed
    free = shutil.disk_usage(partial.path.parent).free
    if free < wanted:
        if not partial.completed:
            partial.discard()
        folder: Path = partial.path.parent
        raise LibraryError(f"no room in {folder}: {wanted:,} bytes are needed, {free:,} are free")


def _promised(layer: Layer, found: str) -> RegistryError:
    return RegistryError(
        f"{layer.digest}: the server has {found} bytes, not the {layer.size_bytes:,} that the "
        "manifest promises"
    )


def _failed(layer: Layer, reason: str) -> RegistryError:
    return RegistryError(f"{layer.digest[7:19]}: {reason}; a further pull goes on from here")
