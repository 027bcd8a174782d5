"""Who may compute now: one holder at a time, more urgent first, background kept to its share.

llama.cpp's threads meet at a barrier after every operation; two computations on the same cores
slow each other down tenfold. So everything that computes on the processor holds this gate. A
question does not wait for a step of background work: that one is broken off, and done again later.
"""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

from engine.errors import BusyError
from engine.types import Priority

# Several streams never leave the gate free: who waited so long stands in line with them.
PATIENCE_S = {Priority.QUERY: 0.1, Priority.BACKGROUND: 5.0}
RECENT_S = 0.1  # a stream that computed so lately is taken to go on
SHARED_S = 1.0  # somebody who came so lately is taken to come again
MAX_CREDIT_S = 1.0  # of background's work that may be lost in a row


@dataclass(frozen=True, slots=True)
class Past:
    """What the gate remembers of the holders before."""

    urgent_ended_s: float = -1e9  # when somebody INTERACTIVE last let go
    background_ended_s: float = -1e9
    background_took_s: float = 0.0  # how long BACKGROUND held it the last time
    asked_s: float = -1e9  # when somebody with a QUERY last came
    credit_s: float = MAX_CREDIT_S  # how much of what BACKGROUND computes may be lost


def background_may_start(past: Past, now_s: float) -> bool:
    """Whether background work may take the gate although nobody else waits right now.

    While somebody streams, background waits as long as it last computed: half the time at most.
    """
    if now_s - past.urgent_ended_s > RECENT_S:
        return True
    return now_s - past.background_ended_s >= past.background_took_s


def may_break_off(past: Past, spent_s: float) -> bool:
    """Whether a question may end a step of background work that has taken so long already.

    What is lost was earned before: however many questions come, half of the work remains.
    """
    return spent_s <= past.credit_s


def credit_after(past: Past, took_s: float, *, is_lost: bool) -> float:
    """Tell what may be lost after a step of background work."""
    return max(0.0, min(MAX_CREDIT_S, past.credit_s + (-took_s if is_lost else took_s)))


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
        self._holder = Priority.BACKGROUND
        self._began_s = 0.0
        self._break_off: Callable[[], None] | None = None  # what ends the holder's step
        self._is_broken_off = False
        self._past = Past()
        self._next: Ticket | None = None  # to whom the last holder handed it over

    @contextmanager
    def hold(
        self,
        priority: Priority,
        *,
        timeout_s: float = 600.0,
        break_off: Callable[[], None] | None = None,
    ) -> Iterator[None]:
        """Compute alone.

        Args:
            break_off: ends what is computed at once; called when a QUERY comes, by its thread.
        Raises:
            BusyError: it did not come free in time.
        """
        self._take(priority, time.monotonic() + timeout_s, break_off)
        try:
            yield
        finally:
            self._release(priority)

    def is_wanted(self) -> bool:
        """Whether the holder, who has done a step, is to let go: somebody waits.

        Who keeps on holding begins anew with that: no step of its runs too long.
        """
        self._began_s = time.monotonic()
        return bool(self._waiting)

    def held_s(self) -> float:
        """Tell for how long the step of now has run; 0 if nobody computes."""
        with self._condition:
            return time.monotonic() - self._began_s if self._is_held else 0.0

    def is_shared(self) -> bool:
        """Whether somebody who reads or asks was here lately; background takes small steps then."""
        with self._condition:
            came_s = max(self._past.urgent_ended_s, self._past.asked_s)
            is_urgent = self._is_held and self._holder == Priority.INTERACTIVE
        return is_urgent or time.monotonic() - came_s <= SHARED_S

    def _take(
        self, priority: Priority, deadline_s: float, break_off: Callable[[], None] | None
    ) -> None:
        ticket = Ticket(priority, next(self._numbers), time.monotonic())
        with self._condition:
            self._waiting.append(ticket)
            if priority == Priority.QUERY:
                self._ask(ticket.since_s)
            try:
                while not self._is_my_turn(ticket):
                    if time.monotonic() > deadline_s:
                        raise BusyError
                    # One that is not urgent may come due by the clock alone.
                    self._condition.wait(1.0 if priority == Priority.INTERACTIVE else 0.02)
                self._is_held, self._began_s = True, time.monotonic()
                self._holder = priority
                self._break_off, self._is_broken_off = break_off, False
            finally:
                self._waiting.remove(ticket)
                if self._next == ticket:
                    self._next = None

    def _ask(self, now_s: float) -> None:
        self._past = replace(self._past, asked_s=now_s)
        if self._break_off is not None and may_break_off(self._past, now_s - self._began_s):
            self._break_off()
            self._break_off, self._is_broken_off = None, True

    def _is_my_turn(self, ticket: Ticket) -> bool:
        now_s = time.monotonic()
        if self._is_held or (self._next or _first(self._waiting, now_s)) != ticket:
            return False
        return self._may_start(ticket, now_s)

    def _may_start(self, ticket: Ticket, now_s: float) -> bool:
        is_background = ticket.priority == Priority.BACKGROUND
        return not is_background or background_may_start(self._past, now_s)

    def _release(self, priority: Priority) -> None:
        now_s = time.monotonic()
        with self._condition:
            self._is_held, self._break_off = False, None
            took_s = now_s - self._began_s
            if priority == Priority.BACKGROUND:
                self._past = replace(
                    self._past,
                    background_ended_s=now_s,
                    background_took_s=took_s,
                    credit_s=credit_after(self._past, took_s, is_lost=self._is_broken_off),
                )
            elif priority == Priority.INTERACTIVE:
                self._past = replace(self._past, urgent_ended_s=now_s)
            # Who lets go may be back before those that waited are awake: it is their turn.
            self._next = _first([x for x in self._waiting if self._may_start(x, now_s)], now_s)
            if self._waiting:
                self._condition.notify_all()


def _first(waiting: Sequence[Ticket], now_s: float) -> Ticket | None:
    return min(waiting, key=lambda one: one.rank(now_s), default=None)
