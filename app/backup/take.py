"""A data directory in, a stream of one archive out; the library may be in use meanwhile.

The states of all SQLite files, and the files of uploads that wait, are held fast at one moment and
copied afterwards. Originals and files in the inbox are taken as they are a little later: an
original that was deleted in between costs its pictures only, and what was changed in the inbox is
found by the next look at it, as any other change.
"""

from __future__ import annotations

import hashlib
import shutil
import tempfile
import time
import weakref
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from app.backup import copy_store, manifest, tar
from app.backup.disk import disk_full_told, require_room
from app.backup.errors import BackupBusyError, BackupError
from app.backup.hold import drop_unnamed, kept
from app.backup.manifest import Manifest, Member, ModelUse
from app.backup.members import (
    CATALOGUE,
    DATABASES,
    INBOX,
    ORIGINALS,
    SETTINGS,
    STAGING,
)
from app.version import VERSION
from ingest.errors import LibraryLockedError
from ingest.lock import FolderLock

LOCK = "backup.lock"
PREFIX = "backup-"  # of the folder where copies lie until they are in the archive
_CHUNK = 1 << 20
_LEVEL = 3  # vectors do not shrink anyway; a higher one costs time and saves little


@dataclass(frozen=True, slots=True)
class Wanted:
    """What shall go into the archive, beside the catalogue."""

    models: tuple[ModelUse, ...] = ()  # the library's embedding models are found by themselves
    # The files of a model: name in the archive, where each lies. Without it weights are left out.
    files_of: Callable[[ModelUse], Sequence[tuple[str, Path]]] | None = None


class Backup:
    """A library's state, held fast; `stream` gives the archive, `close` removes the copies."""

    def __init__(self, home: Path, wanted: Wanted | None = None) -> None:
        """Copy what can change while it is read.

        Raises:
            BackupError: there is no library, or another backup of it is under way.
            NoRoomError: the disk of the data directory cannot hold the copies.
        """
        if not (home / CATALOGUE).is_file():
            raise BackupError(f"there is no library in {home}: set QUIRE_HOME to where it lies")
        try:
            lock = FolderLock(home / LOCK)
        except LibraryLockedError as error:
            raise BackupBusyError(
                f"a backup of {home} is being taken already: wait until it has ended"
            ) from error
        try:
            sweep_held(home)
            stage = Path(tempfile.mkdtemp(prefix=PREFIX, dir=home))
        except BaseException:
            lock.release()
            raise
        self._close = weakref.finalize(self, _end, stage, lock)
        self._sources: dict[str, Path] = {}
        try:
            with disk_full_told(home):
                self.manifest = self._gather(home, stage, wanted or Wanted())
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Backup:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Remove the copies; closing twice does nothing."""
        self._close()

    def stream(self) -> Iterator[bytes]:
        """Give the archive piece by piece, compressed; never more than a few MB are in memory.

        Raises:
            BackupError: a file changed while it was read.
        """
        import zstandard

        packer = zstandard.ZstdCompressor(level=_LEVEL, write_checksum=True).compressobj()
        for piece in self._pieces():
            if out := packer.compress(piece):
                yield out
        yield packer.flush()

    def _pieces(self) -> Iterator[bytes]:
        now_s = int(time.time())
        table = manifest.render(self.manifest)
        yield tar.header_of(manifest.NAME, len(table), now_s)
        yield table + tar.padding_of(len(table))
        for member in self.manifest.members:
            yield tar.header_of(member.stored, member.size_bytes, now_s)
            yield from _checked(self._sources[member.name], member)
            yield tar.padding_of(member.size_bytes)
        yield tar.END

    def _gather(self, home: Path, stage: Path, wanted: Wanted) -> Manifest:
        there = [home / name for name in DATABASES if (home / name).is_file()]
        require_room(home, sum(map(_size_with_log, there)), "a backup needs for a moment")
        files: dict[str, Path] = {}
        left_out: list[str] = []
        schemas: dict[str, int] = {}

        def keep(*names: str) -> None:
            for name in names:
                left_out.extend(kept(home, name, stage, files))

        with copy_store.held(there, lambda: keep(STAGING)) as connections:
            # Many, and copied where a disk knows no second names: nobody shall wait for that.
            keep(ORIGINALS, INBOX)
            for name, connection in connections.items():
                copy_store.copy(connection, stage / name)
                schemas[name] = copy_store.version_of(connection)
            drop_unnamed(files, home, copy_store.staged_in(connections[CATALOGUE]))
            n_documents, n_chunks = copy_store.counts_of(connections[CATALOGUE])
            own = copy_store.models_of(connections[CATALOGUE])
        for name in (*schemas, SETTINGS):
            if name == SETTINGS and not _copied(home / name, stage / name):
                continue
            self._sources[name] = stage / name
        models = (*(ModelUse(*one, "embedding") for one in own), *wanted.models)
        if wanted.files_of is not None:
            for model in models:
                files |= wanted.files_of(model)
        self._sources |= files
        return Manifest(
            program=VERSION,
            made_at=datetime.now(UTC).isoformat(timespec="seconds"),
            home=str(home),
            n_documents=n_documents,
            n_chunks=n_chunks,
            schemas=schemas,
            members=tuple(_members(self._sources)),
            models=models,
            left_out=tuple(left_out),
        )


def sweep(home: Path) -> None:
    """Remove the copies that a killed backup left; nothing happens while one is under way."""
    if any(home.glob(f"{PREFIX}*/")):
        try:
            lock = FolderLock(home / LOCK)
        except LibraryLockedError:
            return
        sweep_held(home)
        lock.release()


def sweep_held(home: Path) -> None:
    """Remove the copies that a killed backup left; the caller holds the lock of backups."""
    for folder in home.glob(f"{PREFIX}*/"):
        shutil.rmtree(folder, ignore_errors=True)


def _end(stage: Path, lock: FolderLock) -> None:
    shutil.rmtree(stage, ignore_errors=True)
    lock.release()


def _members(sources: dict[str, Path]) -> Iterator[Member]:
    for number, (name, path) in enumerate(sources.items(), start=1):
        digest, size = hashlib.sha256(), 0
        for chunk in _chunks(path):
            digest.update(chunk)
            size += len(chunk)
        # Short and plain: what a file is really called stands in the manifest.
        stored = name if "/" not in name else f"files/{number:08d}"
        yield Member(name, stored, size, digest.hexdigest())


def _checked(path: Path, member: Member) -> Iterator[bytes]:
    digest, left = hashlib.sha256(), member.size_bytes
    for chunk in _chunks(path):
        left -= len(chunk)
        if left < 0:
            break
        digest.update(chunk)
        yield chunk
    if left or digest.hexdigest() != member.sha256:
        raise BackupError(f"{member.name} changed while it was read: take the backup again")


def _chunks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            yield chunk


def _copied(source: Path, target: Path) -> bool:
    try:
        shutil.copyfile(source, target)
    except FileNotFoundError:
        return False
    return True


def _size_with_log(path: Path) -> int:
    log = path.with_name(f"{path.name}-wal")
    return path.stat().st_size + (log.stat().st_size if log.is_file() else 0)
