"""The /v1 routes, as OpenAI's clients read them."""

import base64
import json
from dataclasses import replace

import numpy as np
import pytest

from engine.api.openai_frames import usage
from engine.errors import BusyError, RuntimeFailedError
from engine.types import Final, Message, Piece, ToolCall
from tests.engine.api.fakes_engine import CHAT, EMBED, FINAL, events_of

SAYS_HI = {"messages": [{"role": "user", "content": "hi"}]}
USAGE = {
    "prompt_tokens": 7,
    "completion_tokens": 2,
    "total_tokens": 9,
    "prompt_tokens_details": {"cached_tokens": 4},
}


def error_of(reply):
    assert list(reply.json()) == ["error"]
    assert list(reply.json()["error"]) == ["message", "type", "param", "code"]
    assert (reply.json()["error"]["param"], reply.json()["error"]["code"]) == (None, None)
    return reply.status_code, reply.json()["error"]["type"], reply.json()["error"]["message"]


def ask(client, **more):
    return client.post("/v1/chat/completions", json={"model": CHAT} | SAYS_HI | more)


def test_a_chat_completion_is_whole_by_default(client):
    reply = ask(client).json()

    assert reply["id"].startswith("chatcmpl-")
    assert (reply["object"], reply["model"]) == ("chat.completion", CHAT)
    assert reply["system_fingerprint"] == "fp_ollama"
    message = {"role": "assistant", "content": "Hello"}
    assert reply["choices"] == [{"index": 0, "message": message, "finish_reason": "stop"}]
    assert reply["usage"] == USAGE


def test_a_streamed_chat_completion_names_its_role_once(client):
    reply = ask(client, stream=True, stream_options={"include_usage": True})

    *frames, done = events_of(reply)
    role, *chunks, reason, counted = [json.loads(frame) for frame in frames]
    assert reply.headers["content-type"].startswith("text/event-stream")
    assert done == "[DONE]"
    assert role["choices"][0]["delta"]["role"] == "assistant"
    deltas = [chunk["choices"][0]["delta"] for chunk in (role, *chunks)]
    assert "".join(delta["content"] for delta in deltas) == "Hello"
    assert all("role" not in delta for delta in deltas[1:])
    expected = [{"index": 0, "delta": {}, "finish_reason": "stop"}]
    assert (reason["object"], reason["choices"]) == ("chat.completion.chunk", expected)
    assert (counted["choices"], counted["usage"]) == ([], USAGE)
    assert len({(one["id"], one["created"]) for one in (role, *chunks, reason, counted)}) == 1


def test_an_empty_completion_still_says_who_speaks(client, engine):
    engine.script = (Final("length"),)

    *frames, done = events_of(ask(client, stream=True))

    role, reason = [json.loads(frame)["choices"][0] for frame in frames]
    assert role["delta"] == {"role": "assistant", "content": ""}
    assert reason["finish_reason"] == "length"
    assert done == "[DONE]"


def test_an_error_in_the_middle_is_the_last_event(client, engine):
    engine.script = (Piece("a"), RuntimeFailedError("out of luck"))

    *_, last = events_of(ask(client, stream=True))

    error = {"message": "out of luck", "type": "api_error", "param": None, "code": None}
    assert json.loads(last) == {"error": error}


def test_sampling_goes_by_native_names_and_openais_defaults(client, engine):
    ask(client)
    ask(
        client,
        temperature=0.2,
        top_p=0.5,
        max_tokens=5,
        max_completion_tokens=6,
        seed=3,
        stop="x",
        frequency_penalty=0.1,
        presence_penalty=0,
    )
    ask(client, max_tokens=5, stop=["a", "b"], logit_bias={}, tool_choice="none", tools=[])

    plain, full, short = [dict(one.options) for one in engine.requests]
    assert plain == {"temperature": 1.0, "top_p": 1.0}
    assert full == {
        "temperature": 0.2,
        "top_p": 0.5,
        "num_predict": 6,
        "seed": 3,
        "stop": ["x"],
        "frequency_penalty": 0.1,
        "presence_penalty": 0.0,
    }
    assert (short["num_predict"], short["stop"]) == (5, ["a", "b"])


