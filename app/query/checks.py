"""The answer as it is written → its sentences, checked as soon as each is whole."""

from __future__ import annotations

from collections.abc import Sequence

from app.query.types import Checked, Passage, Sentence
from app.query.verify import Checker, Verified


class Checks:
    """Reads an answer piece by piece; gives every sentence once."""

    def __init__(self, passages: Sequence[Passage], question: str) -> None:
        self._checker = Checker(passages, question)
        self._n_told = 0

    def push(self, piece: str) -> list[Checked]:
        """Take a piece; give the sentences that have ended with it."""
        return self._told(self._checker.push(piece))

    def finish(self) -> tuple[list[Checked], Verified]:
        """Give what is left, and the whole."""
        whole = self._checker.finish()
        return self._told(whole.sentences[self._n_told :]), whole

    def _told(self, sentences: Sequence[Sentence]) -> list[Checked]:
        known = {one.n: one for one in self._checker.citations}
        told = [
            Checked(at, one, tuple(known[n] for n in one.citations))
            for at, one in enumerate(sentences, self._n_told)
        ]
        self._n_told += len(told)
        return told
