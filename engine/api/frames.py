"""Events of the engine in, the native API's JSON lines and objects out; pure but for the clock."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

import numpy as np
from fastapi import Response

from engine.api.pieces import call_id, finite, join_pieces, split_pieces
from engine.errors import RequestError
from engine.types import (
    Embedded,
    Event,
    Final,
    Json,
    ModelDetails,
    ModelEntry,
    Piece,
    Progress,
    Rendered,
    RunningModel,
    TokenLogprob,
    ToolCall,
    Vectors,
)
from engine.virtual import VirtualEntry, tagged

JSON_TYPE = "application/json; charset=utf-8"
LINES_TYPE = "application/x-ndjson"
# Made once: json.dumps would make one per line of a stream, which costs more than the line.
_ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))
Part = Callable[[Piece], Json]  # a piece → the fields of a line that carry it
_FOREVER = timedelta(days=292 * 365)  # what Ollama's largest duration comes to


def compact(value: object) -> str:
    """Write JSON without spaces and without escaping letters."""
    return _ENCODER.encode(value)


def json_response(body: object, status: int = 200) -> Response:
    """Answer with one JSON object."""
    return Response(compact(body).encode(), status, media_type=JSON_TYPE)


def timestamp() -> str:
    """Give the present moment as `created_at` shows it."""
    return f"{datetime.now(UTC).replace(tzinfo=None).isoformat(timespec='microseconds')}Z"


def local_time(moment: datetime) -> str:
    """Write a moment so that Python 3.10 and older read it too: six digits, numeric offset."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds")


def expiry(moment: datetime | None) -> str:
    """Write when a model leaves the memory; never is centuries ahead."""
    return local_time(moment or datetime.now(UTC) + _FOREVER)


def _call_object(call: ToolCall) -> Json:
    function = {"index": call.index, "name": call.name, "arguments": dict(call.arguments)}
    return {"id": call_id(call), "function": function}


def logprob_objects(logprobs: Sequence[TokenLogprob]) -> list[Json]:
    """Write logprobs; `top_logprobs` only where alternatives were asked for."""
    return [
        _logprob(one) | ({"top_logprobs": [_logprob(top) for top in one.top]} if one.top else {})
        for one in logprobs
    ]


def _logprob(one: TokenLogprob) -> Json:
    return {"token": one.token, "logprob": finite(one.logprob), "bytes": list(one.raw)}


def metrics(final: Final, *, with_context: bool) -> Json:
    """Give what only the last line has; counters that are zero are left out."""
    counters: Json = {
        "total_duration": final.total_ns,
        "load_duration": final.load_ns,
        "prompt_eval_count": final.n_prompt,
        "prompt_eval_cached_count": final.n_reused,
        "prompt_eval_duration": final.prompt_ns,
        "eval_count": final.n_generated,
        "eval_duration": final.generate_ns,
    }
    if final.done_reason in ("load", "unload"):
        return {"done_reason": final.done_reason}
    context = {"context": list(final.context)} if with_context and final.context else {}
    kept = {name: count for name, count in counters.items() if count}
    return {"done_reason": final.done_reason} | context | kept


def noted(final: Final) -> Json:
    """Give what a virtual model tells beside its answer, but for what is OpenAI's alone."""
    return {name: value for name, value in final.notes.items() if name != "annotations"}


class Frames:
    """Writes the answers of one request; `generate_frames` and `chat_frames` say in which shape."""

    def __init__(self, model: str, part: Part, *, with_context: bool) -> None:
        self._model, self._part, self._with_context = model, part, with_context
        self._head = f'{{"model":{compact(model)},"created_at":"'

    def lines(self, events: Sequence[Event]) -> bytes:
        """Write waiting events, one line for each kind of thing in them, then the end."""
        pieces, final = split_pieces(events)
        text = "".join(self._line(one) for one in pieces)
        if final is not None:
            text += compact(self._last(Piece(), final)) + "\n"
        return text.encode()

    def whole(self, events: Sequence[Event]) -> Json:
        """Merge all events into the one object of a request that does not stream."""
        pieces, final = split_pieces(events)
        return self._last(join_pieces(pieces) if pieces else Piece(), final or Final("stop"))

    def rendered(self, rendered: Rendered) -> Json:
        """Show what the model would be given (`_debug_render_only`)."""
        info: Json = {"rendered_template": rendered.text}
        if rendered.n_images:
            info["image_count"] = rendered.n_images
        head = {"model": self._model, "created_at": timestamp()}
        return head | self._part(Piece()) | {"done": False, "_debug_info": info}

    def _line(self, piece: Piece) -> str:
        part = compact(self._part(piece))[1:-1]  # its fields stand among the line's own
        tail = f',"logprobs":{compact(logprob_objects(piece.logprobs))}' if piece.logprobs else ""
        return f'{self._head}{timestamp()}",{part},"done":false{tail}}}\n'

    def _last(self, piece: Piece, final: Final) -> Json:
        head = {"model": self._model, "created_at": timestamp(), **self._part(piece), "done": True}
        if piece.logprobs:
            head["logprobs"] = logprob_objects(piece.logprobs)
        return head | metrics(final, with_context=self._with_context) | noted(final)


