"""Requests in, streams of text out: one thread that owns one chat model's context."""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from engine.errors import (
    BusyError,
    CancelledError,
    EngineError,
    RequestError,
    RuntimeFailedError,
)
from engine.runtime.gate import Gate
from engine.runtime.llama import Batch, Context, Model, Sampler
from engine.runtime.scheduler import Row, Waiting, choose_slot, plan
from engine.runtime.stream import TextStream
from engine.types import DoneReason, Event, Final, Options, Piece, Priority

_log = logging.getLogger(__name__)

EVENT_TIMEOUT_S = 600.0  # longest silence of the worker before a caller gives up
SIGN_OF_LIFE_S = 0.2  # a silent stream yields an empty piece so often: the moment to close it
IDLE_WAIT_S = 5.0
CLOSE_WAIT_S = 60.0  # longest step that an unload waits for


@dataclass(slots=True, eq=False)
class Generation:
    """One request from its submission to its last event."""

    prompt: Sequence[int]
    options: Options
    sampler: Sampler
    text: TextStream
    n_limit: int  # tokens that may be generated
    events: queue.SimpleQueue[Event | EngineError] = field(default_factory=queue.SimpleQueue)
    cancelled: threading.Event = field(default_factory=threading.Event)
    generated: list[int] = field(default_factory=list)
    n_reused: int = 0
    submitted_ns: int = field(default_factory=time.monotonic_ns)
    first_token_ns: int = 0


@dataclass(slots=True)
class _Slot:
    """One sequence of the context.

    Invariant: `cached` are the tokens that the KV cache holds, in order; `pending` come next.
    """

    number: int
    cached: list[int] = field(default_factory=list)
    pending: list[int] = field(default_factory=list)
    work: Generation | None = None
    last_used: int = 0


