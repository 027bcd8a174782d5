"""A feed of the bridge in, a streaming HTTP answer out; ends the feed when the client goes."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

import anyio
from fastapi import Request, Response
from starlette.types import Receive, Scope, Send

from engine.api.bridge import Bridge, Feed, disconnected, unless_gone
from engine.api.frames import LINES_TYPE, error_line
from engine.errors import EngineError

T = TypeVar("T")
S = TypeVar("S", covariant=True)
Open = Callable[[], Iterator[T]]

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Framing(Generic[T]):
    """How the items of a stream become bytes."""

    encode: Callable[[Sequence[T]], bytes]
    fail: Callable[[Exception], bytes] = error_line
    end: bytes = b""  # after the last item, not after an error
    media_type: str = LINES_TYPE


class Source(Protocol[S]):
    """What can be read in batches: one feed, or several as one."""

    async def batch(self) -> Sequence[S]:
        """Wait until there is something; nothing is the end."""

    def close(self) -> None:
        """Stop reading; may be called twice."""


class Joined(Generic[T]):
    """Several feeds as one; every item comes with the number of the feed that it is from."""

    def __init__(self, feeds: Sequence[Feed[T]]) -> None:
        self._feeds = feeds
        self._waiting = {self._ask(index): index for index in range(len(feeds))}

    async def batch(self) -> list[tuple[int, T]]:
        """Wait until any feed has something; an empty list is the end of all.

        Raises:
            Exception: what the first feed that failed raised.
        """
        while self._waiting:
            done, _ = await asyncio.wait(self._waiting, return_when=asyncio.FIRST_COMPLETED)
            items: list[tuple[int, T]] = []
            for task in sorted(done, key=self._waiting.__getitem__):
                index = self._waiting.pop(task)
                batch = task.result()
                if batch:
                    self._waiting[self._ask(index)] = index
                    items += [(index, item) for item in batch]
            if items:
                return items
        return []

    def close(self) -> None:
        """Stop every feed."""
        for task in self._waiting:
            task.cancel()
        for feed in self._feeds:
            feed.close()

    def _ask(self, index: int) -> asyncio.Task[list[T]]:
        task = asyncio.ensure_future(self._feeds[index].batch())
        # The error of a second feed is told to nobody; asyncio would complain about that.
        task.add_done_callback(lambda done: done.cancelled() or done.exception())
        return task


class Single(Generic[T]):
    """One feed whose items come numbered like those of several, without the tasks they need."""

    def __init__(self, feed: Feed[T]) -> None:
        self._feed = feed
        self.close = feed.close

    async def batch(self) -> list[tuple[int, T]]:
        """Wait until there is something; an empty list is the end."""
        return [(0, item) for item in await self._feed.batch()]


class StreamingAnswer(Response, Generic[T]):
    """Sends a feed batch by batch; an error in the middle becomes its last frame."""

    def __init__(self, feed: Source[T], first: Sequence[T], framing: Framing[T]) -> None:
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

    async def _next(self) -> tuple[Sequence[T], bytes]:
        try:
            return await self._feed.batch(), self._framing.end
        except EngineError as error:
            return [], self._framing.fail(error)
        except Exception as error:
            logger.exception("stream_failed")
            return [], self._framing.fail(error)


async def stream(bridge: Bridge, request: Request, open_: Open[T], framing: Framing[T]) -> Response:
    """Answer with a stream, once its first item is there.

    Raises:
        Exception: what came before the first item, so that it gets a real status.
    """
    return await _answer(request, bridge.feed(open_), framing)


async def stream_all(
    bridge: Bridge, request: Request, opens: Sequence[Open[T]], framing: Framing[tuple[int, T]]
) -> Response:
    """Answer with several streams at once, each item numbered; else as `stream`."""
    feeds = _feeds(bridge, opens)
    source = Single(feeds[0]) if len(feeds) == 1 else Joined(feeds)
    return await _answer(request, source, framing)


async def gather(bridge: Bridge, request: Request, open_: Open[T]) -> list[T]:
    """Wait for every item of an iterator; end it if the client goes away meanwhile."""
    (items,) = await gather_all(bridge, request, [open_])
    return items


async def gather_all(bridge: Bridge, request: Request, opens: Sequence[Open[T]]) -> list[list[T]]:
    """Wait for every item of several iterators, which run at once; else as `gather`."""
    joined = Joined(_feeds(bridge, opens))
    items: list[list[T]] = [[] for _ in opens]

    async def everything() -> list[list[T]]:
        while batch := await joined.batch():
            for index, item in batch:
                items[index].append(item)
        return items

    try:
        return await unless_gone(request, everything)
    finally:
        joined.close()


async def _answer(request: Request, source: Source[T], framing: Framing[T]) -> Response:
    try:
        first = await unless_gone(request, source.batch)
    except BaseException:
        source.close()
        raise
    return StreamingAnswer(source, first, framing)


def _feeds(bridge: Bridge, opens: Sequence[Open[T]]) -> list[Feed[T]]:
    feeds: list[Feed[T]] = []
    try:
        for open_ in opens:
            feeds.append(bridge.feed(open_))
    except BaseException:
        for feed in feeds:
            feed.close()
        raise
    return feeds
