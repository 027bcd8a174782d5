"""The vector index's folder in, the generation that counts out; touches folders.

A generation is a whole index in a folder of its own. The file `current` names the one that counts;
whatever else lies beside it was never finished, or is not needed any more.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from ingest.errors import StorageFullError

_POINTER = "current"
_PREFIX = "g-"
_SPARE_BYTES = 64_000_000  # that others may need meanwhile


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """How a child process fared that touched an index."""

    is_healthy: bool
    reason: str = ""


def current_generation(folder: Path) -> Path:
    """Find the generation that counts, or name the first one; remove all others."""
    folder.mkdir(parents=True, exist_ok=True)
    pointer = folder / _POINTER
    name = pointer.read_text(encoding="ascii", errors="replace") if pointer.is_file() else ""
    found = folder / name if _number(name) else None
    if found is None or not found.is_dir():
        # Of two, the older one is complete: it goes only when the newer one counts.
        left = [one for one in folder.iterdir() if one.is_dir() and _number(one.name)]
        found = _adopted(folder, min(left, key=lambda one: _number(one.name), default=None))
    for other in folder.iterdir():
        if other != found and other.is_dir():
            shutil.rmtree(other, ignore_errors=True)
    if name != found.name:
        point_to(found)
    return found


def next_generation(current: Path) -> Path:
    """Name the generation after this one; nothing lies there."""
    found = current.with_name(f"{_PREFIX}{_number(current.name) + 1}")
    shutil.rmtree(found, ignore_errors=True)
    return found


def point_to(generation: Path) -> None:
    """Let a generation count from now on, also after a crash."""
    new = generation.parent / f"{_POINTER}.new"
    with new.open("w", encoding="ascii") as file:
        file.write(generation.name)
        file.flush()
        os.fsync(file.fileno())
    new.replace(generation.parent / _POINTER)
    if os.name == "posix":
        # The old generation is removed next: the new name must be on the disk before.
        parent = os.open(generation.parent, os.O_RDONLY)
        try:
            os.fsync(parent)
        finally:
            os.close(parent)


def require_room(current: Path) -> None:
    """Make sure that the disk holds another generation like this one.

    Raises:
        StorageFullError: it does not.
    """
    wanted = sum(one.stat().st_size for one in current.rglob("*") if one.is_file())
    free = shutil.disk_usage(current.parent).free
    if free < wanted + _SPARE_BYTES:
        raise StorageFullError(
            f"the disk of the data directory has {free / 1e6:,.0f} MB free, but making the index "
            f"anew takes {(wanted + _SPARE_BYTES) / 1e6:,.0f} MB: free some space; until then what "
            "was deleted answers nothing, but its vectors stay in the files"
        )


def discard(folder: Path) -> None:
    """Remove a folder; one that is gone already is all right."""
    shutil.rmtree(folder, ignore_errors=True)


def probe_in_child(generation: Path, timeout_s: float) -> ProbeResult:
    """Touch every part of an index in a child process, which may die of it."""
    if not generation.exists():
        return ProbeResult(is_healthy=True)
    program = "import sys; sys.path.insert(0, sys.argv[1]); "
    program += "from ingest.vectors import probe; probe(sys.argv[2])"
    root = str(Path(__file__).resolve().parents[1])
    try:
        done = subprocess.run(
            [sys.executable, "-c", program, root, str(generation)],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=timeout_s,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return ProbeResult(is_healthy=False, reason=f"no answer within {timeout_s:.0f} s")
    reason = f"rc={done.returncode} {done.stderr[-500:]!r}" if done.returncode else ""
    return ProbeResult(done.returncode == 0, reason)


def _adopted(folder: Path, oldest: Path | None) -> Path:
    """Move an index that lies in the folder itself, as older versions wrote it, into the first."""
    first = oldest or folder / f"{_PREFIX}1"
    if (folder / "chroma.sqlite3").is_file():
        first.mkdir(exist_ok=True)  # with some parts in it already after a crash
        parts = [one for one in folder.iterdir() if not one.name.startswith((_PREFIX, _POINTER))]
        # The catalogue of the index goes last, so that a crash in between is seen and gone on with;
        # its log goes before it.
        for part in sorted(parts, key=lambda one: one.name == "chroma.sqlite3"):
            part.rename(first / part.name)
    return first


def _number(name: str) -> int:
    digits = name.removeprefix(_PREFIX)
    return int(digits) if name.startswith(_PREFIX) and digits.isdecimal() else 0
