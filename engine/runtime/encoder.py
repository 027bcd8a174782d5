"""Token lists in, vectors or scores out: a pooling model's context, many texts a step."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from engine.errors import RequestError, RuntimeFailedError
from engine.runtime.batch_native import Batch
from engine.runtime.gate import Gate
from engine.runtime.interrupt_native import Interrupt
from engine.runtime.llama import Context, Model
from engine.types import Priority, Vectors

# Tokens of one step; measured best on two cores for all-MiniLM (docs/decisions/002).
STEP_TOKENS = 512
SHARED_STEP_TOKENS = 256  # one passage: while others come and go, little is lost or waited for
MAX_SEQUENCES = 64


def count_fitting(lengths: Sequence[int], budget: int) -> int:
    """Tell how many texts, from the first on, make a step of at most `budget` tokens.

    Args:
        lengths: tokens of each text; the first goes in any case.
    """
    room, n_fitting = budget, 0
    for length in lengths:
        if n_fitting and length > room:
            break
        room -= length
        n_fitting += 1
    return n_fitting


def normalise(vectors: Vectors) -> Vectors:
    """Scale rows to length 1.

    Raises:
        RequestError: a row holds NaN or infinity.
    """
    if not np.isfinite(vectors).all():
        raise RequestError("embedding contains NaN or Inf values")
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return (vectors / np.maximum(lengths, 1e-12)).astype(np.float32)


class Encoder:
    """Compute embeddings or a reranker's scores; callers take turns."""

    def __init__(self, model: Model, context: Context, *, n_ctx: int, gate: Gate) -> None:
        self.model, self.n_ctx = model, n_ctx
        self._context, self._gate = context, gate
        self._batch = Batch(context.n_batch)
        self._one_at_a_time = threading.Lock()
        self._is_stopped = False

    def embed(self, texts: Sequence[Sequence[int]], priority: Priority) -> Vectors:
        """Embed tokenized texts, none of them empty.

        Shapes:
            result: (n_texts, n_dimensions) float32, rows of length 1.
        Raises:
            RuntimeFailedError: the model is being unloaded, or llama.cpp refuses.
        """
        found = np.zeros((len(texts), self.model.n_dimensions), dtype=np.float32)

        def read(at: int, sequence: int) -> None:
            found[at] = self._context.embedding(sequence)

        self._compute(texts, priority, read)
        return normalise(found)

    def score(self, pairs: Sequence[Sequence[int]], priority: Priority) -> NDArray[np.float32]:
        """Score tokenized pairs of query and document, none of them empty.

        Shapes:
            result: (n_pairs,) float32, as the model gives them: no logistic.
        Raises:
            RequestError: a score is NaN or infinite.
            RuntimeFailedError: as `embed`.
        """
        found = np.zeros(len(pairs), dtype=np.float32)

        def read(at: int, sequence: int) -> None:
            found[at] = self._context.score(sequence)

        self._compute(pairs, priority, read)
        if not np.isfinite(found).all():
            raise RequestError("a score is NaN or Inf: this model cannot judge this text")
        return found

    def _compute(
        self,
        texts: Sequence[Sequence[int]],
        priority: Priority,
        read: Callable[[int, int], None],
    ) -> None:
        """Compute all texts; `read` takes one's result: (index of the text, its sequence)."""
        lengths, begin = [len(text) for text in texts], 0
        while begin < len(texts):
            is_yielding = priority == Priority.BACKGROUND
            budget = SHARED_STEP_TOKENS if is_yielding and self._gate.is_shared() else STEP_TOKENS
            end = begin + count_fitting(lengths[begin : begin + MAX_SEQUENCES], budget)
            interrupt = Interrupt()
            break_off = interrupt.set if is_yielding else None
            with self._gate.hold(priority, break_off=break_off), self._one_at_a_time:
                if self._is_stopped:
                    raise RuntimeFailedError("the model is being unloaded")
                if not self._decode(texts[begin:end], interrupt):
                    continue
                for sequence, at in enumerate(range(begin, end)):
                    read(at, sequence)
            begin = end

    def _decode(self, texts: Sequence[Sequence[int]], interrupt: Interrupt) -> bool:
        """Compute a step; False if it was broken off."""
        self._batch.clear()
        for sequence, text in enumerate(texts):
            self._batch.extend(text, 0, sequence, n_outputs=len(text))
        self._context.forget_all()
        try:
            with interrupt.watched(self._context):
                self._context.decode(self._batch)
        except RuntimeFailedError:
            if not interrupt.is_set:
                raise
            return False
        return True

    def stop(self) -> None:
        """Let no further step begin."""
        self._is_stopped = True

    def close(self) -> None:
        """Free the batch; waits for the step that runs."""
        self.stop()
        with self._one_at_a_time:
            self._batch.close()
