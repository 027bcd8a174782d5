"""uvicorn, with what it lacks: heads that must come in time, a bound on connections, a way down."""

from __future__ import annotations

import asyncio
import logging
import os
import resource
import signal
import sys
import time
from asyncio import TimerHandle
from collections.abc import Sequence
from contextlib import suppress
from types import FrameType
from typing import TYPE_CHECKING, ClassVar, cast

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

if TYPE_CHECKING:
    import socket

    from starlette.types import ASGIApp

    from app.stopping import Stop
    from app.tls import Tls

HEAD_S = 20.0  # that a client may take for the head of a request
MAX_HEAD_BYTES = 64 * 1024  # of request line and headers together; trailers as well
MAX_PIPELINED = 100  # requests sent ahead on one connection
MAX_CONNECTIONS = 4096
MIN_CONNECTIONS = 64
# Longer than clients keep an idle connection (httpx, and with it Ollama's and OpenAI's, 5 s; nginx
# 60 s): whoever closes first must be the client, or its next request meets the close.
KEEP_ALIVE_S = 75
TELL_S = 3.0  # that streams get to be told that the server stops
DRAIN_S = 5.0  # that their threads get to write down what they have
LAST_S = 1  # that uvicorn then gives to whatever is left
DOUBLE_S = 0.3  # shells and supervisors send one signal twice; that is no second one
# How long a thread may keep Python to itself while others wait. The loop needs it for each step of
# each request and competes with every search and answer under way: with the usual 5 ms and 100
# clients the small requests waited at least twice as long. Models compute without holding Python.
SWITCH_S = 0.001
_POLL_S = 0.02
_FRAMED = 16  # bytes of framing for each byte of a body: a chunk of one byte takes six

logger = logging.getLogger(__name__)


