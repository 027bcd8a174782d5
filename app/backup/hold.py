"""Files that others may change or remove in, second names or copies of them out."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Container, Iterator
from pathlib import Path

from app.backup.members import INBOX, STAGING, problem_of

_FRESH_S = 60.0  # a file that was changed so lately may be changing still


def kept(home: Path, name: str, stage: Path, files: dict[str, Path]) -> Iterator[str]:
    """Hold the files of a folder fast: by a second name, or by a copy if they may be changing.

    Args:
        files: gets where each file is held, by its name in the archive.
    Yields:
        What cannot be taken in, with the reason.
    """
    target = stage / name
    target.mkdir()
    for number, path in enumerate(_plain_files(home / name)):
        if path.name.startswith(".new-") and name != INBOX:
            continue  # half written still
        member = path.relative_to(home).as_posix()
        if why := problem_of(member):
            yield f"{member!a}: {why}"
            continue
        held = target / str(number)
        try:
            _hold(path, held, may_change=name == INBOX)
        except FileNotFoundError:
            continue  # done with, or deleted, a moment ago
        except PermissionError as error:
            yield f"{member!a}: {error.strerror}"
            continue
        files[member] = held


def drop_unnamed(files: dict[str, Path], home: Path, staged: Container[str]) -> None:
    """Leave out uploads that are still coming in: nobody was told that they are here."""
    for name in [one for one in files if one.startswith(f"{STAGING}/")]:
        if str(home.absolute() / name) not in staged:
            del files[name]


def _plain_files(folder: Path) -> Iterator[Path]:
    for root, _, names in os.walk(folder):
        for name in sorted(names):
            path = Path(root, name)
            if path.is_file() and not path.is_symlink():
                yield path


def _hold(path: Path, held: Path, *, may_change: bool) -> None:
    if not may_change or time.time() - path.stat().st_mtime > _FRESH_S:
        try:
            os.link(path, held)
        except FileNotFoundError:
            raise
        except OSError:
            pass  # a file system without second names, or another one
        else:
            return
    shutil.copyfile(path, held)
