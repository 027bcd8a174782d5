"""Bytes in, digests out: the folder of content-addressed files; touches the disk."""

from __future__ import annotations

import json
import logging
import os
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from stat import S_ISREG
from typing import BinaryIO

from engine.errors import BlobNotFoundError, DigestError, LibraryError
from engine.library.links import LINKS_FILE, Link, Links
from engine.library.manifest import parse_digest

log = logging.getLogger(__name__)

_CHUNK_BYTES = 1024 * 1024
_WRITE_S = 3600.0
_PULL_S = 7 * 86_400.0
_MAX_JSON_BYTES = 4 * 1024 * 1024  # takes fifty times as much when read
_MAX_SMALL_BYTES = 32 * 1024 * 1024  # templates, licences, parameters: anything read as a whole


class BlobFolder:
    """Files named by their SHA-256; a file under its final name is complete and was synced.

    Args:
        links: which symbolic links are ours; by default what the file beside the folder says.
        fallbacks: folders in which a blob is looked for too; they are only read.
    """

    def __init__(
        self, folder: Path, links: Links | None = None, fallbacks: Sequence[BlobFolder] = ()
    ) -> None:
        self.folder = folder
        self.links = links or Links(folder.parent / LINKS_FILE)
        self._fallbacks = tuple(fallbacks)

    def path(self, digest: str) -> Path:
        """Say where a blob lies, or would lie.

        Raises:
            DigestError: not a digest.
        """
        own = self.own_path(digest)
        if self._fallbacks and not os.path.lexists(own):
            for other in self._fallbacks:
                if other.size(digest) is not None:
                    return other.path(digest)
        return own

    def own_path(self, digest: str) -> Path:
        """Say where a blob lies, or would lie, in this very folder.

        Raises:
            DigestError: not a digest.
        """
        return self.folder / parse_digest(digest).replace(":", "-")

    def size(self, digest: str) -> int | None:
        """Give a blob's size in bytes, or None if it is not stored or must not be used."""
        try:
            return self.checked_size(digest)
        except LibraryError as error:
            log.warning("blob_refused reason=%s", error)
            return None

    def checked_size(self, digest: str) -> int | None:
        """Give a blob's size in bytes, or None if it is not stored.

        Raises:
            LibraryError: it is a link that must not be followed; the message says why.
        """
        own = self.own_path(digest)
        if not os.path.lexists(own):
            sizes = (other.size(digest) for other in self._fallbacks)
            return next((size for size in sizes if size is not None), None)
        try:
            status = self._link_status(own) if own.is_symlink() else own.stat()
        except OSError:
            return None
        return status.st_size if status is not None and S_ISREG(status.st_mode) else None

    def _link_status(self, own: Path) -> os.stat_result | None:
        return self.links.status(own, parse_digest(own.name))

    def read_small(self, digest: str, *, max_bytes: int = _MAX_SMALL_BYTES) -> bytes:
        """Read a blob that is meant to be small.

        Raises:
            BlobNotFoundError: not stored.
            LibraryError: larger than `max_bytes`, unreadable, or a link that must not be followed.
        """
        if self.checked_size(digest) is None:
            raise BlobNotFoundError(digest)
        try:
            with self.path(digest).open("rb") as file:
                data = file.read(max_bytes + 1)
        except FileNotFoundError as error:
            raise BlobNotFoundError(digest) from error
        except OSError as error:
            raise LibraryError(f"cannot read blob {digest}: {error.strerror}") from error
        if len(data) > max_bytes:
            raise LibraryError(f"blob {digest} is larger than {max_bytes:,} bytes")
        return data

    def read_json(self, digest: str) -> object:
        """Read a small blob that holds JSON; halves of letters, which no answer can hold, go.

        Raises:
            BlobNotFoundError: not stored.
            LibraryError: as `read_small`, or not JSON.
        """
        try:
            value: object = json.loads(self.read_small(digest, max_bytes=_MAX_JSON_BYTES))
            # "\ud800" is a text to Python, but to no encoder.
            return json.loads(json.dumps(value, ensure_ascii=False).encode("utf-8", "replace"))
        except (ValueError, RecursionError) as error:
            raise LibraryError(f"blob {digest} is not JSON: {error}") from error

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
        target = self.own_path(digest)
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

    def refer(self, link: Link, digest: str) -> None:
        """Store a file outside by reference; the caller has checked its digest.

        Raises:
            LibraryError: the folder cannot be written.
        """
        self.prepare()
        own = self.own_path(digest)
        new = own.with_name(f"{own.name}-{os.getpid()}-new")
        self.links.write(parse_digest(digest), link)
        try:
            new.unlink(missing_ok=True)
            new.symlink_to(link.path)
            new.replace(own)
            sync_folder(self.folder)
        except OSError as error:
            raise _not_writable(self.folder, error) from error

    def touch(self, digest: str) -> None:
        """Refresh a blob's time, which keeps other programs from tidying it away."""
        try:
            # Of a link of ours its own time, not that of the user's file.
            os.utime(self.own_path(digest), follow_symlinks=False)
        except (OSError, NotImplementedError) as error:
            log.debug("blob_not_touched digest=%s reason=%s", digest, error)

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
        path.replace(self.own_path(digest))
        sync_folder(self.folder)

    def partial_path(self, digest: str) -> Path:
        """Say where the bytes of a blob that is being downloaded lie."""
        path = self.own_path(digest)
        return path.with_name(path.name + "-partial")

    def remove(self, digest: str) -> None:
        """Delete a blob, or the link that stands for it, if it is there.

        Raises:
            LibraryError: it cannot be deleted.
        """
        own = self.own_path(digest)
        try:
            is_link = own.is_symlink()
            own.unlink(missing_ok=True)
        except OSError as error:
            raise _not_writable(self.folder, error) from error
        if is_link:
            self.links.write(parse_digest(digest), None)

    def stored(self) -> Iterator[tuple[str, float]]:
        """Give the digest of each blob in this very folder, and when it was last touched."""
        for path in self.folder.glob("sha256-*"):
            try:
                yield parse_digest(path.name), path.lstat().st_mtime
            except (DigestError, OSError):  # something else, or gone meanwhile
                continue

    def remove_stale(self, now_s: float) -> None:
        """Delete what broken-off writes left behind an hour ago, broken-off downloads a week ago.

        "-part" is what an earlier version of ours called the beginning of a download.
        """
        for path in [*self.folder.glob("sha256-*-new"), *self.folder.glob("sha256-*-part")]:
            _remove_older(path, now_s - _WRITE_S)
        for path in self.folder.glob("sha256-*-partial"):
            for part in (
                path.parent.glob(path.name + "-*") if _is_older(path, now_s - _PULL_S) else ()
            ):
                _remove_older(part, now_s)
            _remove_older(path, now_s - _PULL_S)
        for note in self.folder.glob("sha256-*-partial-*"):
            # A process was killed after the bytes had become a blob, or were given up.
            if not os.path.lexists(str(note).rpartition("-")[0]):
                _remove_older(note, now_s - _WRITE_S)


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


def _is_older(path: Path, than_s: float) -> bool:
    try:
        return path.lstat().st_mtime < than_s
    except OSError:  # gone meanwhile
        return False


def _remove_older(path: Path, than_s: float) -> None:
    try:
        if _is_older(path, than_s):
            path.unlink(missing_ok=True)
    except OSError as error:
        log.debug("stale_file_kept name=%s reason=%s", path.name, error.strerror)


def _not_writable(folder: Path, error: OSError) -> LibraryError:
    return LibraryError(
        f"cannot write to {folder}: {error.strerror or error}; "
        "free space there or point OLLAMA_MODELS to a folder that can be written"
    )