def generate_frames(model: str) -> Frames:
    """Write as /api/generate does."""
    return Frames(model, lambda piece: {"response": piece.text} | _rest(piece), with_context=True)


def chat_frames(model: str) -> Frames:
    """Write as /api/chat does."""
    return Frames(model, lambda piece: {"message": _message(piece)}, with_context=False)


def _message(piece: Piece) -> Json:
    return {"role": "assistant", "content": piece.text} | _rest(piece)


def _rest(piece: Piece) -> Json:
    rest: Json = {}
    if piece.thinking:
        rest["thinking"] = piece.thinking
    if piece.tool_calls:
        rest["tool_calls"] = [_call_object(call) for call in piece.tool_calls]
    return rest


def progress_lines(steps: Sequence[Progress]) -> bytes:
    """Write steps of a pull, push or create, one line each."""
    return "".join(f"{compact(_progress(step))}\n" for step in steps).encode()


def _progress(step: Progress) -> Json:
    rest = {"digest": step.digest, "total": step.total_bytes, "completed": step.completed_bytes}
    return {"status": step.status} | {name: value for name, value in rest.items() if value}


def error_line(error: Exception) -> bytes:
    """Write an error that came after the first byte of a native stream."""
    return f"{compact({'error': str(error) or type(error).__name__})}\n".encode()


def vector_texts(vectors: Vectors) -> list[str]:
    """Write every vector as a JSON list.

    Nine significant digits give a float32 back exactly, in half the bytes and half the time that
    the digits of a float64 take.

    Raises:
        RequestError: a vector holds NaN or infinity.
    """
    if not np.isfinite(vectors).all():
        raise RequestError("embedding contains NaN or Inf values")
    pattern = ",".join(["%.9g"] * vectors.shape[-1])
    return [f"[{pattern % tuple(row)}]" for row in vectors.tolist()]


def embed_body(model: str, embedded: Embedded) -> bytes:
    """Write the answer of /api/embed."""
    vectors = ",".join(vector_texts(embedded.vectors)) if embedded.vectors.size else ""
    counters = {
        "total_duration": embedded.total_ns,
        "load_duration": embedded.load_ns,
        "prompt_eval_count": embedded.n_tokens,
    }
    tail = compact({name: count for name, count in counters.items() if count})[1:-1]
    head = f'{{"model":{compact(model)},"embeddings":[{vectors}]'
    return f"{head},{tail}}}".encode() if tail else f"{head}}}".encode()


def details_object(details: ModelDetails) -> Json:
    """Write what a model is."""
    return {
        "parent_model": details.parent_model,
        "format": details.format,
        "family": details.family,
        "families": list(details.families) or None,
        "parameter_size": details.parameter_size,
        "quantization_level": details.quantization_level,
    }


def tag_object(entry: ModelEntry) -> Json:
    """Write one installed model for /api/tags."""
    return {
        "name": entry.name,
        "model": entry.name,
        "modified_at": local_time(entry.modified_at),
        "size": entry.size_bytes,
        "digest": entry.digest,
        "details": details_object(entry.details),
        "capabilities": list(entry.capabilities),
    }


def virtual_tag(entry: VirtualEntry) -> Json:
    """Write one virtual model for /api/tags.

    People see the name; `model` has the tag, because clients (Open WebUI) that ask for a model
    without one add it, and then look it up among the values of `model`.
    """
    return {
        "name": entry.name,
        "model": tagged(entry.name),
        "modified_at": local_time(entry.modified_at),
        "size": entry.size_bytes,
        "digest": entry.digest,
        "details": details_object(entry.details),
        "capabilities": list(entry.capabilities),
    }


def running_objects(models: Sequence[RunningModel]) -> list[Json]:
    """Write the models in memory for /api/ps, the one that stays longest first."""
    last = datetime.max.replace(tzinfo=UTC)
    ordered = sorted(models, key=lambda one: one.expires_at or last, reverse=True)
    return [_running(one) for one in ordered]


def _running(one: RunningModel) -> Json:
    return {
        "name": one.entry.name,
        "model": one.entry.name,
        "size": one.size_bytes,
        "digest": one.entry.digest,
        "details": details_object(one.entry.details),
        "expires_at": expiry(one.expires_at),
        "size_vram": one.size_vram_bytes,
        "context_length": one.n_ctx,
    }
