"""Events of the engine in, Anthropic's messages and server-sent events out; pure but for chance."""

from __future__ import annotations

import secrets
from collections.abc import Sequence

from engine.api.errors import anthropic_error
from engine.api.frames import compact
from engine.api.pieces import call_id
from engine.types import ChatRequest, Event, Final, Json, Piece, ToolCall

_CHARACTERS_PER_TOKEN = 4  # only for the first frame of a stream, which comes before the count


def anthropic_error_event(error: Exception) -> bytes:
    """Write an error that came after the first byte."""
    return _event("error", anthropic_error(error))


def estimated_tokens(request: ChatRequest) -> int:
    """Guess the length of a prompt that is not encoded yet."""
    texts = [one.content for one in request.messages]
    texts += [compact(tool) for tool in request.tools]
    return sum(len(text) for text in texts) // _CHARACTERS_PER_TOKEN + 1


class MessagesFrames:
    """Writes the answer of one request, in blocks: thinking, text, calls."""

    def __init__(self, model: str, *, n_input_guess: int = 0, is_parallel: bool = True) -> None:
        self._model, self._guess, self._is_parallel = model, n_input_guess, is_parallel
        self._id = f"msg_{secrets.token_hex(12)}"
        self._is_begun = False
        self._open = ""  # type of the block that is being written
        self._index = -1
        self._has_calls = False

    def events(self, events: Sequence[Event]) -> bytes:
        """Write waiting events as they fall into blocks."""
        frames = [] if self._is_begun else [self._start()]
        self._is_begun = True
        for event in events:
            if isinstance(event, Final):
                frames += [self._close(), self._end(event)]
            else:
                frames += self._piece(event)
        return b"".join(frames)

    def whole(self, events: Sequence[Event]) -> Json:
        """Merge all events into one message."""
        pieces = [event for event in events if isinstance(event, Piece)]
        final = next((event for event in events if isinstance(event, Final)), Final("stop"))
        content: list[Json] = []
        thinking = "".join(piece.thinking for piece in pieces)
        text = "".join(piece.text for piece in pieces)
        calls = self._allowed([call for piece in pieces for call in piece.tool_calls])
        if thinking:
            content.append({"type": "thinking", "thinking": thinking, "signature": ""})
        if text:
            content.append({"type": "text", "text": text})
        content += [_use(call, dict(call.arguments)) for call in calls]
        return self._message(content, final) | {"usage": _usage(final)}

    def _start(self) -> bytes:
        usage = {"input_tokens": self._guess, "output_tokens": 0}
        message = self._message([], None) | {"usage": usage}
        return _event("message_start", {"type": "message_start", "message": message})

    def _piece(self, piece: Piece) -> list[bytes]:
        frames = []
        if piece.thinking:
            frames += self._delta("thinking", {"thinking": "", "signature": ""}, piece.thinking)
        if piece.text:
            frames += self._delta("text", {"text": ""}, piece.text)
        for call in self._allowed(piece.tool_calls):
            frames += [self._close(), self._begin(_use(call, {}))]
            json_delta = {"type": "input_json_delta", "partial_json": compact(call.arguments)}
            frames += [self._block("content_block_delta", delta=json_delta), self._close()]
        return frames

    def _allowed(self, calls: Sequence[ToolCall]) -> Sequence[ToolCall]:
        if not self._is_parallel:
            calls = () if self._has_calls else calls[:1]
        self._has_calls = self._has_calls or bool(calls)
        return calls

    def _delta(self, kind: str, empty: Json, text: str) -> list[bytes]:
        frames = [] if self._open == kind else [self._close(), self._begin({"type": kind, **empty})]
        delta = {"type": f"{kind}_delta", kind: text}
        return [*frames, self._block("content_block_delta", delta=delta)]

    def _begin(self, block: Json) -> bytes:
        self._index += 1
        self._open = str(block["type"])
        return self._block("content_block_start", content_block=block)

    def _close(self) -> bytes:
        if not self._open:
            return b""
        self._open = ""
        return self._block("content_block_stop")

    def _block(self, kind: str, **fields: object) -> bytes:
        return _event(kind, {"type": kind, "index": self._index, **fields})

    def _end(self, final: Final) -> bytes:
        delta = {"stop_reason": self._reason(final), "stop_sequence": final.stop_string or None}
        body: Json = {"type": "message_delta", "delta": delta, "usage": _usage(final)}
        return _event("message_delta", body) + _event("message_stop", {"type": "message_stop"})

    def _message(self, content: list[Json], final: Final | None) -> Json:
        return {
            "id": self._id,
            "type": "message",
            "role": "assistant",
            "model": self._model,
            "content": content,
            "stop_reason": self._reason(final) if final else None,
            "stop_sequence": (final.stop_string or None) if final else None,
        }

    def _reason(self, final: Final) -> str:
        if self._has_calls:
            return "tool_use"
        if final.stop_string:
            return "stop_sequence"
        return "max_tokens" if final.done_reason == "length" else "end_turn"


def _use(call: ToolCall, arguments: Json) -> Json:
    return {"type": "tool_use", "id": call_id(call), "name": call.name, "input": arguments}


def _usage(final: Final) -> Json:
    """Count as Anthropic does: what a cache held is not part of the input's count there."""
    counts: Json = {"input_tokens": final.n_prompt, "output_tokens": final.n_generated}
    if final.n_reused:
        counts |= {
            "input_tokens": final.n_prompt - final.n_reused,
            "cache_read_input_tokens": final.n_reused,
        }
    return counts


def _event(kind: str, value: Json) -> bytes:
    return f"event: {kind}\ndata: {compact(value)}\n\n".encode()
