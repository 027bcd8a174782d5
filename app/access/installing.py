"""An application in, the same with its lock: the gate, the login, the routes of keys."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi import FastAPI, Request, Response
from fastapi.responses import RedirectResponse

from app.access.describe import describe_keys
from app.access.errors import STATUS, AccessError
from app.access.gate import Access
from app.access.login import login_router
from app.api.keys import caller_router, keys_router
from app.refusals import refusal

if TYPE_CHECKING:
    from app.access.opening import Lock


def install_access(app: FastAPI, lock: Lock, *, home: str) -> None:
    """Let `app` ask for keys, if they are asked for; to be called before other middleware is added.

    Args:
        home: where a login leads.
    """
    app.add_exception_handler(AccessError, _refuse)
    app.include_router(caller_router(is_asked=lock.rule.is_on))
    if lock.keyring is not None:
        app.include_router(keys_router(lock.keyring))
    if lock.keyring is not None and lock.rule.is_on:
        app.add_middleware(Access, keyring=lock.keyring)
        app.include_router(login_router(lock.keyring, home=home))
        described = app.openapi
        # As FastAPI would have it extended.
        app.openapi = lambda: describe_keys(described())  # type: ignore[method-assign]
        return

    @app.get("/login", include_in_schema=False)
    def nothing_to_ask() -> Response:
        """Lead on: nobody has to show a key here."""
        return RedirectResponse(home, 303, {"cache-control": "no-store"})


async def _refuse(request: Request, error: Exception) -> Response:
    status = next((status for kind, status in STATUS if isinstance(error, kind)), 500)
    return refusal(request.url.path, status, str(error))
