"""An archive's pieces in, one private file out: whole, or not there."""

from __future__ import annotations

import os
from pathlib import Path

from app.backup.disk import disk_full_told, sync_folder
from app.backup.errors import BackupError
from app.backup.take import Backup


def write_to(backup: Backup, target: Path, *, is_replacing: bool = False) -> int:
    """Write an archive to a file that only its owner can read; it is there whole or not at all.

    Args:
        is_replacing: whether a file that is there may go, once the new one is whole.
    Returns:
        The size of the archive in bytes.
    Raises:
        BackupError: the file is there already, or a file changed while it was read.
        NoRoomError: the disk is full; what was written is removed.
    """
    require_free(target, is_replacing=is_replacing)
    partial = target.with_name(f"{target.name}.partial")
    partial.unlink(missing_ok=True)  # that a crash left
    n_bytes = 0
    try:
        with disk_full_told(target.parent):
            opened = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(opened, "wb") as file:
                for piece in backup.stream():
                    n_bytes += file.write(piece)
                file.flush()
                os.fsync(file.fileno())
            require_free(target, is_replacing=is_replacing)
            partial.replace(target)
            sync_folder(target.parent)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
    return n_bytes


def require_free(target: Path, *, is_replacing: bool) -> None:
    """Make sure that an archive can be written under a name.

    Raises:
        BackupError: something else lies there, or there is no such folder.
    """
    if target.is_dir():
        raise BackupError(f"{target} is a folder: name a file, such as {target / 'quire.backup'}")
    if not target.parent.is_dir():
        raise BackupError(f"there is no folder {target.parent}: make it, or name another")
    if target.exists() and not is_replacing:
        raise BackupError(f"{target} is there already: name another file, or add --force")
