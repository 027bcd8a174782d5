"""The door of the small server: while `world.key` is set, what asks for documents must show it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

    from tests.ui.fake_api import World

KEY = "qk_right"  # of ann, who may all
POOR_KEY = "qk_poor"  # may read, but not ask


class Door:
    """Refuses who shows no key, or one that may not ask; pure ASGI, so streams pass."""

    def __init__(self, app: ASGIApp, world: World) -> None:
        self._app, self._world = app, world

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        is_ours = scope["type"] == "http" and scope["path"].startswith("/kb/")
        shown = dict(scope.get("headers", ())).get(b"authorization", b"").decode()
        if not is_ours or not self._world.key:
            await self._app(scope, receive, send)
        elif shown.removeprefix("Bearer ") not in (self._world.key, POOR_KEY):
            await JSONResponse({"error": "no such key"}, 401)(scope, receive, send)
        elif shown.endswith(POOR_KEY) and scope["path"] == "/kb/query":
            told = "the key 'poor' may not do this: this needs the scope ask; it has read"
            await JSONResponse({"error": told}, 403)(scope, receive, send)
        else:
            await self._app(scope, receive, send)


def add_login_routes(app: FastAPI, world: World) -> None:
    """Add the door and who asks."""
    app.add_middleware(Door, world=world)

    @app.get("/kb/me")
    def who(request: Request):
        if not world.key:
            return {"is_asked": False, "name": "", "scopes": ["admin"], "collections": None}
        is_poor = request.headers.get("authorization", "").endswith(POOR_KEY)
        name, scopes = ("poor", ["read"]) if is_poor else ("ann", ["admin"])
        return {"is_asked": True, "name": name, "scopes": scopes, "collections": None}

    @app.get("/healthz")
    def health():
        return {"status": "ok"}
