"""A request in, the same out: with an id, one log line and one audit entry when it has ended."""

from __future__ import annotations

import logging
import re
import secrets
import time
from collections.abc import Callable
from datetime import UTC, datetime

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.access.caller import Facts, handling
from app.audit.entry import Entry
from app.logs import FIELDS
from app.redacting import redacted
from engine.api.metrics import route_of

_LOG = logging.getLogger("quire.requests")
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_UNAUDITED = frozenset({"/healthz", "/readyz", "/metrics", "/", "/docs", "/openapi.json"})
_PAGES = ("/ui",)
_REFUSED = frozenset({401, 403})  # of these every one counts: a wrong key can be tried anywhere
_NO_ANSWER = 499  # the client went away before there was one


def request_id_of(given: str) -> str:
    """Take the client's id of a request if it is well-formed and no secret, else make one."""
    is_good = _REQUEST_ID.fullmatch(given) and redacted(given) == given
    return given if is_good else secrets.token_hex(8)


def is_audited(path: str, status: int = 200) -> bool:
    """Tell whether a request belongs in the audit log: not probes, not the pages' own files."""
    return status in _REFUSED or (path not in _UNAUDITED and not path.startswith(_PAGES))


class Recorded:
    """Outermost: makes the facts of a request, tells them when it is over; pure ASGI."""

    def __init__(self, app: ASGIApp, *, audit: Callable[[Entry], None] | None = None) -> None:
        """Wrap an application.

        Args:
            audit: takes the entry of a request that has ended; None = no audit log.
        """
        self._app, self._audit = app, audit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        given = Headers(scope=scope).get("x-request-id", "")
        with handling(Facts(request_id_of(given))) as facts:
            if scope["type"] == "websocket":
                await self._app(scope, receive, send)
            else:
                await _Watched(scope, facts, self._audit).run(self._app, receive, send)


class _Watched:
    """One request while it runs."""

    def __init__(self, scope: Scope, facts: Facts, audit: Callable[[Entry], None] | None) -> None:
        self._scope, self._facts, self._audit = scope, facts, audit
        self._id = facts.request_id.encode("ascii")
        self._status = _NO_ANSWER
        self._n_bytes = 0
        self._is_whole = False  # the last byte of the answer was sent
        self._is_cut = False  # the client went away before

    async def run(self, app: ASGIApp, receive: Receive, send: Send) -> None:
        """Let the application answer."""
        began_s = time.perf_counter()

        async def receiving() -> Message:
            message = await receive()
            if message["type"] == "http.disconnect" and not self._is_whole:
                self._is_cut = True
            return message

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._status = message["status"]
                message["headers"] = [*message.get("headers", ()), (b"x-request-id", self._id)]
            elif message["type"] == "http.response.body":
                self._n_bytes += len(message.get("body", b""))
                self._is_whole = not message.get("more_body", False)
            await send(message)

        try:
            await app(self._scope, receiving, sending)
        except BaseException:
            if self._status == _NO_ANSWER and not self._is_cut:
                self._status = 500
            raise
        finally:
            self._told(time.perf_counter() - began_s)

    def _told(self, spent_s: float) -> None:
        path = self._scope["path"]
        is_logged = _LOG.isEnabledFor(logging.INFO)
        if not is_logged and self._audit is None:
            return
        method = self._scope["method"] if self._scope["method"] in _METHODS else "other"
        client = self._scope.get("client")
        address = str(client[0]) if client else ""
        route, caller, spent_ms = route_of(self._scope), self._facts.caller, spent_s * 1000
        is_told = is_audited(path, self._status)
        if is_logged and is_told:
            told = {
                "method": method,
                "route": route,
                "status": self._status,
                "duration_ms": round(spent_ms, 2),
                "n_bytes": self._n_bytes,
                "key": caller.key_id,
                "address": address,
                "is_cut": self._is_cut,
            }
            _LOG.info("request", extra={FIELDS: told})
        if self._audit is not None and is_told:
            self._audit(
                Entry(
                    datetime.now(UTC).isoformat(timespec="milliseconds"),
                    self._facts.request_id,
                    caller.key_id,
                    caller.name,
                    address,
                    method,
                    route,
                    tuple(self._facts.collections),
                    self._status,
                    round(spent_ms, 2),
                    self._is_cut,
                )
            )
