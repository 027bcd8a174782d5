"""Models that are no file: names of somebody else's that chat in the engine's own events; pure.

The engine lists them beside the stored models, hands them conversations, and says clearly what else
they cannot do. What they answer from, it does not know. A stored model of the same name goes before
a virtual one, so that whatever lies on disk can always be run, and deleted.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING, Literal, Protocol

from engine.errors import (
    CapabilityError,
    ModelNameError,
    ModelNotFoundError,
    RequestError,
    VirtualModelError,
)
from engine.library.names import parse
from engine.types import (
    ChatRequest,
    Event,
    Final,
    GenerateRequest,
    Json,
    Message,
    ModelDetails,
    ModelEntry,
    ToolChoice,
)

if TYPE_CHECKING:
    from engine.library.store import Library

LATEST = ":latest"  # the only tag that a virtual model has; it may be left out
Verb = Literal["copy", "create", "delete", "pull", "push", "use"]  # use: all but to chat


@dataclass(frozen=True, slots=True)
class VirtualEntry:
    """What the lists and descriptions of models say of a virtual one."""

    name: str  # without a tag
    modified_at: datetime
    details: ModelDetails
    digest: str  # hex SHA-256, of whatever tells it from others
    size_bytes: int = 0
    description: str = ""
    info: Json = field(default_factory=dict)  # facts for /api/show
    capabilities: tuple[str, ...] = ("completion",)


class VirtualModel(Protocol):
    """Somebody who chats."""

    @property
    def entry(self) -> VirtualEntry:
        """What it is."""

    def chat(self, request: ChatRequest) -> Iterator[Event]:
        """Answer a conversation of at least one message; closing the iterator cancels the answer.

        The last event is a Final, whose `notes` the APIs write beside the answer.

        Raises:
            EngineError: before the first event, or later.
        """


class VirtualModels(Protocol):
    """Whoever has virtual models."""

    def owns(self, name: str) -> bool:
        """Tell whether a name is of the kind that theirs are, also if there is none of it."""

    def entries(self) -> Sequence[VirtualEntry]:
        """List what there is."""

    def find(self, name: str) -> VirtualModel:
        """Look up a name that they own, with or without its tag.

        Raises:
            ModelNotFoundError: there is none of it.
        """

    def instead(self, name: str, verb: Verb) -> str:
        """Say why this cannot be done to a name that they own, and what to do instead."""


class Shelf(Protocol):
    """Where models are looked up: those on disk, and virtual ones if somebody has some."""

    @property
    def library(self) -> Library:
        """The models on disk."""

    @property
    def virtual(self) -> VirtualModels | None:
        """The others."""


def virtual_of(shelf: Shelf, name: str) -> VirtualModel | None:
    """Look up a virtual model; None if the name is a stored model's, or nobody's.

    Raises:
        ModelNotFoundError: the name is of their kind, and there is none of it.
    """
    if shelf.virtual is None or not shelf.virtual.owns(name) or _is_stored(shelf, name):
        return None
    return shelf.virtual.find(name)


def virtual_entries(shelf: Shelf, stored: Sequence[ModelEntry]) -> list[VirtualEntry]:
    """List the virtual models that no stored one stands before."""
    if shelf.virtual is None:
        return []
    taken = {entry.name.casefold() for entry in stored}
    return [one for one in shelf.virtual.entries() if tagged(one.name).casefold() not in taken]


def installed(shelf: Shelf, name: str) -> ModelEntry:
    """Look up a stored model for something that virtual ones cannot do.

    Raises:
        ModelNotFoundError, ModelNameError: there is none.
        VirtualModelError: it is a virtual one.
    """
    try:
        return shelf.library.find(name)
    except (ModelNotFoundError, ModelNameError) as error:
        if shelf.virtual is None or not shelf.virtual.owns(name):
            raise
        shelf.virtual.find(name)
        raise VirtualModelError(shelf.virtual.instead(name, "use")) from error


def keep_virtual(shelf: Shelf, name: str, verb: Verb) -> None:
    """Refuse to do something to a virtual model, or to store one under a name of theirs.

    What is stored under such a name already may be copied, pushed and deleted.

    Raises:
        VirtualModelError: the name is theirs.
    """
    theirs = "" if shelf.virtual is None else _theirs(shelf.virtual, name)
    if shelf.virtual is None or not theirs:
        return
    if verb in ("copy", "delete", "push") and _is_stored(shelf, name):
        return
    raise VirtualModelError(shelf.virtual.instead(theirs, verb))


def as_asked(entry: VirtualEntry, request: ChatRequest) -> ChatRequest:
    """Check a conversation against what virtual models can do.

    Tools are left out: a model may always choose to call none, and some clients send theirs with
    every request.

    Raises:
        CapabilityError: it has images or sounds, wants thoughts, logprobs, or a call.
        RequestError: it wants a format.
    """
    quoted = f'"{entry.name}"'
    if any(message.images for message in request.messages):
        raise CapabilityError(quoted, "images or audio: send text")
    if request.think:
        raise CapabilityError(quoted, "thinking")
    if request.tool_choice.mode in ("required", "named"):
        raise CapabilityError(quoted, "tools")
    if request.n_top_logprobs is not None:
        raise CapabilityError(quoted, "logprobs")
    if request.format is not None or request.grammar is not None:
        raise RequestError(
            f"{quoted} does not support a format or a grammar: it answers in sentences; leave "
            "`format` (`response_format`, `grammar`) out"
        )
    return replace(request, tools=(), tool_choice=ToolChoice())


def as_generated(entry: VirtualEntry, request: GenerateRequest) -> GenerateRequest:
    """Check a prompt against what virtual models can do; else as `as_asked`.

    Raises:
        RequestError: it is raw, or brings a template or tokens of its own.
        CapabilityError: it has a suffix.
    """
    quoted = f'"{entry.name}"'
    if request.is_raw or request.template or request.context:
        raise RequestError(
            f"{quoted} does not support raw prompts, templates or contexts: send a prompt, or a "
            "conversation to /api/chat"
        )
    if request.suffix:
        raise CapabilityError(quoted, "insert")
    as_asked(entry, as_chat(request))
    return request


def as_chat(request: GenerateRequest) -> ChatRequest:
    """Turn a prompt into a conversation of one question."""
    system = (Message("system", request.system),) if request.system else ()
    question = Message("user", request.prompt, images=request.images)
    return ChatRequest(
        model=request.model,
        messages=(*system, question) if request.prompt or request.images else (),
        think=request.think,
        format=request.format,
        grammar=request.grammar,
        options=request.options,
        keep_alive_s=request.keep_alive_s,
        n_top_logprobs=request.n_top_logprobs,
    )


def answered(model: VirtualModel, request: ChatRequest) -> Iterator[Event]:
    """Let a virtual model answer; without messages there is nothing to load, and that is told."""
    if not request.messages:
        return iter((Final("unload" if request.keep_alive_s == 0 else "load"),))
    return model.chat(request)


def tagged(name: str) -> str:
    """Give a virtual model's name as clients see it that add the tag by themselves."""
    return name + LATEST


def untagged(name: str) -> str:
    """Take a tag off again that says nothing."""
    is_tagged = name.casefold().endswith(LATEST)
    return name[: -len(LATEST)] if is_tagged else name


def _theirs(virtual: VirtualModels, name: str) -> str:
    """Give a name as they own it, also if it is written with its host; else nothing."""
    if virtual.owns(name):
        return name
    with suppress(ModelNameError):
        short = parse(name).short
        return short if virtual.owns(short) else ""
    return ""


def _is_stored(shelf: Shelf, name: str) -> bool:
    try:
        shelf.library.find(name)
    except (ModelNotFoundError, ModelNameError):
        return False
    return True
