from __future__ import annotations

import warnings
from pathlib import Path
from random import Random

import pytest

from app.query.errors import RerankerError
from app.query.rerank import MAX_RERANKED, engine_reranker, load_reranker, reranked, trust
from engine.errors import BusyError, CapabilityError, ModelNotFoundError
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


def falling(n: int) -> list[Hit]:
    return [hit(at, 0.9 - at / 100) for at in range(n)]


def test_a_model_that_agrees_by_and_large_moves_what_it_likes_best():
    hits = falling(20)
    scores = [hit.score for hit in hits]
    scores[3] = 2.0

    ordered = reranked("q", hits, lambda question, texts: scores)

    assert [one.chunk_id for one in ordered][:4] == [3, 0, 1, 2]


def test_a_model_that_contradicts_the_first_ranking_is_not_heard():
    hits = falling(20)

    assert reranked("q", hits, lambda question, texts: range(20)) == hits


def test_a_share_of_zero_does_not_even_ask_the_model():
    assert reranked("q", falling(3), lambda question, texts: 1 / 0, 0.0) == falling(3)


@pytest.mark.parametrize("share", [0.25, 0.5, 1.0])
def test_scores_stay_in_the_range_of_the_first_ranking(share):
    hits = falling(30)

    ordered = reranked("q", hits, lambda question, texts: [-one for one in range(30)], share)

    assert all(hits[-1].score <= one.score <= hits[0].score for one in ordered)


def test_a_random_model_costs_next_to_nothing_at_the_usual_share():
    draw = Random(7)
    n_asked, n_lost = 400, 0
    for _ in range(n_asked):
        hits = [hit(at, 0.2 + 0.7 * 0.8**at) for at in range(30)]
        gold = min(int(draw.expovariate(0.9)), 4)  # most right answers come first
        ordered = reranked("q", hits, lambda question, texts: [draw.random() for _ in texts])
        n_lost += gold not in [one.chunk_id for one in ordered[:5]]

    assert n_lost / n_asked < 0.01


@pytest.mark.parametrize(
    ("first", "scores", "low", "high"),
    [
        (range(30, 0, -1), range(30, 0, -1), 1.0, 1.0),
        (range(30, 0, -1), range(30), 0.0, 0.0),
        (range(30, 0, -1), [1.0] * 30, 0.0, 0.0),
        ([0.9, 0.8], [0.9, 0.1], 0.0, 0.0),  # of two, chance agrees every other time
        ([0.9], [0.9], 0.0, 0.0),
        (range(10, 0, -1), [9, 10, 8, 7, 5, 6, 4, 3, 1, 2], 0.9, 1.0),
    ],
)
def test_trust_grows_with_agreement_beyond_chance(first, scores, low, high):
    assert low <= trust(list(first), list(scores)) <= high


def test_hits_that_were_not_read_stay_behind_and_never_score_higher():
    hits = falling(MAX_RERANKED + 5)

    ordered = reranked("q", hits, lambda question, texts: [1.0 - len(t) for t in texts])

    assert [one.chunk_id for one in ordered[-5:]] == [one.chunk_id for one in hits[-5:]]
    assert all(one.score >= ordered[-5].score for one in ordered[:-5])


def test_no_hits_ask_no_model():
    assert reranked("q", [], lambda question, texts: 1 / 0) == []


def test_a_reranker_that_loses_scores_is_an_error():
    with pytest.raises(RerankerError, match="QUIRE_RERANKER"):
        reranked("q", [hit(1, 0.5)], lambda question, texts: [])


def test_a_reranker_of_the_engine_is_asked_by_its_name():
    asked = []

    def scores_of(*given):
        asked.append(given)
        return (0.25, 0.75)

    rerank = engine_reranker("bge-reranker:latest", scores_of)

    assert list(rerank("q", ["a", "b"])) == [0.25, 0.75]
    assert asked == [("bge-reranker:latest", "q", ["a", "b"])]


@pytest.mark.parametrize(
    "error", [CapabilityError('"all-minilm"', "rerank"), ModelNotFoundError("gone")]
)
def test_an_engines_model_that_cannot_rerank_names_the_setting_and_the_way_out(error):
    def scores_of(*given):
        raise error

    with pytest.raises(RerankerError, match=r"QUIRE_RERANKER='all-minilm'.*unset it"):
        engine_reranker("all-minilm", scores_of)("q", ["text"])


def test_a_busy_engine_stays_a_busy_engine():
    def scores_of(*given):
        raise BusyError

    with pytest.raises(BusyError):
        engine_reranker("bge-reranker", scores_of)("q", ["text"])


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
