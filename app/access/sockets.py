"""The open sockets of pages, each ended once the key or session that opened it opens nothing.

A request is looked at when it comes; a socket stays open for days. So those who opened one are
looked at again and again: it does not matter which process revoked a key, or whether it ran out.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress

import anyio
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.access.errors import KeyStoreError

LOOK_S = 1.0
POLICY_VIOLATION = 1008
_CLOSE_S = 5.0  # that a client may take to let a socket be closed

logger = logging.getLogger(__name__)


class Sockets:
    """Knows the sockets of one server, and who opened each."""

    def __init__(self, is_good: Callable[[str], bool], look_s: float = LOOK_S) -> None:
        """Prepare.

        Args:
            is_good: whether a key or session still opens anything; may raise KeyStoreError.
            look_s: how long a socket may outlive what opened it.
        """
        self._is_good, self._look_s = is_good, look_s
        self._held: dict[_Held, str] = {}
        self._watching: asyncio.Task[None] | None = None

    def __len__(self) -> int:
        return len(self._held)

    async def run(
        self, app: ASGIApp, scope: Scope, receive: Receive, send: Send, shown: str
    ) -> None:
        """Let an application have a socket for as long as who opened it may come in."""
        held = _Held(receive, send)
        self._held[held] = shown
        if self._watching is None or self._watching.done():
            self._watching = asyncio.get_running_loop().create_task(self._watch())
        try:
            await app(scope, held.receive, held.send)
        finally:
            del self._held[held]
            if not self._held and self._watching is not None:
                self._watching.cancel()
                self._watching = None

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(self._look_s)
            bad = {one for one in set(self._held.values()) if not self._may_stay(one)}
            for held, shown in self._held.items():
                if shown in bad:
                    held.end()

    def _may_stay(self, shown: str) -> bool:
        try:
            return self._is_good(shown)
        except KeyStoreError as error:
            logger.warning("sockets_not_looked_at error=%s", error)
            return True  # each request of the page is refused meanwhile


class _Held:
    """One socket; once it is ended, its application learns so as if the client had gone."""

    def __init__(self, receive: Receive, send: Send) -> None:
        self._receive, self._send = receive, send
        self._ended = asyncio.Event()
        self._is_closed = False

    def end(self) -> None:
        """Close the socket soon."""
        self._ended.set()

    async def receive(self) -> Message:
        """Give the next message, or that there will be none."""
        if not self._ended.is_set():
            coming = asyncio.ensure_future(self._receive())
            ended = asyncio.ensure_future(self._ended.wait())
            try:
                await asyncio.wait({coming, ended}, return_when=asyncio.FIRST_COMPLETED)
                if not self._ended.is_set():
                    return coming.result()
            finally:
                coming.cancel()
                ended.cancel()
        await self._close()
        return {"type": "websocket.disconnect", "code": POLICY_VIOLATION}

    async def send(self, message: Message) -> None:
        """Pass a message on, unless the socket was ended."""
        if not self._ended.is_set():
            await self._send(message)

    async def _close(self) -> None:
        if self._is_closed:
            return
        self._is_closed = True
        # Whoever has gone by himself, or does not read, is not waited for.
        with suppress(Exception), anyio.move_on_after(_CLOSE_S):
            await self._send({"type": "websocket.close", "code": POLICY_VIOLATION})
