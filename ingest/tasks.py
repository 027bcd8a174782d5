"""A task of the queue in, its effect on the library out."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic, sleep

from ingest.documents_store import Documents
from ingest.errors import BrokenFileError, TooLargeError
from ingest.faults import reach
from ingest.folders import digest_of, list_files, read_settled
from ingest.jobs_store import Jobs, Task, TaskState, Waiting
from ingest.pipeline import Pipeline, Report
from ingest.rates import Meter
from ingest.reconcile import Changes, Known, out_of_sight, reconcile, unhashed
from ingest.rows_store import Place
from ingest.store import Store

log = logging.getLogger(__name__)

CONFIRMED = "confirmed"  # source of a sync that may delete many files

_MAX_TRIES = 5  # to read a file that is being written; its source counts them
_SETTLE_S = 0.5  # without a change of size, time or identity
_MAX_SETTLE_S = 5.0


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


def run_task(hands: Hands, waiting: Waiting, report: Report) -> tuple[TaskState, str]:
    """Do one task.

    Returns:
        How it ended, and what should be reported although it did.

    Raises:
        IngestError: it failed; the library is as it was.
    """
    run = _RUN[waiting.task.kind]
    return run(hands, waiting, report)


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
        data = staged.read_bytes()
    except FileNotFoundError as error:
        raise BrokenFileError("its staged copy is gone: send the file again") from error
    reach("file read")
    hands.meter.add_bytes(len(data))
    place = Place(waiting.task.path, size_bytes=len(data))
    return hands.pipeline.ingest(waiting.collection, data, place, report), ""


def _file(hands: Hands, waiting: Waiting, report: Report) -> tuple[TaskState, str]:
    hands.check_model(waiting.collection)
    task = waiting.task
    path = Path(task.root) / task.path
    try:
        _let_settle(path, task, report)
        data, seen = read_settled(path, hands.max_file_bytes)
    except (FileNotFoundError, NotADirectoryError):
        return "done", ""  # gone again; the next sync says so
    except BrokenFileError:
        n_tries = int(task.source or 0) + 1
        if n_tries >= _MAX_TRIES or not path.is_file():
            raise
        hands.jobs.postpone(waiting, str(n_tries))  # the others go first
        return "done", ""
    reach("file read")
    hands.meter.add_bytes(len(data))
    place = Place(task.path, task.root, seen.mtime_ns, seen.size_bytes)
    return hands.pipeline.ingest(waiting.collection, data, place, report), ""


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


def _move(hands: Hands, waiting: Waiting, _report: Report) -> tuple[TaskState, str]:
    task = waiting.task
    try:
        stat = (Path(task.root) / task.path).stat()
    except FileNotFoundError:
        return "done", ""
    new = Place(task.path, task.root, stat.st_mtime_ns, stat.st_size)
    old = Place(task.source, task.root)
    change = hands.documents.move_place(waiting.collection, old, new)
    reach("place moved")
    hands.pipeline.follow(change)
    return "done", ""


def _remove(hands: Hands, waiting: Waiting, _report: Report) -> tuple[TaskState, str]:
    place = Place(waiting.task.path, waiting.task.root)
    change = hands.documents.remove_place(waiting.collection, place)
    reach("place removed")
    hands.pipeline.follow(change)
    return "done", ""


def _embed(hands: Hands, waiting: Waiting, report: Report) -> tuple[TaskState, str]:
    hands.pipeline.embed_stored(waiting.task.path, report)
    return "stored", ""


def _rebind(hands: Hands, waiting: Waiting, report: Report) -> tuple[TaskState, str]:
    hands.pipeline.rebind(waiting.task.path, report)
    return "done", ""


def _sync(hands: Hands, waiting: Waiting, report: Report) -> tuple[TaskState, str]:
    root = Path(waiting.task.root)
    report(f"looking through {root}")
    if not root.is_dir():
        return "failed", f"{root} is not there: nothing was removed; mount it, or stop watching it"
    seen, unreadable = list_files(root, hands.is_wanted)
    known = {
        one.place.path: Known(one.digest, one.place.size_bytes, one.place.mtime_ns)
        for one in hands.documents.places(waiting.collection, str(root))
    }
    seen |= out_of_sight(known, unreadable)
    reach("folder listed")
    if _is_other_disk(hands.store, root) and known and not (seen.keys() & known.keys()):
        return "failed", f"{root} is empty and on another disk than before: nothing was removed"
    new = [path for path in unhashed(seen, known) if seen[path].size_bytes <= hands.max_file_bytes]
    digests = _digests(root, new)
    is_confirmed = waiting.task.source == CONFIRMED
    changes = reconcile(seen, known, digests, is_confirmed=is_confirmed)
    hands.jobs.extend(waiting, _tasks(str(root), changes))
    reach("steps queued")
    hands.store.set_meta(_disk_key(root), str(root.stat().st_dev))
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
        except OSError as error:  # reported when its own turn comes
            log.info("sync_unreadable path=%s %s", path, error)
    return digests


def _tasks(root: str, changes: Changes) -> list[Task]:
    """List the steps; moves first, removals last, so that nothing is embedded that need not be."""
    return [
        *(Task("move", new, root, old) for old, new in changes.moved),
        *(Task("file", path, root) for path in (*changes.added, *changes.updated)),
        *(Task("remove", path, root) for path in changes.removed),
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
    "embed": _embed,
    "rebind": _rebind,
    "sync": _sync,
}
