"""/kb/watched: folders here that are kept indexed; only callers on this machine add one."""

from __future__ import annotations

from ipaddress import ip_address
from pathlib import Path

from fastapi import APIRouter, HTTPException, Request

from app.api.wire import WatchedOut, WatchIn
from engine.api.body import read_body
from engine.api.bridge import quick
from engine.api.describe import takes
from ingest.knowledge_base import KnowledgeBase


def watched_router(kb: KnowledgeBase) -> APIRouter:
    """Build the route that adds a folder."""
    router = APIRouter(prefix="/kb/watched", tags=["documents"])

    @router.post("", status_code=201, response_model=WatchedOut, openapi_extra=takes(WatchIn))
    async def watch(request: Request) -> WatchedOut:
        """Keep a folder indexed until the server ends."""
        body = await read_body(request, WatchIn)
        # A folder named over the network would let anybody read this machine's files.
        if not is_local(request.client.host if request.client else ""):
            raise HTTPException(403, "folders can be watched from this machine only")
        folder = Path(body.folder).expanduser()
        if not folder.is_absolute() or not folder.is_dir():
            raise HTTPException(400, f"{body.folder!r} is not an absolute path of a folder here")
        await quick(lambda: kb.watch(folder, body.collection))
        return WatchedOut(folder=str(folder), collection=body.collection, state="watching")

    return router


def is_local(host: str) -> bool:
    """Tell whether an address is this machine's loopback."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
