from __future__ import annotations

from types import SimpleNamespace

import pytest

from app.compose import _reranker
from app.query.errors import RerankerError
from engine.config import EngineSettings
from engine.engine import Engine
from engine.library.create import create
from engine.types import CreateRequest
from tests.engine.runtime import tiny_models


@pytest.fixture(scope="module")
def engine(tmp_path_factory):
    """An engine with a cross-encoder of random weights, and an embedding model."""
    folder = tmp_path_factory.mktemp("rerankers")
    with Engine(EngineSettings(folder / "models")) as opened:
        for name, write in (
            ("judge", tiny_models.write_reranker),
            ("bert", tiny_models.write_bert),
        ):
            path = write(folder / f"{name}.gguf")
            digest, _ = opened.library.add_blob([path.read_bytes()])
            list(create(opened.library, CreateRequest(name, files={path.name: digest})))
        yield opened


def reranker(engine, name):
    return _reranker(SimpleNamespace(reranker=name, is_offline=True), engine)


def test_no_name_is_no_reranker(engine):
    assert reranker(engine, "") is None


@pytest.mark.parametrize("name", ["judge", "judge:latest"])
def test_an_installed_model_with_a_ranking_head_reranks(engine, name):
    rerank = reranker(engine, name)

    scores = rerank("what is a cat", ["a cat", "a dog", "a cat"])

    assert len(scores) == 3
    assert all(0 <= score <= 1 for score in scores)
    assert scores[0] == pytest.approx(scores[2], abs=1e-4)


def test_an_installed_model_without_such_a_head_says_so(engine):
    rerank = reranker(engine, "bert")

    with pytest.raises(RerankerError, match=r"QUIRE_RERANKER='bert'.*rerank.*unset it"):
        rerank("what", ["text"])


def test_a_folder_is_a_cross_encoder_of_sentence_transformers(engine, tmp_path):
    rerank = reranker(engine, str(tmp_path / "nothing"))

    with pytest.raises(RerankerError, match="there is no such folder"):
        rerank("what", ["text"])
