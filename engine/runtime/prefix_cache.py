"""Computed prefixes in, the most useful ones kept within a budget of bytes; pure bookkeeping."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.runtime.seating import common_prefix

State = NDArray[np.uint8]  # what llama.cpp writes down of one sequence


@dataclass(frozen=True, slots=True, eq=False)
class Saved:
    """What a sequence held when another conversation took its place."""

    tokens: tuple[int, ...]  # one per position; those of media are negative placeholders
    state: State  # may hold more positions than there are tokens: what follows them is not exact


class PrefixCache:
    """States in main memory, least recently used out first; of one context alone.

    Invariant: `n_bytes` never exceeds the budget, and no entry's tokens begin another's.
    Source: llama.cpp, tools/server/server-task.cpp (server_prompt_cache).
    """

    def __init__(self, budget_bytes: int) -> None:
        self._budget_bytes = budget_bytes
        self._entries: dict[tuple[int, ...], Saved] = {}  # oldest use first
        self.n_bytes = 0

    def __len__(self) -> int:
        return len(self._entries)

    def __iter__(self) -> Iterator[Saved]:
        return iter(tuple(self._entries.values()))

    def wants(self, tokens: Sequence[int], size_bytes: int) -> bool:
        """Whether a state of that size would be kept; it is not if an entry says as much already.

        An entry that does is marked as used.
        """
        if not tokens or size_bytes > self._budget_bytes:
            return False
        for one in self:
            if common_prefix(tokens, one.tokens) == len(tokens):
                self.touch(one)
                return False
        return True

    def make_room(self, size_bytes: int) -> None:
        """Drop the longest unused until so many bytes are free: call it before allocating."""
        while self._entries and self.n_bytes + size_bytes > self._budget_bytes:
            self.drop(next(iter(self)))

    def put(self, tokens: Sequence[int], state: State) -> None:
        """Keep a state that is wanted; entries that say less of the same go."""
        if not self.wants(tokens, state.nbytes):
            return
        for one in self:
            if common_prefix(tokens, one.tokens) == len(one.tokens):
                self.drop(one)
        self.make_room(state.nbytes)
        kept = Saved(tuple(tokens), state)
        self._entries[kept.tokens] = kept
        self.n_bytes += state.nbytes

    def touch(self, saved: Saved) -> None:
        """Note that an entry is of use."""
        if saved.tokens in self._entries:
            self._entries[saved.tokens] = self._entries.pop(saved.tokens)

    def drop(self, saved: Saved) -> None:
        """Let an entry go."""
        if self._entries.pop(saved.tokens, None) is not None:
            self.n_bytes -= saved.state.nbytes
