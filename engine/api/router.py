"""An engine in, all its HTTP routes out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from fastapi import APIRouter
from fastapi.routing import APIRoute
from pydantic import BaseModel

from engine.api.anthropic import AnthropicRoutes
from engine.api.anthropic_wire import MessagesWire
from engine.api.audio import AudioRoutes
from engine.api.bridge import Bridge
from engine.api.cloud import cloud_router
from engine.api.describe import takes
from engine.api.extensions import DetokenizeWire, ExtensionRoutes, RerankWire, TokenizeWire
from engine.api.models import ModelRoutes, ModelVerbs
from engine.api.ollama import NativeRoutes
from engine.api.openai import OpenAIRoutes
from engine.api.openai_wire import ChatCompletionWire, CompletionWire, EmbeddingsWireV1
from engine.api.responses import ResponsesRoutes
from engine.api.responses_wire import ResponsesWire
from engine.api.wire import (
    ChatWire,
    CopyWire,
    CreateWire,
    EmbeddingsWire,
    EmbedWire,
    GenerateWire,
    NamedWire,
    PullWire,
    ShowWire,
)

if TYPE_CHECKING:
    from engine.engine import Engine

root_text = "Ollama is running"  # what clients expect at "/" before they go on

# Routes read their bodies by themselves, because the content type does not matter to Ollama; so
# the description of the API learns here what they read.
BODIES: Mapping[str, type[BaseModel]] = {
    "/api/generate": GenerateWire,
    "/api/chat": ChatWire,
    "/api/embed": EmbedWire,
    "/api/embeddings": EmbeddingsWire,
    "/api/show": ShowWire,
    "/api/pull": PullWire,
    "/api/push": PullWire,
    "/api/create": CreateWire,
    "/api/copy": CopyWire,
    "/api/delete": NamedWire,
    "/api/rerank": RerankWire,
    "/api/tokenize": TokenizeWire,
    "/api/detokenize": DetokenizeWire,
    "/v1/rerank": RerankWire,
    "/v1/chat/completions": ChatCompletionWire,
    "/v1/completions": CompletionWire,
    "/v1/embeddings": EmbeddingsWireV1,
    "/v1/responses": ResponsesWire,
    "/v1/messages": MessagesWire,
    "/v1/messages/count_tokens": MessagesWire,
}


def engine_router(
    engine: Engine, verbs: ModelVerbs | None = None, bridge: Bridge | None = None
) -> APIRouter:
    """Build the routes below /api and /v1.

    Args:
        verbs: how to pull, push and create; None takes those of the library.
        bridge: what runs the engine's calls, for who wants to stop them; None makes one.
    """
    bridge = bridge or Bridge()
    parts = (
        NativeRoutes(engine, bridge).router(),
        ModelRoutes(engine, bridge, verbs or ModelVerbs()).router(),
        OpenAIRoutes(engine, bridge).router(),
        AudioRoutes(engine, bridge).router(),
        ResponsesRoutes(engine, bridge).router(),
        AnthropicRoutes(engine, bridge).router(),
        ExtensionRoutes(engine, bridge).router(),
        cloud_router(),
    )
    router = APIRouter()
    for part in parts:
        _describe_bodies(part)
        router.include_router(part)
    return router


def _describe_bodies(part: APIRouter) -> None:
    for route in part.routes:
        if isinstance(route, APIRoute) and route.path in BODIES:
            route.openapi_extra = takes(BODIES[route.path])
