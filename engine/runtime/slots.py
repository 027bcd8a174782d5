"""What one sequence of a context holds and does next; no model, no thread in here."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from engine.errors import CancelledError, DeadlineError, EngineError
from engine.runtime.logprobs import LogprobQueue
from engine.runtime.media import Media, Prompt, as_prompt
from engine.runtime.scheduler import Waiting
from engine.runtime.stream import TextStream
from engine.types import DoneReason, Event, Final, Options, Piece

if TYPE_CHECKING:
    from engine.runtime.sampler_native import Sampler

_KEPT_FREE = 4  # tokens of the context that num_keep cannot take (llama.cpp's server)


@dataclass(slots=True, eq=False)
class Generation:
    """One request from its submission to its last event."""

    prompt: Sequence[int] | Prompt
    options: Options
    sampler: Sampler
    text: TextStream
    n_limit: int  # tokens that may be generated; 0 only computes the prompt
    n_top_logprobs: int | None = None  # None = no log-probabilities at all
    is_shifting: bool = False  # drop the older half and go on when the context is full
    shown_special: frozenset[str] = frozenset()  # texts of control tokens that are shown
    events: queue.SimpleQueue[Event | EngineError] = field(default_factory=queue.SimpleQueue)
    cancelled: threading.Event = field(default_factory=threading.Event)
    generated: list[int] = field(default_factory=list)
    logprobs: LogprobQueue = field(default_factory=LogprobQueue)
    n_reused: int = 0
    n_drafted: int = 0  # tokens that were tried ahead
    n_accepted: int = 0  # of those: drawn as they were drafted
    deadline_s: float | None = None  # of time.monotonic(); None = it may take as long as it takes
    submitted_ns: int = field(default_factory=time.monotonic_ns)
    seated_ns: int = 0  # when it got its slot; what was before is waiting, not computing
    first_token_ns: int = 0

    def unwanted(self, now_s: float) -> EngineError | None:
        """Tell why nobody waits for it any more, if so."""
        if self.cancelled.is_set():
            return CancelledError()
        if self.deadline_s is not None and now_s > self.deadline_s:
            return DeadlineError()
        return None

    def show(self, text: str) -> None:
        """Send a text, with the log-probabilities of the tokens that it completes."""
        if text:
            self.events.put(Piece(text, logprobs=self.logprobs.take(self.text.n_shown)))

    def finish(self, reason: DoneReason) -> None:
        """Send what was held back and the last event."""
        rest = self.text.finish()
        logprobs = self.logprobs.take_rest(self.text.n_shown, is_stopped=self.text.is_stopped)
        if rest or logprobs:
            self.events.put(Piece(rest, logprobs=logprobs))
        now = time.monotonic_ns()
        first = self.first_token_ns or now
        seated = self.seated_ns or self.submitted_ns
        prompt = as_prompt(self.prompt)
        self.events.put(
            Final(
                done_reason=reason,
                n_prompt=len(prompt),
                n_reused=self.n_reused,
                n_generated=len(self.generated),
                total_ns=now - self.submitted_ns,
                prompt_ns=first - seated,
                generate_ns=now - first,
                context=(*prompt.text_tokens, *self.generated),
                stop_string=self.text.stop_string,
                n_drafted=self.n_drafted,
                n_accepted=self.n_accepted,
            )
        )


@dataclass(frozen=True, slots=True, eq=False)
class Follow:
    """A request waits for the beginning of its prompt, which another one is computing."""

    leader: Slot
    work: Generation  # that of the leader
    n_positions: int  # how many of them are shared

    def is_waiting(self) -> bool:
        """Whether there is more to come."""
        is_computing = self.leader.work is self.work and not self.work.generated
        return is_computing and len(self.leader.cached) < self.n_positions


@dataclass(slots=True, eq=False)
class Slot:
    """One sequence of the context.

    Invariant: `cached` are the tokens that the KV cache holds, one per position, in order;
    `pending` come next, the last `n_drafted` of them on trial; `media` are those among them that
    are no text.
    """

    number: int
    cached: list[int] = field(default_factory=list)
    pending: list[int] = field(default_factory=list)
    media: list[Media] = field(default_factory=list)
    n_drafted: int = 0
    n_extra_cells: int = 0  # cells of the cache beyond one per position
    n_exact: int | None = None  # positions before what a shift dropped; None = there was none
    work: Generation | None = None
    last_used: int = 0
    seated: int = 0  # counts up: who came first
    follow: Follow | None = None

    def seat(self, work: Generation, n_reused: int) -> None:
        """Take a request of which the cache holds the first `n_reused` positions."""
        prompt = as_prompt(work.prompt)
        self.work = work
        self.cached, self.n_exact = self.cached[:n_reused], None
        self.pending = list(prompt.tokens[n_reused:])
        self.media = [one for one in prompt.media if one.begin >= n_reused]
        known = [one for one in prompt.media if one.begin < n_reused]
        self.n_extra_cells = sum(one.n_cells - one.n_positions for one in known)
        work.n_reused = n_reused + self.n_extra_cells
        work.seated_ns = work.seated_ns or time.monotonic_ns()

    def leave(self) -> None:
        """Let the request go; the cache stays."""
        self.work, self.pending, self.media, self.follow = None, [], [], None
        self.n_drafted = 0

    def clear(self) -> None:
        """Say that the cache holds nothing any more."""
        self.cached, self.n_extra_cells, self.n_exact = [], 0, None

    def draft(self, tokens: Sequence[int]) -> None:
        """Try tokens after the one that comes next."""
        self.pending += tokens
        self.n_drafted = len(tokens)

    def undraft(self, n_pending: int = 1) -> None:
        """Drop what is on trial behind so many pending tokens."""
        n_gone = min(self.n_drafted, max(0, len(self.pending) - n_pending))
        if n_gone:
            del self.pending[-n_gone:]
            self.n_drafted -= n_gone

    def restart(self, n_cached: int) -> None:
        """Say that the cache lost all, and the first positions are to be computed again."""
        self.pending = self.cached[:n_cached] + self.pending
        self.clear()

    def waiting(self) -> Waiting | None:
        """Describe the text that is to be computed before the next picture, if any."""
        if self.work is None:
            return None
        ahead = self.media[0].begin - len(self.cached) if self.media else len(self.pending)
        is_streaming = bool(self.work.generated)
        return Waiting(self.number, len(self.cached), ahead, is_streaming, self.seated)

    def next_media(self) -> Media | None:
        """Give the picture whose turn it is, if it is one's."""
        is_due = bool(self.media) and self.media[0].begin == len(self.cached)
        return self.media[0] if is_due else None

    def advance(self, n_positions: int) -> None:
        """Note that the next positions are in the cache now."""
        if n_positions == len(self.pending):
            self.cached += self.pending
            self.pending = []
        else:
            self.cached += self.pending[:n_positions]
            del self.pending[:n_positions]
        if self.media and self.media[0].end <= len(self.cached):
            gone = self.media.pop(0)
            self.n_extra_cells += gone.n_cells - gone.n_positions

    def drop(self, cut: Cut) -> None:
        """Note that positions left the cache and what followed has moved there."""
        del self.cached[cut.begin : cut.end]
        self.n_exact = cut.begin if self.n_exact is None else min(cut.begin, self.n_exact)

    @property
    def reusable(self) -> list[int]:
        """The positions that another request may take over.

        What follows a cut was computed beside tokens that are gone: it serves to go on, but is not
        what the same tokens would give by themselves.
        """
        return self.cached[: self.n_exact]

    @property
    def coming(self) -> list[int]:
        """The whole prompt whose computation is under way; empty if none is."""
        is_computing = self.work is not None and not self.work.generated and self.follow is None
        return self.cached + self.pending if is_computing else []

    @property
    def n_cells(self) -> int:
        """Count the cells of the cache that are taken."""
        return len(self.cached) + self.n_extra_cells

    @property
    def has_media(self) -> bool:
        """Whether the cache holds anything but text."""
        return any(one < 0 for one in self.cached)


@dataclass(frozen=True, slots=True)
class Cut:
    """Positions that leave the cache: from `begin` up to `end`."""

    begin: int
    end: int


def choose_cut(n_cached: int, n_keep: int, n_prompt: int, n_ctx: int) -> Cut | None:
    """Choose what leaves a full context: the older half of what need not be kept.

    Args:
        n_keep: tokens at the beginning that stay; negative = the whole prompt.
    Returns:
        None if nothing can leave.
    Source: llama.cpp, tools/server/server-context.cpp (context shift).
    """
    n_keep = n_prompt if n_keep < 0 else n_keep
    n_keep = max(0, min(n_keep, n_ctx - _KEPT_FREE, n_cached))
    n_gone = (n_cached - n_keep) // 2
    return Cut(n_keep, n_keep + n_gone) if n_gone > 0 else None
