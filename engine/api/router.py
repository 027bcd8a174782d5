"""An engine in, all its HTTP routes out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi import APIRouter

from engine.api.bridge import Bridge
from engine.api.models import ModelRoutes, ModelVerbs
from engine.api.ollama import NativeRoutes
from engine.api.openai import OpenAIRoutes

if TYPE_CHECKING:
    from engine.engine import Engine

root_text = "Ollama is running"  # what clients expect at "/" before they go on


def engine_router(engine: Engine, verbs: ModelVerbs | None = None) -> APIRouter:
    """Build the routes below /api and /v1.

    Args:
        verbs: how to pull, push and create; None takes those of the library.
    """
    bridge = Bridge()
    router = APIRouter()
    router.include_router(NativeRoutes(engine, bridge).router())
    router.include_router(ModelRoutes(engine, bridge, verbs or ModelVerbs()).router())
    router.include_router(OpenAIRoutes(engine, bridge).router())
    return router
