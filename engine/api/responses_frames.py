"""Events of the engine in, OpenAI's response objects and numbered events out; no model."""

from __future__ import annotations

import secrets
import time
from collections.abc import Sequence
from typing import Literal

from engine.api.errors import openai_error
from engine.api.frames import compact, noted
from engine.api.pieces import call_id, split_pieces
from engine.api.responses_wire import ResponsesWire
from engine.types import Event, Final, Json, Piece, ToolCall

_NO_ANNOTATIONS: Json = {"annotations": [], "logprobs": []}
_CITATION = "url_citation"


class ResponsesFrames:
    """Writes the answer of one request: items that follow each other, each told as it grows."""

    def __init__(self, wire: ResponsesWire) -> None:
        self._wire = wire
        self._id = f"resp_{secrets.token_hex(12)}"
        self._created = int(time.time())
        self._number = 0
        self._items: list[Json] = []  # those that are complete
        self._open: Literal["reasoning", "message", ""] = ""
        self._item_id = ""
        self._text = ""
        self._annotations: list[Json] = []  # of the message; they come with the end
        self._has_calls = False
        self._is_begun = False

    def events(self, events: Sequence[Event]) -> bytes:
        """Write waiting events."""
        frames = []
        if not self._is_begun:
            self._is_begun = True
            response = self._response("in_progress", None)
            frames = [
                self._event("response.created", response=response),
                self._event("response.in_progress", response=response),
            ]
        pieces, final = split_pieces(events)
        for piece in pieces:
            frames += self._piece(piece)
        if final is not None:
            self._annotations = _flat(final)
            frames += self._close()
            done = self._response(_status(final), final)
            frames.append(self._event("response.completed", response=done))
        return b"".join(frames)

    def fail(self, error: Exception) -> bytes:
        """Write an error that came after the first byte."""
        told = openai_error(error)["error"]
        message = told.get("message") if isinstance(told, dict) else str(error)
        response = self._response("failed", None)
        response["error"] = {"code": "server_error", "message": message}
        return self._event("response.failed", response=response)

    def whole(self, events: Sequence[Event]) -> Json:
        """Merge all events into one response."""
        self.events(events)  # gathers the items
        final = next((event for event in events if isinstance(event, Final)), Final("stop"))
        return self._response(_status(final), final)

    def _piece(self, piece: Piece) -> list[bytes]:
        frames = []
        if piece.thinking:
            frames += self._grow("reasoning", piece.thinking)
        if piece.text:
            frames += self._grow("message", piece.text)
        for call in piece.tool_calls:
            if self._wire.parallel_tool_calls or not self._has_calls:
                self._has_calls = True
                frames += [*self._close(), *self._call(call)]
        return frames

    def _grow(self, kind: Literal["reasoning", "message"], text: str) -> list[bytes]:
        frames = [] if self._open == kind else [*self._close(), *self._begin(kind)]
        self._text += text
        where: Json
        if kind == "reasoning":
            name, where = "response.reasoning_summary_text.delta", {"summary_index": 0}
        else:
            name, where = "response.output_text.delta", {"content_index": 0, "logprobs": []}
        return [*frames, self._of_item(name, delta=text, **where)]

    def _begin(self, kind: Literal["reasoning", "message"]) -> list[bytes]:
        self._open, self._text = kind, ""
        prefix = "rs" if kind == "reasoning" else "msg"
        self._item_id = f"{prefix}_{secrets.token_hex(12)}"
        item = self._item("in_progress")
        if kind == "message":
            item["content"] = []
        frames = [self._added(item)]
        if kind == "message":
            part = {"type": "output_text", "text": "", **_NO_ANNOTATIONS}
            frames.append(self._of_item("response.content_part.added", content_index=0, part=part))
        return frames

    def _close(self) -> list[bytes]:
        if not self._open:
            return []
        item = self._item("completed")
        if self._open == "reasoning":
            frames = [
                self._of_item(
                    "response.reasoning_summary_text.done", summary_index=0, text=self._text
                )
            ]
        else:
            part = self._part()
            where = {"content_index": 0}
            frames = [
                self._of_item("response.output_text.done", text=self._text, logprobs=[], **where),
                self._of_item("response.content_part.done", part=part, **where),
            ]
        frames.append(self._done(item))
        self._open = ""
        return frames

    def _item(self, status: str) -> Json:
        if self._open == "reasoning":
            return {
                "id": self._item_id,
                "type": "reasoning",
                "summary": [{"type": "summary_text", "text": self._text}] if self._text else [],
                "encrypted_content": self._text,
                "status": status,
            }
        part = self._part()
        return {
            "id": self._item_id,
            "type": "message",
            "status": status,
            "role": "assistant",
            "content": [part],
        }

    def _part(self) -> Json:
        told = _NO_ANNOTATIONS | {"annotations": self._annotations}
        return {"type": "output_text", "text": self._text, **told}

    def _call(self, call: ToolCall) -> list[bytes]:
        self._item_id = f"fc_{secrets.token_hex(12)}"
        arguments = compact(call.arguments)
        item: Json = {
            "id": self._item_id,
            "type": "function_call",
            "status": "in_progress",
            "call_id": call_id(call),
            "name": call.name,
            "arguments": "",
        }
        whole = item | {"arguments": arguments, "status": "completed"}
        return [
            self._added(item),
            self._of_item("response.function_call_arguments.delta", delta=arguments),
            self._of_item(
                "response.function_call_arguments.done", arguments=arguments, name=call.name
            ),
            self._done(whole),
        ]

    def _added(self, item: Json) -> bytes:
        index = len(self._items)
        return self._event("response.output_item.added", output_index=index, item=item)

    def _done(self, item: Json) -> bytes:
        index = len(self._items)
        self._items.append(item)
        return self._event("response.output_item.done", output_index=index, item=item)

    def _of_item(self, kind: str, **fields: object) -> bytes:
        return self._event(kind, item_id=self._item_id, output_index=len(self._items), **fields)

    def _event(self, kind: str, **fields: object) -> bytes:
        body = {"type": kind, "sequence_number": self._number, **fields}
        self._number += 1
        return f"event: {kind}\ndata: {compact(body)}\n\n".encode()

    def _response(self, status: str, final: Final | None) -> Json:
        wire = self._wire
        is_cut = status == "incomplete"
        return {
            "id": self._id,
            "object": "response",
            "created_at": self._created,
            "completed_at": int(time.time()) if final else None,
            "status": status,
            "error": None,
            "incomplete_details": {"reason": "max_output_tokens"} if is_cut else None,
            "instructions": wire.instructions or None,
            "max_output_tokens": wire.max_output_tokens,
            "model": wire.model,
            "output": list(self._items),
            "parallel_tool_calls": wire.parallel_tool_calls,
            "previous_response_id": None,
            "reasoning": {"effort": wire.reasoning.effort or None, "summary": None},
            "store": False,
            "temperature": wire.temperature,
            "text": {"format": wire.text.format or {"type": "text"}},
            "tool_choice": wire.tool_choice,
            "tools": wire.tools,
            "top_p": wire.top_p,
            "truncation": wire.truncation,
            "usage": _usage(final, self._items) if final else None,
            "metadata": wire.metadata,
            **(noted(final) if final else {}),
        }


def _flat(final: Final) -> list[Json]:
    """Write citations as this API does: their fields stand beside the type."""
    notes = final.notes.get("annotations")
    found = notes if isinstance(notes, list | tuple) else []
    return [{"type": _CITATION, **one[_CITATION]} for one in found if _CITATION in one]


def _status(final: Final) -> str:
    return "incomplete" if final.done_reason == "length" else "completed"


def _usage(final: Final, items: Sequence[Json]) -> Json:
    # The engine counts thoughts and words together; their shares follow their lengths.
    lengths = {"reasoning": 0, "message": 0}
    for item in items:
        kind = str(item["type"])
        if kind in lengths:
            lengths[kind] += len(compact(item.get("summary") or item.get("content")))
    total = sum(lengths.values())
    n_thought = final.n_generated * lengths["reasoning"] // total if total else 0
    return {
        "input_tokens": final.n_prompt,
        "input_tokens_details": {"cached_tokens": final.n_reused},
        "output_tokens": final.n_generated,
        "output_tokens_details": {"reasoning_tokens": n_thought},
        "total_tokens": final.n_prompt + final.n_generated,
    }
