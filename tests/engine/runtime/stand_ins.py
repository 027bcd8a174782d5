"""A context, a model and a sampler without llama.cpp, and a worker that is driven by hand.

The context notes every token that it is given: what a slot says that it holds can be compared
with what its sequence does hold.
"""

from __future__ import annotations

import zlib
from collections import defaultdict

import numpy as np

from engine.errors import RuntimeFailedError
from engine.runtime.gate import Gate
from engine.runtime.slots import Generation
from engine.runtime.stream import TextStream
from engine.runtime.worker import Worker
from engine.types import Options

END = 0
N_TOKENS = 50


def next_token(held):
    """Tell what is drawn after these tokens: a function of all of them, never the end."""
    return 1 + zlib.crc32(np.array(held, np.int64).tobytes()) % (N_TOKENS - 1)


class StandInContext:
    def __init__(self, *, n_batch=64, can_trim=True, can_shift=True, n_window=0):
        self.n_batch, self.can_trim, self.can_shift = n_batch, can_trim, can_shift
        self.n_window = n_window
        self.begins: dict[int, int] = defaultdict(int)  # of what a window sees of restored ones
        self.held: dict[int, list[int]] = defaultdict(list)
        self.n_computed = 0
        self.steps: list[dict[int, int]] = []  # slot → tokens, of each step
        self.failures: list[str] = []  # of the next steps: "before", "halfway"
        self.draw = next_token
        self.now_s = 0.0  # passes by a second a step
        self.poisoned = -1  # a token that no step with it survives
        self.is_saving = self.is_restoring = True
        self._drawn: dict[int, int] = {}

    def decode(self, batch):
        rows = [
            (batch.native.seq_id[at][0], batch.native.pos[at], batch.native.token[at])
            for at in range(batch.n_tokens)
        ]
        failure = self.failures.pop(0) if self.failures else ""
        if any(token == self.poisoned for _, _, token in rows):
            failure = "halfway"
        if failure:
            for sequence, _, token in rows[: len(rows) // 2 if failure == "halfway" else 0]:
                self.held[sequence].append(token)
            raise RuntimeFailedError("no memory for this step")
        self._drawn.clear()
        self.steps.append({})
        self.now_s += 1
        for at, (sequence, position, token) in enumerate(rows):
            assert position == len(self.held[sequence]), "a gap or a position computed twice"
            self.held[sequence].append(token)
            self.n_computed += 1
            self.steps[-1][sequence] = self.steps[-1].get(sequence, 0) + 1
            if batch.native.logits[at]:
                self._drawn[at] = self.draw(self.held[sequence])

    def drawn(self, at):
        return self._drawn[at]

    def forget(self, sequence, from_position=0):
        if not self.can_trim and 0 < from_position < len(self.held[sequence]):
            return False
        is_cut = 0 < from_position < len(self.held[sequence])
        if is_cut and self.begins[sequence] > max(0, from_position - self.n_window):
            return False
        del self.held[sequence][from_position:]
        if not from_position:
            self.begins[sequence] = 0
        return True

    def cut(self, sequence, begin, end):
        if not self.can_shift:
            return False
        del self.held[sequence][begin:end]
        return True

    def state_bytes(self, sequence):
        return 8 * len(self.held[sequence])

    def save(self, sequence):
        tokens = np.array(self.held[sequence], np.int64)
        return tokens.view(np.uint8) if self.is_saving else None

    def restore(self, sequence, state):
        tokens = state.view(np.int64).tolist()
        self.held[sequence] = tokens if self.is_restoring else tokens[: len(tokens) // 2]
        self.begins[sequence] = max(0, len(tokens) - self.n_window) if self.n_window else 0
        return self.is_restoring


class StandInModel:
    adds_bos = False

    def is_end(self, token):
        return token == END

    def piece(self, token, shown_special=()):
        return chr(96 + token % 26).encode()


class StandInSampler:
    is_closed = False

    def sample(self, context, at):
        return context.drawn(at)

    def close(self):
        self.is_closed = True


class DrivenWorker(Worker):
    """A worker whose thread does nothing: `turn` is one round."""

    def _run(self):
        pass

    def turn(self):
        self._turn()
        for slot in self._slots:
            assert self._context.held[slot.number] == slot.cached
            assert slot.n_exact is None or slot.n_exact <= len(slot.cached)

    def work_off(self, most=2000):
        """Turn until nobody runs or waits."""
        for _ in range(most):
            if not (self._queue or any(slot.work for slot in self._slots)):
                return
            self.turn()
        raise AssertionError("it never ends")

    @property
    def slots(self):
        return self._slots


def driven(
    context, *, n_slots=2, n_ctx=400, max_queue=50, prefix_cache_bytes=0, is_speculating=False
):
    return DrivenWorker(
        StandInModel(),
        context,
        n_slots=n_slots,
        n_ctx=n_ctx,
        max_queue=max_queue,
        gate=Gate(),
        prefix_cache_bytes=prefix_cache_bytes,
        is_speculating=is_speculating,
        clock=lambda: context.now_s,
    )


def request(prompt, *, limit=4, options=None, stop=(), **more):
    options = options or Options()
    return Generation(prompt, options, StandInSampler(), TextStream(stop), limit, **more)


def events_of(work):
    events = []
    while not work.events.empty():
        events.append(work.events.get())
    return events


def alone(prompt, limit, draw=next_token):
    """Tell what is generated where nothing else ever ran."""
    held = list(prompt)
    for _ in range(limit):
        held.append(draw(held))
    return tuple(held)
