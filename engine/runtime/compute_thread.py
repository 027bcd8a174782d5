"""Native computations in, their results out: one thread of the process computes them all.

libgomp gives every thread that computes a team of its own. Once all teams together have more
threads than the machine has cores, the barriers of every team spin a hundredth as long and then
sleep (`gomp_throttled_spin_count_var`), although only one of them computes: a stream on two cores
fell from 99 to 60 tokens/s as soon as another thread had embedded anything. Nothing computes
beside anything here (`gate.py`), so one thread, and one team, is enough.
Source: GCC, libgomp/team.c `gomp_team_start`, config/linux/wait.h `do_spin`.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class _Call(Generic[T]):
    """A computation and, once `ended` can be acquired, what came of it."""

    def __init__(self, work: Callable[[], T]) -> None:
        self._work = work
        self._result: T
        self._error: BaseException | None = None
        self.ended = threading.Lock()
        self.ended.acquire()

    def compute(self) -> None:
        """Compute, and keep what came of it."""
        try:
            self._result = self._work()
        except BaseException as error:  # noqa: BLE001 - the caller gets it, whatever it is
            self._error = error

    def result(self) -> T:
        """Tell what came of it, or raise it."""
        if self._error is not None:
            raise self._error
        return self._result


class ComputeThread:
    """Computes one call after the other, in the order in which they come."""

    def __init__(self) -> None:
        self._calls: queue.SimpleQueue[_Call[object]] = queue.SimpleQueue()
        self._start = threading.Lock()
        self._thread: threading.Thread | None = None

    def is_wanted(self) -> bool:
        """Whether somebody waits for what runs now to end."""
        return not self._calls.empty()

    def run(self, work: Callable[[], T]) -> T:
        """Compute in that thread and wait for the end, also where a signal interrupts the wait.

        Raises:
            BaseException: what `work` raised.
        """
        if threading.current_thread() is self._thread:
            return work()
        if self._thread is None:
            self._begin()
        call = _Call(work)
        self._calls.put(call)  # type: ignore[arg-type]
        try:
            call.ended.acquire()
        except BaseException:
            call.ended.acquire()  # what it computes with must stay until it is through
            raise
        return call.result()

    def _begin(self) -> None:
        with self._start:
            if self._thread is None:
                thread = threading.Thread(target=self._run, name="engine-compute", daemon=True)
                thread.start()
                self._thread = thread

    def _run(self) -> None:
        while True:
            call = self._calls.get()
            call.compute()
            call.ended.release()
            del call  # and what it refers to


COMPUTE = ComputeThread()