class Worker:
    """Continuous batching over the slots of one context.

    Source: Yu et al. 2022, Orca (OSDI): iteration-level scheduling.
    """

    def __init__(
        self,
        model: Model,
        context: Context,
        *,
        n_slots: int,
        n_ctx: int,
        max_queue: int,
        gate: Gate,
    ) -> None:
        self.model, self.n_ctx = model, n_ctx
        self._context, self._gate, self._max_queue = context, gate, max_queue
        self._batch = Batch(context.n_batch)
        self._slots = [_Slot(number) for number in range(n_slots)]
        self._queue: deque[Generation] = deque()
        self._changed = threading.Condition()
        self._is_closing = False
        self._n_steps = 0
        self._thread = threading.Thread(target=self._run, name="engine-worker", daemon=True)
        self._thread.start()

    def submit(self, work: Generation) -> None:
        """Queue a generation; its sampler is closed here, also when it is refused.

        Raises:
            RequestError: the prompt has no token.
            BusyError: too many wait already.
        """
        refusal: EngineError | None = None
        with self._changed:
            if not work.prompt:
                refusal = RequestError("the prompt is empty: the template makes no token of it")
            elif self._is_closing or len(self._queue) >= self._max_queue:
                refusal = BusyError()
            else:
                self._queue.append(work)
                self._changed.notify()
        if refusal is not None:
            work.sampler.close()
            raise refusal

    def cancel(self, work: Generation) -> None:
        """End a generation; its place in the queue is free at once, its slot at the next step."""
        work.cancelled.set()
        with self._changed:
            if work in self._queue:
                self._queue.remove(work)
                self._refuse(work, CancelledError())
            self._changed.notify()

    def stream(self, work: Generation) -> Iterator[Event]:
        """Submit a generation and yield its events; closing the iterator cancels it.

        While nothing comes, empty pieces do, so that a caller whose client left can close the
        iterator also before the first token.
        """
        self.submit(work)
        last_event_s = time.monotonic()
        try:
            while True:
                try:
                    event = work.events.get(timeout=SIGN_OF_LIFE_S)
                except queue.Empty as error:
                    if time.monotonic() - last_event_s > EVENT_TIMEOUT_S:
                        raise RuntimeFailedError(
                            f"no token for {EVENT_TIMEOUT_S:.0f} s; the machine is overloaded"
                        ) from error
                    yield Piece("")
                    continue
                last_event_s = time.monotonic()
                if isinstance(event, EngineError):
                    raise event
                yield event
                if isinstance(event, Final):
                    return
        finally:
            self.cancel(work)

    def stop(self) -> None:
        """Let the thread end after its step; what still runs ends with an error."""
        with self._changed:
            self._is_closing = True
            self._changed.notify()

    def close(self) -> bool:
        """Stop and wait for the thread; False if its step does not end: free nothing then."""
        self.stop()
        self._thread.join(timeout=CLOSE_WAIT_S)
        if self._thread.is_alive():
            return False
        self._batch.close()
        return True

    def _run(self) -> None:
        while self._await_work():
            try:
                self._seat_waiting()
                rows = self._plan()
                if rows:
                    self._step(rows)
            except Exception as error:  # noqa: BLE001 - whatever it is, the others go on
                # Without its thread every later request would wait in vain.
                _log.exception("worker step failed")
                self._fail_all(RuntimeFailedError(f"the computation failed: {error!r}"))
        unloaded = RuntimeFailedError("the model is being unloaded")
        self._fail_all(unloaded)
        with self._changed:
            while self._queue:
                self._refuse(self._queue.popleft(), unloaded)

    def _await_work(self) -> bool:
        with self._changed:
            while not (self._is_closing or self._queue or any(s.work for s in self._slots)):
                self._changed.wait(IDLE_WAIT_S)
            return not self._is_closing

    def _seat_waiting(self) -> None:
        for slot in self._slots:
            if slot.work is not None and slot.work.cancelled.is_set():
                self._fail(slot, CancelledError())
        while True:
            free = [(s.number, s.cached, s.last_used) for s in self._slots if s.work is None]
            with self._changed:
                if not free or not self._queue:
                    return
                work = self._queue.popleft()
            if work.cancelled.is_set():
                self._refuse(work, CancelledError())
                continue
            seat = choose_slot(work.prompt, free)
            if seat is not None:
                self._seat(self._slots[seat.slot], work, seat.n_reused)

    def _seat(self, slot: _Slot, work: Generation, n_reused: int) -> None:
        slot.work = work
        if not self._context.forget(slot.number, n_reused):
            # Some memories (recurrent ones) can only be dropped whole.
            self._context.forget(slot.number)
            n_reused = 0
        slot.cached = slot.cached[:n_reused]
        slot.pending = list(work.prompt[n_reused:])
        work.n_reused = n_reused

    def _plan(self) -> list[Row]:
        waiting = [
            Waiting(s.number, len(s.cached), len(s.pending), bool(s.work.generated))
            for s in self._slots
            if s.work is not None
        ]
        return plan(waiting, self._batch.room)

    def _step(self, rows: Sequence[Row]) -> None:
        self._n_steps += 1
        self._batch.clear()
        outputs: list[tuple[_Slot, int]] = []
        for row in rows:
            slot = self._slots[row.slot]
            for offset, token in enumerate(slot.pending[: row.n_tokens]):
                is_last = row.wants_output and offset == row.n_tokens - 1
                at = self._batch.add(
                    token, row.position + offset, slot.number, wants_output=is_last
                )
                if is_last:
                    outputs.append((slot, at))
        try:
            with self._gate.hold(Priority.INTERACTIVE):
                self._context.decode(self._batch)
        except EngineError as error:
            for row in rows:
                self._fail(self._slots[row.slot], error)
            return
        for row in rows:
            slot = self._slots[row.slot]
            slot.cached += slot.pending[: row.n_tokens]
            del slot.pending[: row.n_tokens]
            slot.last_used = self._n_steps
        for slot, at in outputs:
            self._take_token(slot, at)

    def _take_token(self, slot: _Slot, at: int) -> None:
        work = slot.work
        assert work is not None
        try:
            token = work.sampler.sample(self._context, at)
        except EngineError as error:
            self._fail(slot, error)
            return
        if not work.first_token_ns:
            work.first_token_ns = time.monotonic_ns()
        if self.model.is_end(token):
            self._finish(slot, "stop")
            return
        work.generated.append(token)
        shown = work.text.push(self.model.piece(token))
        if shown:
            work.events.put(Piece(shown))
        if work.text.is_stopped:
            self._finish(slot, "stop")
        elif (
            len(work.generated) >= work.n_limit
            or len(slot.cached) + 1 >= self.n_ctx
            or work.text.is_stuck
        ):
            self._finish(slot, "length")
        else:
            slot.pending = [token]

    def _finish(self, slot: _Slot, reason: DoneReason) -> None:
        work = slot.work
        assert work is not None
        rest = work.text.finish()
        if rest:
            work.events.put(Piece(rest))
        now = time.monotonic_ns()
        first = work.first_token_ns or now
        work.events.put(
            Final(
                done_reason=reason,
                n_prompt=len(work.prompt),
                n_reused=work.n_reused,
                n_generated=len(work.generated),
                total_ns=now - work.submitted_ns,
                prompt_ns=first - work.submitted_ns,
                generate_ns=now - first,
                context=(*work.prompt, *work.generated),
            )
        )
        self._leave(slot)

    def _fail_all(self, error: EngineError) -> None:
        for slot in self._slots:
            self._fail(slot, error)

    def _refuse(self, work: Generation, error: EngineError) -> None:
        work.events.put(error)
        work.sampler.close()

    def _fail(self, slot: _Slot, error: EngineError) -> None:
        if slot.work is None:
            return
        slot.work.events.put(error)
        self._leave(slot)
        if not isinstance(error, CancelledError):
            self._context.forget(slot.number)
            slot.cached = []

    def _leave(self, slot: _Slot) -> None:
        assert slot.work is not None
        slot.work.sampler.close()
        slot.work, slot.pending = None, []
