"""A native request and the model that it names in, the engine's request out; reads the library."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

from engine.api.choices import tool_choice_of
from engine.api.media import decode, is_audio
from engine.api.wire import ChatWire, GenerateWire, SamplingWire, constraint_of
from engine.errors import (
    CapabilityError,
    ModelNotFoundError,
    ModelRequiredError,
    RequestError,
)
from engine.library.names import parse
from engine.replies.rules import check_tools
from engine.types import ChatRequest, GenerateRequest, Json, ModelEntry
from engine.virtual import as_asked, as_generated, installed, virtual_of

if TYPE_CHECKING:
    from engine.virtual import Shelf

MAX_TOP_LOGPROBS = 20
# Families whose models could not think when they came out; the newer files can.
_LEARNT_TO_THINK = ("qwen3", "deepseek-r1")


def find(shelf: Shelf, name: str, *, missing: str = "model '{}' not found") -> ModelEntry:
    """Look a stored model up; the error repeats the name as the client wrote it.

    Raises:
        ModelNotFoundError: not installed, or no name given.
        ModelNameError: not a model name.
        VirtualModelError: it only chats.
    """
    if not name:
        raise ModelNotFoundError("")
    try:
        return installed(shelf, name)
    except ModelNotFoundError as error:
        if shelf.virtual is not None and shelf.virtual.owns(name):
            raise  # says better what there is
        raise ModelNotFoundError(name, missing.format(name)) from error


def require_known(shelf: Shelf, name: str) -> None:
    """Make sure that somebody answers to a name.

    Raises:
        ModelNotFoundError, ModelNameError: nobody does.
    """
    if virtual_of(shelf, name) is None:
        find(shelf, name)


def generate_request(shelf: Shelf, wire: GenerateWire) -> GenerateRequest:
    """Check a generate request against its model and translate it.

    Raises:
        RequestError: a wrong field, or something that the model cannot do.
        ModelNotFoundError: not installed.
    """
    virtual = virtual_of(shelf, wire.model)
    entry = find(shelf, wire.model) if virtual is None else None
    _check_logprobs(wire)
    is_empty = not wire.prompt and not wire.images
    if is_empty and wire.keep_alive == 0:
        return GenerateRequest(model=wire.model, keep_alive_s=0.0)
    if wire.raw and (wire.template or wire.system or wire.context):
        raise RequestError("raw mode does not support template, system, or context")
    images = decode(wire.images, "images")
    if entry is not None:
        _check_model(entry, wire, verb="generate", images=images)
        if wire.suffix and "insert" not in entry.capabilities:
            raise CapabilityError(parse(entry.name).full, "insert")
    wanted, grammar = constraint_of(wire)
    request = GenerateRequest(
        model=wire.model,
        prompt=wire.prompt,
        system=wire.system or None,
        template=wire.template or None,
        suffix=wire.suffix,
        images=images,
        is_raw=wire.raw,
        context=tuple(wire.context),
        think=wire.think,
        format=wanted,
        grammar=grammar,
        options=wire.options,
        keep_alive_s=wire.keep_alive,
        is_shifting=wire.shift,
        n_top_logprobs=wire.n_top_logprobs,
    )
    return request if virtual is None else as_generated(virtual.entry, request)


def chat_request(shelf: Shelf, wire: ChatWire) -> ChatRequest:
    """Check a chat request against its model and translate it.

    Raises:
        RequestError: a wrong field, or something that the model cannot do.
        ModelNotFoundError: not installed.
    """
    if not wire.model:
        raise ModelRequiredError
    virtual = virtual_of(shelf, wire.model)
    entry = find(shelf, wire.model) if virtual is None else None
    _check_logprobs(wire)
    if not wire.messages and wire.keep_alive == 0:
        return ChatRequest(model=wire.model, keep_alive_s=0.0)
    messages = tuple(message.message for message in wire.messages)
    if entry is not None:
        images = [image for message in messages for image in message.images]
        _check_model(entry, wire, verb="chat", images=images)
        require_tools(entry, wire.tools)
    wanted, grammar = constraint_of(wire)
    request = ChatRequest(
        model=wire.model,
        messages=messages,
        tools=tuple(wire.tools),
        tool_choice=tool_choice_of(wire.tool_choice, wire.tools),
        think=wire.think,
        format=wanted,
        grammar=grammar,
        options=wire.options,
        keep_alive_s=wire.keep_alive,
        is_truncating=wire.truncate,
        is_shifting=wire.shift,
        n_top_logprobs=wire.n_top_logprobs,
    )
    return request if virtual is None else as_asked(virtual.entry, request)


def require_audio(entry: ModelEntry) -> None:
    """Let only models pass that hear.

    Raises:
        CapabilityError: this one does not.
    """
    if "audio" not in entry.capabilities:
        raise CapabilityError(parse(entry.name).full, "audio")


def require_senses(entry: ModelEntry, media: Sequence[bytes]) -> None:
    """Let only models pass that see the images and hear the sounds.

    Raises:
        CapabilityError: this one does not.
    """
    n_sounds = sum(is_audio(one) for one in media)
    if n_sounds:
        require_audio(entry)
    if n_sounds < len(media) and "vision" not in entry.capabilities:
        raise CapabilityError(parse(entry.name).full, "vision")


def require_tools(entry: ModelEntry, tools: Sequence[Json]) -> None:
    """Let only models pass that call tools, and tools that can be called.

    Raises:
        CapabilityError: the model does not.
        RequestError: a tool's definition is wrong.
    """
    if tools and "tools" not in entry.capabilities:
        raise CapabilityError(parse(entry.name).full, "tools")
    check_tools(tools)


def _check_model(
    entry: ModelEntry, wire: SamplingWire, *, verb: str, images: Sequence[bytes]
) -> None:
    quoted = json.dumps(wire.model, ensure_ascii=False)
    if "image" in entry.capabilities:
        raise RequestError("image generation models are not currently supported")
    if "completion" not in entry.capabilities:
        raise CapabilityError(quoted, verb)
    if wire.think and "thinking" not in entry.capabilities:
        _refuse_thinking(entry, quoted)
    require_senses(entry, images)


def _refuse_thinking(entry: ModelEntry, quoted: str) -> None:
    if parse(entry.name).model in _LEARNT_TO_THINK or entry.details.family in _LEARNT_TO_THINK:
        raise RequestError(
            f"{quoted} does not support thinking. Pull the model again to get the latest version "
            "with full thinking support"
        )
    raise CapabilityError(quoted, "thinking")


def _check_logprobs(wire: SamplingWire) -> None:
    if not 0 <= wire.top_logprobs <= MAX_TOP_LOGPROBS:
        raise RequestError(f"top_logprobs must be between 0 and {MAX_TOP_LOGPROBS}")
