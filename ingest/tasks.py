"""A task of the queue in, its effect on the library out."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Mapping, Set
from dataclasses import dataclass, field, replace
from itertools import takewhile
from os.path import lexists
from pathlib import Path
from time import monotonic, sleep
from typing import Literal

from ingest.documents_store import Documents
from ingest.errors import BrokenFileError, FileRefusedError, TooLargeError
from ingest.faults import reach
from ingest.folders import digest_of, list_files, read_settled
from ingest.jobs_store import Jobs, Task, TaskKind, TaskState, Waiting
from ingest.pipeline import Pipeline, Report
from ingest.rates import Meter
from ingest.reconcile import Changes, Known, Seen, out_of_sight, reconcile, unhashed
from ingest.rows_store import Place
from ingest.store import Store

log = logging.getLogger(__name__)

CONFIRMED = "confirmed"  # source of a sync that may delete many files
FORGOTTEN = "forgotten"  # source of a sync that takes all out, whatever the folder holds
GONE = "gone"  # source of a removal that is void if the file is back

Run = Callable[[Waiting, Report], tuple[TaskState, str]]  # → how it ended, what to report of it

_MAX_TRIES = 5  # to read a file that is being written; its source counts them
_SETTLE_S = 0.5  # without a change of size, time or identity
_MAX_SETTLE_S = 5.0
_MAX_MOVES = 100_000  # in one transaction; a round of exchanges must not be cut
_MAX_REMOVALS = 64  # in one transaction, as each takes a whole text out


@dataclass(frozen=True, slots=True)
class Hands:
    """What tasks work with."""

    store: Store
    documents: Documents
    jobs: Jobs
    pipeline: Pipeline
    check_model: Callable[[str], None]
    is_wanted: Callable[[str], bool]  # by file name: is it worth reading?
    max_file_bytes: int
    meter: Meter = field(default_factory=Meter)
    more: Mapping[TaskKind, Run] = field(default_factory=dict)  # kinds of tasks besides these
    keep: Callable[[Path], None] = lambda _: None  # an upload that is stored now


def run_task(hands: Hands, waiting: Waiting, report: Report) -> tuple[TaskState, str]:
    """Do one task.

    Returns:
        How it ended, and what should be reported although it did.

    Raises:
        IngestError: it failed; the library is as it was.
    """
    kind = waiting.task.kind
    if kind in hands.more:
        return hands.more[kind](waiting, report)
    return _RUN[kind](hands, waiting, report)


def settle_task(waiting: Waiting) -> None:
    """Remove the staged bytes of a finished upload."""
    if waiting.task.kind == "upload":
        staged = Path(waiting.task.source)
        staged.unlink(missing_ok=True)
        if staged.parent.is_dir() and not any(staged.parent.iterdir()):
            staged.parent.rmdir()


def _upload(hands: Hands, waiting: Waiting, report: Report) -> tuple[TaskState, str]:
    hands.check_model(waiting.collection)
    staged = Path(waiting.task.source)
    try:
        n_bytes = staged.stat().st_size
        if n_bytes > hands.max_file_bytes:
            raise TooLargeError(
                f"{waiting.task.path} has {n_bytes:,} bytes, the limit is "
                f"{hands.max_file_bytes:,}: set QUIRE_MAX_FILE_MB higher or split the file"
            )
        held = [staged.read_bytes()]  # whoever takes them can let them go
    except FileNotFoundError as error:
        raise BrokenFileError("its staged copy is gone: send the file again") from error
    reach("file read")
    hands.meter.add_bytes(n_bytes)
    place = Place(waiting.task.path, size_bytes=n_bytes)
    outcome = hands.pipeline.ingest(waiting.collection, held.pop, place, report)
    hands.keep(staged)  # after a crash before this the task is done again
    return outcome, ""


def _file(hands: Hands, waiting: Waiting, report: Report) -> tuple[TaskState, str]:
    hands.check_model(waiting.collection)
    task = waiting.task
    path = Path(task.root) / task.path
    try:
        _let_settle(path, task, report)
        *held, seen = read_settled(path, hands.max_file_bytes)
    except (FileNotFoundError, NotADirectoryError):
        return "done", ""  # gone again; the next sync says so
    except TooLargeError:
        _forget(hands, waiting)
        raise
    except BrokenFileError:
        n_tries = int(task.source or 0) + 1
        if n_tries >= _MAX_TRIES or not path.is_file():
            raise
        hands.jobs.postpone(waiting, str(n_tries))  # the others go first
        return "done", ""
    reach("file read")
    hands.meter.add_bytes(seen.size_bytes)
    place = Place(task.path, task.root, seen.mtime_ns, seen.size_bytes)
    try:
        return hands.pipeline.ingest(waiting.collection, held.pop, place, report), ""
    except FileRefusedError:
        _forget(hands, waiting)
        raise


def _forget(hands: Hands, waiting: Waiting) -> None:
    """Take out what a refused file held before: nobody finds it in the folder any more."""
    place = Place(waiting.task.path, waiting.task.root)
    hands.pipeline.follow(hands.documents.remove_places(waiting.collection, [place]))


def _let_settle(path: Path, task: Task, report: Report) -> None:
    """Wait a little for a file that was being written when it had its first turn."""
    deadline = monotonic() + (_MAX_SETTLE_S if task.source else 0)
    before = None
    while monotonic() < deadline:
        report(f"waiting until {task.path} is written")
        stat = path.stat()
        now = (stat.st_size, stat.st_mtime_ns, stat.st_ino)
        if now == before:
            return
        before = now
        sleep(_SETTLE_S)


def _move(hands: Hands, waiting: Waiting, report: Report) -> tuple[TaskState, str]:
    """Do this move and those that follow it, all at once: files may have exchanged places."""
    task = waiting.task
    known = _known(hands, waiting)
    if _standing(task, known) == "read":
        return _moved_and_changed(hands, waiting, report)
    report(f"following what was moved in {task.root}")
    ready: list[Waiting] = []
    moves: list[tuple[Place, Place]] = []
    for one in _alike(hands, waiting, _MAX_MOVES):
        standing = _standing(one.task, known)
        if standing != "read":  # those have a turn of their own
            ready.append(one)
        if standing == "move":
            seen, _, old = move_of(one.task.source) or (Seen(0, 0), "", "")
            new = Place(one.task.path, task.root, seen.mtime_ns, seen.size_bytes)
            moves.append((Place(old, task.root), new))
    change = hands.documents.move_places(waiting.collection, moves)
    reach("place moved")
    hands.pipeline.follow(change)
    hands.jobs.finish_all([one for one in ready if one != waiting], "done")
    return "done", ""


def _standing(task: Task, known: Mapping[str, Known]) -> Literal["move", "done", "read"]:
    """Tell what a move still needs: what it was planned from may have changed since."""
    planned = move_of(task.source)
    now = _seen_at(Path(task.root) / task.path)
    if now is None:
        return "done"  # gone again; the next sync says so
    if planned is None or now != planned[0]:
        return "read"
    there = known.get(task.path)
    if there is not None and (there.size_bytes, there.mtime_ns) == (now.size_bytes, now.mtime_ns):
        return "done"  # before a crash, or by a later sync
    origin = known.get(planned[2])  # another file may have been read at that path meanwhile
    return "move" if origin is not None and origin.digest == planned[1] else "read"


def _moved_and_changed(hands: Hands, waiting: Waiting, report: Report) -> tuple[TaskState, str]:
    """Read a file that was moved and then written to; nothing is left at its old path."""
    task = waiting.task
    planned = move_of(task.source)
    if planned is not None and not lexists(Path(task.root) / planned[2]):
        old = Place(planned[2], task.root)
        hands.pipeline.follow(hands.documents.remove_places(waiting.collection, [old]))
    n_tries = task.source if task.source.isdecimal() else ""
    return _file(hands, replace(waiting, task=replace(task, source=n_tries)), report)


def _remove(hands: Hands, waiting: Waiting, report: Report) -> tuple[TaskState, str]:
    root = waiting.task.root
    report(f"taking out {waiting.task.path}")
    batch = _alike(hands, waiting, _MAX_REMOVALS)
    places = [
        Place(one.task.path, root)
        for one in batch
        if one.task.source != GONE or not lexists(Path(root) / one.task.path)
    ]
    change = hands.documents.remove_places(waiting.collection, places)
    reach("place removed")
    hands.pipeline.follow(change)
    hands.jobs.finish_all(batch[1:], "done")
    return "done", ""


def _alike(hands: Hands, waiting: Waiting, limit: int) -> list[Waiting]:
    """List a task and those of its kind and folder that follow it at once."""
    own = (waiting.task.kind, waiting.task.root)
    upcoming = hands.jobs.upcoming(waiting.job_id, limit)
    return list(takewhile(lambda one: (one.task.kind, one.task.root) == own, upcoming))


def _known(hands: Hands, waiting: Waiting) -> dict[str, Known]:
    return {
        one.place.path: Known(one.digest, one.place.size_bytes, one.place.mtime_ns)
        for one in hands.documents.places(waiting.collection, waiting.task.root)
    }


def _seen_at(path: Path) -> Seen | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return Seen(found.st_size, found.st_mtime_ns)


def plan_move(old: str, digest: str, seen: Seen) -> str:
    """Write down where a file was moved from, what it held, and what it looked like then."""
    return f"{seen.size_bytes} {seen.mtime_ns} {digest} {old}"


def move_of(source: str) -> tuple[Seen, str, str] | None:
    """Read what `plan_move` wrote: look, digest, old path; none if it did not."""
    found = re.fullmatch(r"(\d+) (-?\d+) ([0-9a-f]{64}) (.+)", source, re.DOTALL)
    return (Seen(int(found[1]), int(found[2])), found[3], found[4]) if found else None


def _nothing(_hands: Hands, _waiting: Waiting, _report: Report) -> tuple[TaskState, str]:
    """Pass a step over that an older version queued: the migration begins anew by itself."""
    return "done", ""


def _sync(hands: Hands, waiting: Waiting, report: Report) -> tuple[TaskState, str]:
    root = Path(waiting.task.root)
    if waiting.task.source == FORGOTTEN:
        known = _known(hands, waiting)
        hands.jobs.extend(waiting, [Task("remove", path, str(root)) for path in known])
        return "done", ""
    report(f"looking through {root}")
    if not root.is_dir():
        return "failed", f"{root} is not there: nothing was removed; mount it, or stop watching it"
    seen, unreadable = list_files(root, hands.is_wanted)
    known = _known(hands, waiting)
    seen |= out_of_sight(known, unreadable)
    reach("folder listed")
    if _is_other_disk(hands.store, root) and known and not (seen.keys() & known.keys()):
        return "failed", f"{root} is empty and on another disk than before: nothing was removed"
    new = [path for path in unhashed(seen, known) if seen[path].size_bytes <= hands.max_file_bytes]
    digests = _digests(root, new)
    is_confirmed = waiting.task.source == CONFIRMED
    changes = reconcile(seen, known, digests, is_confirmed=is_confirmed)
    queued = hands.jobs.queued_files(waiting.job_id, waiting.collection, str(root))
    hands.jobs.extend(waiting, _tasks(str(root), changes, seen, known, queued))
    reach("steps queued")
    disk = str(root.stat().st_dev)
    if hands.store.meta(_disk_key(root)) != disk:
        hands.store.set_meta(_disk_key(root), disk)
    return "done", _remarks(root, changes, len(known), unreadable)


def _is_other_disk(store: Store, root: Path) -> bool:
    before = store.meta(_disk_key(root))
    return before is not None and before != str(root.stat().st_dev)


def _disk_key(root: Path) -> str:
    return f"disk of {root}"


def _digests(root: Path, paths: list[str]) -> dict[str, str]:
    digests = {}
    for path in paths:
        try:
            digests[path] = digest_of(root / path)
        except (OSError, BrokenFileError) as error:  # reported when its own turn comes
            log.info("sync_unreadable path=%s %s", path, error)
    return digests


def _tasks(
    root: str,
    changes: Changes,
    seen: Mapping[str, Seen],
    known: Mapping[str, Known],
    queued: Set[str],
) -> list[Task]:
    """List the steps; moves first, removals last, so that nothing is embedded that need not be.

    Args:
        queued: files that will be read anyhow.
    """
    moves = (*changes.moved, *((path, path) for path in changes.touched))
    return [
        *(
            Task("move", new, root, plan_move(old, known[old].digest, seen[new]))
            for old, new in moves
        ),
        *(
            Task("file", path, root)
            for path in (*changes.added, *changes.updated)
            if path not in queued
        ),
        *(
            Task("remove", path, root, "" if lexists(Path(root) / path) else GONE)
            for path in changes.removed
        ),
    ]


def _remarks(root: Path, changes: Changes, n_known: int, unreadable: list[str]) -> str:
    remarks = []
    if changes.held_back:
        remarks.append(
            f"{len(changes.held_back):,} of {n_known:,} files are gone from {root}; they stay "
            "searchable until a sync is confirmed"
        )
    if unreadable:
        shown = ", ".join(unreadable[:5])
        remarks.append(f"could not look at {len(unreadable):,} places in {root}: {shown}")
    return "; ".join(remarks)


_RUN: dict[str, Callable[[Hands, Waiting, Report], tuple[TaskState, str]]] = {
    "upload": _upload,
    "file": _file,
    "move": _move,
    "remove": _remove,
    "embed": _nothing,
    "rebind": _nothing,
    "sync": _sync,
}
