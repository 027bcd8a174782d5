"""/kb/keys: keys listed, made, revoked; the secret is given once, when a key is made."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from app.access.caller import caller
from app.access.keyring import Keyring
from app.api.keys_wire import CallerOut, KeyIn, KeyOut, KeysOut, NewKeyOut
from engine.api.body import read_body
from engine.api.bridge import quick
from engine.api.describe import takes


def caller_router(*, is_asked: bool) -> APIRouter:
    """Build the route that tells who asks, so that a page can leave away what is not allowed.

    Args:
        is_asked: whether keys are asked for here.
    """
    router = APIRouter(prefix="/kb/me", tags=["keys"])

    @router.get("", response_model=CallerOut)
    async def me() -> CallerOut:
        """Tell what the key or session at hand may do."""
        return CallerOut.of(caller(), is_asked=is_asked)

    return router


def keys_router(keyring: Keyring) -> APIRouter:
    """Build the routes of keys."""
    router = APIRouter(prefix="/kb/keys", tags=["keys"])

    @router.get("", response_model=KeysOut)
    def keys() -> KeysOut:
        """List the keys, newest first; none shows its secret."""
        now = keyring.now()
        return KeysOut(keys=[KeyOut.of(one, now) for one in keyring.listed()])

    @router.post("", status_code=201, response_model=NewKeyOut, openapi_extra=takes(KeyIn))
    async def make(request: Request, response: Response) -> NewKeyOut:
        """Make a key; its text is in this answer and nowhere else."""
        body = await read_body(request, KeyIn)
        key, text = await quick(
            lambda: keyring.make(body.name, body.scopes, body.collections, body.expires)
        )
        response.headers["cache-control"] = "no-store"
        return NewKeyOut(**KeyOut.of(key, keyring.now()).model_dump(), key=text)

    @router.delete("/{key_id}", response_model=KeyOut)
    def revoke(key_id: str) -> KeyOut:
        """End a key, by its id or name, and the sessions made with it; at once, everywhere."""
        return KeyOut.of(keyring.revoke(key_id), keyring.now())

    return router
