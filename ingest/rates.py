"""What was done when in, how fast it goes and how long it will take out; a clock is given."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import monotonic

from ingest.types import Vectors

WINDOW_S = 60.0
_MIN_SPAN_S = 1.0  # a rate over less is noise

Embed = Callable[[Sequence[str], bool], Vectors]


@dataclass(frozen=True, slots=True)
class Rates:
    """How fast ingestion goes."""

    passages_per_s: float = 0.0
    bytes_per_s: float = 0.0
    eta_s: float | None = None


@dataclass(frozen=True, slots=True)
class _Event:
    at: float
    n_passages: int = 0
    n_bytes: int = 0
    job_id: str = ""  # of a file that is finished


class Meter:
    """Counts work over a window of time; thread-safe."""

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._events: deque[_Event] = deque()
        self._since = clock()

    def start(self) -> None:
        """Begin anew: what was idle does not count."""
        with self._lock:
            self._events.clear()
            self._since = self._clock()

    def add_bytes(self, n_bytes: int) -> None:
        """Count a file that is being worked on."""
        self._add(_Event(self._clock(), n_bytes=n_bytes))

    def finish(self, job_id: str) -> None:
        """Count a finished task of a job."""
        self._add(_Event(self._clock(), job_id=job_id))

    def counting(self, embed: Embed) -> Embed:
        """Wrap an embedding function, so that its passages are counted."""

        def counted(texts: Sequence[str], is_query: bool) -> Vectors:
            vectors = embed(texts, is_query)
            if not is_query:
                self._add(_Event(self._clock(), n_passages=len(texts)))
            return vectors

        return counted

    def rates(self, job_id: str, n_left: int) -> Rates:
        """Tell how fast it goes now, and when a job with so many files left will have ended."""
        with self._lock:
            now = self._clock()
            self._prune(now)
            span = max(now - max(self._since, now - WINDOW_S), _MIN_SPAN_S)
            n_files = sum(one.job_id == job_id for one in self._events)
            n_passages = sum(one.n_passages for one in self._events)
            n_bytes = sum(one.n_bytes for one in self._events)
        eta = n_left * span / n_files if n_files else None
        return Rates(n_passages / span, n_bytes / span, eta)

    def _add(self, event: _Event) -> None:
        with self._lock:
            self._events.append(event)
            self._prune(event.at)

    def _prune(self, now: float) -> None:
        while self._events and self._events[0].at < now - WINDOW_S:
            self._events.popleft()
