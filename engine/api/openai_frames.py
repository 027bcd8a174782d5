"""Events of chat runs in, OpenAI's objects and server-sent events out; pure but for the clock."""

from __future__ import annotations

import random
import time
from collections.abc import Mapping, Sequence

from engine.api.errors import openai_error
from engine.api.frames import compact, noted
from engine.api.pieces import call_id, finite, join_pieces, kind_of, split_pieces
from engine.types import Event, Final, Json, Piece, TokenLogprob, ToolCall

EVENTS_TYPE = "text/event-stream"
DONE = b"data: [DONE]\n\n"
Numbered = tuple[int, Event]  # the number of a choice, and what its run yields


class ChatCompletionFrames:
    """Writes the answers of /v1/chat/completions for one request."""

    def __init__(self, model: str, *, has_usage: bool = False, n_choices: int = 1) -> None:
        self._head = head("chatcmpl", model)
        self._has_usage, self._n_choices = has_usage, n_choices
        self._begun: set[int] = set()
        self._callers: set[int] = set()
        self._finals: dict[int, Final] = {}
        # Nearly every frame differs from the one before in its text alone.
        self._text_frames = [
            _chunk(self._head, _choice(index, {"content": ""})).split('""')
            for index in range(n_choices)
        ]

    def events(self, batch: Sequence[Numbered]) -> bytes:
        """Write waiting events: what the model says, then reasons and usage."""
        frames: list[str] = []
        for index, events in by_choice(batch).items():
            pieces, final = split_pieces(events)
            for piece in pieces:
                frames += self._frames(index, piece)
            if final is not None:
                frames += self._ending(index, final)
        if frames and self._has_usage and len(self._finals) == self._n_choices:
            counted = chat_object(self._head, "chat.completion.chunk", [])
            frames.append(compact(counted | {"usage": usage(self._finals, self._n_choices)}))
        return events_bytes(frames)

    def whole(self, runs: Sequence[Sequence[Event]]) -> Json:
        """Merge the events of every run into one completion."""
        choices: list[Json] = []
        for index, events in enumerate(runs):
            pieces, found = split_pieces(events)
            self._finals[index] = found or Final("stop")
            choices.append(self._whole_choice(index, join_pieces(pieces) if pieces else Piece()))
        completion = chat_object(self._head, "chat.completion", choices)
        counted = {"usage": usage(self._finals, self._n_choices)}
        return completion | counted | noted(self._finals[0])

    def _whole_choice(self, index: int, piece: Piece) -> Json:
        if piece.tool_calls:
            self._callers.add(index)
        message: Json = {"role": "assistant", "content": piece.text}
        if piece.thinking:
            message["reasoning"] = piece.thinking
        if piece.tool_calls:
            message["tool_calls"] = [_call(call) for call in piece.tool_calls]
        message |= cited(self._finals[index])
        choice: Json = {"index": index, "message": message, "finish_reason": self._reason(index)}
        return choice | _logprobs(piece.logprobs)

    def _frames(self, index: int, piece: Piece) -> list[str]:
        if index in self._begun and kind_of(piece) == "text" and not piece.logprobs:
            before, after = self._text_frames[index]
            return [f"{before}{compact(piece.text)}{after}"]
        deltas = _deltas(piece)
        if piece.tool_calls:
            self._callers.add(index)
        if index not in self._begun:
            self._begun.add(index)
            deltas[0] = {"role": "assistant", "content": ""} | deltas[0]
        first, *rest = [_choice(index, delta) for delta in deltas]
        return [_chunk(self._head, one) for one in (first | _logprobs(piece.logprobs), *rest)]

    def _ending(self, index: int, final: Final) -> list[str]:
        self._finals[index] = final
        frames = [] if index in self._begun else self._frames(index, Piece())
        last = _choice(index, cited(final), self._reason(index))
        return [*frames, _chunk(self._head, last, noted(final))]

    def _reason(self, index: int) -> str:
        reason = reason_of(self._finals[index])
        return "tool_calls" if index in self._callers and reason == "stop" else reason


