"""Waiting requests in, slots that hold the longest known beginning of each out; moves sequences."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from engine.runtime.llama import Context
from engine.runtime.media import as_prompt
from engine.runtime.prefix_cache import PrefixCache, Saved, State
from engine.runtime.seating import (
    Place,
    Seat,
    choose_seat,
    common_prefix,
    is_worth_keeping,
    usable,
)
from engine.runtime.slots import Follow, Generation, Slot
from engine.runtime.stats import Tally

_log = logging.getLogger(__name__)

MAX_COPY_BYTES = 4 << 30  # main memory that a copy may take for a moment; else it is computed


class Reuse:
    """What the slots of one context and its host memory know of prompts that were computed.

    Sequences are copied by way of their written state: unlike `llama_memory_seq_cp` between two
    streams, that moves only what is held, not a buffer of num_ctx tokens, and is done at once.
    (One stream for all sequences would share without a copy, but made a step of eight answers
    with 768 tokens each 1.2 times as long: 135M model, 2 busy cores, medians of 14 in turns.)
    """

    def __init__(
        self, context: Context, slots: Sequence[Slot], tally: Tally, budget_bytes: int
    ) -> None:
        self._context, self._slots, self._tally = context, slots, tally
        self._budget_bytes = budget_bytes
        self._n_seated = 0
        self.cache = PrefixCache(budget_bytes)

    def seat(self, work: Generation) -> bool:
        """Give a request a free slot; False if there is none."""
        seat, saved = self._choose(work, self._slots)
        if seat is None:
            return False
        self._n_seated += 1
        self._slots[seat.slot].seated = self._n_seated
        self._take(work, seat, saved)
        return True

    def seat_followers(self) -> None:
        """Go on with requests whose beginning another slot has computed by now, or never will."""
        for slot in self._slots:
            if slot.follow is None or slot.work is None or slot.follow.is_waiting():
                continue
            work, slot.follow = slot.work, None
            seat, saved = self._choose(work, [slot])
            assert seat is not None
            self._take(work, seat, saved)

    def _choose(self, work: Generation, free: Sequence[Slot]) -> tuple[Seat | None, Saved | None]:
        places = [
            Place(
                slot.number,
                slot.reusable,
                slot.last_used,
                is_free=slot in free and (slot.work is None or slot.work is work),
                coming=slot.coming,
            )
            for slot in self._slots
        ]
        saved = tuple(self.cache)
        seat = choose_seat(
            as_prompt(work.prompt).tokens,
            places,
            [one.tokens for one in saved],
            is_whole_only=not self._context.can_trim,
            n_window=self._context.n_window,
        )
        # No other one: those that leave the cache for what is saved now are to be free by then.
        return seat, saved[seat.saved] if seat is not None and seat.saved is not None else None

    def _take(self, work: Generation, seat: Seat, saved: Saved | None) -> None:
        slot = self._slots[seat.slot]
        slot.work = work
        if seat.follows is not None:
            leader = self._slots[seat.follows]
            assert leader.work is not None
            slot.follow = Follow(leader, leader.work, seat.n_reused)
            return
        prompt = as_prompt(work.prompt)
        self._keep(slot, prompt.tokens)
        if seat.source is not None:
            source = self._slots[seat.source]
            self._bring(slot, self._copy(source), source.reusable)
        elif saved is not None:
            self.cache.touch(saved)
            self._bring(slot, saved.state, saved.tokens)
        is_whole_only = not self._context.can_trim
        n_usable = usable(prompt.tokens, slot.reusable, is_whole_only=is_whole_only)
        slot.seat(work, self._trim(slot, n_usable))
        self._tally.n_prompt_tokens += len(prompt)
        self._tally.n_reused_tokens += work.n_reused

    def _keep(self, slot: Slot, prompt: Sequence[int]) -> None:
        """Save what a slot is about to lose, if it is worth it."""
        held = slot.reusable
        if not self._budget_bytes or not is_worth_keeping(len(held), common_prefix(held, prompt)):
            return
        if any(
            other is not slot and common_prefix(held, other.cached) == len(held)
            for other in self._slots
        ):
            return
        size = self._context.state_bytes(slot.number)
        if not self.cache.wants(held, size):
            return
        self.cache.make_room(size)
        state = self._context.save(slot.number)
        if state is not None:
            self.cache.put(held, state)

    def _copy(self, source: Slot) -> State | None:
        is_small = self._context.state_bytes(source.number) <= MAX_COPY_BYTES
        return self._context.save(source.number) if is_small else None

    def _bring(self, slot: Slot, state: State | None, tokens: Sequence[int]) -> None:
        if state is None:
            return
        slot.clear()
        if self._context.restore(slot.number, state):
            slot.cached = list(tokens)
        else:
            # Nothing is known of the sequence now; `_trim` drops it, for the slot claims nothing.
            _log.warning("prefix not restored slot=%s tokens=%s", slot.number, len(tokens))

    def _trim(self, slot: Slot, n_kept: int) -> int:
        """Let the sequence hold so many positions; some memories can only be dropped whole."""
        if n_kept and self._context.forget(slot.number, n_kept):
            return n_kept
        self._context.forget(slot.number)
        return 0
