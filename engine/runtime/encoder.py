"""Token lists in, normalised vectors out: an embedding model's context, many texts a step."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import numpy as np

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
    """Compute embeddings; callers take turns."""

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
        for group in pack([len(text) for text in texts], STEP_TOKENS, MAX_SEQUENCES):
            with self._gate.hold(priority), self._one_at_a_time:
                if self._is_stopped:
                    raise RuntimeFailedError("the model is being unloaded")
                self._embed_group(group, texts, found)
        return normalise(found)

    def _embed_group(
        self, group: Sequence[int], texts: Sequence[Sequence[int]], found: Vectors
    ) -> None:
        self._batch.clear()
        for sequence, at in enumerate(group):
            for position, token in enumerate(texts[at]):
                self._batch.add(token, position, sequence, wants_output=True)
        self._context.forget_all()
        self._context.decode(self._batch)
        for sequence, at in enumerate(group):
            found[at] = self._context.embedding(sequence)

    def stop(self) -> None:
        """Let no further step begin."""
        self._is_stopped = True

    def close(self) -> None:
        """Free the batch; waits for the step that runs."""
        self.stop()
        with self._one_at_a_time:
            self._batch.close()