def by_choice(batch: Sequence[Numbered]) -> Mapping[int, Sequence[Event]]:
    """Sort numbered events by their number; the order of each choice stays."""
    sorted_: dict[int, list[Event]] = {}
    for index, event in batch:
        sorted_.setdefault(index, []).append(event)
    return sorted_


def usage(finals: Mapping[int, Final], n_choices: int) -> Json:
    """Count the tokens of every run; a prompt that several choices answer counts once.

    Args:
        n_choices: how many runs in a row answer the same prompt.
    """
    n_prompt = sum(one.n_prompt for at, one in finals.items() if at % n_choices == 0)
    n_reused = sum(one.n_reused for at, one in finals.items() if at % n_choices == 0)
    n_generated = sum(one.n_generated for one in finals.values())
    counts: Json = {
        "prompt_tokens": n_prompt,
        "completion_tokens": n_generated,
        "total_tokens": n_prompt + n_generated,
    }
    if n_reused:
        counts["prompt_tokens_details"] = {"cached_tokens": n_reused}
    if n_drafted := sum(one.n_drafted for one in finals.values()):
        n_accepted = sum(one.n_accepted for one in finals.values())
        counts["completion_tokens_details"] = {
            "accepted_prediction_tokens": n_accepted,
            "rejected_prediction_tokens": n_drafted - n_accepted,
        }
    return counts


def error_event(error: Exception) -> bytes:
    """Write an error that came after the first byte."""
    return events_bytes([compact(openai_error(error))])


def head(prefix: str, model: str) -> Json:
    """Begin the objects of one answer: they share id and time."""
    return {
        "id": f"{prefix}-{random.randrange(999)}",
        "created": int(time.time()),
        "model": model,
        "system_fingerprint": "fp_ollama",
    }


def chat_object(beginning: Json, kind: str, choices: Sequence[Json]) -> Json:
    """Write one object of an answer."""
    return {"id": beginning["id"], "object": kind, **beginning, "choices": list(choices)}


def reason_of(final: Final) -> str:
    """Tell why an answer ended."""
    return "length" if final.done_reason == "length" else "stop"


def events_bytes(texts: Sequence[str]) -> bytes:
    """Write objects as server-sent events."""
    return "".join(f"data: {text}\n\n" for text in texts).encode()


def cited(final: Final) -> Json:
    """Give what a virtual model's message holds besides its text: its sources, in two forms.

    `annotations` is OpenAI's own field, which Open WebUI shows as sources; `citations` is in the
    words of whoever answered.
    """
    return {name: final.notes[name] for name in ("annotations", "citations") if name in final.notes}


def _chunk(beginning: Json, choice: Json, more: Json | None = None) -> str:
    return compact(chat_object(beginning, "chat.completion.chunk", [choice]) | (more or {}))


def _choice(index: int, delta: Json, reason: str | None = None) -> Json:
    return {"index": index, "delta": delta, "finish_reason": reason}


def _deltas(piece: Piece) -> list[Json]:
    if piece.tool_calls:
        return [{"tool_calls": [_call(call)]} for call in piece.tool_calls]
    return [{"reasoning": piece.thinking} if piece.thinking else {"content": piece.text}]


def _call(call: ToolCall) -> Json:
    function = {"name": call.name, "arguments": compact(dict(call.arguments))}
    return {"id": call_id(call), "index": call.index, "type": "function", "function": function}


def _logprobs(logprobs: Sequence[TokenLogprob]) -> Json:
    if not logprobs:
        return {}
    content = [
        _logprob(one) | {"top_logprobs": [_logprob(top) for top in one.top]} for one in logprobs
    ]
    return {"logprobs": {"content": content}}


def _logprob(one: TokenLogprob) -> Json:
    return {"token": one.token, "logprob": finite(one.logprob), "bytes": list(one.raw)}
