"""A note of each backup that was taken, in the data directory: `quire doctor` tells their age."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

FILE = "backups.json"
_MAX_KEPT = 20


@dataclass(frozen=True, slots=True)
class Taken:
    """One backup that was taken."""

    made_at: str  # ISO 8601, UTC
    target: str  # where it went: a path, `-` for standard output, `api` for a remote caller
    size_bytes: int


def note(home: Path, taken: Taken) -> None:
    """Remember a backup; the oldest are forgotten."""
    kept = [*noted(home), taken][-_MAX_KEPT:]
    new = home / f"{FILE}.new"
    opened = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(opened, "w", encoding="utf-8") as file:
        json.dump([asdict(one) for one in kept], file, indent=1)
    new.replace(home / FILE)


def noted(home: Path) -> list[Taken]:
    """List the backups that are remembered, oldest first; a note that is damaged counts as none."""
    try:
        data = json.loads((home / FILE).read_text(encoding="utf-8"))
        return [
            Taken(str(one["made_at"]), str(one["target"]), int(one["size_bytes"])) for one in data
        ]
    except (OSError, ValueError, TypeError, KeyError):
        return []