def test_messages_come_in_many_forms(client, engine):
    parts = [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]
    call = {"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    messages = [
        {"role": "developer", "content": "s"},
        {"role": "user", "content": parts},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "1", "content": "42"},
    ]

    assert ask(client, messages=messages).status_code == 200

    assert engine.requests[0].messages == (
        Message("system", "s"),
        Message("user", "a\n\nb"),
        Message("assistant", "", tool_calls=(ToolCall("f", {}, id="1"),)),
        Message("tool", "42", tool_name="f", tool_call_id="1"),
    )


def image(url):
    return [{"role": "user", "content": [{"type": "image_url", "image_url": url}]}]


BAD_CALL = {"role": "assistant", "tool_calls": [{"function": {"name": "f", "arguments": "{"}}]}
URLS = "image URLs are not currently supported, please use base64 encoded data instead"
FULL = "registry.ollama.ai/library/tiny:latest"


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ({"messages": []}, "[] is too short - 'messages'"),
        ({"model": ""}, "model is required"),
        ({"messages": [{"role": "user"}]}, "invalid message content type: <nil>"),
        ({"messages": [{"role": "user", "content": 5}]}, "invalid message content type: float64"),
        ({"messages": [{"role": "user", "content": ["x"]}]}, "invalid message format"),
        ({"messages": [BAD_CALL]}, "invalid tool call arguments"),
        ({"messages": image({"url": "https://x/y.png"})}, URLS),
        (
            {"messages": image("data:image/png;base64,aGk=")},
            f"{FULL} does not support vision",
        ),
        ({"tools": [{"type": "function"}]}, f"{FULL} does not support tools"),
        ({"reasoning_effort": "low"}, f'"{CHAT}" does not support thinking'),
        (
            {"reasoning_effort": "odd"},
            'invalid reasoning value: \'odd\' (must be "high", "medium", "low", "max", or "none")',
        ),
    ],
)
def test_wrong_chat_requests_are_refused(client, body, text):
    assert error_of(ask(client, **body)) == (400, "invalid_request_error", text)


def test_reasoning_switched_off_is_accepted(client):
    assert ask(client, reasoning_effort="none").status_code == 200
    assert ask(client, reasoning={"effort": "none"}).status_code == 200


def test_response_formats_become_native_ones(client, engine):
    schema = {"type": "object"}
    named = {"name": "x", "schema": schema}

    for given in (
        {"type": "text"},
        {"type": "json_object"},
        {"type": "json_schema", "json_schema": named},
    ):
        ask(client, response_format=given)

    assert [one.format for one in engine.requests] == [None, "json", schema]


def test_errors_keep_their_status_and_get_a_type(client, engine):
    engine.script = (BusyError(),)

    assert error_of(ask(client))[:2] == (503, "api_error")
    assert error_of(ask(client, stream=True))[:2] == (503, "api_error")
    missing = (404, "not_found_error", "model 'no' not found")
    assert error_of(ask(client, model="no")) == missing


def test_a_completion_is_whole_or_streamed(client):
    body = {"model": CHAT, "prompt": "x"}

    whole = client.post("/v1/completions", json=body).json()
    usage = {"stream_options": {"include_usage": True}}
    streamed = client.post("/v1/completions", json=body | {"stream": True} | usage)

    assert whole["id"].startswith("cmpl-")
    assert whole["object"] == "text_completion"
    assert whole["choices"] == [{"text": "Hello", "index": 0, "finish_reason": "stop"}]
    assert whole["usage"] == USAGE
    *frames, done = events_of(streamed)
    *chunks, counted = [json.loads(frame) for frame in frames]
    assert done == "[DONE]"
    assert "".join(one["choices"][0]["text"] for one in chunks) == "Hello"
    assert [one["choices"][0]["finish_reason"] for one in chunks][-1] == "stop"
    assert all(one["usage"]["total_tokens"] == 0 for one in chunks)
    assert (counted["choices"], counted["usage"]) == ([], USAGE)


