"""Sequences in, the tokens that a second, smaller model would write next out; owns its context."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from engine.errors import LoadError
from engine.runtime.batch_native import Batch
from engine.runtime.llama import Context, Model
from engine.runtime.seating import common_prefix

CATCH_UP = 256  # tokens of one text that are computed before a step: a stream waits for them
_MAX_EXTRA_TOKENS = 128  # by which the vocabularies may differ at their end: padding
_CHECKED_FROM = 5  # the first ones are control tokens that some files name otherwise


def check_vocabulary(target: Model, draft: Model, name: str, draft_name: str) -> None:
    """Refuse a draft model that writes other tokens than its target.

    Raises:
        LoadError: names both models and what differs.
    Source: llama.cpp, common/speculative.cpp, `common_speculative_are_compatible`.
    """
    advice = f'"{draft_name}" cannot draft for "{name}"'
    n_extra = abs(target.n_vocab - draft.n_vocab)
    if n_extra > _MAX_EXTRA_TOKENS:
        raise LoadError(
            f"{advice}: it has {draft.n_vocab:,} tokens, the model {target.n_vocab:,}; name a "
            "smaller model of the same family as draft_model"
        )
    for token in range(_CHECKED_FROM, min(target.n_vocab, draft.n_vocab)):
        if target.token_text(token) != draft.token_text(token):
            raise LoadError(
                f"{advice}: token {token} is {draft.token_text(token)!r} there and "
                f"{target.token_text(token)!r} in the model; name a smaller model of the same "
                "family as draft_model"
            )


class DraftModel:
    """A second model that runs ahead of the first, greedily; who asks it holds the gate.

    Invariant: `_held[sequence]` are the tokens that its context holds of that sequence.
    """

    def __init__(self, model: Model, context: Context, *, n_vocab: int, name: str = "") -> None:
        """Take over a model and its context; `close` frees both.

        Args:
            n_vocab: tokens that the target knows.
            name: as users know the model.
        Raises:
            LoadError: its memory cannot drop what was drafted in vain.
        """
        if not context.can_trim:
            raise LoadError(
                f'"{name}" cannot draft, for its memory drops no single tokens (it is recurrent); '
                "name another one as draft_model"
            )
        self._model, self._context = model, context
        self._batch = Batch(context.n_batch)
        self._n_tokens = min(n_vocab, model.n_vocab)
        self._held: dict[int, list[int]] = {}

    def catch_up(self, sequence: int, tokens: Sequence[int]) -> bool:
        """Compute what a sequence lacks but its last token; False if that takes more than this.

        Raises:
            RuntimeFailedError: llama.cpp could not compute.
        """
        held = self._held.get(sequence, [])
        n_same = min(common_prefix(held, tokens), len(tokens) - 1)
        if n_same < len(held) and not self._context.forget(sequence, n_same):
            self._context.forget(sequence)  # a window slid: from the beginning then
            n_same = 0
        held = self._held[sequence] = list(tokens[:n_same])
        missing = tokens[n_same:-1]
        part = missing[: min(CATCH_UP, self._batch.room)]
        # One or two tokens join the first step of the draft.
        if len(missing) >= _FEW:
            self._batch.clear()
            self._batch.extend(part, n_same, sequence, n_outputs=0)
            self._decode()
            held += part
        return len(missing) - len(part) < _FEW

    def draft(self, wanted: Mapping[int, tuple[Sequence[int], int]]) -> dict[int, list[int]]:
        """Write so many tokens after each sequence; all that are caught up, at once.

        Args:
            wanted: by sequence its tokens and how many shall follow.
        Raises:
            RuntimeFailedError: llama.cpp could not compute.
        """
        drafted: dict[int, list[int]] = {sequence: [] for sequence in wanted}
        ahead = {one: list(tokens[len(self._held[one]) :]) for one, (tokens, _) in wanted.items()}
        while ahead:
            self._batch.clear()
            rows = {}
            for sequence, tokens in sorted(ahead.items()):
                held = self._held[sequence]
                at = self._batch.extend(tokens, len(held), sequence, n_outputs=1)
                rows[sequence] = at + len(tokens) - 1
            self._decode()
            for sequence, row in rows.items():
                self._held[sequence] += ahead[sequence]
                token = int(np.argmax(self._context.logits(row)[: self._n_tokens]))
                drafted[sequence].append(token)
                ahead[sequence] = [token]
                if len(drafted[sequence]) >= wanted[sequence][1] or self._model.is_end(token):
                    del ahead[sequence]
        return drafted

    def _decode(self) -> None:
        try:
            self._context.decode(self._batch)
        except BaseException:
            self._context.forget_all()  # nobody knows what it holds now
            self._held.clear()
            raise

    def close(self) -> None:
        """Free the context and the model."""
        self._batch.close()
        self._context.close()
        self._model.close()


_FEW = 4
