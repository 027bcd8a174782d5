"""Tokens of several sequences in, one step of llama.cpp out; owns the arrays that it reads."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence

import llama_cpp as native
import numpy as np
from numpy.typing import NDArray

from engine.errors import RuntimeFailedError


class Batch:
    """Room for the tokens of one step."""

    def __init__(self, n_tokens: int) -> None:
        self.room = n_tokens
        self.n_tokens = 0
        # Arrays of our own in place of llama_batch_init's: whole prompts are written at once.
        self._tokens, self._positions = np.zeros(n_tokens, np.int32), np.zeros(n_tokens, np.int32)
        self._sequences, self._outputs = np.zeros(n_tokens, np.int32), np.zeros(n_tokens, np.int8)
        self._counts = np.ones(n_tokens, np.int32)
        base, size = self._sequences.ctypes.data, self._sequences.itemsize
        self._pointers = base + size * np.arange(n_tokens, dtype=np.uintp)
        self._batch = native.llama_batch(
            n_tokens=0,
            token=_pointer(self._tokens, ctypes.c_int32),
            embd=None,
            pos=_pointer(self._positions, ctypes.c_int32),
            n_seq_id=_pointer(self._counts, ctypes.c_int32),
            seq_id=_pointer(self._pointers, ctypes.POINTER(ctypes.c_int32)),
            logits=_pointer(self._outputs, ctypes.c_int8),
        )

    def clear(self) -> None:
        """Forget all tokens."""
        self.n_tokens = self._batch.n_tokens = 0

    def add(self, token: int, position: int, sequence: int, *, wants_output: bool) -> int:
        """Append one token and return its index in the batch."""
        return self.extend((token,), position, sequence, n_outputs=int(wants_output))

    def extend(self, tokens: Sequence[int], position: int, sequence: int, *, n_outputs: int) -> int:
        """Append tokens that follow each other and return the index of the first.

        Args:
            n_outputs: how many of them, from the last one backwards, give scores.
        Raises:
            RuntimeFailedError: there is no room for them.
        """
        begin, end = self.n_tokens, self.n_tokens + len(tokens)
        if end > self.room:
            raise RuntimeFailedError(f"a step of {self.room} tokens has no room for {end}")
        if len(tokens) == 1:  # of a stream; ranges would take ten times as long
            self._tokens[begin], self._positions[begin] = tokens[0], position
            self._sequences[begin], self._outputs[begin] = sequence, n_outputs > 0
            self.n_tokens = self._batch.n_tokens = end
            return begin
        self._tokens[begin:end] = tokens
        self._positions[begin:end] = range(position, position + len(tokens))
        self._sequences[begin:end] = sequence
        self._outputs[begin:end] = 0
        self._outputs[max(begin, end - n_outputs) : end] = 1
        self.n_tokens = self._batch.n_tokens = end
        return begin

    @property
    def native(self) -> object:
        """The native struct, for decoding."""
        return self._batch

    def close(self) -> None:
        """Let go; the arrays are Python's own."""
        self.clear()


def _pointer(array: NDArray[np.generic], kind: type[ctypes._CDataType]) -> object:
    return array.ctypes.data_as(ctypes.POINTER(kind))
