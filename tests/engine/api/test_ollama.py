"""The native inference routes, word for word."""

import json
import re
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from engine.errors import (
    BusyError,
    LoadError,
    OptionError,
    PromptTooLongError,
    RuntimeFailedError,
)
from engine.types import Final, Message, Piece
from tests.engine.api.fakes_engine import CHAT, EMBED, FINAL, lines_of

UTC_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")
METRICS = {
    "done_reason": "stop",
    "total_duration": 30,
    "load_duration": 10,
    "prompt_eval_count": 7,
    "prompt_eval_cached_count": 4,
    "prompt_eval_duration": 8,
    "eval_count": 2,
    "eval_duration": 12,
}


def error_of(response):
    assert response.headers["content-type"] == "application/json; charset=utf-8"
    assert list(response.json()) == ["error"]
    return response.status_code, response.json()["error"]


def test_the_version_has_dotted_integers(client):
    reply = client.get("/api/version")

    assert all(part.isdigit() for part in reply.json()["version"].split("."))
    assert client.head("/api/version").status_code == 200


def test_generate_streams_by_default_and_ends_with_the_counters(client):
    reply = client.post("/api/generate", json={"model": "tiny", "prompt": "hi"})

    *pieces, last = lines_of(reply)
    assert reply.headers["content-type"] == "application/x-ndjson"
    assert "".join(line["response"] for line in pieces) == "Hello"
    assert all(
        list(line) == ["model", "created_at", "response", "done"] and not line["done"]
        for line in pieces
    )
    assert UTC_TIME.fullmatch(last.pop("created_at"))
    expected = {"model": "tiny", "response": "", "done": True, "context": [1, 2, 3]}
    assert last == expected | METRICS
    assert reply.text.endswith("}\n")


def test_generate_without_stream_gives_one_object(client):
    reply = client.post("/api/generate", json={"model": "tiny", "prompt": "hi", "stream": False})

    assert reply.headers["content-type"] == "application/json; charset=utf-8"
    assert reply.json()["response"] == "Hello"
    assert reply.json()["eval_count"] == 2
    assert reply.json()["done"] is True


def test_counters_of_zero_are_left_out(client, engine):
    engine.script = (Final("length", n_generated=3),)

    reply = client.post("/api/chat", json={"model": CHAT, "messages": [{"role": "user"}]})

    (last,) = lines_of(reply)
    assert set(last) == {"model", "created_at", "message", "done", "done_reason", "eval_count"}
    assert last["done_reason"] == "length"


def test_chat_streams_messages(client, engine):
    messages = [{"role": "System", "content": "s"}, {"role": "user", "content": "hi"}]

    reply = client.post("/api/chat", json={"model": "Tiny", "messages": messages})

    *pieces, last = lines_of(reply)
    assert "".join(line["message"]["content"] for line in pieces) == "Hello"
    assert last["message"] == {"role": "assistant", "content": ""}
    assert last | METRICS == last
    assert last["model"] == "Tiny"
    assert engine.requests[0].messages == (Message("system", "s"), Message("user", "hi"))


def test_chat_without_stream_gives_one_object(client):
    asking = {"model": CHAT, "messages": [{"role": "user", "content": "hi"}], "stream": False}

    reply = client.post("/api/chat", json=asking)

    assert reply.json()["message"] == {"role": "assistant", "content": "Hello"}
    assert "context" not in reply.json()


def test_letters_of_all_scripts_and_line_ends_survive(client, engine):
    engine.script = (Piece('你好 "\n\u2028'), Piece("\U0001f600"), FINAL)

    reply = client.post("/api/generate", json={"model": CHAT, "prompt": "x"})

    # The line separator must not be mistaken for the end of a line.
    texts = [part for part in reply.content.split(b"\n") if part]
    assert len(texts) == len(lines_of_bytes(texts))
    assert "".join(line["response"] for line in lines_of_bytes(texts)) == '你好 "\n\u2028\U0001f600'


def lines_of_bytes(texts):
    return [json.loads(text) for text in texts]


@pytest.mark.parametrize(
    ("path", "extra", "key"),
    [("/api/generate", {}, "response"), ("/api/chat", {"messages": []}, "message")],
)
def test_an_empty_request_loads_or_unloads(client, engine, path, extra, key):
    load = client.post(path, json={"model": CHAT} | extra)
    unload = client.post(path, json={"model": CHAT, "keep_alive": "0"} | extra)

    for reply, reason in ((load, "load"), (unload, "unload")):
        assert reply.headers["content-type"] == "application/json; charset=utf-8"
        assert set(reply.json()) == {"model", "created_at", key, "done", "done_reason"}
        assert reply.json()["done_reason"] == reason
    assert [one.keep_alive_s for one in engine.requests] == [None, 0.0]


