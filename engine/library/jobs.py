"""A long transfer in, its progress for everybody who waits for it out; owns the threads for it."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Hashable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress

import httpx

from engine.errors import CancelledError

_LINE_EVERY_S = 0.06
_END_S = 5.0  # how long the last one to leave waits for the work to stop


class Job:
    """One transfer: how far it is, and whether it shall stop."""

    def __init__(self) -> None:
        self.done_bytes = 0
        self._stopped = threading.Event()
        self._lock = threading.Lock()
        self._responses: set[httpx.Response] = set()  # those that a thread may be reading

    @property
    def is_stopped(self) -> bool:
        """Say whether nobody wants the transfer any more."""
        return self._stopped.is_set()

    def pause(self, seconds: float) -> None:
        """Wait, but not longer than somebody wants the transfer."""
        self._stopped.wait(seconds)

    def stop(self) -> None:
        """End the transfer soon; threads that wait for bytes wake up."""
        self._stopped.set()
        with self._lock:
            for response in self._responses:
                _wake(response)

    @contextmanager
    def reading(self, response: httpx.Response) -> Iterator[None]:
        """Let `stop` cut this response off."""
        with self._lock:
            self._responses.add(response)
            if self.is_stopped:
                _wake(response)
        try:
            yield
        finally:
            with self._lock:
                self._responses.discard(response)


class Jobs:
    """The transfers that run now; who asks for one that runs already joins it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running: dict[Hashable, tuple[Job, Future[None]]] = {}
        self._n_followers: dict[Job, int] = {}
        self._is_closed = False

    def follow(self, key: Hashable, work: Callable[[Job], None]) -> Iterator[int]:
        """Start a transfer, or join the running one of that key; give the bytes done so far.

        The first number comes at once, further ones every 60 ms. When the last one who follows
        leaves early, the transfer is stopped.

        Raises:
            CancelledError: everything was stopped by `close`.
            Also whatever the work raises.
        """
        job, future = self._join(key, work)
        try:
            yield job.done_bytes
            while not wait([future], timeout=_LINE_EVERY_S).done:
                yield job.done_bytes
            future.result()
            if job.is_stopped:
                raise CancelledError  # or a pull would go on to its next layer
        finally:
            if self._leave(key, job):
                job.stop()
                wait([future], timeout=_END_S)

    def close(self) -> None:
        """Stop every transfer, begin no other; for the end of the process, which waits for them."""
        with self._lock:
            self._is_closed = True
            jobs = list(self._n_followers)
        for job in jobs:
            job.stop()

    def _join(self, key: Hashable, work: Callable[[Job], None]) -> tuple[Job, Future[None]]:
        with self._lock:
            if self._is_closed:
                raise CancelledError
            known = self._running.get(key)
            if known is None or known[1].done():
                job = Job()
                pool = ThreadPoolExecutor(1, thread_name_prefix="transfer")
                known = self._running[key] = (job, pool.submit(work, job))
                pool.shutdown(wait=False)
            self._n_followers[known[0]] = self._n_followers.get(known[0], 0) + 1
            return known

    def _leave(self, key: Hashable, job: Job) -> bool:
        with self._lock:
            self._n_followers[job] -= 1
            if self._n_followers[job]:
                return False
            del self._n_followers[job]
            if key in self._running and self._running[key][0] is job:
                del self._running[key]
            return True


def _wake(response: httpx.Response) -> None:
    """End the connection under a thread that reads from it; closing alone would not wake it."""
    stream = response.extensions.get("network_stream")
    sock = stream.get_extra_info("socket") if stream is not None else None
    if isinstance(sock, socket.socket):
        with suppress(OSError):
            # The plain one even of a TLS socket, whose own method would wait for the other side.
            socket.socket.shutdown(sock, socket.SHUT_RDWR)