def max_connections(n_files: int) -> int:
    """Tell how many connections may be open, so that half of the file descriptors stay free."""
    return max(MIN_CONNECTIONS, min(MAX_CONNECTIONS, n_files // 2))


def raised_file_limit() -> int:
    """Raise the number of files that may be open as far as is allowed and useful; tell it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 4 * MAX_CONNECTIONS
    wanted = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        except (ValueError, OSError):  # a container may forbid it
            return soft
        return wanted
    return wanted if soft == resource.RLIM_INFINITY else soft


class Connection(HttpToolsProtocol):
    """One connection: closed if no whole head comes in time, or if there are too many.

    uvicorn bounds neither the time nor the size of a head, nor what comes after an answer: the
    rest of a body that nobody reads, trailers, requests sent ahead. If there are too many
    connections, the one that has waited longest without a head, or without reading its answer,
    makes room: idle ones do not lock out who asks something.
    """

    max_connections = MAX_CONNECTIONS
    head_s = HEAD_S
    headless: ClassVar[dict[Connection, None]] = {}  # of one server, the oldest first

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for a head. Source: asyncio.Protocol."""
        super().connection_made(transport)
        self._n_loose = 0  # bytes since the last that were of a body, or ended a head or message
        self._awaited: TimerHandle | None = None
        self._running: RequestResponseCycle | None = None
        if len(self.connections) > self.max_connections and not self._made_room():
            self._answer(b"503 Service Unavailable", b"too many connections", b"retry-after: 5")
            return
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection. Source: asyncio.Protocol."""
        self._head_came()
        self._let_go()  # uvicorn tells only the latest of several requests that it is over
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read on, unless head or trailers are too long. Source: asyncio.Protocol."""
        if self.transport.is_closing():
            return
        self._n_loose += len(data)
        super().data_received(data)
        if self.transport.is_closing() or self not in self.connections:  # it is a socket's now
            return
        if self._n_loose > MAX_HEAD_BYTES:
            if self._awaited is None:
                self._cut()
                return
            text = b"the head of the request is too long"
            self._answer(b"431 Request Header Fields Too Large", text)
        elif self.cycle is not None and self.cycle.response_complete and not self.pipeline:
            # The rest of a body that nobody reads, or nothing at all: it has as long as a head.
            self._await_head()

    def on_message_begin(self) -> None:
        """Begin to wait for a head, also for the next one of a kept connection."""
        super().on_message_begin()
        self._n_loose = 0
        self._await_head()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header; trailers are dropped, or they would join the headers of the request."""
        if self._awaited is not None:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Stop to wait for a head."""
        self._n_loose = 0
        self._head_came()
        if not self.transport.is_closing():
            super().on_headers_complete()
            if not self.pipeline:
                self._running = self.cycle
        if len(self.pipeline) > MAX_PIPELINED:
            self._cut()

    def on_body(self, body: bytes) -> None:
        """Take a part of a body; what frames it may be several times as long."""
        self._n_loose = max(0, self._n_loose - _FRAMED * len(body))
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Note that a request is here as a whole."""
        self._n_loose = 0
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """Go on with the next request; a connection without one is idle, and may make room."""
        self._running = self.pipeline[-1][0] if self.pipeline else None
        super().on_response_complete()
        if self.pipeline:
            self.flow.pause_reading()
        elif self.timeout_keep_alive_task is not None:
            self.headless[self] = None

    def pause_writing(self) -> None:
        """Note a client that does not read its answer; it may make room. Source: asyncio."""
        super().pause_writing()
        self.headless[self] = None

    def resume_writing(self) -> None:
        """Go on with an answer. Source: asyncio.Protocol."""
        super().resume_writing()
        if self._running is not None and self._awaited is None:
            self.headless.pop(self, None)

    def _await_head(self) -> None:
        if self._awaited is None:
            self._awaited = self.loop.call_later(self.head_s, self._give_up)
            self.headless[self] = None

    def _head_came(self) -> None:
        self.headless.pop(self, None)
        if self._awaited is not None:
            self._awaited.cancel()
            self._awaited = None

    def _made_room(self) -> bool:
        oldest = next(iter(self.headless), None)
        if oldest is not None:
            oldest._head_came()
            oldest._cut()
        return oldest is not None

    def _cut(self) -> None:
        """Hang up on who overdoes it; what runs for it learns so, and has nothing to log."""
        self._let_go()
        self.transport.abort()

    def _let_go(self) -> None:
        self.pipeline.clear()
        if self._running is not None:
            self._running.disconnected = True
            self._running.message_event.set()

    def _give_up(self) -> None:
        self._head_came()
        if not self.transport.is_closing():
            self._answer(b"408 Request Timeout", b"no whole request came in time")

    def _answer(self, status: bytes, text: bytes, *headers: bytes) -> None:
        body = b'{"error": "%s"}' % text
        head = (
            b"HTTP/1.1 " + status,
            b"content-type: application/json; charset=utf-8",
            b"content-length: %d" % len(body),
            b"connection: close",
            *headers,
        )
        self.transport.write(b"\r\n".join(head) + b"\r\n\r\n" + body)
        self.transport.close()


class Server(uvicorn.Server):
    """uvicorn's server, but for how it ends.

    While running requests finish it still answers, so that probes and clients learn that it
    stops. What does not finish in time is told so in its own words. A second signal ends at once.
    """

    def __init__(
        self, config: uvicorn.Config, stop: Stop, plain: Sequence[socket.socket] = ()
    ) -> None:
        """Set up a server.

        Args:
            plain: served without TLS whatever the rest is; for the pages of this very process.
        """
        super().__init__(config)
        self._stop, self._plain = stop, plain
        self._signalled_s: float | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen. Source: uvicorn.Server."""
        sys.setswitchinterval(SWITCH_S)
        await super().startup(sockets)
        loop = asyncio.get_running_loop()

        def connect() -> asyncio.Protocol:
            made = cast("type[Connection]", self.config.http_protocol_class)
            return made(self.config, self.server_state, self.lifespan.state)

        for one in self._plain:
            self.servers.append(await loop.create_server(connect, sock=one))

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin to stop, or end at once if that was asked for already. Source: uvicorn.Server."""
        now_s = time.monotonic()
        if self._signalled_s is None:
            self._signalled_s = now_s
            self._stop.begin()
            super().handle_exit(sig, frame)
        elif now_s - self._signalled_s > DOUBLE_S:
            # As after `kill -9`: nothing that was acknowledged is lost.
            logger.warning("ended at once by a second signal")
            with suppress(RuntimeError, OSError):  # it may have interrupted just such a write
                sys.stdout.flush()
            os._exit(128 + signal.Signals(sig))

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Let what runs finish, tell the rest to end, then close. Source: uvicorn.Server."""
        stop = self._stop
        stop.begin()
        for connection in list(self.server_state.connections):
            connection.shutdown()  # idle ones go, pages too; busy ones are not kept afterwards
        await self._quiet(stop.grace_s)
        if stop.n_running:
            logger.warning("stopping with requests running count=%d", stop.n_running)
        stop.end_running()
        await self._quiet(TELL_S)
        if not await asyncio.to_thread(stop.drained, DRAIN_S):
            logger.warning("some computations did not end in time")
        await super().shutdown(sockets)

    async def _quiet(self, timeout_s: float) -> None:
        deadline_s = time.monotonic() + timeout_s
        while self._stop.n_running and time.monotonic() < deadline_s:
            await asyncio.sleep(_POLL_S)


def make_server(
    app: ASGIApp, stop: Stop, tls: Tls | None = None, plain: Sequence[socket.socket] = ()
) -> Server:
    """Set up a server for sockets that are given to it later.

    Args:
        tls: None = plain HTTP.
        plain: sockets that are served without TLS in any case.
    """
    connection = type(
        "Connection",
        (Connection,),
        {"max_connections": max_connections(raised_file_limit()), "headless": {}},
    )
    config = uvicorn.Config(
        app,
        http=cast("type[asyncio.Protocol]", connection),
        log_config=None,
        log_level=logging.WARNING,
        access_log=False,
        timeout_graceful_shutdown=LAST_S,
        timeout_keep_alive=KEEP_ALIVE_S,
        lifespan="on",
        server_header=False,
        ssl_certfile=tls.cert if tls else None,
        ssl_keyfile=tls.key if tls else None,
    )
    return Server(config, stop, plain)
