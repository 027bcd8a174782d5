"""The one place where blocking iterators become async streams, which end when their client goes."""

from __future__ import annotations

import asyncio
import inspect
import threading
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import suppress
from contextvars import copy_context
from typing import Generic, TypeVar, cast

from anyio import CapacityLimiter, from_thread, to_thread
from fastapi import Request
from starlette.requests import ClientDisconnect
from starlette.types import Receive

from engine.errors import BusyError, CancelledError, RuntimeFailedError, StoppingError
from engine.types import Piece

T = TypeVar("T")

MAX_THREADS = 1024  # streams and long calls at once; the engine's own queue is shorter
MAX_WAITING = 4096  # items read ahead for a client that is slower than the model
SLOW_CLIENT_S = 300.0  # a client that reads nothing for so long is given up
MAX_UPLOADS = 16  # further ones wait
UPLOAD_CHUNK_BYTES = 1 << 20  # one hop between thread and loop per chunk, so not too small


class Feed(Generic[T]):
    """One blocking iterator, drained by a thread of its own, read in batches from the loop.

    Whatever waits already comes in one batch, so that a slow client costs few wake-ups.
    """

    def __init__(self, open_: Callable[[], Iterator[T]]) -> None:
        self._open = open_
        self._loop = asyncio.get_running_loop()
        self._ready = asyncio.Event()
        self._lock = threading.Lock()
        self._room = threading.Condition(self._lock)
        self._items: deque[T] = deque()
        self._iterator: Iterator[T] | None = None
        self._is_closed = False
        self._is_cut = False
        self._future: Future[None] | None = None

    def start(self, executor: ThreadPoolExecutor) -> Future[None]:
        """Begin to drain the iterator in a thread of `executor`."""
        self._future = executor.submit(copy_context().run, self._drain)
        self._future.add_done_callback(lambda _: self._wake())
        return self._future

    async def batch(self) -> list[T]:
        """Wait until there is something; an empty list is the end.

        Raises:
            Exception: what the iterator raised, after the items before it.
            StoppingError: `cut` was called before the iterator was at its end.
        """
        while True:
            self._ready.clear()
            with self._lock:
                # Asked before the items are looked at: the last item comes before the end.
                is_over = self._future is None or self._future.done()
                items, self._items = list(self._items), deque()
                self._room.notify()
            if items:
                return items
            if is_over:
                return self._finish()
            if self._is_cut:
                raise StoppingError
            await self._ready.wait()

    def cut(self) -> None:
        """Let who reads learn that the server stops, after what is there; called by the loop."""
        self._is_cut = True
        self._ready.set()

    def _finish(self) -> list[T]:
        if self._future is not None and not self._future.cancelled():
            self._future.result()
        return []

    def close(self) -> None:
        """Stop the iterator as soon as it can be stopped; may be called twice.

        A generator cannot be closed while it runs, so its thread closes it at its next item.
        Any other iterator with a `close` is told at once and must bear that from this thread.
        """
        with self._lock:
            was_closed, self._is_closed = self._is_closed, True
            iterator = self._iterator
            self._room.notify()
        if not was_closed and iterator is not None and not inspect.isgenerator(iterator):
            _close(iterator)

    def _drain(self) -> None:
        iterator = self._open()
        with self._lock:
            self._iterator = iterator
            is_closed = self._is_closed
        try:
            if not is_closed:
                self._pump(iterator)
        finally:
            _close(iterator)

    def _pump(self, iterator: Iterator[T]) -> None:
        for item in iterator:
            if isinstance(item, Piece) and item.is_empty:
                # A sign of life from an engine that has no text yet: the chance to stop it.
                if self._is_closed:
                    return
                continue
            with self._lock:
                has_room = self._room.wait_for(self._can_put, SLOW_CLIENT_S)
                if self._is_closed:
                    return
                if not has_room:
                    raise RuntimeFailedError(f"nothing was read for {SLOW_CLIENT_S:.0f} seconds")
                was_empty = not self._items
                self._items.append(item)
            if was_empty:
                self._wake()

    def _can_put(self) -> bool:
        return self._is_closed or len(self._items) < MAX_WAITING

    def _wake(self) -> None:
        # The loop may be gone already when the server is torn down under a stream.
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._ready.set)


