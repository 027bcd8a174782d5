"""Events of the engine in, OpenAI's objects and server-sent events out; pure but for the clock."""

from __future__ import annotations

import base64
import random
import time
from collections.abc import Sequence

import numpy as np

from engine.api.errors import openai_error
from engine.api.frames import compact, split_events, vector_texts
from engine.errors import RequestError
from engine.library.names import parse
from engine.types import Embedded, Event, Final, Json, ModelEntry

EVENTS_TYPE = "text/event-stream"
DONE = b"data: [DONE]\n\n"
_NO_USAGE = {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}


def error_event(error: Exception) -> bytes:
    """Write an error that came after the first byte."""
    return _event(openai_error(error))


def usage(final: Final) -> Json:
    """Count the tokens; those that a cache held are named, as OpenAI does."""
    counts: Json = {
        "prompt_tokens": final.n_prompt,
        "completion_tokens": final.n_generated,
        "total_tokens": final.n_prompt + final.n_generated,
    }
    if final.n_reused:
        counts["prompt_tokens_details"] = {"cached_tokens": final.n_reused}
    return counts


class ChatCompletionFrames:
    """Writes the answers of /v1/chat/completions for one request."""

    def __init__(self, model: str, *, has_usage: bool = False) -> None:
        self._head = _head("chatcmpl", model)
        self._has_usage = has_usage
        self._is_begun = False
        chunk = self._chunk(delta={"content": ""}, reason=None)
        self._before, self._after = compact(chunk).split('""')

    def events(self, events: Sequence[Event]) -> bytes:
        """Write waiting events: text, then (at the end) reason and usage."""
        text, final = split_events(events)
        frames = b""
        if not self._is_begun:
            self._is_begun = True
            delta: Json = {"role": "assistant", "content": text}
            frames = _event(self._chunk(delta=delta, reason=None))
        elif text:
            frames = f"data: {self._before}{compact(text)}{self._after}\n\n".encode()
        return frames if final is None else frames + self._ending(final)

    def whole(self, events: Sequence[Event]) -> Json:
        """Merge all events into one completion."""
        text, found = split_events(events)
        final = found or Final("stop")
        message = {"role": "assistant", "content": text}
        choice = {"index": 0, "message": message, "finish_reason": _reason(final)}
        return self._object("chat.completion", [choice]) | {"usage": usage(final)}

    def _ending(self, final: Final) -> bytes:
        frames = _event(self._chunk(delta={}, reason=_reason(final)))
        if self._has_usage:
            counted = self._object("chat.completion.chunk", []) | {"usage": usage(final)}
            frames += _event(counted)
        return frames

    def _chunk(self, *, delta: Json, reason: str | None) -> Json:
        choice = {"index": 0, "delta": delta, "finish_reason": reason}
        return self._object("chat.completion.chunk", [choice])

    def _object(self, kind: str, choices: list[Json]) -> Json:
        return _object(self._head, kind, choices)


class CompletionFrames:
    """Writes the answers of /v1/completions for one request."""

    def __init__(self, model: str, *, has_usage: bool = False) -> None:
        self._head = _head("cmpl", model)
        self._has_usage = has_usage

    def events(self, events: Sequence[Event]) -> bytes:
        """Write waiting events: text, then (at the end) reason and usage."""
        text, final = split_events(events)
        frames = self._chunk(text, None) if text else b""
        if final is None:
            return frames
        frames += self._chunk("", _reason(final))
        if self._has_usage:
            frames += _event(_object(self._head, "text_completion", []) | {"usage": usage(final)})
        return frames

    def whole(self, events: Sequence[Event]) -> Json:
        """Merge all events into one completion."""
        text, found = split_events(events)
        final = found or Final("stop")
        choice: Json = {"text": text, "index": 0, "finish_reason": _reason(final)}
        return _object(self._head, "text_completion", [choice]) | {"usage": usage(final)}

    def _chunk(self, text: str, reason: str | None) -> bytes:
        choice: Json = {"text": text, "index": 0, "finish_reason": reason}
        chunk = _object(self._head, "text_completion", [choice])
        return _event(chunk | {"usage": _NO_USAGE} if self._has_usage else chunk)


def embeddings_body(model: str, embedded: Embedded, encoding: str) -> bytes:
    """Write the answer of /v1/embeddings.

    Raises:
        RequestError: a vector holds NaN or infinity.
    """
    texts = vector_texts(embedded.vectors)
    if encoding == "base64":
        little = np.ascontiguousarray(embedded.vectors, dtype="<f4")
        texts = [f'"{base64.b64encode(row.tobytes()).decode()}"' for row in little]
    rows = ",".join(
        f'{{"object":"embedding","embedding":{text},"index":{index}}}'
        for index, text in enumerate(texts)
    )
    counts = {"prompt_tokens": embedded.n_tokens, "total_tokens": embedded.n_tokens}
    tail = compact({"model": model, "usage": counts})[1:]
    return f'{{"object":"list","data":[{rows}],{tail}'.encode()


def encoding_of(wanted: str) -> str:
    """Read `encoding_format`, whatever its case.

    Raises:
        RequestError: neither float nor base64.
    """
    encoding = wanted.lower() or "float"
    if encoding not in ("float", "base64"):
        raise RequestError(
            f"Invalid value for 'encoding_format' = {wanted}. "
            "Supported values: ['float', 'base64']."
        )
    return encoding


def model_object(entry: ModelEntry) -> Json:
    """Write one model for /v1/models."""
    return {
        "id": entry.name,
        "object": "model",
        "created": int(entry.modified_at.timestamp()),
        "owned_by": parse(entry.name).namespace,
    }


def _head(prefix: str, model: str) -> Json:
    return {
        "id": f"{prefix}-{random.randrange(999)}",
        "created": int(time.time()),
        "model": model,
        "system_fingerprint": "fp_ollama",
    }


def _object(head: Json, kind: str, choices: list[Json]) -> Json:
    return {"id": head["id"], "object": kind, **head, "choices": choices}


def _reason(final: Final) -> str:
    return "length" if final.done_reason == "length" else "stop"


def _event(value: object) -> bytes:
    return f"data: {compact(value)}\n\n".encode()
