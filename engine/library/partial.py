"""The beginnings of a blob in, what is still missing out: a sparse file and its notes; disk only.

Laid out as Ollama does, so that either goes on where the other one stopped: the bytes in
`sha256-<hex>-partial`, and for each part `sha256-<hex>-partial-<n>` with the JSON
`{"N":..,"Offset":..,"Size":..,"Completed":..}`.
"""

from __future__ import annotations

import errno
import json
import os
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import BinaryIO

from engine.errors import LibraryError
from engine.library.lock import is_taken

_NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT})
_MAX_PARTS = 4096
_MAX_NOTE_BYTES = 4096
_CHUNK_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class PartSizes:
    """Into how many parts a transfer is cut, and how large they may be."""

    n_parts: int = 16
    min_bytes: int = 100_000_000
    max_bytes: int = 1_000_000_000


@dataclass(slots=True)
class Part:
    """One run of bytes of a blob; `completed` counts up from its start.

    Invariant: one thread at a time changes it.
    """

    number: int
    offset: int
    size: int
    completed: int = 0

    @property
    def position(self) -> int:
        """Give the first byte that is missing."""
        return self.offset + self.completed

    @property
    def end(self) -> int:
        """Give the first byte that belongs to the next part."""
        return self.offset + self.size

    @property
    def is_complete(self) -> bool:
        """Say whether nothing is missing."""
        return self.completed == self.size


def plan_parts(total: int, sizes: PartSizes) -> list[Part]:
    """Cut a blob into equal parts within the limits; the last one may be smaller."""
    size = min(max(-(-total // sizes.n_parts), sizes.min_bytes), sizes.max_bytes)
    offsets = range(0, total, size)
    return [Part(n, offset, min(size, total - offset)) for n, offset in enumerate(offsets)]


def parse_part(raw: bytes) -> Part | None:
    """Read a note; None if it is none."""
    try:
        data = json.loads(raw)
    except (ValueError, RecursionError):
        return None
    match data:
        case {"N": int(number), "Offset": int(offset), "Size": int(size)}:
            completed = data.get("Completed", 0)
            if isinstance(completed, int) and min(number, offset, completed) >= 0:
                return Part(number, offset, size, completed) if completed <= size else None
    return None


def render_part(part: Part) -> bytes:
    """Write a note as Ollama does."""
    data = {"N": part.number, "Offset": part.offset, "Size": part.size, "Completed": part.completed}
    return json.dumps(data, separators=(",", ":")).encode() + b"\n"


def is_whole(parts: Sequence[Part], total: int) -> bool:
    """Say whether parts lie side by side from the first byte to the last one."""
    position = 0
    for part in sorted(parts, key=lambda part: part.offset):
        if part.offset != position:
            return False
        position = part.end
    return position == total and len({part.number for part in parts}) == len(parts)


class Partial:
    """The open, locked beginnings of one blob."""

    def __init__(self, path: Path, file: BinaryIO, total: int) -> None:
        self.path, self.file, self._total = path, file, total
        self.parts: list[Part] = []
        self._lock = threading.Lock()  # between the threads of several parts
        self._is_discarded = False

    @property
    def completed(self) -> int:
        """Give the number of bytes that are there."""
        return sum(part.completed for part in self.parts)

    def load(self, sizes: PartSizes) -> None:
        """Take up what an earlier attempt left; what does not fit together counts for nothing."""
        found = read_parts(self.path)
        length = os.fstat(self.file.fileno()).st_size
        is_there = all(not part.completed or part.position <= length for part in found)
        if found and is_there and is_whole(found, self._total):
            self.parts = found
        else:
            self.start(plan_parts(self._total, sizes))
        self._guarded(lambda: os.ftruncate(self.file.fileno(), self._total))

    def start(self, parts: list[Part]) -> None:
        """Begin anew with these parts."""
        _remove_notes(self.path)
        self.parts = parts
        for part in parts:
            self.note(part)

    def write(self, part: Part, data: bytes) -> None:
        """Add bytes to a part.

        Raises:
            LibraryError: the disk is full or broken; from a full one all beginnings are removed,
                because it needs the room more than we do.
        """
        self._guarded(lambda: self._pwrite(data, part.position))
        part.completed += len(data)

    def note(self, part: Part) -> None:
        """Write down how far a part is.

        Raises:
            LibraryError: as `write`.
        """

        def replace() -> None:
            with self._lock:
                if not self._is_discarded:
                    self._replace_note(part)

        self._guarded(replace)

    def digest(self, is_stopped: Callable[[], bool]) -> str | None:
        """Hash the bytes; None if stopped."""
        state = sha256()
        self.file.seek(0)
        while chunk := self.file.read(_CHUNK_BYTES):
            if is_stopped():
                return None
            state.update(chunk)
        return "sha256:" + state.hexdigest()

    def remove_notes(self) -> None:
        """Remove the notes; the bytes have become a blob."""
        _remove_notes(self.path)

    def discard(self) -> None:
        """Remove all beginnings; what is written later goes nowhere."""
        with self._lock:
            self._is_discarded = True
            self.path.unlink(missing_ok=True)
            _remove_notes(self.path)

    def _pwrite(self, data: bytes, position: int) -> None:
        view = memoryview(data)
        while view:
            n_written = os.pwrite(self.file.fileno(), view, position)
            view, position = view[n_written:], position + n_written

    def _replace_note(self, part: Part) -> None:
        number, name = tempfile.mkstemp(prefix="sha256-", suffix="-new", dir=self.path.parent)
        try:
            with os.fdopen(number, "wb") as file:
                file.write(render_part(part))
            Path(name).replace(f"{self.path}-{part.number}")
        finally:
            Path(name).unlink(missing_ok=True)

    def _guarded(self, effect: Callable[[], None]) -> None:
        try:
            effect()
        except OSError as error:
            if error.errno in _NO_ROOM:
                self.discard()
            raise unwritable(self.path, error) from error


@contextmanager
def opened(path: Path, total: int) -> Iterator[Partial | None]:
    """Open the beginnings of a blob for this thread alone; give None if another one has them.

    Raises:
        LibraryError: the folder cannot be written.
    """
    try:
        # Neither truncated nor in append mode, in which every write would go to the end.
        number = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o644)
    except OSError as error:
        raise unwritable(path, error) from error
    with os.fdopen(number, "r+b") as file:
        # It may have been finished, and renamed, between opening and locking.
        is_ours = is_taken(file) and _is_same(path, file)
        yield Partial(path, file, total) if is_ours else None


def read_parts(path: Path) -> list[Part]:
    """Read the notes beside a file of beginnings; empty if one of them cannot be read."""
    found: list[Part] = []
    for note in path.parent.glob(path.name + "-*"):
        try:
            with note.open("rb") as file:
                part = parse_part(file.read(_MAX_NOTE_BYTES))
        except OSError:
            return []
        if part is None or note.name != f"{path.name}-{part.number}" or len(found) >= _MAX_PARTS:
            return []
        found.append(part)
    return sorted(found, key=lambda part: part.offset)


def unwritable(path: Path, error: OSError) -> LibraryError:
    """Say that a file cannot be written."""
    return LibraryError(f"cannot write {path}: {error.strerror or error}; free space and try again")


def _is_same(path: Path, file: BinaryIO) -> bool:
    try:
        return path.stat().st_ino == os.fstat(file.fileno()).st_ino
    except OSError:
        return False


def _remove_notes(path: Path) -> None:
    for note in path.parent.glob(path.name + "-*"):
        note.unlink(missing_ok=True)
