"""Requests in, streams of text out: one thread that owns one chat model's context."""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence

from engine.errors import (
    BusyError,
    CancelledError,
    EngineError,
    PromptTooLongError,
    RequestError,
    RuntimeFailedError,
)
from engine.runtime.gate import Gate
from engine.runtime.llama import Batch, Context, Model
from engine.runtime.logprobs import token_logprob
from engine.runtime.media import Media, as_prompt
from engine.runtime.scheduler import Row, choose_slot, plan
from engine.runtime.slots import Generation, Slot, choose_cut
from engine.types import DoneReason, Event, Final, Piece, Priority

# Computes one picture into a sequence of the context from a position on.
Look = Callable[[Context, Media, int, int], None]

__all__ = ["Generation", "Worker"]

_log = logging.getLogger(__name__)

EVENT_TIMEOUT_S = 600.0  # longest silence of the worker before a caller gives up
SIGN_OF_LIFE_S = 0.2  # a silent stream yields an empty piece so often: the moment to close it
IDLE_WAIT_S = 5.0
CLOSE_WAIT_S = 60.0  # longest step that an unload waits for


class Worker:
    """Continuous batching over the slots of one context.

    Source: Yu et al. 2022, Orca (OSDI): iteration-level scheduling.
    """

    def __init__(  # noqa: PLR0913 - the parts that it brings together
        self,
        model: Model,
        context: Context,
        *,
        n_slots: int,
        n_ctx: int,
        max_queue: int,
        gate: Gate,
        look: Look | None = None,
    ) -> None:
        """Start the thread.

        Args:
            n_ctx: tokens of one request.
            look: computes pictures; None where the model takes none.
        """
        self.model, self.n_ctx = model, n_ctx
        self._look = look
        self._context, self._gate, self._max_queue = context, gate, max_queue
        self._batch = Batch(context.n_batch)
        self._slots = [Slot(number) for number in range(n_slots)]
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
            PromptTooLongError: the context has no room for it and one token more.
            BusyError: too many wait already.
        """
        refusal = self._unfit(work)
        with self._changed:
            if refusal is not None:
                pass
            elif self._is_closing or len(self._queue) >= self._max_queue:
                refusal = BusyError()
            else:
                self._queue.append(work)
                self._changed.notify()
        if refusal is not None:
            work.sampler.close()
            raise refusal

    def _unfit(self, work: Generation) -> EngineError | None:
        n_tokens = len(work.prompt)
        if not n_tokens:
            return RequestError("the prompt is empty: the template makes no token of it")
        if as_prompt(work.prompt).tokens[-1] < 0:  # nothing would ever be drawn after it
            return RequestError("the prompt ends with an image: put text after it")
        if n_tokens >= self.n_ctx:
            return PromptTooLongError(n_tokens, self.n_ctx - 1)
        return None

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
        last_event_s, n_steps = time.monotonic(), self._n_steps
        try:
            while True:
                try:
                    event = work.events.get(timeout=SIGN_OF_LIFE_S)
                except queue.Empty as error:
                    if self._n_steps != n_steps:  # busy with a long prompt, or with those before
                        last_event_s, n_steps = time.monotonic(), self._n_steps
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
                self._look_at_next()
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
        while any(s.work is None for s in self._slots):
            with self._changed:
                if not self._queue:
                    return
                work = self._queue.popleft()
            if work.cancelled.is_set():
                self._refuse(work, CancelledError())
                continue
            # Only now: this copies what every free slot holds, and nobody waits at most steps.
            free = [(s.number, s.reusable, s.last_used) for s in self._slots if s.work is None]
            seat = choose_slot(as_prompt(work.prompt).tokens, free)
            if seat is not None:
                self._seat(self._slots[seat.slot], work, seat.n_reused)

    def _seat(self, slot: Slot, work: Generation, n_reused: int) -> None:
        if not self._context.forget(slot.number, n_reused):
            # Some memories (recurrent ones) can only be dropped whole.
            self._context.forget(slot.number)
            n_reused = 0
        slot.seat(work, n_reused)

    def _plan(self) -> list[Row]:
        waiting = [one for slot in self._slots if (one := slot.waiting()) is not None]
        return plan(waiting, self._batch.room)

    def _step(self, rows: Sequence[Row]) -> None:
        self._n_steps += 1
        self._batch.clear()
        outputs: list[tuple[Slot, int]] = []
        for row in rows:
            slot = self._slots[row.slot]
            for offset, token in enumerate(slot.pending[: row.n_tokens]):
                is_last = offset + 1 == row.n_tokens == len(slot.pending)
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
            slot.advance(row.n_tokens)
            slot.last_used = self._n_steps
        for slot, at in outputs:
            self._take_token(slot, at)

    def _look_at_next(self) -> None:
        """Compute one picture: a step by itself, so that streams go on between two of them."""
        for slot in self._slots:
            media = slot.next_media()
            if media is None or self._look is None:
                continue
            self._n_steps += 1
            try:
                with self._gate.hold(Priority.INTERACTIVE):
                    self._look(self._context, media, slot.number, len(slot.cached))
            except EngineError as error:
                self._fail(slot, error)
                return
            slot.advance(media.n_positions)
            slot.last_used = self._n_steps
            return

    def _take_token(self, slot: Slot, at: int) -> None:
        work = slot.work
        assert work is not None
        if not work.n_limit:
            self._finish(slot, "length")
            return
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
        self._show(work, token, at)
        if work.text.is_stopped:
            self._finish(slot, "stop")
        elif len(work.generated) >= work.n_limit or work.text.is_stuck or not self._has_room(slot):
            self._finish(slot, "length")
        else:
            slot.pending = [token]

    def _show(self, work: Generation, token: int, at: int) -> None:
        work.generated.append(token)
        begin = work.text.n_characters
        shown = work.text.push(self.model.piece(token, work.shown_special))
        if work.n_top_logprobs is not None:
            found = token_logprob(
                self._context.logits(at), token, work.n_top_logprobs, self.model.raw
            )
            work.logprobs.add(found, begin, work.text.n_characters)
        work.show(shown)

    def _has_room(self, slot: Slot) -> bool:
        """Whether the next token fits; a request that shifts makes room first."""
        if slot.n_cells + 1 < self.n_ctx:
            return True
        work = slot.work
        assert work is not None
        if not work.is_shifting or slot.has_media:
            return False
        n_keep = work.options.num_keep
        if n_keep >= 0:
            n_keep += self.model.adds_bos
        cut = choose_cut(len(slot.cached), n_keep, len(work.prompt), self.n_ctx)
        if cut is None or not self._context.cut(slot.number, cut.begin, cut.end):
            return False
        slot.drop(cut)
        _log.debug("context shifted slot=%s dropped=%s", slot.number, cut.end - cut.begin)
        return True

    def _finish(self, slot: Slot, reason: DoneReason) -> None:
        assert slot.work is not None
        slot.work.finish(reason)
        self._leave(slot)

    def _fail_all(self, error: EngineError) -> None:
        for slot in self._slots:
            self._fail(slot, error)

    def _refuse(self, work: Generation, error: EngineError) -> None:
        work.events.put(error)
        work.sampler.close()

    def _fail(self, slot: Slot, error: EngineError) -> None:
        if slot.work is None:
            return
        slot.work.events.put(error)
        self._leave(slot)
        if not isinstance(error, CancelledError):
            self._context.forget(slot.number)
            slot.clear()

    def _leave(self, slot: Slot) -> None:
        assert slot.work is not None
        slot.work.sampler.close()
        slot.leave()
