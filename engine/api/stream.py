"""A feed of the bridge in, a streaming HTTP answer out; ends the feed when the client goes."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import anyio
from fastapi import Request, Response
from starlette.types import Receive, Scope, Send

from engine.api.bridge import Bridge, Feed, disconnected, unless_gone
from engine.api.frames import LINES_TYPE, error_line
from engine.errors import EngineError

T = TypeVar("T")

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Framing(Generic[T]):
    """How the items of a stream become bytes."""

    encode: Callable[[Sequence[T]], bytes]
    fail: Callable[[Exception], bytes] = error_line
    end: bytes = b""  # after the last item, not after an error
    media_type: str = LINES_TYPE


class StreamingAnswer(Response, Generic[T]):
    """Sends a feed batch by batch; an error in the middle becomes its last frame."""

    def __init__(self, feed: Feed[T], first: list[T], framing: Framing[T]) -> None:
        super().__init__(media_type=framing.media_type, headers={"cache-control": "no-cache"})
        del self.headers["content-length"]
        self._feed, self._first, self._framing = feed, first, framing

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send everything, or stop as soon as the client is gone."""
        try:
            async with anyio.create_task_group() as group:

                async def watch() -> None:
                    await disconnected(receive)
                    group.cancel_scope.cancel()

                group.start_soon(watch)
                await self._send_all(send)
                group.cancel_scope.cancel()
        finally:
            self._feed.close()

    async def _send_all(self, send: Send) -> None:
        start = {"type": "http.response.start", "status": 200, "headers": self.raw_headers}
        await send(start)
        batch, tail = self._first, self._framing.end
        while batch:
            chunk = self._framing.encode(batch)
            if chunk:
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
            batch, tail = await self._next()
        await send({"type": "http.response.body", "body": tail, "more_body": False})

    async def _next(self) -> tuple[list[T], bytes]:
        try:
            return await self._feed.batch(), self._framing.end
        except EngineError as error:
            return [], self._framing.fail(error)
        except Exception as error:
            logger.exception("stream_failed")
            return [], self._framing.fail(error)


async def stream(
    bridge: Bridge, request: Request, open_: Callable[[], Iterator[T]], framing: Framing[T]
) -> Response:
    """Answer with a stream, once its first item is there.

    Raises:
        Exception: what came before the first item, so that it gets a real status.
    """
    feed = bridge.feed(open_)
    try:
        first = await unless_gone(request, feed.batch)
    except BaseException:
        feed.close()
        raise
    return StreamingAnswer(feed, first, framing)


async def gather(bridge: Bridge, request: Request, open_: Callable[[], Iterator[T]]) -> list[T]:
    """Wait for every item of an iterator; end it if the client goes away meanwhile."""
    feed = bridge.feed(open_)

    async def everything() -> list[T]:
        items: list[T] = []
        while batch := await feed.batch():
            items += batch
        return items

    try:
        return await unless_gone(request, everything)
    finally:
        feed.close()
