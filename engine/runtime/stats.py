"""What a worker did since its model was loaded, as numbers; pure."""

from __future__ import annotations

from dataclasses import dataclass, fields

from engine.errors import CancelledError, EngineError


@dataclass(frozen=True, slots=True)
class WorkerStats:
    """Counters since the load, and how things stand now."""

    n_waiting: int = 0  # requests in the queue, now
    n_slots: int = 0
    n_busy: int = 0  # slots that answer a request, now
    n_steps: int = 0
    n_prompt_tokens: int = 0  # of the requests that were seated, reused ones included
    n_reused_tokens: int = 0  # of those: not computed, for a cache held them
    n_generated_tokens: int = 0
    n_drafted_tokens: int = 0
    n_accepted_tokens: int = 0  # of the drafted
    n_cached_prefixes: int = 0  # kept in host memory, now
    cached_bytes: int = 0  # what they take, now
    n_cancelled: int = 0
    n_failed: int = 0  # requests that ended with an error, refusals not counted


@dataclass(slots=True)
class Tally:
    """The counters that grow, written by one thread.

    Invariant: names are those of `WorkerStats`.
    """

    n_steps: int = 0
    n_prompt_tokens: int = 0
    n_reused_tokens: int = 0
    n_generated_tokens: int = 0
    n_drafted_tokens: int = 0
    n_accepted_tokens: int = 0
    n_cancelled: int = 0
    n_failed: int = 0

    def count_end(self, error: EngineError) -> None:
        """Note a request that ended without its answer."""
        if isinstance(error, CancelledError):
            self.n_cancelled += 1
        else:
            self.n_failed += 1

    def add(self, other: Tally) -> None:
        """Count what another one counted too."""
        for one in fields(self):
            setattr(self, one.name, getattr(self, one.name) + getattr(other, one.name))

    def seen(self, **now: int) -> WorkerStats:
        """Copy the counters; `now` says how the rest stands."""
        return WorkerStats(**{one.name: getattr(self, one.name) for one in fields(self)}, **now)