@pytest.mark.parametrize("prompt", [[], 5, [1, "a"], [[]], [-1], [[1], "a"], {"a": 1}, [True]])
def test_prompts_of_other_types_are_refused(client, prompt):
    reply = client.post("/v1/completions", json={"model": CHAT, "prompt": prompt})

    status, kind, text = error_of(reply)
    assert (status, kind) == (400, "invalid_request_error")
    assert "prompt" in text


@pytest.mark.parametrize("encoding", ["base64", "BASE64", "float", None])
def test_embeddings_come_as_numbers_or_base64(client, engine, encoding):
    engine.vectors = np.random.default_rng(1).normal(size=(2, 8)).astype(np.float32)
    body = {"model": EMBED, "input": ["a", "b"], "encoding_format": encoding, "dimensions": 8}

    reply = client.post("/v1/embeddings", json=body).json()

    assert (reply["object"], reply["model"]) == ("list", EMBED)
    assert reply["usage"] == {"prompt_tokens": 6, "total_tokens": 6}
    assert [(one["object"], one["index"]) for one in reply["data"]] == [
        ("embedding", 0),
        ("embedding", 1),
    ]
    for row, one in zip(engine.vectors, reply["data"], strict=True):
        given = one["embedding"]
        if isinstance(given, str):
            given = np.frombuffer(base64.b64decode(given), "<f4")
        assert np.array_equal(np.array(given, np.float32), row)


@pytest.mark.parametrize(
    ("body", "status", "text"),
    [
        ({"input": []}, 400, "invalid input"),
        ({}, 400, "invalid input"),
        ({"input": [1, 2]}, 400, "invalid input type"),
        ({"input": "a", "model": "no"}, 404, 'model "no" not found, try pulling it first'),
        (
            {"input": "a", "encoding_format": "hex"},
            400,
            "Invalid value for 'encoding_format' = hex. Supported values: ['float', 'base64'].",
        ),
    ],
)
def test_wrong_embedding_requests_are_refused(client, body, status, text):
    reply = client.post("/v1/embeddings", json={"model": EMBED} | body)

    assert error_of(reply)[::2] == (status, text)


def test_one_empty_text_is_embedded(client, engine):
    client.post("/v1/embeddings", json={"model": EMBED, "input": ""})

    assert engine.embedded[0][1] == [""]


def test_models_are_listed_and_found(client, engine):
    engine.library.copy(CHAT, "me/mine:v1")

    listed = client.get("/v1/models").json()
    found = client.get("/v1/models/me/mine:v1").json()

    assert listed["object"] == "list"
    assert found in listed["data"]
    assert (found["id"], found["object"], found["owned_by"]) == ("me/mine:v1", "model", "me")
    assert {one["owned_by"] for one in listed["data"]} == {"library", "me"}
    assert error_of(client.get("/v1/models/no")) == (
        404,
        "not_found_error",
        "model 'no:latest' not found",
    )


def test_a_final_without_text_before_it_ends_cleanly(client, engine):
    engine.script = (FINAL,)

    assert ask(client).json()["choices"][0]["message"]["content"] == ""


def test_usage_tells_what_was_tried_ahead_and_how_much_of_it_served():
    finals = {0: replace(FINAL, n_drafted=9, n_accepted=7), 1: replace(FINAL, n_drafted=1)}

    assert usage(finals, 2)["completion_tokens_details"] == {
        "accepted_prediction_tokens": 7,
        "rejected_prediction_tokens": 3,
    }
    assert "completion_tokens_details" not in usage({0: FINAL}, 1)
