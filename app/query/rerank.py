"""Question + hits → the same hits in a better order, by a reranker; the one place that loads one.

`reranked` and what it decides by are pure. A cross-encoder of sentence-transformers imports torch
at its first use and is silent about the network: with HF_HUB_OFFLINE set, nothing but local files
is read. A GGUF reranker is one of the engine's models.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from threading import Lock

from app.query.beats import Rerank
from app.query.errors import RerankerError
from ingest.types import Hit

MAX_RERANKED = 30  # hits that the model reads; the rest keep their order behind them
SHARE = 0.5  # of the reranker in the score, where no exam has measured what it is worth
BATCH = 8

# Agreement of two rankings, in standard deviations of what chance gives: below the first the
# reranker is not heard at all, from the second on it has its whole share.
_CHANCE, _SURE = 1.0, 2.5


def reranked(question: str, hits: Sequence[Hit], rerank: Rerank, share: float = SHARE) -> list[Hit]:
    """Order the first hits anew, by their scores and by what the model says of each text.

    The model's scores are spread over the range of the first ranking's, so that a hit's score goes
    on meaning what it meant. How much they count is up to `trust`: a model that says nothing
    leaves the first ranking nearly as it was.

    Args:
        share: the model's share of the score from 0 (not even asked) to 1, if it is trusted fully.

    Raises:
        RerankerError: the model does not load, or loses scores.
    """
    head, tail = hits[:MAX_RERANKED], hits[MAX_RERANKED:]
    if not head or share <= 0:
        return list(hits)
    scores = [float(score) for score in rerank(question, [hit.text for hit in head])]
    if len(scores) != len(head):
        raise RerankerError(
            f"the reranker gave {len(scores)} scores for {len(head)} texts; unset QUIRE_RERANKER"
        )
    first = [hit.score for hit in head]
    weight = min(1.0, share) * trust(first, scores)
    spread = _spread(scores, min(first), max(first))
    scored = [
        replace(hit, score=(1 - weight) * hit.score + weight * other)
        for hit, other in zip(head, spread, strict=True)
    ]
    return sorted(scored, key=lambda hit: -hit.score) + list(tail)


def trust(first: Sequence[float], scores: Sequence[float]) -> float:
    """Tell from 0 to 1 how far a reranker agrees with the first ranking beyond chance.

    A useful reranker corrects a ranking that is mostly right, and so agrees with it by and large;
    a random one, or one that does not know the language, does not. Of n texts in random order
    Spearman's coefficient has mean 0 and standard deviation 1 / sqrt(n - 1).
    """
    n = len(scores)
    if n < 2:
        return 0.0
    deviations = _spearman(first, scores) * math.sqrt(n - 1)
    return max(0.0, min(1.0, (deviations - _CHANCE) / (_SURE - _CHANCE)))


def engine_reranker(
    name: str, scores_of: Callable[[str, str, Sequence[str]], Sequence[float]]
) -> Rerank:
    """Make a rerank function of an installed model of the engine, which loads at the first call.

    Args:
        scores_of: (model, question, texts) → probabilities, as the engine gives them.

    Raises:
        RerankerError: at a call, if the model does not load or is no reranker.
    """

    def rerank(question: str, texts: Sequence[str]) -> Sequence[float]:
        from engine.errors import GgufError, LoadError, ModelNotFoundError, RequestError

        try:
            return scores_of(name, question, texts)
        except (GgufError, LoadError, ModelNotFoundError, RequestError) as error:
            raise RerankerError(
                f"QUIRE_RERANKER={name!r} cannot rerank: {error}. Set it to a model with a "
                "reranking head (pooling rank), or unset it to go without"
            ) from error

    return rerank


def load_reranker(name: str, *, is_offline: bool = False) -> Rerank:
    """Make a rerank function of a folder or hub name; the model loads at the first call.

    Raises:
        RerankerError: at the first call, if the model does not load or is no cross-encoder.
    """
    return _CrossEncoder(name, is_offline=is_offline).scores


class _CrossEncoder:
    """A sentence-transformers cross-encoder, loaded once, used by one thread at a time."""

    def __init__(self, name: str, *, is_offline: bool) -> None:
        self._name, self._is_offline = name, is_offline
        self._model: object | None = None
        self._lock = Lock()

    def scores(self, question: str, texts: Sequence[str]) -> list[float]:
        """Score each text from 0 to 1 by how well it answers the question."""
        with self._lock:
            if self._model is None:
                self._model = self._load()
            return self._predict(self._model, [(question, text) for text in texts])

    def _load(self) -> object:
        looks_like_path = self._name.startswith(("/", "./", "../", "~"))
        path = Path(self._name).expanduser()
        if looks_like_path and not path.is_dir():
            raise RerankerError(_advice(self._name, "there is no such folder"))
        from sentence_transformers import CrossEncoder

        try:
            model = CrossEncoder(
                str(path) if path.is_dir() else self._name,
                local_files_only=self._is_offline or path.is_dir(),
            )
        except (
            OSError,
            ValueError,
            RuntimeError,
            KeyError,
            TypeError,
            ImportError,
            AttributeError,
        ) as error:
            raise RerankerError(_advice(self._name, str(error).strip().split("\n")[0])) from error
        if model.num_labels != 1:
            raise RerankerError(
                _advice(self._name, f"it has {model.num_labels} outputs, a reranker has one")
            )
        return model

    def _predict(self, model: object, pairs: list[tuple[str, str]]) -> list[float]:
        from sentence_transformers import CrossEncoder
        from torch.nn import Identity

        assert isinstance(model, CrossEncoder)
        logits = model.predict(
            pairs, batch_size=BATCH, show_progress_bar=False, activation_fn=Identity()
        )
        return [_sigmoid(float(logit)) for logit in logits]


def _spread(scores: Sequence[float], low: float, high: float) -> list[float]:
    """Stretch scores from their own range over another one."""
    least, most = min(scores), max(scores)
    if most <= least:
        return [(low + high) / 2] * len(scores)
    return [low + (high - low) * (score - least) / (most - least) for score in scores]


def _spearman(one: Sequence[float], other: Sequence[float]) -> float:
    """Correlate two lists by their ranks; equal values share a rank, a flat list says nothing."""
    left, right = _centred_ranks(one), _centred_ranks(other)
    length = math.sqrt(sum(x * x for x in left) * sum(y * y for y in right))
    return sum(x * y for x, y in zip(left, right, strict=True)) / length if length else 0.0


def _centred_ranks(values: Sequence[float]) -> list[float]:
    ordered = sorted(values)
    middle = (len(values) - 1) / 2
    return [(bisect_left(ordered, v) + bisect_right(ordered, v) - 1) / 2 - middle for v in values]


def _sigmoid(logit: float) -> float:
    return 1 / (1 + math.exp(-max(-60.0, min(60.0, logit))))


def _advice(name: str, reason: str) -> str:
    return (
        f"QUIRE_RERANKER={name!r} does not load: {reason}. Set it to a folder that holds a "
        "sentence-transformers cross-encoder (config.json, model.safetensors, tokenizer files) "
        "or to a hub name that this machine can reach, or unset it to go without"
    )
