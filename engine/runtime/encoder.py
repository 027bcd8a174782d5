"""Token lists in, vectors or scores out: a pooling model's context, many texts a step."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from engine.errors import RequestError, RuntimeFailedError
from engine.runtime.gate import Gate
from engine.runtime.llama import Batch, Context, Model
from engine.types import Priority, Vectors

# Tokens of one step; measured best on two cores for all-MiniLM (docs/decisions/002).
STEP_TOKENS = 512
MAX_SEQUENCES = 64


def pack(lengths: Sequence[int], budget: int, max_sequences: int) -> list[list[int]]:
    """Group texts into steps of at most `budget` tokens, in order.

    Args:
        lengths: tokens of each text; one over the budget goes alone.
    Returns:
        indices into `lengths`, one list a step.
    """
    groups: list[list[int]] = []
    room = 0
    for at, length in enumerate(lengths):
        if not groups or length > room or len(groups[-1]) >= max_sequences:
            groups.append([])
            room = budget
        groups[-1].append(at)
        room -= length
    return groups


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
        for group in pack([len(text) for text in texts], STEP_TOKENS, MAX_SEQUENCES):
            with self._gate.hold(priority), self._one_at_a_time:
                if self._is_stopped:
                    raise RuntimeFailedError("the model is being unloaded")
                self._decode([texts[at] for at in group])
                for sequence, at in enumerate(group):
                    read(at, sequence)

    def _decode(self, texts: Sequence[Sequence[int]]) -> None:
        self._batch.clear()
        for sequence, text in enumerate(texts):
            for position, token in enumerate(text):
                self._batch.add(token, position, sequence, wants_output=True)
        self._context.forget_all()
        self._context.decode(self._batch)

    def stop(self) -> None:
        """Let no further step begin."""
        self._is_stopped = True

    def close(self) -> None:
        """Free the batch; waits for the step that runs."""
        self.stop()
        with self._one_at_a_time:
            self._batch.close()
