"""Raw scores and a drawn token in, log-probabilities out, each once its text is shown; pure."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from engine.types import TokenLogprob

Raw = Callable[[int], bytes]  # a token's bytes


def token_logprob(logits: NDArray[np.float32], token: int, n_top: int, raw: Raw) -> TokenLogprob:
    """Tell how likely a token was among all, before any sampling option.

    Shapes:
        logits: (n_vocab,) scores, not normalised.
    Args:
        n_top: how many of the likeliest to tell too.
    """
    highest = float(logits.max())
    # logits - log(sum(exp(logits))), moved by the highest so that nothing overflows.
    spread = np.exp(logits.astype(np.float64) - highest).sum()
    base = highest + float(np.log(spread))

    def told(one: int, top: tuple[TokenLogprob, ...] = ()) -> TokenLogprob:
        data = raw(one)
        return TokenLogprob(data.decode("utf-8", "replace"), float(logits[one]) - base, data, top)

    return told(token, tuple(told(one) for one in likeliest(logits, n_top)))


def likeliest(logits: NDArray[np.float32], n_top: int) -> list[int]:
    """List the tokens with the highest scores, best first; among equals the lower number."""
    n_top = min(n_top, logits.size)
    if n_top <= 0:
        return []
    least = np.partition(logits, -n_top)[-n_top]
    found = np.flatnonzero(logits >= least)
    best = found[np.argsort(-logits[found], kind="stable")]
    return [int(one) for one in best[:n_top]]


class LogprobQueue:
    """Log-probabilities that wait until the text of their token is shown.

    Invariant: each is taken once, in order, and never before its token's last character is shown.
    """

    def __init__(self) -> None:
        self._waiting: deque[tuple[int, int, TokenLogprob]] = deque()

    def add(self, one: TokenLogprob, begin: int, end: int) -> None:
        """Append a token whose text covers the characters from `begin` up to `end`."""
        self._waiting.append((begin, end, one))

    def take(self, n_shown: int) -> tuple[TokenLogprob, ...]:
        """Take those whose text lies within the first `n_shown` characters."""
        found = []
        while self._waiting and self._waiting[0][1] <= n_shown:
            found.append(self._waiting.popleft()[2])
        return tuple(found)

    def take_rest(self, n_shown: int, *, is_stopped: bool) -> tuple[TokenLogprob, ...]:
        """Take all that wait; after a stop string only those of which something was shown."""
        rest = tuple(one for begin, _, one in self._waiting if not is_stopped or begin < n_shown)
        self._waiting.clear()
        return rest
