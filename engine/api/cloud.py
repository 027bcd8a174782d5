"""The routes of Ollama's cloud: each is refused in words, because every model runs here."""

from __future__ import annotations

from fastapi import APIRouter, Response

from engine.api.frames import json_response

_NO_ACCOUNT = "there is no cloud account here: this engine runs every model on this machine"
_NO_CLOUD = "this engine has no cloud: {} is not available"


def cloud_router() -> APIRouter:
    """Bind paths to refusals."""
    router = APIRouter(tags=["ollama"])
    router.add_api_route("/api/me", no_account, methods=["POST"])
    router.add_api_route("/api/signout", no_account, methods=["POST"])
    router.add_api_route("/api/user/keys/{key:path}", no_account, methods=["DELETE"])
    router.add_api_route("/api/experimental/web_search", no_search, methods=["POST"])
    router.add_api_route("/api/experimental/web_fetch", no_fetch, methods=["POST"])
    router.add_api_route(
        "/api/experimental/model-recommendations", no_recommendations, methods=["GET"]
    )
    return router


async def no_account() -> Response:
    """Refuse what needs an account at ollama.com."""
    return json_response({"error": _NO_ACCOUNT}, 401)


async def no_search() -> Response:
    """Refuse to search the web."""
    return json_response({"error": _NO_CLOUD.format("web search")}, 403)


async def no_fetch() -> Response:
    """Refuse to fetch a page."""
    return json_response({"error": _NO_CLOUD.format("web fetch")}, 403)


async def no_recommendations() -> Response:
    """Refuse to recommend models."""
    return json_response({"error": _NO_CLOUD.format("the list of recommended models")}, 403)
