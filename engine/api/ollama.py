"""The native inference routes: generate, chat, embeddings, what is in memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi import APIRouter, Request, Response

from engine.api.body import read_body
from engine.api.bridge import Bridge, quick
from engine.api.checks import chat_request, find, generate_request
from engine.api.frames import (
    JSON_TYPE,
    chat_frames,
    embed_body,
    generate_frames,
    json_response,
    running_objects,
    vector_texts,
)
from engine.api.stream import Framing, gather, stream
from engine.api.wire import ChatWire, EmbeddingsWire, EmbedWire, GenerateWire
from engine.errors import ModelRequiredError, RequestError
from engine.version import OLLAMA_VERSION

if TYPE_CHECKING:
    from engine.engine import Engine

EMBED_MISSING = 'model "{}" not found, try pulling it first'


class NativeRoutes:
    """The endpoints below /api that compute."""

    def __init__(self, engine: Engine, bridge: Bridge) -> None:
        self._engine, self._bridge = engine, bridge

    def router(self) -> APIRouter:
        """Bind paths to methods."""
        router = APIRouter(tags=["ollama"])
        router.add_api_route("/api/version", self.version, methods=["GET"])
        router.add_api_route(
            "/api/version", self.version, methods=["HEAD"], include_in_schema=False
        )
        router.add_api_route("/api/status", self.status, methods=["GET"])
        router.add_api_route("/api/ps", self.running, methods=["GET"])
        router.add_api_route("/api/generate", self.generate, methods=["POST"])
        router.add_api_route("/api/chat", self.chat, methods=["POST"])
        router.add_api_route("/api/embed", self.embed, methods=["POST"])
        router.add_api_route("/api/embeddings", self.embeddings, methods=["POST"])
        return router

    async def version(self) -> Response:
        """Tell which version of the protocol is spoken."""
        return json_response({"version": OLLAMA_VERSION})

    async def status(self) -> Response:
        """Tell that nothing is ever sent to a cloud."""
        return json_response({"cloud": {"disabled": True, "source": "config"}})

    async def running(self) -> Response:
        """List the models in memory."""
        return json_response({"models": running_objects(await quick(self._engine.running))})

    async def generate(self, request: Request) -> Response:
        """Continue a prompt."""
        wire = await read_body(request, GenerateWire)
        wanted = await quick(lambda: generate_request(self._engine, wire))
        frames = generate_frames(wire.model)
        if wire.debug_render_only:
            rendered = await self._bridge.call(request, lambda: self._engine.render(wanted))
            return json_response(frames.rendered(rendered))
        if wire.stream and (wanted.prompt or wanted.images or wanted.suffix):
            framing = Framing(frames.lines)
            return await stream(
                self._bridge, request, lambda: self._engine.generate(wanted), framing
            )
        events = await gather(self._bridge, request, lambda: self._engine.generate(wanted))
        return json_response(frames.whole(events))

    async def chat(self, request: Request) -> Response:
        """Answer a conversation."""
        wire = await read_body(request, ChatWire)
        wanted = await quick(lambda: chat_request(self._engine, wire))
        frames = chat_frames(wire.model)
        if wire.debug_render_only:
            rendered = await self._bridge.call(request, lambda: self._engine.render(wanted))
            return json_response(frames.rendered(rendered))
        if wire.stream and wanted.messages:
            framing = Framing(frames.lines)
            return await stream(self._bridge, request, lambda: self._engine.chat(wanted), framing)
        events = await gather(self._bridge, request, lambda: self._engine.chat(wanted))
        return json_response(frames.whole(events))

    async def embed(self, request: Request) -> Response:
        """Turn texts into vectors; no text only loads the model."""
        wire = await read_body(request, EmbedWire)
        texts = input_texts(wire.input)
        entry = await quick(lambda: find(self._engine, wire.model, missing=EMBED_MISSING))
        embedded = await self._bridge.call(
            request,
            lambda: self._engine.embed(
                entry.name,
                texts,
                is_truncating=wire.truncate,
                n_dimensions=wire.dimensions,
                options=wire.options,
                keep_alive_s=wire.keep_alive,
            ),
        )
        return Response(embed_body(wire.model, embedded), media_type=JSON_TYPE)

    async def embeddings(self, request: Request) -> Response:
        """Turn one text into a vector, in the old form."""
        wire = await read_body(request, EmbeddingsWire)
        if not wire.model:
            raise ModelRequiredError
        entry = await quick(lambda: find(self._engine, wire.model, missing=EMBED_MISSING))
        embedded = await self._bridge.call(
            request,
            lambda: self._engine.embed(
                entry.name,
                [wire.prompt] if wire.prompt else [],
                is_truncating=False,
                options=wire.options,
                keep_alive_s=wire.keep_alive,
            ),
        )
        vector = vector_texts(embedded.vectors)[0] if wire.prompt else "[]"
        return Response(f'{{"embedding":{vector}}}', media_type=JSON_TYPE)


def input_texts(value: object) -> list[str]:
    """Read the `input` field of an embedding request; one empty text is no text.

    Raises:
        RequestError: neither a string nor a list of strings.
    """
    if value is None or value == "":
        return []
    if isinstance(value, str):
        return [value]
    if isinstance(value, list) and all(isinstance(one, str) for one in value):
        return list(value)
    raise RequestError("invalid input type")
