"""Who may compute now: one holder at a time, more urgent first, background kept to its share.

llama.cpp's threads meet at a barrier after every operation; two computations on the same cores
slow each other down tenfold. So everything that computes on the processor holds this gate.
"""

from __future__ import annotations

import heapq
import itertools
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from engine.errors import BusyError
from engine.types import Priority

RECENT_S = 0.1  # a stream that computed so lately is taken to go on


@dataclass(frozen=True, slots=True)
class Past:
    """What the gate remembers of the holders before."""

    urgent_ended_s: float = -1e9  # when somebody INTERACTIVE last let go
    background_ended_s: float = -1e9
    background_took_s: float = 0.0  # how long BACKGROUND held it the last time


def background_may_start(past: Past, now_s: float) -> bool:
    """Whether background work may take the gate although nobody else waits right now.

    While somebody streams, background waits as long as it last computed: half the time at most.
    """
    if now_s - past.urgent_ended_s > RECENT_S:
        return True
    return now_s - past.background_ended_s >= past.background_took_s


class Gate:
    """A lock with an order."""

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._waiting: list[tuple[int, int]] = []
        self._numbers = itertools.count()
        self._is_held = False
        self._past = Past()

    @contextmanager
    def hold(self, priority: Priority, *, timeout_s: float = 600.0) -> Iterator[None]:
        """Compute alone.

        Raises:
            BusyError: it did not come free in time.
        """
        self._take(priority, time.monotonic() + timeout_s)
        began_s = time.monotonic()
        try:
            yield
        finally:
            self._release(priority, began_s)

    def _take(self, priority: Priority, deadline_s: float) -> None:
        ticket = (int(priority), next(self._numbers))
        with self._condition:
            heapq.heappush(self._waiting, ticket)
            try:
                while not self._is_my_turn(ticket):
                    if time.monotonic() > deadline_s:
                        raise BusyError
                    # A background ticket may come due by the clock alone.
                    self._condition.wait(0.02 if priority == Priority.BACKGROUND else 1.0)
                self._is_held = True
            finally:
                self._waiting.remove(ticket)
                heapq.heapify(self._waiting)

    def _is_my_turn(self, ticket: tuple[int, int]) -> bool:
        if self._is_held or min(self._waiting) != ticket:
            return False
        is_background = ticket[0] == Priority.BACKGROUND
        return not is_background or background_may_start(self._past, time.monotonic())

    def _release(self, priority: Priority, began_s: float) -> None:
        now_s = time.monotonic()
        with self._condition:
            self._is_held = False
            past = self._past
            if priority == Priority.BACKGROUND:
                self._past = Past(past.urgent_ended_s, now_s, now_s - began_s)
            elif priority == Priority.INTERACTIVE:
                self._past = Past(now_s, past.background_ended_s, past.background_took_s)
            self._condition.notify_all()