class Bridge:
    """Runs the blocking engine in threads of its own, away from the server's small pool."""

    def __init__(self, max_threads: int = MAX_THREADS) -> None:
        self._executor = ThreadPoolExecutor(max_threads, thread_name_prefix="engine-call")
        self._room = threading.BoundedSemaphore(max_threads)
        self._uploads = CapacityLimiter(MAX_UPLOADS)
        self._is_stopping = False
        self._working: set[Future[object]] = set()  # also changed by the threads, one item at once
        self._feeds: set[Feed[object]] = set()
        self._stops: set[asyncio.Future[None]] = set()  # of calls and uploads that are waited for

    def feed(self, open_: Callable[[], Iterator[T]]) -> Feed[T]:
        """Start to read the iterator that `open_` returns.

        Raises:
            BusyError: every thread is taken, or the server stops.
        """
        feed = Feed(open_)
        future = self._take(lambda: feed.start(self._executor))
        known = cast("Feed[object]", feed)
        self._feeds.add(known)
        future.add_done_callback(lambda _: self._feeds.discard(known))
        return feed

    async def call(self, request: Request, work: Callable[[], T]) -> T:
        """Run a long blocking call; its result is dropped if the client goes away.

        Raises:
            BusyError: every thread is taken, or the server stops.
            CancelledError: the client went away.
        """
        future = self._take(lambda: self._executor.submit(copy_context().run, work))
        return await unless_gone(request, lambda: self._unless_stopped(asyncio.wrap_future(future)))

    async def upload(self, request: Request, work: Callable[[Iterator[bytes]], T]) -> T:
        """Hand the request's body, chunk by chunk, to blocking `work` in a thread.

        Raises:
            CancelledError: the client went away before the body's end.
            StoppingError: the server stops; `work` gets it from its next chunk.
        """
        chunks = _gather(request.stream())

        async def following() -> bytes:
            return await self._unless_stopped(asyncio.ensure_future(anext(chunks, b"")))

        def read() -> Iterator[bytes]:
            while chunk := from_thread.run(following):
                yield chunk

        try:
            return await to_thread.run_sync(lambda: work(read()), limiter=self._uploads)
        except ClientDisconnect as error:
            raise CancelledError from error

    def stop(self) -> None:
        """Begin nothing any more, and end what runs with `StoppingError`; called by the loop."""
        self._is_stopping = True
        for feed in list(self._feeds):
            feed.cut()
        for stopped in list(self._stops):
            if not stopped.done():
                stopped.set_result(None)

    def drained(self, timeout_s: float) -> bool:
        """Wait for the threads to end what they do; tell whether all have."""
        return not wait(list(self._working), timeout_s).not_done

    async def _unless_stopped(self, working: asyncio.Future[T]) -> T:
        stopped = asyncio.get_running_loop().create_future()
        self._stops.add(stopped)
        if self._is_stopping:
            stopped.set_result(None)
        try:
            await asyncio.wait({working, stopped}, return_when=asyncio.FIRST_COMPLETED)
            if not working.done():
                raise StoppingError
            return working.result()
        finally:
            self._stops.discard(stopped)
            stopped.cancel()
            working.cancel()

    def _take(self, start: Callable[[], Future[T]]) -> Future[T]:
        if self._is_stopping:
            raise StoppingError
        if not self._room.acquire(blocking=False):
            raise BusyError
        try:
            future = start()
        except BaseException:
            self._room.release()
            raise
        known = cast("Future[object]", future)
        self._working.add(known)
        future.add_done_callback(lambda _: self._done(known))
        return future

    def _done(self, future: Future[object]) -> None:
        self._working.discard(future)
        self._room.release()


async def quick(work: Callable[[], T]) -> T:
    """Run a short blocking call, such as reading the models folder, in the server's pool."""
    return await to_thread.run_sync(work)


async def unless_gone(request: Request, work: Callable[[], Awaitable[T]]) -> T:
    """Wait for `work`, whose request body is read already, while the client is there.

    Raises:
        CancelledError: the client went away first; `work` is cancelled.
    """
    working = asyncio.ensure_future(work())
    watching = asyncio.ensure_future(disconnected(request.receive))
    try:
        await asyncio.wait({working, watching}, return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            raise CancelledError
        return working.result()
    finally:
        working.cancel()
        watching.cancel()


async def disconnected(receive: Receive) -> None:
    """Return when the client has gone."""
    while (await receive())["type"] != "http.disconnect":
        pass


async def _gather(parts: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    waiting: list[bytes] = []
    n_bytes = 0
    async for part in parts:
        waiting.append(part)
        n_bytes += len(part)
        if n_bytes >= UPLOAD_CHUNK_BYTES:
            yield b"".join(waiting)
            waiting, n_bytes = [], 0
    if n_bytes:
        yield b"".join(waiting)


def _close(iterator: Iterator[T]) -> None:
    close = getattr(iterator, "close", None)
    if callable(close):
        close()
