"""A sequence's own tokens in, what followed the last time that it read like now out; pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

SHORTEST = 2  # tokens that must read alike
LONGEST = 16  # beyond, a match is not looked at more closely
_MAX_PLACES = 32  # where the last tokens stand elsewhere, newest first: so many are compared
_BITS = 31  # of one token's number


@dataclass(frozen=True, slots=True)
class Match:
    """An earlier place that reads like the end."""

    end: int  # position of its last token
    n_alike: int  # tokens, counted backwards from there


class Ngrams:
    """Where every pair of tokens of one sequence stands, kept up to date token by token.

    Placeholders of pictures (negative) match nothing and are never drafted.
    Source: Saxena 2023, "Prompt Lookup Decoding"; llama.cpp, common/ngram-map.cpp.
    """

    def __init__(self, tokens: Sequence[int] = ()) -> None:
        self._tokens = list(tokens)
        self._before = _places_before(self._tokens)  # position → the same pair's place before it
        self._last = _last_places(self._tokens)

    def __len__(self) -> int:
        return len(self._tokens)

    def extend(self, tokens: Sequence[int]) -> None:
        """Append what came since; each token takes the same small time."""
        for token in tokens:
            at = len(self._tokens)
            before = self._tokens[-1] if at else -1
            self._tokens.append(token)
            if before < 0 or token < 0:
                self._before.append(-1)
                continue
            key = before << _BITS | token
            self._before.append(self._last.get(key, -1))
            self._last[key] = at

    def match(self) -> Match | None:
        """Find the longest earlier text that reads like the end; of equal ones the newest."""
        if len(self._tokens) < SHORTEST:
            return None
        best: Match | None = None
        at = self._before[-1]
        for _ in range(_MAX_PLACES):
            if at < 0:
                break
            n_alike = self._n_alike(at)
            if best is None or n_alike > best.n_alike:
                best = Match(at, n_alike)
            if n_alike >= LONGEST:
                break
            at = self._before[at]
        return best

    def draft(self, match: Match, n_most: int) -> list[int]:
        """Give what followed there; where that runs into the end, it goes round."""
        drafted: list[int] = []
        period = len(self._tokens) - 1 - match.end
        for number in range(n_most):
            at = match.end + 1 + number
            token = self._tokens[at] if at < len(self._tokens) else drafted[number - period]
            if token < 0:
                break
            drafted.append(token)
        return drafted

    def _n_alike(self, at: int) -> int:
        tokens, last = self._tokens, len(self._tokens) - 1
        most = min(LONGEST, at + 1)
        n_alike = SHORTEST
        while n_alike < most and tokens[at - n_alike] == tokens[last - n_alike] >= 0:
            n_alike += 1
        return n_alike


def _keys(tokens: Sequence[int]) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Write each pair as one number, at the place of its second token; -1 = none."""
    array = np.array(tokens, dtype=np.int64)
    keys = np.full(len(array), -1, dtype=np.int64)
    if len(array) > 1:
        first, second = array[:-1], array[1:]
        keys[1:] = np.where((first >= 0) & (second >= 0), first << _BITS | second, -1)
    return keys


def _places_before(tokens: Sequence[int]) -> list[int]:
    keys = _keys(tokens)
    before = np.full(len(keys), -1, dtype=np.int64)
    order = np.argsort(keys, kind="stable")  # equal pairs stand together, oldest first
    older, newer = order[:-1], order[1:]
    is_same = (keys[older] == keys[newer]) & (keys[newer] >= 0)
    before[newer[is_same]] = older[is_same]
    places: list[int] = before.tolist()
    return places


def _last_places(tokens: Sequence[int]) -> dict[int, int]:
    last = dict(zip(_keys(tokens).tolist(), range(len(tokens)), strict=True))
    last.pop(-1, None)
    return last
