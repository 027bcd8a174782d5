"""/login turns a key into the cookie of a session, /logout ends it."""

from __future__ import annotations

from urllib.parse import parse_qsl

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse

from app.access.caller import facts
from app.access.gate import COOKIE, cookie_in
from app.access.keyring import SESSION_H, Keyring
from app.access.login_page import POLICY, Asked, Language, language_of, login_page, safe_next
from app.access.throttle import Throttle
from engine.api.bridge import quick

MAX_FORM_BYTES = 16 * 1024
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

    @router.get("/login", include_in_schema=False)
    def page(request: Request) -> Response:
        """Ask for a key."""
        asked = request.query_params
        return _page(_language(request, asked.get("lang", "")), _next(asked.get("next", ""), home))

    @router.post("/login", include_in_schema=False)
    async def enter(request: Request) -> Response:
        """Begin a session, or say that the key opens nothing."""
        form = await _form(request)
        language = _language(request, form.get("lang", ""))
        following = _next(form.get("next", ""), home)
        address = request.client.host if request.client else ""
        wait_s = knocking.wait_s(address)
        if wait_s:
            return _page(language, following, wait_s=wait_s)
        session = await quick(lambda: keyring.log_in(form.get("key", "").strip()))
        if session is None:
            knocking.fail(address)
            return _page(language, following, is_wrong=True)
        knocking.forget(address)
        facts().caller = keyring.caller_of(session) or facts().caller  # for the audit log
        answer = RedirectResponse(following or home, 303, {"cache-control": "no-store"})
        # uvicorn takes the scheme from X-Forwarded-Proto if the proxy is one that it trusts.
        answer.set_cookie(
            COOKIE,
            session,
            max_age=SESSION_H * 3600,
            path="/",
            secure=request.url.scheme == "https",
            httponly=True,
            samesite="strict",
        )
        return answer

    @router.post("/logout", include_in_schema=False)
    async def leave(request: Request) -> Response:
        """End the session of this browser."""
        session = cookie_in(request.headers)
        facts().caller = keyring.caller_of(session) or facts().caller  # for the audit log
        await quick(lambda: keyring.log_out(session))
        answer = RedirectResponse("/login", 303, {"cache-control": "no-store"})
        answer.delete_cookie(COOKIE, path="/", httponly=True, samesite="strict")
        return answer

    return router


def _page(
    language: Language, following: str, *, is_wrong: bool = False, wait_s: float = 0.0
) -> Response:
    if wait_s:
        headers = {**_PRIVATE, "retry-after": str(int(wait_s) + 1)}
        asked = Asked(language, following, "wait", wait_s)
        return HTMLResponse(login_page(asked), 429, headers)
    if is_wrong:
        return HTMLResponse(login_page(Asked(language, following, "wrong")), 401, _PRIVATE)
    return HTMLResponse(login_page(Asked(language, following)), 200, _PRIVATE)


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
