"""Requests in, those within the limits through; the others are told which limit; pure ASGI."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

import anyio
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.access.caller import facts
from app.access.throttle import known_as
from app.limits import (
    Allowances,
    Pace,
    Rate,
    declared_length,
    is_streamed,
    needs_allowance,
)
from app.refusals import refusal

_CREDENTIALS = ("authorization", "x-api-key", "cookie")
_CLOSE = {"connection": "close"}  # what is left of the body would be taken for a request
_BODILESS = frozenset({"GET", "HEAD", "OPTIONS"})
_UNAUTHORIZED = 401


class Limits:
    """Bounds bodies, how slowly they come, and the requests of clients without a valid key."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        max_body_bytes: int,
        per_minute: int = 0,
        is_locked: bool = True,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Set the limits.

        Args:
            max_body_bytes: of bodies that are read as a whole; files have a limit of their own.
            per_minute: requests of one address that shows no key, or a wrong one; 0 = any number.
            is_locked: keys are asked for; else whatever is shown as one counts for nothing.
        """
        self._app, self._max_bytes, self._clock = app, max_body_bytes, clock
        self._is_locked = is_locked
        self._strangers = Allowances(Rate(per_minute))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        path, headers = scope["path"], Headers(scope=scope)
        shows_key = self._is_locked and any(name in headers for name in _CREDENTIALS)
        if shows_key and self._strangers.rate.per_minute:
            # At every path: the pages, which count for nothing else, would tell a right key too.
            send = _Guessing(scope, receive, send, self._strangers, self._clock).send
        elif needs_allowance(path):
            wait_s = self._strangers.take(_address(scope), self._clock())
            if wait_s:
                await _too_many(scope, receive, send, wait_s)
                return
        is_bodiless = scope["method"] in _BODILESS and "transfer-encoding" not in headers
        if is_bodiless and declared_length(headers.get("content-length", "0")) == 0:
            await self._app(scope, receive, send)
            return
        limit = None if is_streamed(path) else self._max_bytes
        length = declared_length(headers.get("content-length", ""))
        if limit is not None and length is not None and length > limit:
            await _too_large(path, limit)(scope, receive, send)
            return
        body = _Body(scope, receive, send, limit, self._clock)
        await self._app(scope, body.receive, body.send)


class KeyLimits:
    """Bounds the requests of each key; stands inside of what finds out whose key it is."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        per_minute: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._app, self._clock = app, clock
        self._keys = Allowances(Rate(per_minute))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or answer 429."""
        if scope["type"] == "http" and needs_allowance(scope["path"]):
            key = facts().caller.key_id
            wait_s = self._keys.take(key, self._clock()) if key else 0.0
            if wait_s:
                await _too_many(scope, receive, send, wait_s)
                return
        await self._app(scope, receive, send)


class _Body:
    """The body of one request: counted, and given up if it comes too slowly."""

    def __init__(
        self,
        scope: Scope,
        receive: Receive,
        send: Send,
        limit: int | None,
        clock: Callable[[], float],
    ) -> None:
        self._scope, self._receive, self._send = scope, receive, send
        self._limit, self._clock = limit, clock
        self._pace = Pace()
        self._n_bytes = 0
        self._is_whole = False
        self._is_answered = False
        self._is_refused = False

    async def receive(self) -> Message:
        """Give the next part; the application learns of a refusal as if the client had gone."""
        if self._is_refused:
            return {"type": "http.disconnect"}
        if self._is_whole:
            return await self._receive()
        began_s = self._clock()
        message: Message | None = None
        with anyio.move_on_after(self._pace.patience_s()):
            message = await self._receive()
        n_bytes = len(message.get("body", b"")) if message else 0
        is_fast = self._pace.came(self._clock() - began_s, n_bytes)
        if message is None or message["type"] != "http.request":
            return await self._refuse(408) if message is None else message
        self._n_bytes += n_bytes
        self._is_whole = not message.get("more_body", False)
        if self._limit is not None and self._n_bytes > self._limit:
            return await self._refuse(413)
        return message if is_fast or self._is_whole else await self._refuse(408)

    async def send(self, message: Message) -> None:
        """Pass the answer on, unless the request was refused."""
        if not self._is_refused:
            self._is_answered = True
            await self._send(message)

    async def _refuse(self, status: int) -> Message:
        self._is_refused = True
        if not self._is_answered:
            path = self._scope["path"]
            answer = (
                _too_large(path, self._limit or 0)
                if status == 413
                else refusal(path, 408, "the body of the request came too slowly", _CLOSE)
            )
            await answer(self._scope, self._receive, self._send)
        return {"type": "http.disconnect"}


class _Guessing:
    """Turns a refused key into 429 once its address has shown too many wrong ones.

    Right keys are never held up by it: else one guesser behind a proxy would lock all others out.
    """

    def __init__(
        self,
        scope: Scope,
        receive: Receive,
        send: Send,
        strangers: Allowances,
        clock: Callable[[], float],
    ) -> None:
        self._scope, self._receive, self._send = scope, receive, send
        self._strangers, self._clock = strangers, clock
        self._is_replaced = False

    async def send(self, message: Message) -> None:
        """Pass the answer on, or another one in its place."""
        if self._is_replaced:
            return
        if message["type"] == "http.response.start" and message["status"] == _UNAUTHORIZED:
            wait_s = self._strangers.take(_address(self._scope), self._clock())
            if wait_s:
                self._is_replaced = True
                await _too_many(self._scope, self._receive, self._send, wait_s)
                return
        await self._send(message)


def _address(scope: Scope) -> str:
    client = scope.get("client")
    return known_as(str(client[0])) if client else ""


def _too_large(path: str, limit: int) -> ASGIApp:
    text = f"request body too large: at most {limit:,} bytes are read (QUIRE_MAX_BODY_MB)"
    return refusal(path, 413, text, _CLOSE)


async def _too_many(scope: Scope, receive: Receive, send: Send, wait_s: float) -> None:
    wait = max(1, math.ceil(wait_s))
    text = f"too many requests: ask again in {wait} s (QUIRE_RATE_LIMIT)"
    await refusal(scope["path"], 429, text, {"retry-after": str(wait)})(scope, receive, send)
