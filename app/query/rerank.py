"""Question + hits → the same hits, best first by a cross-encoder; the one place that loads one.

`reranked` is pure; `load_reranker` touches the disk, imports torch at its first use and is
silent about the network: with HF_HUB_OFFLINE set, nothing but local files is read.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from threading import Lock

from app.query.beats import Rerank
from app.query.errors import RerankerError
from ingest.types import Hit

MAX_RERANKED = 30  # hits that the model reads; the rest keep their order behind them
BATCH = 8


def reranked(question: str, hits: Sequence[Hit], rerank: Rerank) -> list[Hit]:
    """Order the first hits anew by what the model says of question and text together."""
    head, tail = hits[:MAX_RERANKED], hits[MAX_RERANKED:]
    if not head:
        return []
    scores = rerank(question, [hit.text for hit in head])
    if len(scores) != len(head):
        raise RerankerError(
            f"the reranker gave {len(scores)} scores for {len(head)} texts; unset QUIRE_RERANKER"
        )
    scored = [replace(hit, score=float(score)) for hit, score in zip(head, scores, strict=True)]
    lowest = min(hit.score for hit in scored)
    best_first = sorted(scored, key=lambda hit: -hit.score)
    return best_first + [replace(hit, score=min(hit.score, lowest)) for hit in tail]


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


def _sigmoid(logit: float) -> float:
    return 1 / (1 + math.exp(-max(-60.0, min(60.0, logit))))


def _advice(name: str, reason: str) -> str:
    return (
        f"QUIRE_RERANKER={name!r} does not load: {reason}. Set it to a folder that holds a "
        "sentence-transformers cross-encoder (config.json, model.safetensors, tokenizer files) "
        "or to a hub name that this machine can reach, or unset it to go without"
    )
