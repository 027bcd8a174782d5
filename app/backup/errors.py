"""What backup and restore refuse; each message says what, which, and what to do next."""

from __future__ import annotations


class BackupError(Exception):
    """A backup cannot be taken or put back; nothing was changed."""


class BackupBusyError(BackupError):
    """Another backup of the same library is being taken."""


class NoRoomError(BackupError):
    """The disk cannot hold what has to be written."""


class ArchiveError(BackupError):
    """The archive is damaged, cut off, forged, or none of ours."""


class NewerArchiveError(BackupError):
    """The archive was written by a newer version of the program."""


class HomeTakenError(BackupError):
    """The data directory is in use, or holds a library already."""
