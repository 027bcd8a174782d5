"""The route /v1/responses, as OpenAI's newer clients expect it; keeps nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi import APIRouter, Request, Response

from engine.api.body import read_body
from engine.api.bridge import Bridge, quick
from engine.api.frames import json_response
from engine.api.openai_frames import EVENTS_TYPE
from engine.api.requirements import chat_model, required
from engine.api.responses_frames import ResponsesFrames
from engine.api.responses_wire import ResponsesWire
from engine.api.stream import Framing, gather, stream
from engine.types import ChatRequest

if TYPE_CHECKING:
    from engine.engine import Engine


class ResponsesRoutes:
    """The endpoint of the Responses API."""

    def __init__(self, engine: Engine, bridge: Bridge) -> None:
        self._engine, self._bridge = engine, bridge

    def router(self) -> APIRouter:
        """Bind the path to its method."""
        router = APIRouter(tags=["openai"])
        router.add_api_route("/v1/responses", self.responses, methods=["POST"])
        return router

    async def responses(self, request: Request) -> Response:
        """Answer a conversation."""
        wire = await read_body(request, ResponsesWire)
        wanted = await quick(lambda: self._request(wire))
        frames = ResponsesFrames(wire)
        if wire.stream:
            framing = Framing(frames.events, frames.fail, b"", EVENTS_TYPE)
            return await stream(self._bridge, request, lambda: self._engine.chat(wanted), framing)
        events = await gather(self._bridge, request, lambda: self._engine.chat(wanted))
        return json_response(frames.whole(events))

    def _request(self, wire: ResponsesWire) -> ChatRequest:
        entry = chat_model(self._engine, wire.model)
        return required(entry, wire.request())
