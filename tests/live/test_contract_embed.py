"""Ollama's contract on a real server: /api/embed and /api/embeddings (its section 5)."""

import httpx
import numpy as np
import pytest

from tests.live.clients import CHAT, EMBED
from tests.live.contract import refusal

SKY, GRASS = "why is the sky blue?", "why is the grass green?"
LONG = "word " * 600


@pytest.fixture(scope="module")
def api(client_server):
    with httpx.Client(base_url=client_server, timeout=60) as client:
        yield client


def embed(api, given, **more):
    return api.post("/api/embed", json={"model": EMBED, "input": given} | more)


def vectors(api, given, **more):
    return np.array(embed(api, given, **more).json()["embeddings"])


def test_the_answer_has_vectors_of_length_one_and_counts_tokens(api):
    one, two = embed(api, SKY).json(), embed(api, [SKY, GRASS]).json()

    assert set(one) == {"model", "embeddings", "total_duration", "load_duration",
                        "prompt_eval_count"}  # fmt: skip
    assert (one["prompt_eval_count"], two["prompt_eval_count"]) == (8, 16)
    assert np.array(two["embeddings"]).shape == (2, 384)
    assert np.allclose(np.linalg.norm(two["embeddings"], axis=1), 1, atol=1e-5)
    assert np.dot(one["embeddings"][0], two["embeddings"][0]) > 0.9999


@pytest.mark.parametrize("given", ["", None, []])
def test_nothing_to_embed_loads_the_model(api, given):
    reply = embed(api, given)

    assert reply.status_code == 200
    assert reply.json().items() >= {"model": EMBED, "embeddings": []}.items()
    assert EMBED in {one["name"] for one in api.get("/api/ps").json()["models"]}


def test_an_empty_text_in_a_list_is_a_text(api):
    assert vectors(api, ["", SKY]).shape == (2, 384)


@pytest.mark.parametrize("given", [[1, 2], [[1, 2]], 5, {"a": 1}, ["a", 1], True])
def test_only_texts_are_embedded(api, given):
    assert refusal(embed(api, given)) == (400, "invalid input type")


def test_the_order_of_the_texts_is_kept(api):
    texts = [SKY, GRASS, "one", "two " * 40, "three"]

    together, alone = vectors(api, texts), np.array([vectors(api, text)[0] for text in texts])

    assert np.allclose((together * alone).sum(axis=1), 1, atol=1e-3)


@pytest.mark.parametrize(("n", "width"), [(8, 8), (384, 384), (1000, 384), (0, 384), (-1, 384)])
def test_fewer_dimensions_are_cut_and_normalised_again(api, n, width):
    whole, cut = vectors(api, SKY)[0], vectors(api, SKY, dimensions=n)[0]

    assert cut.shape == (width,)
    expected = whole[:width] / np.linalg.norm(whole[:width])
    assert np.allclose(cut, expected, atol=1e-5)


def test_a_long_text_loses_its_end_or_is_refused(api):
    cut = embed(api, LONG)

    assert cut.json()["prompt_eval_count"] == 256
    beginning = vectors(api, "word " * 254)[0]
    assert np.dot(cut.json()["embeddings"][0], beginning) > 0.999
    text = "the input length exceeds the context length"
    assert refusal(embed(api, LONG, truncate=False)) == (400, text)
    assert refusal(embed(api, [SKY, LONG], truncate=False)) == (400, text)


def test_a_smaller_context_cuts_earlier(api):
    reply = embed(api, LONG, options={"num_ctx": 16}).json()

    assert reply["prompt_eval_count"] == 16


def test_a_small_batch_does_not_cut(api):
    reply = embed(api, LONG, options={"num_batch": 32}).json()

    assert reply["prompt_eval_count"] == 256


def test_a_chat_model_embeds_too(api):
    found = vectors(api, [SKY, GRASS], model=CHAT)

    assert found.shape == (2, 576)
    assert np.allclose(np.linalg.norm(found, axis=1), 1, atol=1e-5)


def old(api, **body):
    return api.post("/api/embeddings", json={"model": EMBED} | body)


def test_the_old_route_gives_one_vector(api):
    vector = np.array(old(api, prompt=SKY).json()["embedding"])

    assert vector.shape == (384,)
    assert np.dot(vector, vectors(api, SKY)[0]) > 0.999 * np.linalg.norm(vector)
    assert old(api).json() == {"embedding": []}
    assert old(api, prompt="").json() == {"embedding": []}


def test_the_old_route_cuts_nothing(api):
    status, text = refusal(old(api, prompt=LONG))

    assert status in (400, 500)  # Ollama says 500; to Quire it is the client's fault
    assert "context length" in text


@pytest.mark.parametrize(
    ("path", "body", "expected"),
    [
        ("embed", {"model": ""}, (404, "model '' not found")),
        ("embed", {"model": "no"}, (404, 'model "no" not found, try pulling it first')),
        ("embeddings", {"model": ""}, (400, "model is required")),
        ("embed", {"options": {"num_ctx": "big"}},
         (500, 'option "num_ctx" must be of type integer')),
    ],
)  # fmt: skip
def test_wrong_requests_are_told_in_ollamas_words(api, path, body, expected):
    assert refusal(api.post(f"/api/{path}", json={"model": EMBED, "input": SKY} | body)) == expected
