"""Requests in, streams of text out: one thread that owns one chat model's context."""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from engine.errors import (
    BusyError,
    CancelledError,
    DeadlineError,
    EngineError,
    PromptTooLongError,
    RequestError,
    RuntimeFailedError,
)
from engine.runtime.batch_native import Batch
from engine.runtime.compute_thread import COMPUTE
from engine.runtime.draft import DraftModel
from engine.runtime.drafting import Drafting
from engine.runtime.gate import Gate
from engine.runtime.llama import Context, Model
from engine.runtime.logprobs import token_logprob
from engine.runtime.media import Media, as_prompt
from engine.runtime.reuse import Reuse
from engine.runtime.scheduler import MIN_BESIDE, Row, choose_beside, plan
from engine.runtime.slots import Generation, Slot, choose_cut
from engine.runtime.stats import Tally, WorkerStats
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
        prefix_cache_bytes: int = 0,
        is_speculating: bool = True,
        draft_model: DraftModel | None = None,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        """Start the thread.

        Args:
            n_ctx: tokens of one request.
            look: computes pictures; None where the model takes none.
            prefix_cache_bytes: main memory for conversations that lost their slot; 0 keeps none.
            is_speculating: whether tokens are tried ahead where that pays.
            draft_model: writes them; the caller closes it.
            clock: tells what steps cost, in seconds, read by the worker's thread.
        """
        self.model, self.n_ctx = model, n_ctx
        self._look = look
        self._context, self._gate, self._max_queue = context, gate, max_queue
        self._batch = Batch(context.n_batch)
        self._slots = [Slot(number) for number in range(n_slots)]
        self._queue: deque[Generation] = deque()
        self._changed = threading.Condition()
        self._is_closing = False
        self._tally = Tally()
        self._reuse = Reuse(context, self._slots, self._tally, prefix_cache_bytes)
        self._clock = clock
        self._drafting = Drafting(
            self._slots,
            n_ctx=n_ctx,
            is_on=is_speculating and context.can_trim,
            draft_model=draft_model,
            clock=clock,
        )
        self._prompt_speed = 0.0  # tokens per second of the steps with prompts
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
        last_event_s, n_steps = time.monotonic(), self._tally.n_steps
        try:
            while True:
                try:
                    event = work.events.get(timeout=SIGN_OF_LIFE_S)
                except queue.Empty as error:
                    if self._tally.n_steps != n_steps:  # a long prompt, or those before
                        last_event_s, n_steps = time.monotonic(), self._tally.n_steps
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

    @property
    def is_alive(self) -> bool:
        """Whether anybody still computes."""
        return self._thread.is_alive()

    def stats(self) -> WorkerStats:
        """Tell what was done since the load; any thread may ask at any time."""
        with self._changed:
            n_waiting = len(self._queue)
        n_busy = sum(slot.work is not None for slot in self._slots)
        return self._tally.seen(
            n_waiting=n_waiting,
            n_slots=len(self._slots),
            n_busy=n_busy,
            n_cached_prefixes=len(self._reuse.cache),
            cached_bytes=self._reuse.cache.n_bytes,
        )

    @property
    def tally(self) -> Tally:
        """The counters themselves, which outlive the worker."""
        return self._tally

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
                with self._gate.hold(Priority.INTERACTIVE):
                    COMPUTE.run(self._turns)
            except BusyError as error:
                self._fail_all(error)
        unloaded = RuntimeFailedError("the model is being unloaded")
        self._fail_all(unloaded)
        with self._changed:
            while self._queue:
                self._refuse(self._queue.popleft(), unloaded)

    def _turns(self) -> None:
        """Turn until there is nothing to do or somebody else wants to compute.

        In the thread that computes: a change of thread before and after every step, and the gate,
        cost a stream of a small model a twentieth.
        """
        while True:
            self._turn()
            is_wanted = self._gate.is_wanted() or COMPUTE.is_wanted()
            if is_wanted or self._is_closing or not self._has_work():
                return

    def _turn(self) -> None:
        try:
            self._end_unwanted()
            self._seat_waiting()
            self._drafting.propose(self._batch.room)
            rows = self._plan()
            if rows:
                self._step(rows)
            self._look_at_next()
        except Exception as error:  # noqa: BLE001 - whatever it is, the others go on
            # Without its thread every later request would wait in vain.
            _log.exception("worker step failed")
            self._fail_all(RuntimeFailedError(f"the computation failed: {error!r}"))

    def _await_work(self) -> bool:
        with self._changed:
            while not (self._is_closing or self._has_work()):
                self._changed.wait(IDLE_WAIT_S)
            return not self._is_closing

    def _has_work(self) -> bool:
        return bool(self._queue) or any(slot.work is not None for slot in self._slots)

    def _end_unwanted(self) -> None:
        """End what was cancelled and what is late, also in the middle of a prompt."""
        now_s = time.monotonic()
        for slot in self._slots:
            if slot.work is not None and (error := slot.work.unwanted(now_s)) is not None:
                self._fail(slot, error)
        if not self._queue:
            return
        with self._changed:
            late = [(one, error) for one in self._queue if (error := one.unwanted(now_s))]
            for work, error in late:
                self._queue.remove(work)
                self._refuse(work, error)

    def _seat_waiting(self) -> None:
        """Give the free slots to those who wait, first come first served."""
        self._reuse.seat_followers()
        while self._queue and any(slot.work is None for slot in self._slots):
            with self._changed:
                if not self._queue:
                    return
                work = self._queue.popleft()
            error = work.unwanted(time.monotonic())
            if error is not None:
                self._refuse(work, error)
            else:
                self._reuse.seat(work)

    def _plan(self) -> list[Row]:
        busy = [slot for slot in self._slots if slot.work is not None]
        waiting = [one for slot in busy if (one := slot.waiting()) is not None]
        room = self._batch.room
        return plan(waiting, room, choose_beside(self._prompt_speed, room))

    def _step(self, rows: Sequence[Row]) -> None:
        """Compute rows; if that fails, each by itself, so that it ends none but its own request."""
        self._tally.n_steps += 1
        self._batch.clear()
        outputs: list[tuple[Slot, int, list[int]]] = []
        for row in rows:
            slot = self._slots[row.slot]
            slot.undraft(row.n_tokens)  # what the step has no room for
            is_last = row.n_tokens == len(slot.pending)
            n_outputs = (1 + slot.n_drafted) * is_last
            pending = slot.pending[: row.n_tokens]
            at = self._batch.extend(pending, row.position, slot.number, n_outputs=n_outputs)
            if is_last:
                first = row.n_tokens - n_outputs
                outputs.append((slot, at + first, pending[first + 1 :]))
        n_prompt_tokens = sum(row.n_tokens for row in rows if not self._is_stream(row))
        try:
            cost_s = self._decode(n_prompt_tokens)
        except EngineError as error:
            self._undo(rows, error)
            return
        for row in rows:
            slot = self._slots[row.slot]
            slot.advance(row.n_tokens)
            slot.last_used = self._tally.n_steps
        n_before = self._tally.n_generated_tokens
        for slot, at, drafted in outputs:
            self._take_tokens(slot, at, drafted)
        if not n_prompt_tokens:
            n_tokens = self._tally.n_generated_tokens - n_before
            self._drafting.note_step([row.n_tokens for row in rows], n_tokens, cost_s)

    def _is_stream(self, row: Row) -> bool:
        slot = self._slots[row.slot]
        assert slot.work is not None
        return bool(slot.work.generated) and row.n_tokens == 1 + slot.n_drafted

    def _decode(self, n_prompt_tokens: int) -> float:
        began_s, began = time.perf_counter(), self._clock()
        self._context.decode(self._batch)
        spent_s, cost_s = time.perf_counter() - began_s, self._clock() - began
        if n_prompt_tokens >= MIN_BESIDE:
            speed = n_prompt_tokens / max(spent_s, 1e-6)
            self._prompt_speed = 0.5 * (self._prompt_speed or speed) + 0.5 * speed
        return cost_s

    def _undo(self, rows: Sequence[Row], error: EngineError) -> None:
        """Drop what a step that failed left behind, and try those again that it may not concern."""
        _log.warning("step failed rows=%s error=%s", len(rows), error)
        slots = [self._slots[row.slot] for row in rows]
        are_whole = [self._context.forget(slot.number, len(slot.cached)) for slot in slots]
        for row, slot, is_whole in zip(rows, slots, are_whole, strict=True):
            may_be_anothers = len(rows) > 1 or slot.n_drafted > 0
            if is_whole and may_be_anothers and isinstance(error, RuntimeFailedError):
                n_tokens = row.n_tokens - slot.n_drafted
                slot.undraft()
                self._step([replace(row, n_tokens=n_tokens)])
            else:
                self._fail(slot, error)

    def _look_at_next(self) -> None:
        """Compute one picture: a step by itself, so that streams go on between two of them."""
        if self._look is None:
            return
        for slot in self._slots:
            media = slot.next_media()
            if media is None:
                continue
            self._tally.n_steps += 1
            try:
                self._look(self._context, media, slot.number, len(slot.cached))
            except EngineError as error:
                self._fail(slot, error)
                return
            slot.advance(media.n_positions)
            slot.last_used = self._tally.n_steps
            return

    def _take_tokens(self, slot: Slot, at: int, drafted: Sequence[int]) -> None:
        """Draw from one row after the other, as long as they stand behind what was drawn.

        Each token is drawn as it would be without drafts, from the scores after the very same
        tokens; so drafts change when it comes, but not what comes.
        """
        work, n_exact = slot.work, len(slot.cached) - len(drafted)
        assert work is not None
        slot.n_drafted = 0
        work.n_drafted += len(drafted)
        self._tally.n_drafted_tokens += len(drafted)
        n_before = work.n_accepted
        for number, expected in enumerate((*drafted, None)):
            self._take_token(slot, at + number, expected)
            if work.n_accepted == n_before + number or slot.work is None:
                break
        if drafted:
            n_accepted = work.n_accepted - n_before
            self._tally.n_accepted_tokens += n_accepted
            self._drafting.note(slot.number, len(drafted), n_accepted)
            self._drop_rejected(slot, n_exact + n_accepted)

    def _drop_rejected(self, slot: Slot, n_kept: int) -> None:
        """Let the cache hold no token that was not drawn."""
        if len(slot.cached) <= n_kept:
            return
        if self._context.forget(slot.number, n_kept):
            del slot.cached[n_kept:]
            return
        # Not foreseen; but then all must be computed again, and nothing is tried ahead any more.
        _log.warning("speculation given up reason=the cache cannot be cut at %s", n_kept)
        self._drafting.is_on = False
        if slot.work is not None and slot.has_media:
            self._fail(slot, RuntimeFailedError("the cache cannot drop tokens; ask again"))
            return
        self._context.forget(slot.number)
        if slot.work is not None:
            slot.restart(n_kept)
        slot.clear()

    def _take_token(self, slot: Slot, at: int, expected: int | None = None) -> None:
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
        work.n_accepted += token == expected
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
        self._tally.n_generated_tokens += 1
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
        self._tally.count_end(error)

    def _fail(self, slot: Slot, error: EngineError) -> None:
        if slot.work is None:
            return
        slot.work.events.put(error)
        self._tally.count_end(error)
        self._leave(slot)
        if not isinstance(error, CancelledError | DeadlineError):
            self._context.forget(slot.number)
            slot.clear()

    def _leave(self, slot: Slot) -> None:
        assert slot.work is not None
        slot.work.sampler.close()
        slot.leave()
