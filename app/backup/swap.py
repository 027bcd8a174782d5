"""A proven library in, in the place of another out; a journal makes up for a sudden end.

The journal says what goes where, from the moment on when all that is new is safely on the disk. A
process that is killed before changed nothing; one that is killed afterwards is made up for by
`finish`, at the next start of the server or the next restore.
"""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from app.backup.disk import sync_folder
from app.backup.errors import BackupError, NoRoomError
from app.backup.members import DATABASES, FOLDERS, LIBRARY, MODELS
from app.backup.take import sweep
from ingest.pipeline import is_disk_full

PREFIX = "restoring-"
JOURNAL = "restoring.json"
_OCTAL = re.compile(r"\\([0-7]{3})")  # how the system writes blanks in names of mounts


def settle(home: Path) -> None:
    """Make up for backups and restores that were killed; the caller holds the lock of the home."""
    finish(home)
    sweep(home)


def finish(home: Path) -> None:
    """Do the rest of a restore that was killed, and remove what one left that had not begun.

    The caller holds the lock of the data directory.

    Raises:
        NoRoomError: a disk that models lie on is full; once there is room, this goes on.
    """
    journal = home / JOURNAL
    step = _noted(journal)
    if step is not None:
        stage, before = home / step["stage"], Path(step["before"] or home / "before")
        if step["step"] == "out":
            _move_out(home, before)
            _note(home, step | {"step": "in"})
        _move_in(stage, home, before)
        journal.unlink()
        sync_folder(home)
    (home / f"{JOURNAL}.new").unlink(missing_ok=True)
    for left in home.glob(f"{PREFIX}*/"):
        shutil.rmtree(left, ignore_errors=True)


def begin(home: Path, stage: Path, before: Path | None) -> None:
    """Write the journal: from here on the new library counts.

    Args:
        before: where the library goes that is there; None if there is none.
    """
    _note(home, {"stage": stage.name, "before": str(before or ""), "step": "out"})


def aside(home: Path, stage: Path) -> Path:
    """Make the folder for the library of before: beside the data directory if that can be."""
    stamp = datetime.now(UTC).strftime("%Y%m%d-%H%M%S")
    for path in (home.with_name(f"{home.name}.before-{stamp}"), home / f"before-{stamp}"):
        try:
            path.mkdir(mode=0o700)
        except OSError:
            continue
        if _can_move(stage, path):
            return path
        path.rmdir()
    raise BackupError(f"no folder can be made for what lies in {home}: look at its permissions")


def beside_mounts(home: Path, stage: Path) -> dict[str, Path]:
    """Tell where what is new goes whose place is a mount of its own, by name.

    Such a place cannot be renamed, and may not even be writable: it stays as it is.

    Raises:
        BackupError: a file of SQLite's is such a mount.
    """
    found = {}
    for name in sorted(one.name for one in stage.iterdir() if is_mount(home / one.name)):
        if name == MODELS:  # whose files are put beside those that are there
            continue
        if name in DATABASES:
            raise BackupError(f"{home / name} is a mount of its own: restore where it is none")
        found[name] = home / f"{name}.restored-{stage.name.removeprefix(PREFIX)}"
    return found


def is_mount(path: Path) -> bool:
    """Tell whether something is mounted at a path; a folder of the same disk counts too."""
    if os.path.ismount(path):
        return True
    try:  # which of Python's own tests cannot tell
        lines = Path("/proc/self/mountinfo").read_text("utf-8", "surrogateescape").splitlines()
    except OSError:
        return False
    places = (line.split(" ")[4] for line in lines)
    return str(path) in {_OCTAL.sub(lambda one: chr(int(one[1], 8)), place) for place in places}


def _can_move(stage: Path, other: Path) -> bool:
    """Try whether files move from one folder to the other: a data directory may be a mount."""
    probe = stage / "probe"
    probe.touch()
    try:
        probe.rename(other / probe.name)
    except OSError:
        probe.unlink()
        return False
    (other / probe.name).unlink()
    return True


def _move_out(home: Path, before: Path) -> None:
    for name in FOLDERS:
        if not is_mount(home / name) and not (home / name).is_symlink():
            _drop_empty(home / name)
    there = [name for name in LIBRARY if os.path.lexists(home / name) and not is_mount(home / name)]
    if there:
        before.mkdir(mode=0o700, exist_ok=True)
    for name in there:
        (home / name).rename(before / name)
    if there:
        sync_folder(before)
    sync_folder(home)


def _drop_empty(folder: Path) -> None:
    for root, _, _ in os.walk(folder, topdown=False):
        with suppress(OSError):  # there is something in it
            Path(root).rmdir()


def _move_in(stage: Path, home: Path, before: Path) -> None:
    if not stage.is_dir():
        return
    for path in sorted(stage.rglob(f"{MODELS}/**/*")) if (stage / MODELS).is_dir() else ():
        if path.is_file():
            _move_model(path, home, path.relative_to(stage), before)
    shutil.rmtree(stage / MODELS, ignore_errors=True)
    beside = beside_mounts(home, stage)
    for path in sorted(stage.iterdir()):
        path.rename(beside.get(path.name, home / path.name))
    sync_folder(home)
    stage.rmdir()


def _move_model(path: Path, home: Path, place: Path, before: Path) -> None:
    """Put a model's file beside those that are there; what it replaces is kept aside."""
    target = home / place
    if target.is_file():
        if target.stat().st_size == path.stat().st_size and (
            target.name.startswith("sha256-") or target.read_bytes() == path.read_bytes()
        ):
            return
        (before / place).parent.mkdir(parents=True, exist_ok=True)
        _move_file(target, before / place)
    target.parent.mkdir(parents=True, exist_ok=True)
    _move_file(path, target)
    sync_folder(target.parent)


def _move_file(path: Path, target: Path) -> None:
    """Move a file, also to another disk: the models of a data directory often lie on their own."""
    try:
        path.rename(target)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        new = target.with_name(f".{PREFIX}{target.name}")
        try:
            shutil.copyfile(path, new)
            with new.open("rb") as file:
                os.fsync(file.fileno())
            new.replace(target)
        except OSError as copying:
            new.unlink(missing_ok=True)
            if not is_disk_full(copying):
                raise
            raise NoRoomError(_no_room(path, target.parent)) from copying
        path.unlink()


def _no_room(path: Path, folder: Path) -> str:
    needed, free = path.stat().st_size, shutil.disk_usage(folder).free
    return (
        f"the disk of {folder} is full: the restored library has a model of {needed / 1e6:,.0f} MB "
        f"for it, and {free / 1e6:,.0f} MB are free. Free some space and start again: the restore "
        "goes on from here, nothing is lost"
    )


def _note(home: Path, step: dict[str, str]) -> None:
    new = home / f"{JOURNAL}.new"
    with new.open("w", encoding="utf-8") as file:
        json.dump(step, file)
        file.flush()
        os.fsync(file.fileno())
    new.replace(home / JOURNAL)
    sync_folder(home)


def _noted(journal: Path) -> dict[str, str] | None:
    try:
        step = json.loads(journal.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except ValueError:  # no JSON, no UTF-8: the journal is written whole, so somebody else did it
        step = None
    is_ours = isinstance(step, dict) and {"step", "stage", "before"} <= set(step)
    if not is_ours or not str(step["stage"]).startswith(PREFIX) or "/" in str(step["stage"]):
        raise BackupError(f"{journal} was not written by this program: look at it, then delete it")
    return {name: str(value) for name, value in step.items()}