@pytest.mark.parametrize(
    ("given", "seconds"),
    [
        (5, 5.0),
        (1.5, 1.5),
        (-1, -1.0),
        ("10m", 600.0),
        ("-1m", -1.0),
        ("1h30m", 5400.0),
        (10**400, -1.0),
        (-(10**400), -1.0),
        ("9999999999h", -1.0),
        (None, None),
    ],
)
def test_keep_alive_is_read_as_number_or_duration(client, engine, given, seconds):
    client.post("/api/generate", json={"model": CHAT, "prompt": "x", "keep_alive": given})

    assert engine.requests[0].keep_alive_s == seconds


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ("42", 'time: missing unit in duration "42"'),
        ("soon", 'time: invalid duration "soon"'),
        (True, "invalid keep_alive true: send seconds or a duration such as 10m"),
        ([], "invalid keep_alive []: send seconds or a duration such as 10m"),
    ],
)
def test_a_wrong_keep_alive_is_refused(client, given, text):
    reply = client.post("/api/generate", json={"model": CHAT, "prompt": "x", "keep_alive": given})

    assert error_of(reply) == (400, text)


@pytest.mark.parametrize(
    ("path", "body", "status", "text"),
    [
        ("generate", {}, 404, "model '' not found"),
        ("generate", {"model": "no"}, 404, "model 'no' not found"),
        ("generate", {"model": "a//b"}, 400, "invalid model name"),
        ("chat", {}, 400, "model is required"),
        ("chat", {"model": "no"}, 404, "model 'no' not found"),
        ("chat", {"model": "a b"}, 400, "invalid model name"),
        ("embed", {}, 404, "model '' not found"),
        ("embed", {"model": "no"}, 404, 'model "no" not found, try pulling it first'),
        ("embed", {"model": "a:"}, 400, "invalid model name"),
        ("embeddings", {}, 400, "model is required"),
        ("embeddings", {"model": "no"}, 404, 'model "no" not found, try pulling it first'),
    ],
)
def test_models_that_are_not_there_are_named(client, path, body, status, text):
    assert error_of(client.post(f"/api/{path}", json=body)) == (status, text)


FULL = "registry.ollama.ai/library/tiny:latest"
SAYS_HI = {"messages": [{"role": "user", "content": "hi"}]}
THINK = 'invalid think value: "x" (must be "high", "medium", "low", "max", true, or false)'


@pytest.mark.parametrize(
    ("path", "body", "text"),
    [
        ("generate", {"model": "embedder", "prompt": "x"}, '"embedder" does not support generate'),
        ("chat", {"model": "embedder"} | SAYS_HI, '"embedder" does not support chat'),
        ("chat", {"tools": [{"type": "function"}]} | SAYS_HI, f"{FULL} does not support tools"),
        ("chat", {"think": True} | SAYS_HI, '"tiny" does not support thinking'),
        ("chat", {"think": "low"} | SAYS_HI, '"tiny" does not support thinking'),
        ("chat", {"think": "x"} | SAYS_HI, THINK),
        ("generate", {"prompt": "x", "suffix": "y"}, f"{FULL} does not support insert"),
        ("generate", {"prompt": "x", "images": ["aGk="]}, f"{FULL} does not support vision"),
        (
            "chat",
            {"messages": [{"role": "user", "images": ["aGk="]}]},
            f"{FULL} does not support vision",
        ),
        (
            "generate",
            {"prompt": "x", "raw": True, "system": "s"},
            "raw mode does not support template, system, or context",
        ),
        (
            "generate",
            {"prompt": "x", "top_logprobs": 21},
            "top_logprobs must be between 0 and 20",
        ),
    ],
)
def test_what_a_model_cannot_do_is_refused(client, engine, path, body, text):
    assert error_of(client.post(f"/api/{path}", json={"model": "tiny"} | body)) == (400, text)
    assert engine.requests == []


def test_thinking_switched_off_is_always_accepted(client):
    body = {"model": "tiny", "think": False, "tools": [], "images": None} | SAYS_HI

    assert client.post("/api/chat", json=body).status_code == 200


def test_the_format_is_json_or_a_schema(client, engine):
    schema = {"type": "object", "properties": {"a": {"type": "integer"}}}

    for given in ("json", schema, "", None):
        client.post("/api/generate", json={"model": CHAT, "prompt": "x", "format": given})
    reply = client.post("/api/generate", json={"model": CHAT, "prompt": "x", "format": "xml"})

    assert [one.format for one in engine.requests] == ["json", schema, None, None]
    text = 'invalid format: "\\"xml\\""; expected "json" or a valid JSON Schema object'
    assert error_of(reply) == (500, text)


