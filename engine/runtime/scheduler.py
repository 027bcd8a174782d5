"""Decide what a chat model computes next: no model, no thread, no clock in here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Waiting:
    """A sequence with tokens that the cache does not hold yet."""

    slot: int
    position: int  # of the first pending token
    n_pending: int
    is_streaming: bool  # the prompt is done, one token at a time follows


@dataclass(frozen=True, slots=True)
class Row:
    """Compute `n_tokens` pending tokens of one slot from `position` on."""

    slot: int
    position: int
    n_tokens: int
    wants_output: bool  # the last token completes the prompt or continues the answer


def plan(waiting: Sequence[Waiting], budget: int) -> list[Row]:
    """Fill one step of at most `budget` tokens, oldest sequence first.

    Answers that already stream go before prompts, one token each, so that a long prompt can slow
    a stream down by at most one step.

    Source: chunked prefill as in Sarathi-Serve, Agrawal et al. 2024, arXiv:2403.02310.
    """
    streams = [one for one in waiting if one.is_streaming][:budget]
    rows = [Row(one.slot, one.position, 1, wants_output=True) for one in streams]
    room = budget - len(rows)
    for one in waiting:
        if not one.is_streaming and room > 0 and one.n_pending > 0:
            size = min(one.n_pending, room)
            rows.append(Row(one.slot, one.position, size, wants_output=size == one.n_pending))
            room -= size
    return rows


def common_prefix(left: Sequence[int], right: Sequence[int]) -> int:
    """Count the tokens that two sequences share from their beginning."""
    for at, (one, other) in enumerate(zip(left, right, strict=False)):
        if one != other:
            return at
    return min(len(left), len(right))


@dataclass(frozen=True, slots=True)
class Seat:
    """Which slot a request takes and how much of the slot's cache it reuses."""

    slot: int
    n_reused: int  # tokens


def choose_slot(
    prompt: Sequence[int], free: Sequence[tuple[int, Sequence[int], int]]
) -> Seat | None:
    """Take the free slot that holds this conversation, else the longest unused.

    Args:
        free: (slot, cached tokens, step at which it was last used).

    At least the last token of the prompt is computed again, since its scores are needed.
    """
    if not free:
        return None
    shared = {slot: common_prefix(prompt, cached) for slot, cached, _ in free}

    def worth(one: tuple[int, Sequence[int], int]) -> tuple[int, int, int]:
        slot, cached, last_used = one
        # Less than half is no more than a system prompt in common with another conversation.
        is_same = 2 * shared[slot] >= min(len(prompt), len(cached))
        return (shared[slot] * is_same, -last_used, slot)

    slot = max(free, key=worth)[0]
    return Seat(slot, max(0, min(shared[slot], len(prompt) - 1)))
