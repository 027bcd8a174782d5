"""A small server to stand behind a proxy: streams on command, echoes, counts."""

from __future__ import annotations

import asyncio
import json
import threading

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, StreamingResponse
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket


class Gate:
    """Lets a stream go on when a test says so."""

    def __init__(self) -> None:
        self.opened = threading.Event()

    async def passed(self) -> None:
        """Wait for the test, at most for as long as a test may take."""
        await asyncio.get_running_loop().run_in_executor(None, self.opened.wait, 60)


def build(gate: Gate) -> Starlette:
    """Build the application."""

    async def stream(_: Request) -> StreamingResponse:
        async def lines():
            yield b'{"n": 1}\n'
            await gate.passed()
            yield b'{"n": 2}\n'

        return StreamingResponse(lines(), media_type="application/x-ndjson")

    async def told(request: Request) -> JSONResponse:
        return JSONResponse(dict(request.headers))

    async def counted(request: Request) -> JSONResponse:
        n_bytes = 0
        async for piece in request.stream():
            n_bytes += len(piece)
        return JSONResponse({"n_bytes": n_bytes})

    async def echo(socket: WebSocket) -> None:
        await socket.accept()
        await socket.send_text(json.dumps({"got": await socket.receive_text()}))
        await socket.close()

    return Starlette(
        routes=[
            Route("/api/chat", stream, methods=["GET", "POST"]),
            Route("/kb/status", told),
            Route("/metrics", told),
            Route("/kb/documents", counted, methods=["POST"]),
            Route("/api/blobs/x", counted, methods=["POST"]),
            WebSocketRoute("/ui/_stcore/stream", echo),
        ]
    )
