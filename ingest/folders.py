"""A folder in, its files out: listing, hashing, reading whole; reads the disk."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

from ingest.errors import BrokenFileError, TooLargeError
from ingest.ignore import IGNORE_FILES, IgnoreRules
from ingest.reconcile import Seen

_READ_TRIES = 3
_GONE = (FileNotFoundError, NotADirectoryError)


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
        The files, and the paths that could not be looked at: "." if that is the folder itself.
    """
    unreadable: list[str] = []
    found: dict[str, Seen] = {}
    before = identity_of(root)
    for relative, entry in _walk(root, unreadable):
        if is_wanted(entry.name):
            seen = _look_at(entry, root, relative, unreadable)
            if seen is not None and (seen.size_bytes or has_empty):
                found[relative] = seen
    if before is None or identity_of(root) != before:
        return {}, ["."]  # unmounted or replaced meanwhile: nothing was learned
    return dict(sorted(found.items())), unreadable


def identity_of(folder: Path) -> tuple[int, int] | None:
    """Tell one folder from another that takes its place; none if it cannot be reached."""
    try:
        found = folder.stat()
    except OSError:
        return None
    return (found.st_dev, found.st_ino) if stat.S_ISDIR(found.st_mode) else None


def _walk(root: Path, unreadable: list[str]) -> Iterator[tuple[str, os.DirEntry[str]]]:
    """List all files that no rule leaves out; folders wait in a list, however deep they nest."""
    waiting: list[tuple[str, IgnoreRules]] = [("", IgnoreRules())]
    while waiting:
        prefix, rules = waiting.pop()
        try:
            with os.scandir(root / prefix) as scan:
                entries = list(scan)
            rules = _rules_in(root, prefix, rules, {entry.name for entry in entries})
        except OSError as error:
            if not prefix or not isinstance(error, _GONE):
                unreadable.append(prefix.rstrip("/") or ".")
            continue
        for entry in entries:
            relative = prefix + entry.name
            kind = _kind_of(entry, relative, unreadable)
            if not kind or rules.is_left_out(relative, is_folder=kind == "folder"):
                continue
            if kind == "folder":
                waiting.append((relative + "/", rules))
            else:
                yield relative, entry


def _rules_in(root: Path, prefix: str, above: IgnoreRules, names: set[str]) -> IgnoreRules:
    """Add a folder's own rules; one whose rules cannot be read is not looked into."""
    lines: list[str] = []
    for name in IGNORE_FILES:
        if name in names:
            text = (root / prefix / name).read_text(encoding="utf-8-sig", errors="replace")
            lines += text.splitlines()
    return IgnoreRules(lines, prefix, above) if lines else above


def _kind_of(entry: os.DirEntry[str], relative: str, unreadable: list[str]) -> str:
    """Tell a folder from a file; empty for links to folders, pipes and what has no name in text."""
    try:
        relative.encode()
        if entry.is_dir(follow_symlinks=False):
            return "folder"
        return "file" if entry.is_file() else ""
    except UnicodeEncodeError:
        unreadable.append(relative.encode(errors="replace").decode())
    except OSError as error:
        if error.errno != errno.ELOOP:
            unreadable.append(relative)
    return ""


def _look_at(
    entry: os.DirEntry[str], root: Path, relative: str, unreadable: list[str]
) -> Seen | None:
    try:
        if entry.is_symlink() and not Path(entry).resolve().is_relative_to(root.resolve()):
            return None
        found = entry.stat()
    except _GONE:
        return None
    except (OSError, RuntimeError):  # a loop of links that was closed just now
        unreadable.append(relative)
        return None
    return Seen(found.st_size, found.st_mtime_ns)


def digest_of(path: Path) -> str:
    """Hash a file's bytes: hex SHA-256.

    Raises:
        BrokenFileError: it is no file any more.
    """
    with os.fdopen(_opened_at_once(path), "rb") as file:
        _require_file(path, os.fstat(file.fileno()))
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_settled(path: Path, max_bytes: int) -> tuple[bytes, Seen]:
    """Read a file that nobody changes or replaces meanwhile.

    Raises:
        TooLargeError: it has more bytes than the limit.
        BrokenFileError: it is being written, or is no file.
    """
    for _ in range(_READ_TRIES):
        with os.fdopen(_opened_at_once(path), "rb") as file:
            before = os.fstat(file.fileno())
            _require_file(path, before)
            if before.st_size > max_bytes:
                raise TooLargeError(
                    f"{path.name} has {before.st_size:,} bytes, the limit is {max_bytes:,}: set "
                    "QUIRE_MAX_FILE_MB higher or split the file"
                )
            data = file.read(before.st_size + 1)
        after = path.stat()
        now = (len(data), after.st_size, after.st_mtime_ns, after.st_ino)
        if now == (before.st_size, before.st_size, before.st_mtime_ns, before.st_ino):
            return data, Seen(after.st_size, after.st_mtime_ns)
    raise BrokenFileError(f"{path.name} is being written; it is read when that has ended")


def _require_file(path: Path, found: os.stat_result) -> None:
    if not stat.S_ISREG(found.st_mode):
        raise BrokenFileError(f"{path.name} is no file but a pipe or a device")


def _opened_at_once(path: Path) -> int:
    """Open without waiting for the other end of a pipe."""
    return os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
