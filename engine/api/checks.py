"""A native request and the model that it names in, the engine's request out; reads the library."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

from engine.api.wire import ChatWire, GenerateWire, SamplingWire, format_of
from engine.errors import (
    CapabilityError,
    ModelNotFoundError,
    ModelRequiredError,
    RequestError,
)
from engine.library.names import parse
from engine.types import ChatRequest, GenerateRequest, ModelEntry

if TYPE_CHECKING:
    from engine.library.store import Library


def find(library: Library, name: str, *, missing: str = "model '{}' not found") -> ModelEntry:
    """Look a model up; the error repeats the name as the client wrote it.

    Raises:
        ModelNotFoundError: not installed, or no name given.
        ModelNameError: not a model name.
    """
    if not name:
        raise ModelNotFoundError("")
    try:
        return library.find(name)
    except ModelNotFoundError as error:
        raise ModelNotFoundError(name, missing.format(name)) from error


def generate_request(library: Library, wire: GenerateWire) -> GenerateRequest:
    """Check a generate request against its model and translate it.

    Raises:
        RequestError: a wrong field, or something that the model cannot do.
        ModelNotFoundError: not installed.
    """
    entry = find(library, wire.model)
    _check_logprobs(wire)
    is_empty = not wire.prompt and not wire.images
    if is_empty and wire.keep_alive == 0:
        return GenerateRequest(model=wire.model, keep_alive_s=0.0)
    if wire.raw and (wire.template or wire.system or wire.context):
        raise RequestError("raw mode does not support template, system, or context")
    _check_model(entry, wire, verb="generate", has_images=bool(wire.images))
    if wire.suffix:
        raise CapabilityError(parse(entry.name).full, "insert")
    if wire.template:
        raise RequestError(
            "a template in the request is not supported; create a model with that template"
        )
    return GenerateRequest(
        model=wire.model,
        prompt=wire.prompt,
        system=wire.system or None,
        is_raw=wire.raw,
        context=tuple(wire.context),
        format=format_of(wire.format),
        options=wire.options,
        keep_alive_s=wire.keep_alive,
    )


def chat_request(library: Library, wire: ChatWire) -> ChatRequest:
    """Check a chat request against its model and translate it.

    Raises:
        RequestError: a wrong field, or something that the model cannot do.
        ModelNotFoundError: not installed.
    """
    if not wire.model:
        raise ModelRequiredError
    entry = find(library, wire.model)
    _check_logprobs(wire)
    if not wire.messages and wire.keep_alive == 0:
        return ChatRequest(model=wire.model, keep_alive_s=0.0)
    has_images = any(message.images for message in wire.messages)
    _check_model(entry, wire, verb="chat", has_images=has_images)
    _check_tools(entry, wire.tools)
    return ChatRequest(
        model=wire.model,
        messages=tuple(message.message for message in wire.messages),
        format=format_of(wire.format),
        options=wire.options,
        keep_alive_s=wire.keep_alive,
        is_truncating=wire.truncate,
    )


def _check_model(entry: ModelEntry, wire: SamplingWire, *, verb: str, has_images: bool) -> None:
    quoted = json.dumps(wire.model, ensure_ascii=False)
    if "completion" not in entry.capabilities:
        raise CapabilityError(quoted, verb)
    if wire.think and "thinking" not in entry.capabilities:
        raise CapabilityError(quoted, "thinking")
    if has_images:
        raise CapabilityError(parse(entry.name).full, "vision")


def _check_tools(entry: ModelEntry, tools: Sequence[object]) -> None:
    if not tools:
        return
    full = parse(entry.name).full
    if "tools" not in entry.capabilities:
        raise CapabilityError(full, "tools")
    raise RequestError(f"tool calls are not supported by this engine yet, though {full} knows them")


def _check_logprobs(wire: SamplingWire) -> None:
    if not 0 <= wire.top_logprobs <= 20:
        raise RequestError("top_logprobs must be between 0 and 20")
    if wire.logprobs:
        raise RequestError("logprobs are not supported by this engine yet")
