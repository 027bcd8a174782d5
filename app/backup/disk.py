"""What both ways need of a disk: names that last, and words for one that is full."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from app.backup.errors import NoRoomError
from ingest.errors import StorageFullError
from ingest.pipeline import is_disk_full

SPARE_BYTES = 64 << 20  # that others may need meanwhile


def sync_folder(folder: Path) -> None:
    """Have the names in a folder on the disk."""
    if os.name == "posix":
        opened = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(opened)
        finally:
            os.close(opened)


@contextmanager
def disk_full_told(folder: Path) -> Iterator[None]:
    """Put a full disk into words that help.

    Raises:
        NoRoomError: the disk is full.
    """
    try:
        yield
    except StorageFullError as error:
        raise NoRoomError(_full(folder)) from error
    except OSError as error:
        if not is_disk_full(error):
            raise
        raise NoRoomError(_full(folder)) from error


def require_room(folder: Path, n_bytes: int, what: str) -> None:
    """Make sure that something fits, before it is begun.

    Args:
        what: the beginning of an error: "a backup needs".
    Raises:
        NoRoomError: it does not.
    """
    free = shutil.disk_usage(folder).free
    if free < n_bytes + SPARE_BYTES:
        raise NoRoomError(
            f"{what} {(n_bytes + SPARE_BYTES) / 1e6:,.0f} MB in {folder}, which has "
            f"{free / 1e6:,.0f} MB free: free some space, or name a folder on another disk"
        )


def _full(folder: Path) -> str:
    free = shutil.disk_usage(folder).free
    return (
        f"the disk of {folder} is full ({free / 1e6:,.0f} MB free); what was written is removed, "
        "and nothing else was changed: free some space, or name a place on another disk"
    )
