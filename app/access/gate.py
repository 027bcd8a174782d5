"""A request in, on to the application if its key allows, or a refusal that says what would help.

The cookie of a login opens the pages and, elsewhere, what only reads: a page of somebody else can
make a browser send a cookie along, but never a header.
"""

from __future__ import annotations

import logging
from urllib.parse import quote

from anyio import CapacityLimiter, to_thread
from starlette.datastructures import Headers
from starlette.responses import RedirectResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from app.access.caller import Caller, facts, handling
from app.access.errors import KeyStoreError
from app.access.keyring import Keyring
from app.access.routes import Need, need_of
from app.access.sockets import LOOK_S, POLICY_VIOLATION, Sockets
from app.refusals import refusal

COOKIE = "quire_session"
THREADS = 4  # that write down who came, or let somebody in
_READS = ("GET", "HEAD")
_PAGES = "/ui"
_MAX_SHOWN = 4096  # characters of a key that are looked at
_NO_KEY = (
    "this server asks for a key: send it as `Authorization: Bearer KEY` or `X-API-Key: KEY`; "
    "`quire keys add NAME` makes one"
)
_WRONG_KEY = "the key is not known here, was revoked, or is over: `quire keys list` shows all"

logger = logging.getLogger(__name__)


class Access:
    """Lets in who shows a key that allows what is asked; pure ASGI, so streams pass untouched."""

    def __init__(self, app: ASGIApp, *, keyring: Keyring, look_s: float = LOOK_S) -> None:
        self._app, self._keyring = app, keyring
        # Threads of its own: who is let in shall not wait for what others have asked for.
        self._threads = CapacityLimiter(THREADS)
        self._sockets = Sockets(lambda shown: keyring.caller_of(shown) is not None, look_s)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through with its caller noted, or refuse it."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        method = scope["method"] if scope["type"] == "http" else "GET"
        path, headers = scope["path"], Headers(scope=scope)
        need, shown = need_of(method, path), shown_in(headers, method, path)
        try:
            caller = self._keyring.caller_of(shown) if shown else None
        except KeyStoreError:
            logger.exception("keys_not_readable")
            await _refuse(scope, receive, send, 503, "the file of keys cannot be read: see the log")
            return
        if caller is None and need.scopes:
            _name(scope, need)
            await _ask_for_key(scope, receive, send, is_wrong=bool(shown))
            return
        caller = caller or NOBODY
        missing = need.missing(caller)
        with handling(facts()) as at_hand:
            at_hand.caller = caller
            if missing:
                _name(scope, need)
                text = f"the key {caller.name!r} may not do that: {missing}"
                await _refuse(scope, receive, send, 403, text)
                return
            await self._note(caller)
            if scope["type"] == "websocket" and shown:
                await self._sockets.run(self._app, scope, receive, send, shown)
            else:
                await self._app(scope, receive, send)

    async def _note(self, caller: Caller) -> None:
        if not self._keyring.is_unnoted(caller):
            return
        try:
            await to_thread.run_sync(self._keyring.note_use, caller, limiter=self._threads)
        except KeyStoreError as error:
            logger.warning("use_of_key_not_noted error=%s", error)  # a full disk locks nobody out


NOBODY = Caller("", "", frozenset(), frozenset())  # at a route that asks for no key


def _name(scope: Scope, need: Need) -> None:
    """Let logs say what was refused, as the template of its path: no router will see it."""
    if need.path:
        scope["route"] = need


def shown_in(headers: Headers, method: str, path: str) -> str:
    """Find the key or session that a request shows; a header goes before the cookie."""
    kind, _, bearer = headers.get("authorization", "").partition(" ")
    if kind.casefold() == "bearer" and bearer.strip():
        return bearer.strip()[:_MAX_SHOWN]
    key = headers.get("x-api-key", "").strip()
    if key:
        return key[:_MAX_SHOWN]
    if method in _READS or is_page(path):
        return cookie_in(headers)
    return ""


def cookie_in(headers: Headers) -> str:
    """Read the session out of the cookies, if there is one."""
    for part in ";".join(headers.getlist("cookie")).split(";"):
        name, _, value = part.strip().partition("=")
        if name == COOKIE:
            return value.strip('"')[:_MAX_SHOWN]
    return ""


def is_page(path: str) -> bool:
    """Tell whether a path is the interface's."""
    return path == _PAGES or path.startswith(_PAGES + "/")


async def _ask_for_key(scope: Scope, receive: Receive, send: Send, *, is_wrong: bool) -> None:
    headers = Headers(scope=scope)
    is_browser = "text/html" in headers.get("accept", "").casefold()
    if scope["type"] == "http" and scope["method"] in _READS and is_browser:
        path = scope["path"]
        if is_page(path) or path == "/docs":
            query = scope.get("query_string", b"").decode("latin-1")
            asked = quote(path + (f"?{query}" if query else ""), safe="")
            leads_to = f"/login?next={asked}" + "&over=1" * is_wrong
            answer = RedirectResponse(leads_to, 303, {"cache-control": "no-store"})
            await answer(scope, receive, send)
            return
    await _refuse(scope, receive, send, 401, _WRONG_KEY if is_wrong else _NO_KEY)


async def _refuse(scope: Scope, receive: Receive, send: Send, status: int, text: str) -> None:
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": POLICY_VIOLATION})
        return
    headers = {"cache-control": "no-store"}
    if status == 401:
        headers["www-authenticate"] = 'Bearer realm="quire"'
    await refusal(scope["path"], status, text, headers)(scope, receive, send)
