"""Events of the engine in, pieces that hold one kind of thing each out; pure but for new ids."""

from __future__ import annotations

import random
import string
from collections.abc import Sequence
from dataclasses import replace
from itertools import chain
from typing import Literal

from engine.types import Event, Final, Piece, ToolCall

_ID_LETTERS = string.ascii_lowercase + string.digits
_LEAST_LOGPROB = -9999.0  # OpenAI's word for minus infinity


def split_pieces(events: Sequence[Event]) -> tuple[list[Piece], Final | None]:
    """Cut events into pieces that hold one kind of thing each, in order.

    The kinds are thinking, text and tool calls; neighbours of one kind become one piece. Logprobs
    stay with what they came with. The last event may be the Final.
    """
    groups: list[list[Piece]] = []
    kind = ""
    for part in (one for event in events if isinstance(event, Piece) for one in _parts(event)):
        own = kind_of(part)
        if groups and (not own or not kind or own == kind):
            groups[-1].append(part)
        else:
            groups.append([part])
        kind = own or kind
    last = events[-1] if events else None
    return [join_pieces(one) for one in groups], last if isinstance(last, Final) else None


def join_pieces(pieces: Sequence[Piece]) -> Piece:
    """Make one piece of several."""
    if len(pieces) == 1:
        return pieces[0]
    return Piece(
        text="".join(one.text for one in pieces),
        thinking="".join(one.thinking for one in pieces),
        tool_calls=tuple(chain.from_iterable(one.tool_calls for one in pieces)),
        logprobs=tuple(chain.from_iterable(one.logprobs for one in pieces)),
    )


def kind_of(part: Piece) -> Literal["thinking", "text", "tool_calls", ""]:
    """Tell which kind of thing a piece of one kind holds; logprobs alone are of none."""
    if part.text:
        return "text"
    if part.thinking:
        return "thinking"
    return "tool_calls" if part.tool_calls else ""


def _parts(piece: Piece) -> tuple[Piece, ...]:
    n_kinds = bool(piece.text) + bool(piece.thinking) + bool(piece.tool_calls)
    if n_kinds < 2:
        return (piece,)
    parts = (
        Piece(thinking=piece.thinking),
        Piece(text=piece.text),
        Piece(tool_calls=piece.tool_calls),
    )
    first, *rest = [one for one in parts if not one.is_empty]
    return (replace(first, logprobs=piece.logprobs), *rest)


def call_id(call: ToolCall) -> str:
    """Give the call's id; one is drawn if the model's own syntax has none."""
    return call.id or "call_" + "".join(random.choices(_ID_LETTERS, k=8))


def finite(logprob: float) -> float:
    """Give a logarithm that JSON can hold: a token that cannot come has one of minus infinity."""
    return max(logprob, _LEAST_LOGPROB)
