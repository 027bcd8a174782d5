"""What Ollama lacks: rerank, tokenize, detokenize."""

import pytest

from tests.engine.api.fakes_engine import CHAT

DOCUMENTS = ["a", {"text": "b"}, "c"]


def rerank(client, path="/api/rerank", **more):
    body = {"model": CHAT, "query": "q", "documents": DOCUMENTS}
    return client.post(path, json=body | more)


def test_documents_are_ordered_best_first(client, engine):
    engine.scores = [0.25, 0.75, 0.75]

    reply = rerank(client, options={"num_ctx": 64}, keep_alive="1m").json()

    assert reply == {
        "model": CHAT,
        "results": [
            {"index": 1, "relevance_score": 0.75},
            {"index": 2, "relevance_score": 0.75},
            {"index": 0, "relevance_score": 0.25},
        ],
        "total_duration": 9,
        "load_duration": 2,
        "prompt_eval_count": 15,
    }
    assert engine.reranked == [(CHAT, "q", ["a", "b", "c"], {"num_ctx": 64}, 60.0)]


def test_the_v1_form_is_coheres_and_jinas(client, engine):
    engine.scores = [0.1, 0.9, 0.5]

    reply = rerank(client, "/v1/rerank", top_n=2, return_documents=True).json()

    assert reply["results"] == [
        {"index": 1, "relevance_score": 0.9, "document": {"text": "b"}},
        {"index": 2, "relevance_score": 0.5, "document": {"text": "c"}},
    ]
    assert (reply["model"], reply["object"]) == (CHAT, "list")
    assert reply["usage"] == {"prompt_tokens": 15, "total_tokens": 15}
    assert reply["meta"] == {"tokens": {"input_tokens": 15}}
    assert reply["id"]


@pytest.mark.parametrize(
    ("change", "status", "word"),
    [
        ({"model": ""}, 400, "model is required"),
        ({"model": "no"}, 404, "model 'no' not found"),
        ({"query": ""}, 400, "query is required"),
        ({"documents": []}, 400, "documents is required"),
        ({"documents": [5]}, 400, "a document must be"),
        ({"documents": [{"title": "x"}]}, 400, "a document must be"),
        ({"documents": "a"}, 400, '"documents"'),
        ({"documents": ["a"] * 10_001}, 400, "10,001"),
        ({"top_n": 0}, 400, '"top_n"'),
    ],
)
def test_wrong_rerank_requests_are_refused(client, engine, change, status, word):
    native, openai = rerank(client, **change), rerank(client, "/v1/rerank", **change)

    assert (native.status_code, openai.status_code) == (status, status)
    assert word in native.json()["error"]
    assert word in openai.json()["error"]["message"]
    assert engine.reranked == []


@pytest.mark.parametrize("field", ["text", "content"])
def test_text_becomes_tokens_and_text_again(client, field):
    tokens = client.post("/api/tokenize", json={"model": CHAT, field: "hé"}).json()
    text = client.post("/api/detokenize", json={"model": CHAT, "tokens": tokens["tokens"]}).json()

    assert tokens == {"model": CHAT, "tokens": [104, 233], "count": 2}
    assert text == {"model": CHAT, "text": "hé", "content": "hé"}


def test_special_tokens_and_pieces_are_shown_when_asked_for(client):
    body = {"model": CHAT, "text": "hh", "add_special": True, "with_pieces": True}

    reply = client.post("/api/tokenize", json=body).json()

    pieces = [{"id": 1, "piece": "<s>"}, {"id": 104, "piece": "h"}, {"id": 104, "piece": "h"}]
    assert reply == {"model": CHAT, "tokens": pieces, "count": 3}


def test_the_tokens_of_a_conversation_are_counted(client, engine):
    body = {"model": CHAT, "messages": [{"role": "user", "content": "hello"}]}

    reply = client.post("/api/tokenize", json=body)

    assert reply.json() == {"model": CHAT, "count": 5}
    assert engine.counted[0].messages[0].content == "hello"


@pytest.mark.parametrize(
    ("path", "body", "status", "word"),
    [
        ("tokenize", {"text": "a"}, 400, "model is required"),
        ("tokenize", {"model": "no", "text": "a"}, 404, "model 'no' not found"),
        ("tokenize", {"model": CHAT, "text": 5}, 400, '"text"'),
        ("detokenize", {"model": CHAT, "tokens": ["a"]}, 400, '"tokens.0"'),
        ("detokenize", {"model": CHAT, "tokens": [-1]}, 400, '"tokens.0"'),
        ("detokenize", {"model": CHAT, "tokens": [2**31]}, 400, '"tokens.0"'),
        ("detokenize", {"model": "no"}, 404, "model 'no' not found"),
    ],
)
def test_wrong_token_requests_are_refused(client, path, body, status, word):
    reply = client.post(f"/api/{path}", json=body)

    assert reply.status_code == status
    assert word in reply.json()["error"]


def test_nothing_has_no_tokens(client):
    assert client.post("/api/tokenize", json={"model": CHAT}).json()["tokens"] == []
    assert client.post("/api/detokenize", json={"model": CHAT}).json()["text"] == ""
