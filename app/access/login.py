"""/login turns a key into the cookie of a session, /logout ends it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from urllib.parse import parse_qsl

from anyio import CapacityLimiter, to_thread
from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse

from app.access.caller import facts
from app.access.gate import COOKIE, THREADS, cookie_in
from app.access.keyring import SESSION_H, Keyring
from app.access.keys import parse_token
from app.access.known import COOKIE as KNOWN
from app.access.known import KEPT_S, Known
from app.access.login_page import (
    POLICY,
    Asked,
    Language,
    Trouble,
    language_of,
    login_page,
    safe_next,
)
from app.access.throttle import Knock, Throttle

MAX_FORM_BYTES = 16 * 1024
_STATUS: Mapping[Trouble, int] = {"wrong": 401, "wait": 429}
_PRIVATE = {"cache-control": "no-store", "content-security-policy": POLICY}


def login_router(
    keyring: Keyring, *, home: str = "/ui/", throttle: Throttle | None = None
) -> APIRouter:
    """Build the routes of the login.

    Args:
        home: where a login leads if nothing else was asked for.
        throttle: who showed wrong keys lately; None = a new one.
    """
    router = APIRouter()
    knocking = Throttle() if throttle is None else throttle
    known, entering, threads = Known(), asyncio.Lock(), CapacityLimiter(THREADS)

    @router.get("/login", include_in_schema=False)
    async def page(request: Request) -> Response:
        """Ask for a key."""
        asked = request.query_params
        language = _language(request, asked.get("lang", ""))
        trouble: Trouble = "over" if asked.get("over") else ""
        return _page(Asked(language, _next(asked.get("next", ""), home), trouble))

    @router.post("/login", include_in_schema=False)
    async def enter(request: Request) -> Response:
        """Begin a session, or say that the key opens nothing."""
        form = await _form(request)
        language = _language(request, form.get("lang", ""))
        following = _next(form.get("next", ""), home)
        shown = form.get("key", "").strip()
        knock = _knock(request, shown, known)
        async with entering:  # or many at once would all be looked at before one has failed
            wait_s = knocking.wait_s(knock)
            if wait_s:
                return _page(Asked(language, following, "wait", wait_s))
            session = await to_thread.run_sync(keyring.log_in, shown, limiter=threads)
            if session is None:
                knocking.fail(knock)
                return _page(Asked(language, following, "wrong"))
            knocking.forgive(knock)
        facts().caller = keyring.caller_of(session) or facts().caller  # for the audit log
        answer = RedirectResponse(following or home, 303, {"cache-control": "no-store"})
        _set_cookie(request, answer, COOKIE, session, SESSION_H * 3600)
        if knock.tried:
            _set_cookie(request, answer, KNOWN, known.mark(knock.tried), KEPT_S, "/login")
        return answer

    @router.post("/logout", include_in_schema=False)
    async def leave(request: Request) -> Response:
        """End the session of this browser."""
        session = cookie_in(request.headers)
        facts().caller = keyring.caller_of(session) or facts().caller  # for the audit log
        await to_thread.run_sync(keyring.log_out, session, limiter=threads)
        answer = RedirectResponse("/login", 303, {"cache-control": "no-store"})
        answer.delete_cookie(COOKIE, path="/", httponly=True, samesite="strict")
        return answer

    return router


def _knock(request: Request, shown: str, known: Known) -> Knock:
    token = parse_token(shown)
    return Knock(
        request.client.host if request.client else "",
        token.id if token is not None and token.kind == "qk" else "",
        known.key_id(request.cookies.get(KNOWN, "")),
    )


def _set_cookie(
    request: Request, answer: Response, name: str, value: str, max_age_s: int, path: str = "/"
) -> None:
    answer.set_cookie(
        name,
        value,
        max_age=max_age_s,
        path=path,
        # uvicorn takes the scheme from X-Forwarded-Proto if the proxy is one that it trusts.
        secure=request.url.scheme == "https",
        httponly=True,
        samesite="strict",
    )


def _page(asked: Asked) -> Response:
    headers = dict(_PRIVATE)
    if asked.trouble == "wait":
        headers["retry-after"] = str(int(asked.wait_s) + 1)
    return HTMLResponse(login_page(asked), _STATUS.get(asked.trouble, 200), headers)


def _next(text: str, home: str) -> str:
    return safe_next(text, home) if text else ""


def _language(request: Request, chosen: str) -> Language:
    return language_of(chosen, request.headers.get("accept-language", ""))


async def _form(request: Request) -> dict[str, str]:
    """Read the form; what is longer than any form of ours counts as empty."""
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > MAX_FORM_BYTES:
            return {}
    return dict(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True))
