"""Kill backup or restore at each of its steps on the disk, with a process of its own for each.

Run as: kill_child.py ROOT FOLDER backup|restore. Prints what went wrong, and how many kills.
"""

import hashlib
import os
import shutil
import signal
import sys
from pathlib import Path

sys.path.insert(0, sys.argv[1])

from app.backup.members import LIBRARY
from app.backup.put import restore, verify
from app.backup.swap import settle
from app.backup.take import Backup
from app.backup.write import write_to

# What a process asks of the system that changes what lies on the disk.
CHANGES = {"os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.link", "sqlite3.connect"}


def dying_at(step, act):
    """Do something in a process of its own that is killed at a step; tell whether it was."""
    child = os.fork()
    if child == 0:
        n_steps = 0

        def count(event, args):
            nonlocal n_steps
            if event not in CHANGES and not (event == "open" and writes(args)):
                return
            n_steps += 1
            if n_steps > step:
                os.kill(os.getpid(), signal.SIGKILL)

        sys.addaudithook(count)
        try:
            act()
        except Exception as error:  # noqa: BLE001 - the parent tells
            sys.stderr.write(f"step {step}: {error!r}\n")
            os._exit(1)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status) or status == 0, f"step {step}: failed"
    return os.WIFSIGNALED(status)


def writes(args):
    mode, flags = args[1], args[2]
    return (isinstance(mode, str) and set(mode) & set("wax+")) or (
        isinstance(flags, int) and flags & (os.O_WRONLY | os.O_RDWR)
    )


def state(home):
    """Tell what a library consists of, byte by byte."""
    found = {}
    for name in LIBRARY:
        for path in [home / name, *sorted((home / name).rglob("*"))]:
            # A reader that is killed leaves an empty log behind.
            if path.is_file() and not path.name.endswith(("-wal", "-shm")):
                found[str(path.relative_to(home))] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found


def kill_backups(folder):
    home, target = folder / "home", folder / "target"
    before, step = state(home), 0
    while True:
        target.write_bytes(b"the archive of before")

        def act():
            with Backup(home) as backup:
                write_to(backup, target, is_replacing=True)

        was_killed = dying_at(step, act)
        if target.read_bytes() != b"the archive of before":
            with target.open("rb") as file:
                verify(file)
        assert state(home) == before, f"step {step}: the library changed"
        if not was_killed:
            return step
        settle(home)
        assert not list(home.glob("backup-*/")), f"step {step}: copies are left"
        step += 1


def kill_restores(folder):
    archive, step = folder / "archive", 0
    shutil.copytree(folder / "other", folder / "wanted")
    wanted = None
    while True:
        home = folder / "again"
        shutil.rmtree(home, ignore_errors=True)
        for left in folder.glob("again.before-*"):
            shutil.rmtree(left)
        shutil.copytree(folder / "home", home)
        before = state(home)

        def act(home=home):
            with archive.open("rb") as file:
                restore(file, home, is_replacing=True)

        was_killed = dying_at(step, act)
        if not (home / "restoring.json").exists() and was_killed and "other.txt" not in seen(home):
            assert state(home) == before, f"step {step}: neither the old state nor the new one"
        settle(home)
        now = state(home)
        if "other.txt" in seen(home):
            wanted = wanted or now
            kept = [state(one) for one in folder.glob("again.before-*")]
            assert before in kept, f"step {step}: the library of before is lost"
            assert now == wanted, f"step {step}: the new state is not whole"
        else:
            assert now == before, f"step {step}: the old state is not whole"
            assert was_killed
        left = [one.name for one in home.iterdir() if one.name.startswith("restoring")]
        assert not left, f"step {step}: {left}"
        if not was_killed:
            return step
        step += 1


def seen(home):
    return {one.name for one in (home / "inbox").rglob("*")}


kill = kill_backups if sys.argv[3] == "backup" else kill_restores
sys.stdout.write(str(kill(Path(sys.argv[2]))))
