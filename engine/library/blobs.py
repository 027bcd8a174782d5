"""Bytes in, digests out: the folder of content-addressed files; touches the disk."""

from __future__ import annotations

import logging
import os
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import BinaryIO

from engine.errors import BlobNotFoundError, DigestError, LibraryError
from engine.library.manifest import parse_digest

log = logging.getLogger(__name__)

_CHUNK_BYTES = 1024 * 1024
_MAX_SMALL_BYTES = 32 * 1024 * 1024  # templates, licences, parameters: anything read as a whole


class BlobFolder:
    """Files named by their SHA-256; a file under its final name is complete and was synced."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self, digest: str) -> Path:
        """Say where a blob lies, or would lie.

        Raises:
            DigestError: not a digest.
        """
        return self.folder / parse_digest(digest).replace(":", "-")

    def size(self, digest: str) -> int | None:
        """Give a blob's size in bytes, or None if it is not stored."""
        path = self.path(digest)
        try:
            return path.stat().st_size if path.is_file() else None
        except OSError:
            return None

    def read_small(self, digest: str) -> bytes:
        """Read a blob that is meant to be small.

        Raises:
            BlobNotFoundError: not stored.
            LibraryError: larger than 32 MiB, or unreadable.
        """
        path = self.path(digest)
        try:
            with path.open("rb") as file:
                data = file.read(_MAX_SMALL_BYTES + 1)
        except FileNotFoundError as error:
            raise BlobNotFoundError(digest) from error
        except OSError as error:
            raise LibraryError(f"cannot read blob {digest}: {error.strerror}") from error
        if len(data) > _MAX_SMALL_BYTES:
            raise LibraryError(f"blob {digest} is larger than {_MAX_SMALL_BYTES:,} bytes")
        return data

    def add(self, chunks: Iterable[bytes], digest: str | None = None) -> tuple[str, int]:
        """Store bytes; either all of them are stored under their digest, or nothing is.

        Args:
            digest: what the bytes must have; if it is stored already, nothing is read.

        Returns:
            digest (sha256:<hex>) and size in bytes.

        Raises:
            DigestError: the bytes have another digest.
            LibraryError: the folder cannot be written (read-only, disk full).
        """
        wanted = parse_digest(digest) if digest is not None else None
        if wanted is not None and (size := self.size(wanted)) is not None:
            self.touch(wanted)
            return wanted, size
        with self.writing() as (file, path):
            state, size = sha256(), 0
            for chunk in chunks:
                file.write(chunk)
                state.update(chunk)
                size += len(chunk)
            found = "sha256:" + state.hexdigest()
            if wanted not in {None, found}:
                raise DigestError(f'digest mismatch, expected "{wanted}", got "{found}"')
            self.settle(file, path, found)
        return found, size

    def link(self, source: Path, digest: str) -> int:
        """Store a file whose digest the caller has checked: by hard link, else by copying.

        Returns:
            its size in bytes.

        Raises:
            LibraryError: the folder cannot be written.
            DigestError: on copying, the bytes turned out to have another digest.
        """
        target = self.path(digest)
        if (size := self.size(digest)) is not None:
            return size
        self.prepare()
        try:
            target.hardlink_to(source)
        except FileExistsError:
            pass
        except OSError:  # another file system, or one without hard links
            return self.add(file_chunks(source), digest)[1]
        return target.stat().st_size

    def touch(self, digest: str) -> None:
        """Refresh a blob's time, which keeps other programs from tidying it away."""
        try:
            os.utime(self.path(digest))
        except OSError as error:
            log.debug("blob_not_touched digest=%s reason=%s", digest, error.strerror)

    def prepare(self) -> None:
        """Create the folder.

        Raises:
            LibraryError: it cannot be created.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise _not_writable(self.folder, error) from error

    @contextmanager
    def writing(self) -> Iterator[tuple[BinaryIO, Path]]:
        """Give a new file in the folder; `settle` keeps it, otherwise it vanishes.

        Raises:
            LibraryError: the folder cannot be written.
        """
        self.prepare()
        path: Path | None = None
        try:
            number, name = tempfile.mkstemp(prefix="sha256-", suffix="-new", dir=self.folder)
            path = Path(name)
            with os.fdopen(number, "wb") as file:
                yield file, path
        except ConnectionError:  # of whoever sends the bytes, not of the disk
            raise
        except OSError as error:
            raise _not_writable(self.folder, error) from error
        finally:
            if path is not None:
                path.unlink(missing_ok=True)

    def settle(self, file: BinaryIO, path: Path, digest: str) -> None:
        """Sync a written file and give it its final name."""
        file.flush()
        os.fsync(file.fileno())
        path.chmod(0o644)
        path.replace(self.path(digest))
        sync_folder(self.folder)

    def part_path(self, digest: str) -> Path:
        """Say where the beginning of a blob that is being downloaded lies."""
        path = self.path(digest)
        return path.with_name(path.name + "-part")

    def remove(self, digest: str) -> None:
        """Delete a blob if it is there.

        Raises:
            LibraryError: it cannot be deleted.
        """
        try:
            self.path(digest).unlink(missing_ok=True)
        except OSError as error:
            raise _not_writable(self.folder, error) from error

    def remove_stale(self, max_age_s: float = 7 * 86_400.0) -> None:
        """Delete what broken-off writes and downloads left behind a week or more ago."""
        for path in [*self.folder.glob("sha256-*-new"), *self.folder.glob("sha256-*-part")]:
            try:
                if time.time() - path.stat().st_mtime > max_age_s:
                    path.unlink()
            except OSError as error:
                log.debug("stale_file_kept name=%s reason=%s", path.name, error.strerror)


def file_chunks(path: Path) -> Iterator[bytes]:
    """Read a file in pieces of 1 MiB.

    Raises:
        LibraryError: it cannot be read.
    """
    try:
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK_BYTES):
                yield chunk
    except OSError as error:
        raise LibraryError(f"cannot read {path}: {error.strerror}") from error


def file_digest(path: Path) -> str:
    """Hash a file.

    Raises:
        LibraryError: it cannot be read.
    """
    state = sha256()
    for chunk in file_chunks(path):
        state.update(chunk)
    return "sha256:" + state.hexdigest()


def sync_folder(folder: Path) -> None:
    """Make renames in a folder survive a power cut, where the system can."""
    try:
        number = os.open(folder, os.O_RDONLY)
    except OSError:
        return
    try:
        os.fsync(number)
    except OSError as error:
        log.debug("folder_not_synced folder=%s reason=%s", folder.name, error.strerror)
    finally:
        os.close(number)


def _not_writable(folder: Path, error: OSError) -> LibraryError:
    return LibraryError(
        f"cannot write to {folder}: {error.strerror or error}; "
        "free space there or point OLLAMA_MODELS to a folder that can be written"
    )
