"""Names of models in, pulls that go on while nobody looks out; owns one thread for each.

A client of /api/pull that goes away ends its pull. A page is left and come back to, so the server
itself follows the pulls that are asked for here.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from itertools import count
from typing import Literal

import httpx

from engine.errors import CancelledError, EngineError
from engine.types import Progress

log = logging.getLogger(__name__)

MAX_RUNNING = 3
MAX_KEPT = 20  # ended ones that are still told of
_RATE_S = 5.0  # the rate is that of the last seconds
State = Literal["running", "done", "failed", "cancelled"]
Why = Literal["", "unreachable", "refused", "failed"]
Open = Callable[[str], Iterator[Progress]]


class PullQueueFullError(Exception):
    """As many models as may are being pulled."""

    def __init__(self) -> None:
        super().__init__(
            f"{MAX_RUNNING} models are being pulled already; wait for one, or cancel one"
        )


class PullNotFoundError(Exception):
    """There is no pull of that id."""

    def __init__(self, pull_id: str) -> None:
        super().__init__(f"no pull {pull_id!r}; GET /kb/models/pulls lists them")


@dataclass(slots=True)
class Layer:
    """One file of a model on its way."""

    digest: str
    total_bytes: int
    done_bytes: int = 0


@dataclass(slots=True)
class Pull:
    """How one pull stands."""

    id: str
    model: str
    state: State = "running"
    status: str = "pulling manifest"
    layers: dict[str, Layer] = field(default_factory=dict)
    error: str = ""
    why: Why = ""  # the kind of error
    seen: deque[tuple[float, int]] = field(default_factory=lambda: deque(maxlen=400))
    stop: threading.Event = field(default_factory=threading.Event)

    @property
    def done_bytes(self) -> int:
        """Add up what has come."""
        return sum(one.done_bytes for one in list(self.layers.values()))

    @property
    def total_bytes(self) -> int:
        """Add up what is known to come; a layer is known when its turn comes."""
        return sum(one.total_bytes for one in list(self.layers.values()))

    @property
    def bytes_per_s(self) -> float:
        """Tell how fast bytes have come lately."""
        return rate_of(list(self.seen)) if self.state == "running" else 0.0

    @property
    def eta_s(self) -> float | None:
        """Guess how long what is known to come will take; None if nothing moves."""
        rate = self.bytes_per_s
        return (self.total_bytes - self.done_bytes) / rate if rate > 0 else None

    def note(self, step: Progress, now_s: float) -> None:
        """Take in one step."""
        self.status = step.status
        if step.digest and step.total_bytes:
            layer = self.layers.setdefault(step.digest, Layer(step.digest, step.total_bytes))
            layer.done_bytes = max(layer.done_bytes, step.completed_bytes)
            self.seen.append((now_s, self.done_bytes))


def rate_of(seen: list[tuple[float, int]], over_s: float = _RATE_S) -> float:
    """Give bytes a second between the last measurement and the first of the last seconds."""
    if len(seen) < 2:
        return 0.0
    last_s, last = seen[-1]
    since_s, since = next(one for one in seen if one[0] >= last_s - over_s)
    return (last - since) / (last_s - since_s) if last_s > since_s else 0.0


def why_of(error: BaseException) -> Why:
    """Sort an error: nobody answers, somebody refuses, or something else."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, httpx.TransportError):
            return "unreachable"
        cause = cause.__cause__
    return "refused" if isinstance(error, EngineError) else "failed"


class Pulls:
    """The pulls of one server; safe for several threads."""

    def __init__(self, open_: Open, *, now_s: Callable[[], float] = time.monotonic) -> None:
        """Begin with none.

        Args:
            open_: starts a pull; its steps end when it is complete.
        """
        self._open, self._now_s = open_, now_s
        self._lock = threading.Lock()
        self._pulls: dict[str, Pull] = {}
        self._ids = count(1)

    def start(self, model: str) -> Pull:
        """Begin to pull a model; one that is on its way already is not begun twice.

        Raises:
            PullQueueFullError: enough of them run.
        """
        with self._lock:
            running = [one for one in self._pulls.values() if one.state == "running"]
            for one in running:
                if one.model == model:
                    return one
            if len(running) >= MAX_RUNNING:
                raise PullQueueFullError
            pull = Pull(f"p{next(self._ids)}", model)
            self._pulls[pull.id] = pull
            ended = [one.id for one in self._pulls.values() if one.state != "running"]
            for old in ended[:-MAX_KEPT]:
                del self._pulls[old]
        threading.Thread(target=self._run, args=(pull,), name="pull", daemon=True).start()
        return pull

    def listed(self) -> list[Pull]:
        """List pulls, the latest first."""
        with self._lock:
            return list(reversed(self._pulls.values()))

    def end(self, pull_id: str) -> Pull:
        """Cancel a pull that runs, forget one that has ended; what has come is kept for the next.

        Raises:
            PullNotFoundError: there is none of that id.
        """
        with self._lock:
            pull = self._pulls.get(pull_id)
            if pull is None:
                raise PullNotFoundError(pull_id)
            if pull.state == "running":
                pull.stop.set()
                pull.state = "cancelled"
            else:
                del self._pulls[pull_id]
        return pull

    def _run(self, pull: Pull) -> None:
        try:
            with closing(self._open(pull.model)) as steps:  # type: ignore[type-var]
                for step in steps:
                    if pull.stop.is_set():
                        return
                    pull.note(step, self._now_s())
            self._ended(pull, "done")
        except CancelledError:
            self._ended(pull, "cancelled")
        except Exception as error:  # noqa: BLE001 - told to whoever asks, and logged
            log.warning("pull_failed model=%s reason=%s", pull.model, error)
            pull.error, pull.why = str(error) or type(error).__name__, why_of(error)
            self._ended(pull, "failed")

    def _ended(self, pull: Pull, state: State) -> None:
        with self._lock:
            if pull.state == "running":
                pull.state = state
