"""A layer in, its blob in the folder out; network and disk, resumable."""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import httpx

from engine.errors import LibraryError, RegistryError
from engine.library.blobs import BlobFolder, file_digest
from engine.library.manifest import Layer
from engine.library.registry_client import Registry
from engine.types import Progress

_LINE_EVERY_S = 0.06
_WAIT_S = 0.2
_CONTENT_RANGE = re.compile(r"bytes (\d+)-\d+/(?:\d+|\*)")


@dataclass(frozen=True, slots=True)
class Patience:
    """How often a broken connection is tried again."""

    n_tries: int = 6
    first_pause_s: float = 0.5  # doubles from try to try

    def pauses(self) -> Iterator[float | None]:
        """Give the pause to make after each try; None after the last."""
        for number in range(self.n_tries - 1):
            yield self.first_pause_s * 2**number
        yield None


def download(
    blobs: BlobFolder, registry: Registry, layer: Layer, patience: Patience
) -> Iterator[Progress]:
    """Fetch one blob, from where an earlier attempt broke off; skip it if it is stored.

    Two pulls of one blob, also by two programs, share one download.

    Raises:
        RegistryError: not to be had, or other bytes than promised.
        LibraryError: the folder cannot be written, or has no room.
    """
    total = layer.size_bytes
    status = f"pulling {layer.digest[7:19]}"
    if blobs.size(layer.digest) not in {None, total}:
        blobs.remove(layer.digest)  # cut short by something else
    while blobs.size(layer.digest) is None:
        with _part(blobs, layer.digest) as part:
            if part is None:  # somebody else is at it
                yield Progress(status, layer.digest, total, _size(blobs.part_path(layer.digest)))
                time.sleep(_WAIT_S)
                continue
            for done in _fetch(blobs, registry, layer, part, patience):
                yield Progress(status, layer.digest, total, done)
            _settle(blobs, layer, part)
    blobs.touch(layer.digest)
    yield Progress(status, layer.digest, total, total)


@contextmanager
def _part(blobs: BlobFolder, digest: str) -> Iterator[BinaryIO | None]:
    """Open the part file for this thread alone; give None if another one has it."""
    blobs.prepare()
    path = blobs.part_path(digest)
    try:
        file = path.open("a+b")
    except OSError as error:
        raise _unwritable(path, error) from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield None
            return
        # It may have been finished, and renamed, between opening and locking.
        is_same = path.exists() and path.stat().st_ino == os.fstat(file.fileno()).st_ino
        yield file if is_same else None


def _fetch(
    blobs: BlobFolder, registry: Registry, layer: Layer, part: BinaryIO, patience: Patience
) -> Iterator[int]:
    """Write the missing bytes; yield now and then how many are there."""
    tries = patience.pauses()
    while (done := part.seek(0, os.SEEK_END)) != layer.size_bytes:
        if done > layer.size_bytes:
            part.truncate(0)
            done = 0
        _check_room(blobs.folder, layer.size_bytes - done)
        yield done
        reason = yield from _attempt(registry, layer, part, done)
        if reason is None:
            continue
        if part.seek(0, os.SEEK_END) > done:
            tries = patience.pauses()  # it went on for a while: count anew
        pause_s = next(tries)
        if pause_s is None:
            raise RegistryError(f"{layer.digest[7:19]}: {reason}; a further pull goes on from here")
        time.sleep(pause_s)


def _attempt(
    registry: Registry, layer: Layer, part: BinaryIO, done: int
) -> Generator[int, None, str | None]:
    """Read one response into the part; give why it ended early, if it did."""
    headers = {"Range": f"bytes={done}-"} if done else {}
    headers["Accept-Encoding"] = "identity"
    url = f"{registry.base}/blobs/{layer.digest}"
    try:
        with registry.open("GET", url, headers=headers) as response:
            if done and not _continues(response, done):
                part.truncate(0)
                if response.status_code != 200:
                    return f"{response.status_code} to a request for a range"
            yield from _write(response, layer, part)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        return str(error) or type(error).__name__
    return None if part.tell() == layer.size_bytes else "the connection ended early"


def _write(response: httpx.Response, layer: Layer, part: BinaryIO) -> Iterator[int]:
    done, line_at = part.seek(0, os.SEEK_END), time.monotonic()
    # As it comes: pieces of a given size would be lost with the connection.
    for chunk in response.iter_raw():
        if done + len(chunk) > layer.size_bytes:
            _discard(part)
            raise RegistryError(
                f"{layer.digest} has more than the {layer.size_bytes:,} bytes that were promised"
            )
        try:
            part.write(chunk)
            part.flush()
        except OSError as error:
            _discard(part)  # a full disk needs the room more than we need the part
            raise _unwritable(Path(str(part.name)), error) from error
        done += len(chunk)
        if time.monotonic() - line_at >= _LINE_EVERY_S:
            line_at = time.monotonic()
            yield done


def _continues(response: httpx.Response, done: int) -> bool:
    match = _CONTENT_RANGE.match(response.headers.get("Content-Range", ""))
    return response.status_code == 206 and match is not None and int(match.group(1)) == done


def _settle(blobs: BlobFolder, layer: Layer, part: BinaryIO) -> None:
    path = blobs.part_path(layer.digest)
    part.flush()
    found = file_digest(path)
    if found != layer.digest:
        path.unlink(missing_ok=True)
        raise RegistryError(
            f"digest mismatch, file must be downloaded again: want {layer.digest}, got {found}"
        )
    try:
        blobs.settle(part, path, layer.digest)
    except OSError as error:
        raise _unwritable(path, error) from error


def _discard(part: BinaryIO) -> None:
    Path(str(part.name)).unlink(missing_ok=True)


def _check_room(folder: Path, wanted: int) -> None:
    free = shutil.disk_usage(folder).free
    if free < wanted:
        raise LibraryError(f"no room in {folder}: {wanted:,} bytes are needed, {free:,} are free")


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _unwritable(path: Path, error: OSError) -> LibraryError:
    return LibraryError(f"cannot write {path}: {error.strerror or error}; free space and try again")
