"""Folders to keep indexed in, syncs whenever one needs it out; one watcher for each."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ingest.errors import IngestError, JobNotFoundError
from ingest.folders import list_files
from ingest.ignore import is_conflict_copy
from ingest.jobs_store import Task
from ingest.reconcile import Changes, Known, out_of_sight, reconcile
from ingest.roots_store import RootsStore
from ingest.tasks import FORGOTTEN
from ingest.types import Job
from ingest.watch import Look, Pace, Watcher, WatchState, check_folder

log = logging.getLogger(__name__)

_SHOWN = 3


class NotWatchedError(IngestError):
    """The folder is not watched into that collection."""


@dataclass(frozen=True, slots=True)
class Watched:
    """A folder that is kept indexed."""

    folder: Path
    collection: str
    state: WatchState
    is_kept: bool = False  # watched again after a restart
    is_polling: bool = False
    n_held: int = 0  # files that are gone, but searchable until somebody confirms
    reason: str = ""  # what somebody should know about it


@dataclass(frozen=True, slots=True)
class RootHands:
    """What following a folder takes."""

    store: RootsStore
    is_wanted: Callable[[str], bool]  # by file name: is it worth reading?
    known: Callable[[str, str], Mapping[str, Known]]  # collection, root → what is catalogued
    prepare: Callable[[str], None]  # makes sure that documents can go into a collection
    sync: Callable[[Path, str, bool], str]  # folder, collection, is_confirmed → job
    job: Callable[[str], Job]
    queue: Callable[[str, Sequence[Task]], str]
    cancel: Callable[[str, str], int]  # the jobs of a collection that follow a root; counts them


class Root:
    """One watched folder; its watcher's thread calls `follow`."""

    def __init__(self, folder: Path, collection: str, hands: RootHands, pace: Pace) -> None:
        self.folder, self.collection = folder, collection
        self.n_held, self.reason = 0, ""
        self._hands = hands
        self._asked: Look | None = None  # what the folder was like when the last job was queued
        self._left: frozenset[str] = frozenset()  # what the jobs have left without a word
        self._told: frozenset[str] = frozenset()  # what they have reported
        self._job_ids: tuple[str, ...] = ()  # those that may not have ended yet
        self._ended: Job | None = None  # the last one that has
        self._lock = threading.Lock()
        self.watcher = Watcher(
            folder,
            pace,
            look=lambda root: look_at(root, hands.is_wanted),
            follow=self.follow,
        )

    def described(self, *, is_kept: bool) -> Watched:
        """Tell how it stands."""
        state = self.watcher.state
        if self.n_held and state == "watching":
            state = "needs confirmation"
        return Watched(
            self.folder,
            self.collection,
            state,
            is_kept=is_kept,
            is_polling=self.watcher.is_polling,
            n_held=self.n_held,
            reason="; ".join(one for one in (self.watcher.reason, self.reason) if one),
        )

    def confirm(self) -> str:
        """Remove what is gone, however much that is; gives the job's id."""
        with self._lock:
            job_id = self._ask(is_confirmed=True)
        self.watcher.ask_again()
        return job_id

    def follow(self, look: Look) -> bool:
        """Have the catalogue made equal to what was seen; tell whether it is."""
        try:
            with self._lock:
                return self._is_followed(look)
        except IngestError as error:
            if self.reason != str(error):
                log.warning("watch_not_synced folder=%s %s", self.folder, error)
            self.reason = str(error)  # and tried again at the next look
            return False

    def _is_followed(self, look: Look) -> bool:
        # The jobs first: what they have done when they have ended is in the catalogue by then.
        is_busy = self._is_busy()
        if is_busy:
            if look != self._asked:  # what was saved meanwhile need not wait until all has ended
                self._ask()
                self._asked = look
            return False
        known = self._hands.known(self.collection, str(self.folder))
        seen = {**look.seen, **out_of_sight(known, look.unreadable)}
        changes = reconcile(seen, known, {})
        gone = changes.removed + changes.held_back
        remarks = _remarks(look)
        if self._ended is not None:
            left = frozenset({*changes.added, *changes.updated} - self._told)
            if look == self._asked and left in (frozenset(), self._left):
                # What the jobs have left is broken, or waits for somebody to confirm.
                self._left = left
                self.n_held, self.reason = len(gone), remarks
                if gone:
                    self.reason = self._held(self._ended, len(gone), len(known))
                return True
            self._left = left
        if changes in (Changes(), Changes(held_back=gone)):
            self.n_held, self._asked = len(gone), look
            self.reason = self._held(None, len(gone), len(known)) if gone else remarks
            return True
        self._told = frozenset()
        self._ask()
        self._asked = look
        return False

    def _ask(self, *, is_confirmed: bool = False) -> str:
        job_id = self._hands.sync(self.folder, self.collection, is_confirmed)
        self._job_ids = tuple(dict.fromkeys((*self._job_ids, job_id)))
        return job_id

    def _is_busy(self) -> bool:
        """Tell whether a job has not ended; keep what those reported that have."""
        left = []
        for job_id in self._job_ids:
            job = _found(self._hands.job, job_id)
            if job is not None and job.state not in ("done", "failed"):
                left.append(job_id)
            elif job is not None:
                self._told |= {error.path for error in job.errors}
                self._ended = job
        self._job_ids = tuple(left)
        return bool(left)

    def _held(self, job: Job | None, n_gone: int, n_known: int) -> str:
        if job is not None and job.errors:
            return job.errors[0].reason
        return (
            f"{n_gone:,} of {n_known:,} files are gone; they stay searchable until you say "
            f"`quire watch --confirm {self.folder} -c {self.collection}`"
        )


