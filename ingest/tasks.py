"""A task of the queue in, its effect on the library out."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ingest.documents_store import Documents
from ingest.errors import BrokenFileError
from ingest.folders import digest_of, list_files, read_settled
from ingest.jobs_store import Jobs, Task, TaskState, Waiting
from ingest.pipeline import Pipeline, Report
from ingest.reconcile import Changes, Known, Seen, reconcile, unhashed
from ingest.rows_store import Place
from ingest.store import Store

log = logging.getLogger(__name__)

CONFIRMED = "confirmed"  # source of a sync that may delete many files


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
    try:
        data = Path(waiting.task.source).read_bytes()
    except FileNotFoundError as error:
        raise BrokenFileError("its staged copy is gone: send the file again") from error
    place = Place(waiting.task.path, size_bytes=len(data))
    return hands.pipeline.ingest(waiting.collection, data, place, report), ""


def _file(hands: Hands, waiting: Waiting, report: Report) -> tuple[TaskState, str]:
    hands.check_model(waiting.collection)
    task = waiting.task
    try:
        data, seen = read_settled(Path(task.root) / task.path, hands.max_file_bytes)
    except FileNotFoundError:
        return "done", ""  # gone again; the next sync says so
    place = Place(task.path, task.root, seen.mtime_ns, seen.size_bytes)
    return hands.pipeline.ingest(waiting.collection, data, place, report), ""


def _move(hands: Hands, waiting: Waiting, _report: Report) -> tuple[TaskState, str]:
    task = waiting.task
    try:
        stat = (Path(task.root) / task.path).stat()
    except FileNotFoundError:
        return "done", ""
    new = Place(task.path, task.root, stat.st_mtime_ns, stat.st_size)
    old = Place(task.source, task.root)
    hands.pipeline.follow(hands.documents.move_place(waiting.collection, old, new))
    return "done", ""


def _remove(hands: Hands, waiting: Waiting, _report: Report) -> tuple[TaskState, str]:
    place = Place(waiting.task.path, waiting.task.root)
    hands.pipeline.follow(hands.documents.remove_place(waiting.collection, place))
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
    seen |= _out_of_sight(known, unreadable)
    if _is_other_disk(hands.store, root) and known and not seen:
        return "failed", f"{root} is empty and on another disk than before: nothing was removed"
    digests = _digests(root, unhashed(seen, known))
    is_confirmed = waiting.task.source == CONFIRMED
    changes = reconcile(seen, known, digests, is_confirmed=is_confirmed)
    hands.jobs.extend(waiting.job_id, _tasks(str(root), changes))
    hands.store.set_meta(_disk_key(root), str(root.stat().st_dev))
    return "done", _remarks(root, changes, len(known), unreadable)


def _out_of_sight(known: dict[str, Known], unreadable: list[str]) -> dict[str, Seen]:
    """Keep what lies where nobody could look."""
    return {
        path: Seen(one.size_bytes, one.mtime_ns)
        for path, one in known.items()
        if any(folder in (path, ".") or path.startswith(folder + "/") for folder in unreadable)
    }


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
