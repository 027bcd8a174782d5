"""A folder in, its files out: listing, hashing, reading whole; reads the disk."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path

from ingest.errors import BrokenFileError, TooLargeError
from ingest.ignore import IGNORE_FILES, IgnoreRules
from ingest.reconcile import Seen

_READ_TRIES = 3


def rules_of(root: Path) -> IgnoreRules:
    """Read the ignore files of a folder."""
    lines: list[str] = []
    for name in IGNORE_FILES:
        path = root / name
        if path.is_file():
            lines += path.read_text(encoding="utf-8", errors="replace").splitlines()
    return IgnoreRules(lines)


def list_files(
    root: Path, is_wanted: Callable[[str], bool], *, has_empty: bool = False
) -> tuple[dict[str, Seen], list[str]]:
    """List the files to keep indexed, by path relative to the folder.

    Links to folders are not followed (what they lead to is either listed already or outside), and
    links to files only if those lie inside.

    Args:
        is_wanted: tells by its name whether a file is worth reading.
        has_empty: lists files without a byte too; otherwise they are taken for unfinished.

    Returns:
        The files, and the paths that could not be looked at.
    """
    rules = rules_of(root)
    inside = root.resolve()
    found: dict[str, Seen] = {}
    unreadable: list[str] = []
    for entry, relative in _walk(root, "", rules, unreadable):
        if not is_wanted(entry.name):
            continue
        try:
            if entry.is_symlink() and not Path(entry).resolve().is_relative_to(inside):
                continue
            stat = entry.stat()
        except OSError:
            unreadable.append(relative)
            continue
        if stat.st_size or has_empty:
            found[relative] = Seen(stat.st_size, stat.st_mtime_ns)
    return found, unreadable


def _walk(
    folder: Path, prefix: str, rules: IgnoreRules, unreadable: list[str]
) -> Iterator[tuple[os.DirEntry[str], str]]:
    try:
        with os.scandir(folder) as scan:
            entries = sorted(scan, key=lambda entry: entry.name)
    except OSError:
        unreadable.append(prefix.rstrip("/") or ".")
        return
    for entry in entries:
        relative = prefix + entry.name
        try:
            relative.encode()
            is_folder = entry.is_dir(follow_symlinks=False)
            is_file = entry.is_file()
        except (OSError, UnicodeEncodeError):
            unreadable.append(relative.encode(errors="replace").decode())
            continue
        if rules.is_ignored(relative, is_folder=is_folder):
            continue
        if is_folder:
            yield from _walk(folder / entry.name, relative + "/", rules, unreadable)
        elif is_file:
            yield entry, relative


def digest_of(path: Path) -> str:
    """Hash a file's bytes: hex SHA-256."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_settled(path: Path, max_bytes: int) -> tuple[bytes, Seen]:
    """Read a file that nobody changes meanwhile.

    Raises:
        TooLargeError: it has more bytes than the limit.
        BrokenFileError: it is being written.
    """
    for _ in range(_READ_TRIES):
        before = path.stat()
        if before.st_size > max_bytes:
            raise TooLargeError(
                f"{path.name} has {before.st_size:,} bytes, the limit is {max_bytes:,}: set "
                "QUIRE_MAX_FILE_MB higher or split the file"
            )
        data = path.read_bytes()
        after = path.stat()
        if (before.st_size, before.st_mtime_ns) == (len(data), after.st_mtime_ns):
            return data, Seen(after.st_size, after.st_mtime_ns)
    raise BrokenFileError(f"{path.name} is being written; it is read when that has ended")
