"""The way down: first nothing new is taken, then what runs may finish, then it is told to end."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Protocol

from starlette.types import ASGIApp, Receive, Scope, Send

from app.refusals import refusal

RETRY_AFTER_S = 5  # until whoever starts servers has started the next one
PROBES = frozenset({"/healthz", "/readyz", "/metrics"})  # answered to the very end


class Worked(Protocol):
    """What runs in threads, such as the bridge between loop and engine."""

    def stop(self) -> None:
        """Begin nothing any more and end what runs with an error."""

    def drained(self, timeout_s: float) -> bool:
        """Wait for the threads; tell whether all have ended."""


class Stop:
    """How far down the server is; one for each application, read by its routes and its server."""

    def __init__(self, workers: Sequence[Worked] = (), grace_s: float = 5.0) -> None:
        """Run on.

        Args:
            workers: told when the time of grace is over.
            grace_s: that running requests get.
        """
        self.grace_s = grace_s
        self.is_stopping = False
        self.n_running = 0  # requests, but for probes and the sockets of pages
        self._workers = tuple(workers)

    def begin(self) -> None:
        """Take nothing new from now on; may be called by a signal handler."""
        self.is_stopping = True

    def end_running(self) -> None:
        """Tell every stream and call that still runs to end now; called by the loop."""
        for one in self._workers:
            one.stop()

    def drained(self, timeout_s: float) -> bool:
        """Wait for what was told to end, so that it can write down what it has."""
        deadline_s = time.monotonic() + timeout_s
        left = [one.drained(max(0.0, deadline_s - time.monotonic())) for one in self._workers]
        return all(left)


class Halting:
    """Counts what runs and refuses what comes while the server stops; pure ASGI."""

    def __init__(self, app: ASGIApp, *, stop: Stop) -> None:
        self._app, self._stop = app, stop

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or answer 503."""
        if scope["type"] == "websocket" and self._stop.is_stopping:
            await send({"type": "websocket.close", "code": 1012})
            return
        if scope["type"] != "http" or scope["path"] in PROBES:
            await self._app(scope, receive, send)
            return
        if self._stop.is_stopping:
            headers = {"retry-after": str(RETRY_AFTER_S), "connection": "close"}
            text = "the server is stopping: ask again in a moment"
            await refusal(scope["path"], 503, text, headers)(scope, receive, send)
            return
        self._stop.n_running += 1
        try:
            await self._app(scope, receive, send)
        finally:
            self._stop.n_running -= 1
