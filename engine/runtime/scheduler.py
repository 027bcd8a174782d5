"""Decide what a chat model computes next: no model, no thread, no clock in here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

PAUSE_S = 0.25  # that a stream waits for others' prompts in one step
LONGEST_PAUSE_S = 1.0  # where it cannot be shorter without wasting work
FULL_BESIDE = 128  # tokens of a step that keep a processor busy
MIN_BESIDE = 32


@dataclass(frozen=True, slots=True)
class Waiting:
    """A sequence with tokens that the cache does not hold yet."""

    slot: int
    position: int  # of the first pending token
    n_pending: int  # of a stream: its next token and what is drafted after it
    is_streaming: bool  # the prompt is done, one token at a time follows
    seated: int = 0  # who came first has the smaller number


@dataclass(frozen=True, slots=True)
class Row:
    """Compute `n_tokens` pending tokens of one slot from `position` on."""

    slot: int
    position: int
    n_tokens: int
    wants_output: bool  # the last token completes the prompt or continues the answer


def plan(waiting: Sequence[Waiting], budget: int, beside: int | None = None) -> list[Row]:
    """Fill one step of at most `budget` tokens.

    Answers that already stream go before prompts, one token each and then what is drafted after
    it, so that a long prompt can slow a stream down by at most one step. Of prompts those come
    first that fit into an equal share of the room, then the oldest: a short one need not wait for
    a long one, which in turn is never left with less than its share.

    Args:
        beside: tokens of prompts in a step that streams wait for; None = as many as fit.
    Returns:
        By slot: llama.cpp computes sequences together only if the next one's number follows
        (src/llama-batch.cpp, `split_equal`).
    Source: chunked prefill as in Sarathi-Serve, Agrawal et al. 2024, arXiv:2403.02310.
    """
    streams = [one for one in waiting if one.is_streaming and one.n_pending > 0][:budget]
    room, rows = budget - len(streams), []
    for one in streams:
        n_drafted = min(one.n_pending - 1, room)
        rows.append(Row(one.slot, one.position, 1 + n_drafted, wants_output=True))
        room -= n_drafted
    if streams and beside is not None:
        room = min(room, beside)
    prompts = [one for one in waiting if not one.is_streaming and one.n_pending > 0]
    share = room // max(1, len(prompts))
    for one in sorted(prompts, key=lambda one: (one.n_pending > share, one.seated)):
        if room > 0:
            size = min(one.n_pending, room)
            rows.append(Row(one.slot, one.position, size, wants_output=size == one.n_pending))
            room -= size
    return sorted(rows, key=lambda row: row.slot)


def choose_beside(tokens_per_s: float, most: int) -> int:
    """Decide how many tokens of prompts are computed in a step that streams wait for.

    As many as take a quarter of a second; but enough for the processor to be busy, if that takes
    no more than a second: a token in a step of 128 costs as much as in one of 512, in one of 64 a
    sixth more (2 cores, 135M model).

    Args:
        tokens_per_s: speed of the steps with prompts so far; 0 = there was none.
        most: tokens of a step.
    """
    full = min(FULL_BESIDE, int(tokens_per_s * LONGEST_PAUSE_S)) if tokens_per_s else FULL_BESIDE
    return max(1, min(most, max(MIN_BESIDE, full, int(tokens_per_s * PAUSE_S))))
