"""A model's name and a request in, what the model lacks out; reads the library."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from engine.api.checks import find, require_senses, require_tools
from engine.errors import CapabilityError, ModelRequiredError
from engine.types import ChatRequest, ModelEntry
from engine.virtual import VirtualEntry, as_asked, virtual_of

if TYPE_CHECKING:
    from engine.virtual import Shelf


def chat_model(shelf: Shelf, name: str) -> ModelEntry | VirtualEntry:
    """Look up a model that chats.

    Raises:
        ModelRequiredError: no name.
        ModelNotFoundError: not installed.
        CapabilityError: it only embeds.
    """
    if not name:
        raise ModelRequiredError
    virtual = virtual_of(shelf, name)
    if virtual is not None:
        return virtual.entry
    entry = find(shelf, name)
    if "completion" not in entry.capabilities:
        raise CapabilityError(json.dumps(name, ensure_ascii=False), "chat")
    return entry


def required(entry: ModelEntry | VirtualEntry, request: ChatRequest) -> ChatRequest:
    """Let a request pass if its model can do what it asks for.

    Raises:
        CapabilityError: names what the model cannot do.
        RequestError: a tool's definition is wrong.
    """
    if isinstance(entry, VirtualEntry):
        return as_asked(entry, request)
    require_tools(entry, request.tools)
    require_senses(entry, [image for message in request.messages for image in message.images])
    return request
