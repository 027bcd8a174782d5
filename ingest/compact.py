"""What was deleted in, a data directory without its bytes out; a thread that works when idle.

A deletion is complete at once for every answer. Its bytes leave later: those of texts, terms and
job records after a minute, those of vectors when the index is made anew.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic
from typing import Literal

from ingest.compact_store import (
    ChunkCounts,
    count_chunks,
    forget_jobs,
    forget_paths,
    give_pages_back,
    merge_terms,
)
from ingest.errors import IngestError
from ingest.store import Store
from ingest.vectors import Expected, ReadVectors, VectorIndex

log = logging.getLogger(__name__)

Step = Literal["texts", "index"]
STEPS: tuple[Step, ...] = ("texts", "index")

_LOOK_S = 5.0  # between two looks at what was deleted
_STOP_S = 60.0  # the longest that closing waits for the step at hand
_POLITE_S = 5.0  # the longest that a step waits for questions; so it ends under any load
_POLITE_WAIT_S = 0.05
_SETTLE_S = 5.0  # the longest that the index waits for a moment without a search
_RETRY_S = 0.5
_MAX_TRIES = 60
_PATIENCE = 10  # so many times its wait, and a step no longer waits for an idle moment
_MAX_REST_S = 3600.0  # the longest rest of a step that failed again and again
_META: dict[Step, str] = {"texts": "compacted texts", "index": "compacted index"}


class CompactionStoppedError(Exception):
    """The library is closing: what was begun is begun again next time."""


@dataclass(frozen=True, slots=True)
class Policy:
    """When the bytes of what was deleted are worth the work of removing them."""

    share: float = 0.2  # of deleted chunks to living ones
    least: int = 200  # fewer deleted chunks wait for the time, however few live
    wait_s: float = 60.0
    wait_each_s: float = 0.0  # added for each living chunk: so much waiting for so much work


# A step takes time for all that lives. The waits are some fifty times as long, so that a library
# in which something is deleted all day spends no more than 2 % of the day on it.
POLICIES: dict[Step, Policy] = {
    "texts": Policy(share=0.05, wait_each_s=0.001),  # merging takes some 20 µs a chunk
    "index": Policy(wait_s=3600.0, wait_each_s=0.1),  # adding a vector takes some 2 ms
}


@dataclass(frozen=True, slots=True)
class Debt:
    """What was deleted and not yet compacted."""

    n_alive: int
    n_deleted: int
    waited_s: float


def is_due(debt: Debt, policy: Policy, *, is_idle: bool = True) -> bool:
    """Decide whether it is time to compact; where it is never idle, after a longer wait."""
    if debt.n_deleted <= 0:
        return False
    wait_s = policy.wait_s + policy.wait_each_s * debt.n_alive
    if not is_idle:
        return debt.waited_s > _PATIENCE * wait_s
    is_much = debt.n_deleted >= max(policy.least, policy.share * debt.n_alive)
    return is_much or debt.waited_s >= wait_s


def rest_s(n_failed: int) -> float:
    """Tell how long a step rests after a failure that came after so many others."""
    return min(_LOOK_S * 2.0 ** min(n_failed, 30), _MAX_REST_S)


def _told(error: Exception) -> str:
    return str(error) if isinstance(error, IngestError) else f"{type(error).__name__}: {error}"


class Compactor:
    """Removes the bytes of what was deleted, when nothing else is to do."""

    def __init__(
        self,
        store: Store,
        index: VectorIndex,
        expected: Callable[[], dict[int, Expected]],
        read_vectors: ReadVectors,
        *,
        is_busy: Callable[[], bool],
        policies: dict[Step, Policy] | None = None,
    ) -> None:
        """Prepare the thread.

        Args:
            expected: reads from the catalogue what the vector index should hold.
            is_busy: tells whether documents are being ingested.
        """
        self._store = store
        self._index = index
        self._expected = expected
        self._read_vectors = read_vectors
        self._is_busy = is_busy
        self._policies = policies or POLICIES
        self._since: dict[Step, float] = {}  # when a debt was first seen
        self._counted: tuple[int, ChunkCounts] | None = None  # after how many writes
        self._asked: set[Step] = set()
        self._running: Step | None = None
        self._n_runs = dict.fromkeys(STEPS, 0)
        self._n_tries = 0  # of the step that is asked for
        self._failed: dict[str, str] = {}  # what failed last, by step
        self._rests: dict[Step, tuple[int, float]] = {}  # failures in a row, the end of the rest
        self._changed = threading.Condition()
        self._is_stopping = False
        self._thread = threading.Thread(target=self._work, name="compact", daemon=True)

    def start(self) -> None:
        """Begin to look after the library."""
        self._thread.start()

    def stop(self) -> None:
        """Leave off; what was begun is begun again next time."""
        with self._changed:
            self._is_stopping = True
            self._changed.notify_all()
        if self._thread.is_alive():
            self._thread.join(_STOP_S)

    def request(self, *steps: Step) -> None:
        """Ask for steps now, whether they are due or not."""
        with self._changed:
            self._failed.clear()
            self._asked.update(steps)
            self._changed.notify_all()

    def wait(self, timeout_s: float) -> bool:
        """Wait until all that was asked for is done; tell whether it is."""
        with self._changed:
            return self._changed.wait_for(
                lambda: self._is_stopping or not (self._asked or self._running), timeout_s
            )

    def status(self) -> dict[str, object]:
        """Tell what is going on, what was done since the start, and what failed last."""
        with self._changed:
            done = {f"n_{step}": n for step, n in self._n_runs.items()}
            is_done = not (self._asked or self._running)
            return {"is_done": is_done, "failed": "; ".join(self._failed.values()), **done}

    def run(self, step: Step) -> bool:
        """Do one step in this thread.

        Returns:
            False if somebody stood in the way: try again later.

        Raises:
            CompactionStoppedError: the library is closing.
        """
        n_gone = self._counts().n_gone
        began_s = monotonic()
        if not (self._compact_index() if step == "index" else self._compact_texts()):
            return False
        # What is deleted while a step runs counts for the next one.
        self._store.set_meta(_META[step], str(n_gone))
        if step == "texts":
            self._store.truncate_log()
        self._since.pop(step, None)
        self._rests.pop(step, None)
        self._failed.pop(step, None)
        self._n_runs[step] += 1
        log.info("compacted what=%s seconds=%.1f", step, monotonic() - began_s)
        return True

    def _compact_index(self) -> bool:
        return self._index.rebuild(self._expected, self._read_vectors, self._pause)

    def _compact_texts(self) -> bool:
        """Remove texts and terms; false if a search or a writer stood in the way."""
        merge_terms(self._store, self._pause)
        forget_paths(self._store)
        forget_jobs(self._store)
        is_shrunk = give_pages_back(self._store, lambda: self._is_stopping)
        is_settled = self._index.settle(_SETTLE_S)
        return self._store.truncate_log() and is_settled and is_shrunk

    def _counts(self) -> ChunkCounts:
        """Count chunks again if anything was written since."""
        n_writes = self._store.n_writes
        if self._counted is None or self._counted[0] != n_writes:
            self._counted = (n_writes, count_chunks(self._store))
        return self._counted[1]

    def debt(self, step: Step) -> Debt:
        """Tell what a step would remove."""
        counts = self._counts()
        n_deleted = counts.n_gone - int(self._store.meta(_META[step]) or 0)
        if n_deleted <= 0:
            self._since.pop(step, None)
            return Debt(counts.n_alive, 0, 0.0)
        since = self._since.setdefault(step, monotonic())
        return Debt(counts.n_alive, n_deleted, monotonic() - since)

    def _pause(self) -> None:
        """Let questions go first; give up when the library closes."""
        until = monotonic() + _POLITE_S
        with self._changed:
            while not self._is_stopping and self._index.is_in_use() and monotonic() < until:
                self._changed.wait(_POLITE_WAIT_S)
            if self._is_stopping:
                raise CompactionStoppedError

    def _work(self) -> None:
        while True:
            try:
                self._look()
            except CompactionStoppedError:
                return
            except Exception as error:  # the edge: the thread must outlive a full disk
                log.exception("compaction_failed")
                self._n_tries = 0
                self._failed[self._running or ""] = _told(error)
            with self._changed:
                self._running = None
                self._changed.notify_all()
                if not self._is_stopping and (self._n_tries or not self._asked):
                    self._changed.wait(_RETRY_S if self._n_tries else _LOOK_S)
                if self._is_stopping:
                    return

    def _look(self) -> None:
        """Do what is asked for or due; what was asked for is tried again if it cannot be done."""
        with self._changed:
            asked = next((step for step in STEPS if step in self._asked), None)
            self._asked -= {asked}
            self._running = asked
        step = asked or self._next_step()
        if step is None:
            return
        self._running = step
        if self._is_done(step) or not asked:
            self._n_tries = 0
        elif self._n_tries < _MAX_TRIES:
            self._n_tries += 1
            self.request(asked)
        else:
            self._n_tries = 0
            self._failed[step] = f"{step}: somebody read or wrote all the time; done when idle"

    def _is_done(self, step: Step) -> bool:
        """Do a step; one that fails or is refused rests: each try costs as much as a success."""
        is_done = False
        try:
            is_done = self.run(step)
        finally:
            if not is_done:
                n_failed, _ = self._rests.get(step, (0, 0.0))
                self._rests[step] = (n_failed + 1, monotonic() + rest_s(n_failed))
        return is_done

    def _next_step(self) -> Step | None:
        is_idle = not (self._is_busy() or self._index.is_in_use())
        for step in STEPS:
            _, rests_until = self._rests.get(step, (0, 0.0))
            if monotonic() >= rests_until and is_due(
                self.debt(step), self._policies[step], is_idle=is_idle
            ):
                return step
        return None
