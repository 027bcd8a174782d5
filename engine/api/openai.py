"""The routes below /v1, as OpenAI's clients expect them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi import APIRouter, Request, Response

from engine.api.body import read_body
from engine.api.bridge import Bridge, quick
from engine.api.checks import chat_request, find, generate_request
from engine.api.frames import JSON_TYPE, json_response
from engine.api.ollama import EMBED_MISSING, input_texts
from engine.api.openai_frames import (
    DONE,
    EVENTS_TYPE,
    ChatCompletionFrames,
    CompletionFrames,
    embeddings_body,
    encoding_of,
    error_event,
    model_object,
)
from engine.api.openai_wire import ChatCompletionWire, CompletionWire, EmbeddingsWireV1
from engine.api.stream import Framing, gather, stream
from engine.errors import RequestError
from engine.library.names import parse
from engine.types import Event

if TYPE_CHECKING:
    from engine.engine import Engine


class OpenAIRoutes:
    """The endpoints below /v1."""

    def __init__(self, engine: Engine, bridge: Bridge) -> None:
        self._engine, self._bridge = engine, bridge

    def router(self) -> APIRouter:
        """Bind paths to methods."""
        router = APIRouter(tags=["openai"])
        router.add_api_route("/v1/chat/completions", self.chat_completions, methods=["POST"])
        router.add_api_route("/v1/completions", self.completions, methods=["POST"])
        router.add_api_route("/v1/embeddings", self.embeddings, methods=["POST"])
        router.add_api_route("/v1/models", self.models, methods=["GET"])
        # Names of models from other registries hold slashes.
        router.add_api_route("/v1/models/{model:path}", self.model, methods=["GET"])
        return router

    async def chat_completions(self, request: Request) -> Response:
        """Answer a conversation."""
        wire = await read_body(request, ChatCompletionWire)
        native = wire.native()
        wanted = await quick(lambda: chat_request(self._engine.library, native))
        frames = ChatCompletionFrames(wire.model, has_usage=wire.stream_options.include_usage)
        if wire.stream:
            framing = _framing(frames)
            return await stream(self._bridge, request, lambda: self._engine.chat(wanted), framing)
        events = await gather(self._bridge, request, lambda: self._engine.chat(wanted))
        return json_response(frames.whole(events))

    async def completions(self, request: Request) -> Response:
        """Continue a prompt."""
        wire = await read_body(request, CompletionWire)
        native = wire.native()
        wanted = await quick(lambda: generate_request(self._engine.library, native))
        frames = CompletionFrames(wire.model, has_usage=wire.stream_options.include_usage)
        if wire.stream:
            framing = _framing(frames)
            return await stream(
                self._bridge, request, lambda: self._engine.generate(wanted), framing
            )
        events = await gather(self._bridge, request, lambda: self._engine.generate(wanted))
        return json_response(frames.whole(events))

    async def embeddings(self, request: Request) -> Response:
        """Turn texts into vectors."""
        wire = await read_body(request, EmbeddingsWireV1)
        encoding = encoding_of(wire.encoding_format)
        texts = [""] if wire.input == "" else input_texts(wire.input)
        if not texts:
            raise RequestError("invalid input")
        entry = await quick(lambda: find(self._engine.library, wire.model, missing=EMBED_MISSING))
        embedded = await self._bridge.call(
            request,
            lambda: self._engine.embed(entry.name, texts, n_dimensions=wire.dimensions),
        )
        return Response(embeddings_body(wire.model, embedded, encoding), media_type=JSON_TYPE)

    async def models(self) -> Response:
        """List the installed models."""
        entries = await quick(self._engine.library.entries)
        return json_response({"object": "list", "data": [model_object(one) for one in entries]})

    async def model(self, model: str) -> Response:
        """Describe one installed model."""

        def look_up() -> dict[str, object]:
            missing = f"model '{parse(model).short}' not found"
            return model_object(find(self._engine.library, model, missing=missing))

        return json_response(await quick(look_up))


def _framing(frames: ChatCompletionFrames | CompletionFrames) -> Framing[Event]:
    return Framing(frames.events, error_event, DONE, EVENTS_TYPE)
