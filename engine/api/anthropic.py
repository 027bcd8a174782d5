"""The routes below /v1/messages, as Anthropic's clients expect them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi import APIRouter, Request, Response

from engine.api.anthropic_frames import MessagesFrames, anthropic_error_event, estimated_tokens
from engine.api.anthropic_wire import MessagesWire
from engine.api.body import read_body
from engine.api.bridge import Bridge, quick
from engine.api.frames import json_response
from engine.api.openai_frames import EVENTS_TYPE
from engine.api.requirements import chat_model, required
from engine.api.stream import Framing, gather, stream
from engine.types import ChatRequest

if TYPE_CHECKING:
    from engine.engine import Engine


class AnthropicRoutes:
    """The endpoints of the Messages API."""

    def __init__(self, engine: Engine, bridge: Bridge) -> None:
        self._engine, self._bridge = engine, bridge

    def router(self) -> APIRouter:
        """Bind paths to methods."""
        router = APIRouter(tags=["anthropic"])
        router.add_api_route("/v1/messages", self.messages, methods=["POST"])
        # Our extension: Ollama has no such route.
        router.add_api_route("/v1/messages/count_tokens", self.count_tokens, methods=["POST"])
        return router

    async def messages(self, request: Request) -> Response:
        """Answer a conversation."""
        wire = await read_body(request, MessagesWire)
        wanted = await quick(lambda: self._request(wire, needs_limit=True))
        guess = estimated_tokens(wanted)
        frames = MessagesFrames(wire.model, n_input_guess=guess, is_parallel=wire.is_parallel)
        if wire.stream:
            framing = Framing(frames.events, anthropic_error_event, b"", EVENTS_TYPE)
            return await stream(self._bridge, request, lambda: self._engine.chat(wanted), framing)
        events = await gather(self._bridge, request, lambda: self._engine.chat(wanted))
        return json_response(frames.whole(events))

    async def count_tokens(self, request: Request) -> Response:
        """Count the tokens of a conversation, its template and tools included."""
        wire = await read_body(request, MessagesWire)
        wanted = await quick(lambda: self._request(wire, needs_limit=False))
        count = await self._bridge.call(request, lambda: self._engine.count_chat_tokens(wanted))
        return json_response({"input_tokens": count})

    def _request(self, wire: MessagesWire, *, needs_limit: bool) -> ChatRequest:
        entry = chat_model(self._engine, wire.model)
        wanted = wire.request(can_think="thinking" in entry.capabilities, needs_limit=needs_limit)
        return required(entry, wanted)
