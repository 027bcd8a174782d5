"""Who may compute now: one holder at a time, more urgent first, background kept to its share.

llama.cpp's threads meet at a barrier after every operation; two computations on the same cores
slow each other down tenfold. So everything that computes on the processor holds this gate.
"""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from engine.errors import BusyError
from engine.types import Priority

# Several streams never leave the gate free: who waited so long stands in line with them.
PATIENCE_S = {Priority.QUERY: 0.1, Priority.BACKGROUND: 5.0}
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


@dataclass(frozen=True, slots=True)
class Ticket:
    """A place in the line."""

    priority: Priority
    number: int
    since_s: float

    def rank(self, now_s: float) -> tuple[int, int]:
        """Tell who goes first: the smallest."""
        patience_s = PATIENCE_S.get(self.priority, 0.0)
        is_urgent = now_s - self.since_s >= patience_s
        return (Priority.INTERACTIVE if is_urgent else self.priority, self.number)


class Gate:
    """A lock with an order."""

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._waiting: list[Ticket] = []
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
        ticket = Ticket(priority, next(self._numbers), time.monotonic())
        with self._condition:
            self._waiting.append(ticket)
            try:
                while not self._is_my_turn(ticket):
                    if time.monotonic() > deadline_s:
                        raise BusyError
                    # One that is not urgent may come due by the clock alone.
                    self._condition.wait(1.0 if priority == Priority.INTERACTIVE else 0.02)
                self._is_held = True
            finally:
                self._waiting.remove(ticket)

    def _is_my_turn(self, ticket: Ticket) -> bool:
        now_s = time.monotonic()
        if self._is_held or min(self._waiting, key=lambda one: one.rank(now_s)) != ticket:
            return False
        is_background = ticket.priority == Priority.BACKGROUND
        return not is_background or background_may_start(self._past, now_s)

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
