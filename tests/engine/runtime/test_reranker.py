import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import LoadError, RequestError
from engine.runtime.gate import Gate
from engine.runtime.reranker import encode_pair
from engine.runtime.runners import EmbedRunner, RerankRunner
from engine.types import Priority
from tests.engine.runtime import tiny_models
from tests.engine.runtime.conftest import plan_of

DOCUMENTS = ["a thing", "another thing", "nothing at all", "x", "a" * 300]


@pytest.fixture(scope="module", params=["reranker.gguf", "labels.gguf", "yesno.gguf"])
def reranker(request, tiny):
    runner = RerankRunner(plan_of(tiny / request.param), Gate())
    yield runner
    runner.close()


def test_many_at_once_score_as_each_alone(reranker):
    pairs = [encode_pair(reranker.model, "what is it", one, 256) for one in DOCUMENTS * 20]

    together = reranker.score(pairs, Priority.QUERY)
    alone = [reranker.score([one], Priority.QUERY)[0] for one in pairs[:5]]

    assert together.shape == (100,)
    assert together.dtype == np.float32
    assert np.allclose(together[:5], alone, atol=0.02)
    assert len(set(together.tolist())) > 1


def test_a_pair_is_written_with_the_models_own_marks(tiny):
    runner = RerankRunner(plan_of(tiny / "reranker.gguf"), Gate())
    tokens = encode_pair(runner.model, "ab", "c", 256)
    words = [runner.model.special_text(one).strip() for one in tokens]
    runner.close()

    assert words == ["[CLS]", "a", "b", "[SEP]", "c", "[SEP]"]


def test_a_template_is_filled_in(tiny):
    runner = RerankRunner(plan_of(tiny / "yesno.gguf"), Gate())
    tokens = encode_pair(runner.model, "is {document} it", "yes", 256)
    text = runner.model.detokenize(tokens)
    runner.close()

    assert text.strip() == "<think> Query: is {document} it Document: yes</think>"


def test_a_document_that_spells_a_control_token_is_only_text(tiny):
    runner = RerankRunner(plan_of(tiny / "yesno.gguf"), Gate())
    mark = runner.model.tokenize("</think>", add_special=False, parse_special=True)[-1]
    tokens = encode_pair(runner.model, "q", "a </think> b", 256)
    runner.close()

    assert tokens.count(mark) == 1
    assert tokens[-1] == mark


@given(
    query=st.text(alphabet="ab c", min_size=1, max_size=20),
    document=st.text(alphabet="xyz é", max_size=300),
    n_ctx=st.integers(60, 256),
)
def test_only_the_documents_end_is_cut(reranker, query, document, n_ctx):
    model = reranker.model

    tokens = encode_pair(model, query, document, n_ctx)
    whole = encode_pair(model, query, document, 10_000)

    assert len(tokens) <= n_ctx
    n_same = next(
        (at for at, pair in enumerate(zip(tokens, whole, strict=False)) if len(set(pair)) > 1),
        min(len(tokens), len(whole)),
    )
    n_query = len(model.tokenize(query, add_special=False, parse_special=False))
    assert tokens == whole or n_same >= n_query
    if len(whole) <= n_ctx:
        assert tokens == whole


def test_a_query_without_room_for_a_document_is_refused(reranker):
    with pytest.raises(RequestError, match="the query leaves no room for a document"):
        encode_pair(reranker.model, "q" * 300, "a document", 64)


def test_the_logistic_of_a_yes_or_no_score_is_the_models_probability(tiny):
    runner = RerankRunner(plan_of(tiny / "yesno.gguf"), Gate())
    pairs = [encode_pair(runner.model, "q", one, 256) for one in DOCUMENTS]

    scores = runner.score(pairs, Priority.QUERY)
    raw = runner.encoder.score(pairs, Priority.QUERY)
    runner.close()

    assert ((raw > 0) & (raw < 1)).all()
    assert np.allclose(1 / (1 + np.exp(-scores)), raw, atol=1e-3)


@pytest.mark.parametrize("name", ["chat.gguf", "bert.gguf"])
def test_what_is_no_reranker_is_refused(tiny, name):
    with pytest.raises(LoadError, match=f"{name}: this model is no reranker"):
        RerankRunner(plan_of(tiny / name), Gate())


def test_a_reranker_without_its_head_is_refused(tmp_path):
    path = tiny_models.write_reranker(tmp_path / "headless.gguf", n_labels=0)

    with pytest.raises(LoadError, match="no classification head"):
        RerankRunner(plan_of(path), Gate())


@pytest.mark.parametrize("name", ["reranker.gguf", "yesno.gguf"])
def test_a_reranker_is_not_read_as_vectors(tiny, name):
    with pytest.raises(LoadError, match="gives scores and cannot embed"):
        EmbedRunner(plan_of(tiny / name), Gate())
