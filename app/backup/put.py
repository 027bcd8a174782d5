"""An archive in, a library in its place out; the library of before is kept aside.

Nothing is put in place before all of the archive is proven.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from app.backup import archive, copy_store
from app.backup.disk import disk_full_told, require_room, sync_folder
from app.backup.errors import ArchiveError, BackupError, HomeTakenError
from app.backup.manifest import Manifest, Member
from app.backup.members import CATALOGUE, LIBRARY
from app.backup.swap import JOURNAL, PREFIX, aside, begin, beside_mounts, finish, is_mount
from ingest.errors import LibraryLockedError
from ingest.lock import FolderLock

_LOCKS = ("server.lock", "lock")


@dataclass(frozen=True, slots=True)
class Restored:
    """What was put in place."""

    manifest: Manifest
    before: Path | None  # where the library of before lies now
    beside: dict[str, Path] = field(default_factory=dict)  # what could not go to its place: a mount


def verify(file: BinaryIO) -> Manifest:
    """Look an archive through without writing anything.

    Raises:
        ArchiveError: it is damaged.
    """
    return archive.read(file)


def restore(file: BinaryIO, home: Path, *, is_replacing: bool = False) -> Restored:
    """Put the library of an archive into a data directory.

    Args:
        is_replacing: keep the library that is there aside, instead of refusing.
    Raises:
        HomeTakenError: the data directory is in use, or holds a library.
        ArchiveError: the archive is damaged; nothing was changed.
        NoRoomError: the disk cannot hold what is in it; nothing was changed.
    """
    named, home = home.absolute(), home.resolve()
    with _held(home):
        finish(home)
        taken = occupied(home)
        if taken and not is_replacing:
            raise HomeTakenError(
                f"{home} holds a library already ({', '.join(taken)}): name another folder with "
                "--home, or add --force, which keeps the library that is there aside"
            )
        stage = Path(tempfile.mkdtemp(prefix=PREFIX, dir=home))
        try:
            table = _unpack(file, stage)
            with disk_full_told(home):
                copy_store.relocate(stage / CATALOGUE, table.home, str(named))
            _sync_all(stage)
            beside = beside_mounts(home, stage)
            before = aside(home, stage) if taken else None
            begin(home, stage, before)
        except BaseException:
            if not (home / JOURNAL).exists():  # from there on it is finished, whatever comes
                shutil.rmtree(stage, ignore_errors=True)
            raise
        finish(home)
    return Restored(table, before, beside)


def occupied(home: Path) -> list[str]:
    """Name what a data directory holds of a library; empty folders and mounts do not count."""
    return [
        name
        for name in LIBRARY
        if not is_mount(home / name)
        and (
            (home / name).is_file()
            or ((home / name).is_dir() and any(one.is_file() for one in (home / name).rglob("*")))
        )
    ]


class _Stage:
    """Takes the members of an archive into an empty folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def begin(self, table: Manifest) -> None:
        """Refuse what does not fit on the disk, whatever is said to be in it."""
        require_room(self._folder.parent, table.size_bytes, "the archive unpacks to")

    @contextmanager
    def open(self, member: Member) -> Iterator[BinaryIO]:
        """Make a new file for a member; `manifest.parse` made sure of its name."""
        path = self._folder / member.name
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            opened = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except (FileExistsError, NotADirectoryError) as error:
            raise ArchiveError(f"it names {member.name!r} as a file and as a folder") from error
        with os.fdopen(opened, "wb") as file:
            yield file


def newest_versions() -> dict[str, int]:
    """Tell which version of each SQLite file this program knows."""
    from app.access import schema as access
    from app.backup.members import ACCESS, CONVERSATIONS, EXAMS
    from app.conversations import schema as conversations
    from app.exam import schema as exams
    from ingest import schema as catalogue

    return {
        CATALOGUE: len(catalogue.MIGRATIONS),
        CONVERSATIONS: len(conversations.MIGRATIONS),
        EXAMS: len(exams.MIGRATIONS),
        ACCESS: len(access.MIGRATIONS),
    }


def _unpack(file: BinaryIO, stage: Path) -> Manifest:
    with disk_full_told(stage.parent):
        table = archive.read(file, _Stage(stage))
        for name, newest in newest_versions().items():
            if (stage / name).is_file():
                copy_store.check(stage / name, newest)
    return table


@contextmanager
def _held(home: Path) -> Iterator[None]:
    """Hold the data directory, and make it if need be; gone again if nothing came of it."""
    is_new = not home.exists()
    try:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise BackupError(f"{home} cannot be made: {error.strerror}") from error
    with ExitStack() as opened:
        try:
            for name in _LOCKS:
                opened.callback(FolderLock(home / name).release)
        except LibraryLockedError as error:
            raise HomeTakenError(
                f"{error}; a library that is open cannot be replaced: stop the server first"
            ) from error
        try:
            yield
        except BaseException:
            if is_new:
                _remove_empty(home)
            raise


def _remove_empty(home: Path) -> None:
    for name in _LOCKS:
        (home / name).unlink(missing_ok=True)
    with suppress(OSError):  # somebody put something there meanwhile
        home.rmdir()


def _sync_all(folder: Path) -> None:
    for root, _, names in os.walk(folder):
        for name in names:
            opened = os.open(Path(root, name), os.O_RDONLY)
            try:
                os.fsync(opened)
            finally:
                os.close(opened)
        sync_folder(Path(root))
