from __future__ import annotations

import warnings
from pathlib import Path

import pytest

from app.query.errors import RerankerError
from app.query.rerank import MAX_RERANKED, load_reranker, reranked
from ingest.types import Hit


def hit(at: int, score: float) -> Hit:
    return Hit(at, "d", "d.md", "", None, (), at, at + 1, f"text {at}", score)


def save_tiny_cross_encoder(folder: Path, n_labels: int) -> None:
    """Write a cross-encoder of two layers with random weights: shapes and files, no sense."""
    from transformers import BertConfig, BertForSequenceClassification, BertTokenizer

    folder.mkdir()
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "what", "is", "a", "cat", "dog"]
    (folder / "vocab.txt").write_text("\n".join(words), encoding="utf-8")
    config = BertConfig(
        vocab_size=len(words), hidden_size=8, num_hidden_layers=2, num_attention_heads=2,
        intermediate_size=16, max_position_embeddings=64, num_labels=n_labels,
    )  # fmt: skip
    BertForSequenceClassification(config).save_pretrained(folder)
    BertTokenizer(str(folder / "vocab.txt")).save_pretrained(folder)


def test_hits_are_ordered_by_the_models_scores():
    ordered = reranked("q", [hit(1, 0.9), hit(2, 0.8)], lambda question, texts: [0.1, 0.7])

    assert [(one.chunk_id, one.score) for one in ordered] == [(2, 0.7), (1, 0.1)]


def test_hits_that_were_not_read_stay_behind_and_never_score_higher():
    hits = [hit(at, 1 - at / 100) for at in range(MAX_RERANKED + 5)]

    ordered = reranked("q", hits, lambda question, texts: [0.2] * len(texts))

    assert [one.chunk_id for one in ordered] == [one.chunk_id for one in hits]
    assert all(one.score <= 0.2 for one in ordered)


def test_no_hits_ask_no_model():
    assert reranked("q", [], lambda question, texts: 1 / 0) == []


def test_a_reranker_that_loses_scores_is_an_error():
    with pytest.raises(RerankerError, match="QUIRE_RERANKER"):
        reranked("q", [hit(1, 0.5)], lambda question, texts: [])


def test_a_missing_folder_names_the_setting_and_the_way_out():
    rerank = load_reranker("/nowhere/at/all")

    with pytest.raises(RerankerError, match=r"QUIRE_RERANKER='/nowhere/at/all'.*unset it"):
        rerank("q", ["text"])


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_folder_without_a_model_is_an_error(tmp_path):
    (tmp_path / "config.json").write_text("{}", encoding="utf-8")

    with pytest.raises(RerankerError, match="QUIRE_RERANKER"):
        load_reranker(str(tmp_path))("q", ["text"])


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_cross_encoder_in_a_folder_scores_pairs(tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        save_tiny_cross_encoder(tmp_path / "tiny", n_labels=1)
    rerank = load_reranker(str(tmp_path / "tiny"))

    scores = rerank("what is a cat", ["a cat", "a dog", "a cat"])

    assert len(scores) == 3
    assert all(0 <= score <= 1 for score in scores)
    assert scores[0] == pytest.approx(scores[2])
    assert rerank("what", []) == []


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_classifier_is_no_reranker(tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        save_tiny_cross_encoder(tmp_path / "three", n_labels=3)

    with pytest.raises(RerankerError, match="3 outputs"):
        load_reranker(str(tmp_path / "three"))("q", ["text"])