class Roots:
    """All watched folders of a library; thread-safe."""

    def __init__(self, hands: RootHands) -> None:
        self.pace = Pace()  # of folders that have none of their own
        self._hands = hands
        self._roots: dict[tuple[Path, str], Root] = {}
        self._lock = threading.Lock()

    def watch(
        self, folder: Path, collection: str, pace: Pace | None = None, *, is_kept: bool = False
    ) -> None:
        """Keep a folder indexed until it is told otherwise; watching it twice does nothing.

        Args:
            is_kept: `resume` takes it up again after a restart.

        Raises:
            CollectionNameError: the name cannot be a collection's.
            ModelMissingError: the collection's embedding model is not installed.
            FileRefusedError: the folder is one of the system's own.
            IngestError: the folder's name cannot be written down.
        """
        folder = _named(folder)
        if is_kept:
            check_folder(folder)
            self._hands.prepare(collection)
            self._hands.store.add(str(folder), collection)
        with self._lock:
            if (folder, collection) not in self._roots:
                root = Root(folder, collection, self._hands, pace or self.pace)
                self._roots[folder, collection] = root
                root.watcher.start()

    def resume(self, pace: Pace | None = None) -> None:
        """Watch the folders that were kept."""
        for folder, collection in self._hands.store.listed():
            self.watch(Path(folder), collection, pace)

    def unwatch(self, folder: Path, collection: str, *, is_forgotten: bool = False) -> str:
        """End a watch; the documents stay.

        Args:
            is_forgotten: takes the documents that came from the folder out too.

        Returns:
            The id of the job that takes them out; empty if there is none.

        Raises:
            NotWatchedError: it is not watched into that collection.
            QueueFullError: too much waits already to take the documents out.
        """
        folder = _named(folder)
        with self._lock:
            root = self._roots.pop((folder, collection), None)
        if root is not None:
            root.watcher.stop()
        is_kept = self._hands.store.remove(str(folder), collection)
        known = self._hands.known(collection, str(folder)) if is_forgotten else {}
        if root is None and not is_kept and not known:
            raise self._not_watched(folder, collection)
        n_cancelled = self._hands.cancel(collection, str(folder)) if is_forgotten else 0
        if not known and not n_cancelled:
            return ""
        # What there is to take out is listed when its turn comes: a file may be stored just now.
        return self._hands.queue(collection, [Task("sync", "", str(folder), FORGOTTEN)])

    def confirm(self, folder: Path, collection: str) -> str:
        """Remove the files that are gone from a folder, however many; gives the job's id.

        Raises:
            NotWatchedError: it is not watched into that collection.
            QueueFullError: too much waits already.
        """
        folder = _named(folder)
        with self._lock:
            root = self._roots.get((folder, collection))
        if root is not None:
            return root.confirm()
        if (str(folder), collection) not in self._hands.store.listed():
            raise self._not_watched(folder, collection)
        return self._hands.sync(folder, collection, True)

    def listed(self) -> list[Watched]:
        """List the folders that are watched, and those that a restart would take up."""
        kept = {(Path(folder), name) for folder, name in self._hands.store.listed()}
        with self._lock:
            roots = dict(self._roots)
        there = [one.described(is_kept=key in kept) for key, one in roots.items()]
        waiting = sorted(kept - roots.keys())
        return there + [Watched(*one, state="stopped", is_kept=True) for one in waiting]

    def leave(self, collection: str) -> None:
        """End the watches of a collection that is deleted."""
        self._stop([key for key in list(self._roots) if key[1] == collection])

    def stop(self) -> None:
        """End all watches; those that are kept are taken up by `resume`."""
        self._stop(list(self._roots))

    def _stop(self, keys: Sequence[tuple[Path, str]]) -> None:
        with self._lock:
            roots = [one for key in keys if (one := self._roots.pop(key, None)) is not None]
        for root in roots:
            root.watcher.stop()

    def _not_watched(self, folder: Path, collection: str) -> NotWatchedError:
        there = [f"{one.folder} into {one.collection!r}" for one in self.listed()[:_SHOWN]]
        return NotWatchedError(
            f"{folder} is not watched into {collection!r}; watched: {', '.join(there) or 'nothing'}"
        )


def look_at(root: Path, is_wanted: Callable[[str], bool]) -> Look:
    """Look at a folder once."""
    seen, unreadable = list_files(root, is_wanted)
    return Look(seen, tuple(sorted(unreadable)))


def _named(folder: Path) -> Path:
    folder = folder.absolute()
    try:
        str(folder).encode()
    except UnicodeEncodeError as error:
        raise IngestError(
            f"{str(folder)!r} has a name that is not UTF-8: rename the folder, or watch one above"
        ) from error
    return folder


def _found(job: Callable[[str], Job], job_id: str) -> Job | None:
    try:
        return job(job_id)
    except JobNotFoundError:
        return None  # ended so long ago that it is not listed any more


def _remarks(look: Look) -> str:
    """Tell what somebody should know about a folder that is followed."""
    remarks = []
    if look.unreadable:
        remarks.append(
            f"could not look at {len(look.unreadable):,} places, what lies there stays: "
            + ", ".join(look.unreadable[:_SHOWN])
        )
    doubles = [path for path in look.seen if is_conflict_copy(path)]
    if doubles:
        remarks.append(
            f"{len(doubles):,} files are second versions by a sync program, indexed like the "
            f"first: {', '.join(doubles[:_SHOWN])}"
        )
    return "; ".join(remarks)
