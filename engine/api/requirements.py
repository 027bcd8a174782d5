"""A model's name and a request in, what the model lacks out; reads the library."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from engine.api.checks import find, require_senses, require_tools
from engine.errors import CapabilityError, ModelRequiredError
from engine.types import ChatRequest, ModelEntry

if TYPE_CHECKING:
    from engine.library.store import Library


def chat_model(library: Library, name: str) -> ModelEntry:
    """Look up a model that chats.

    Raises:
        ModelRequiredError: no name.
        ModelNotFoundError: not installed.
        CapabilityError: it only embeds.
    """
    if not name:
        raise ModelRequiredError
    entry = find(library, name)
    if "completion" not in entry.capabilities:
        raise CapabilityError(json.dumps(name, ensure_ascii=False), "chat")
    return entry


def require(entry: ModelEntry, request: ChatRequest) -> None:
    """Let a request pass if its model can do what it asks for.

    Raises:
        CapabilityError: names what the model cannot do.
        RequestError: a tool's definition is wrong.
    """
    require_tools(entry, request.tools)
    require_senses(entry, [image for message in request.messages for image in message.images])