def test_options_and_the_rest_reach_the_engine(client, engine):
    options = {"temperature": 0, "unknown": [1]}
    body = {"prompt": "x", "system": "s", "context": [5, 6], "options": options, "future": {}}

    client.post("/api/generate", json={"model": CHAT} | body)
    client.post("/api/generate", json={"model": CHAT, "prompt": "x", "raw": True})

    first, second = engine.requests
    assert (first.system, first.context, first.options) == ("s", (5, 6), options)
    assert (second.is_raw, second.system) == (True, None)


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (BusyError(), 503),
        (LoadError("cannot load"), 500),
        (PromptTooLongError(9, 4), 400),
        (OptionError('option "top_k" must be of type integer'), 500),
        (RuntimeError("a bug"), 500),
    ],
)
def test_errors_before_the_first_token_have_a_real_status(client, engine, error, status):
    engine.script = (error,)

    for is_streaming in (True, False):
        body = {"model": CHAT, "prompt": "x", "stream": is_streaming}
        reply = client.post("/api/generate", json=body)
        assert error_of(reply) == (status, str(error))


@pytest.mark.parametrize("error", [RuntimeFailedError("out of luck"), ValueError("a bug")])
def test_errors_in_the_middle_become_the_last_line(client, engine, error):
    engine.script = (Piece("a"), error)

    streamed = client.post("/api/chat", json={"model": CHAT} | SAYS_HI)
    whole = client.post("/api/chat", json={"model": CHAT, "stream": False} | SAYS_HI)

    assert streamed.status_code == 200
    assert [line.get("error") for line in lines_of(streamed)] == [None, str(error)]
    assert error_of(whole) == (500, str(error))


@pytest.mark.parametrize("given", [None, "", []])
def test_embedding_nothing_loads_the_model(client, engine, given):
    reply = client.post("/api/embed", json={"model": EMBED, "input": given})

    assert reply.json() == {"model": EMBED, "embeddings": [], "total_duration": 9}
    assert engine.embedded[0][:2] == (EMBED, [])


def test_embedding_keeps_order_and_every_bit(client, engine):
    engine.vectors = np.random.default_rng(0).normal(size=(2, 384)).astype(np.float32)
    engine.vectors[0, 0], engine.vectors[1, 1] = 1, 1e-30
    body = {"model": "Embedder", "input": ["a", ""], "dimensions": 9, "truncate": False}

    reply = client.post("/api/embed", json=body).json()

    assert np.array_equal(np.array(reply["embeddings"], np.float32), engine.vectors)
    assert (reply["model"], reply["prompt_eval_count"]) == ("Embedder", 6)
    _, texts, options = engine.embedded[0]
    assert texts == ["a", ""]
    assert (options["n_dimensions"], options["is_truncating"]) == (9, False)


@pytest.mark.parametrize("given", [5, [1, 2], ["a", 1], {"text": "a"}, [["a"]]])
def test_token_lists_and_other_inputs_are_refused(client, given):
    reply = client.post("/api/embed", json={"model": EMBED, "input": given})

    assert error_of(reply) == (400, "invalid input type")


def test_a_vector_that_is_no_number_is_refused(client, engine):
    engine.vectors = np.full((1, 4), np.nan, np.float32)

    reply = client.post("/api/embed", json={"model": EMBED, "input": "a"})

    assert error_of(reply) == (400, "embedding contains NaN or Inf values")


def test_the_old_embedding_route_gives_one_vector(client):
    full = client.post("/api/embeddings", json={"model": EMBED, "prompt": "a"})
    empty = client.post("/api/embeddings", json={"model": EMBED})

    assert full.json() == {"embedding": [0.5, 0.5, 0.5, 0.5]}
    assert empty.json() == {"embedding": []}


def test_running_models_are_listed_longest_stay_first(client, engine):
    soon = datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC)
    engine.loaded = [(CHAT, soon), (EMBED, None)]

    forever, first = client.get("/api/ps").json()["models"]

    assert (first["name"], first["model"]) == (CHAT, CHAT)
    assert first["expires_at"] == "2030-01-02T03:04:05.000000+00:00"
    assert (first["size"], first["size_vram"], first["context_length"]) == (100, 0, 256)
    assert datetime.fromisoformat(forever["expires_at"]) > datetime.now(UTC) + timedelta(days=36500)
    assert len(first["digest"]) == 64
    engine.loaded = []
    assert client.get("/api/ps").json() == {"models": []}
