"""Ollama's contract on a real server: the routes of OpenAI below /v1 (its section 15)."""

import base64
import json

import httpx
import numpy as np
import pytest

from tests.live.clients import ASKS, CHAT, EMBED, HELLO, TOOLS, WEATHER
from tests.live.contract import PINK, THINKER, events_of, lines_of, make, make_all, prompt_of

HOT = "hot:latest"  # a model whose own temperature is not that of OpenAI
SURE = {"temperature": 0, "seed": 1}


@pytest.fixture(scope="module")
def api(client_server):
    with httpx.Client(base_url=client_server, timeout=60) as client:
        make_all(client)
        make(client, HOT, parameters={"temperature": 0, "num_predict": 8})
        yield client


def ask(api, **body):
    asked = {"model": CHAT, "messages": HELLO, "max_tokens": 4} | SURE
    return api.post("/v1/chat/completions", json=asked | body)


def error_of(reply):
    error = reply.json()["error"]
    assert list(reply.json()) == ["error"]
    assert (error["param"], error["code"]) == (None, None)
    return reply.status_code, error["type"], error["message"]


# Chat completions.


def test_a_completion_is_one_object(api):
    reply = ask(api).json()

    assert reply["id"].startswith("chatcmpl-")
    assert 0 <= int(reply["id"].removeprefix("chatcmpl-")) <= 998
    assert (reply["object"], reply["system_fingerprint"]) == ("chat.completion", "fp_ollama")
    (choice,) = reply["choices"]
    assert (choice["index"], choice["finish_reason"]) == (0, "length")
    assert choice["message"]["role"] == "assistant"
    usage = reply["usage"]
    assert usage["completion_tokens"] == 4
    assert usage["total_tokens"] == usage["prompt_tokens"] + 4


def test_a_stream_names_its_role_once_and_ends_with_the_reason_usage_and_done(api):
    reply = ask(api, stream=True, stream_options={"include_usage": True})

    *chunks, done = [data for _, data in events_of(reply)]
    *said, reason, counted = chunks
    assert reply.headers["content-type"].startswith("text/event-stream")
    assert done == "[DONE]"
    deltas = [one["choices"][0]["delta"] for one in said]
    assert [delta.get("role") for delta in deltas] == ["assistant"] + [None] * (len(deltas) - 1)
    assert all("content" in delta for delta in deltas)
    assert reason["choices"][0] == {"index": 0, "delta": {}, "finish_reason": "length"}
    assert (counted["choices"], counted["usage"]["completion_tokens"]) == ([], 4)
    assert {one["object"] for one in chunks} == {"chat.completion.chunk"}
    assert len({(one["id"], one["created"]) for one in chunks}) == 1


def test_thoughts_are_reasoning(api):
    asked = {"model": THINKER, "messages": PINK, "max_tokens": 24}

    whole = ask(api, **asked).json()["choices"][0]["message"]
    streamed = [
        one["choices"][0]["delta"] for _, one in events_of(ask(api, **asked, stream=True))[:-1]
    ]
    silent = ask(api, **asked, reasoning_effort="none").json()["choices"][0]["message"]

    assert (whole["reasoning"], whole["content"]) == ("I shall say pink.", "pink")
    assert "".join(one.get("reasoning", "") for one in streamed) == "I shall say pink."
    assert "".join(one.get("content", "") for one in streamed) == "pink"
    assert "reasoning" not in silent


@pytest.mark.parametrize("stream", [True, False])
def test_a_call_has_its_arguments_as_text(api, stream):
    asked = {"model": TOOLS, "messages": ASKS, "tools": [WEATHER], "max_tokens": 40}

    reply = ask(api, **asked, stream=stream)

    if stream:
        choices = [one["choices"][0] for _, one in events_of(reply)[:-1]]
        (calls,) = [one["delta"]["tool_calls"] for one in choices if "tool_calls" in one["delta"]]
        reason = choices[-1]["finish_reason"]
    else:
        (choice,) = reply.json()["choices"]
        calls, reason = choice["message"]["tool_calls"], choice["finish_reason"]
    (call,) = calls
    assert (call["index"], call["type"], reason) == (0, "function", "tool_calls")
    assert call["id"].startswith("call_")
    assert call["function"]["name"] == "get_weather"
    assert json.loads(call["function"]["arguments"]) == {"city": "Oslo"}


def test_an_earlier_round_of_tools_reaches_the_model(api):
    call = {"id": "c1", "type": "function",
            "function": {"name": "get_weather", "arguments": '{"city": "Rome"}'}}  # fmt: skip
    turns = [*ASKS, {"role": "assistant", "content": None, "tool_calls": [call]},
             {"role": "tool", "tool_call_id": "c1", "content": "Sun"}]  # fmt: skip

    reply = ask(api, model=TOOLS, messages=turns, tools=[WEATHER], max_tokens=1)

    assert reply.status_code == 200, reply.text


def test_openais_temperature_goes_before_the_models_own(api):
    bare = {"model": HOT, "messages": [{"role": "user", "content": "Tell a story."}]}
    seeds = (1, 2, 3)

    sent = {
        api.post("/v1/chat/completions", json=bare | {"seed": seed}).json()["choices"][0][
            "message"
        ]["content"]
        for seed in seeds
    }
    native = {
        api.post("/api/chat", json=bare | {"stream": False, "options": {"seed": seed}}).json()[
            "message"
        ]["content"]
        for seed in seeds
    }

    assert len(native) == 1  # its temperature is 0
    assert len(sent) > 1  # 1.0 unless the client says otherwise


def test_two_ways_of_limiting_the_answer(api):
    """Quire's own: `max_completion_tokens` counts; Ollama ignores it."""
    bare = {"model": CHAT, "messages": HELLO} | SURE

    new, old = (api.post("/v1/chat/completions", json=bare | {name: 3}).json()["usage"]
                for name in ("max_completion_tokens", "max_tokens"))  # fmt: skip

    assert (new["completion_tokens"], old["completion_tokens"]) == (3, 3)


@pytest.mark.parametrize(
    "given",
    [
        {"type": "json_object"},
        {"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "object"}}},
    ],
)
def test_a_response_format_is_kept(api, given):
    text = ask(api, response_format=given, max_tokens=8).json()["choices"][0]["message"]["content"]

    assert text.lstrip().startswith("{")


def test_logprobs_are_beside_the_answer(api):
    (choice,) = ask(api, logprobs=True, top_logprobs=2).json()["choices"]

    content = choice["logprobs"]["content"]
    assert len(content) == 4
    assert "".join(one["token"] for one in content) == choice["message"]["content"]
    assert all(len(one["top_logprobs"]) == 2 for one in content)


def test_fields_without_meaning_here_are_ignored(api):
    odd = {"user": "u", "store": True, "service_tier": "auto", "parallel_tool_calls": True}

    reply = ask(api, **odd)

    assert reply.status_code == 200
    headers = {"authorization": "Bearer anything"}
    assert api.get("/v1/models", headers=headers).status_code == 200


URL = "image URLs are not currently supported, please use base64 encoded data instead"


def said_by_user(content):
    return {"messages": [{"role": "user", "content": content}]}


@pytest.mark.parametrize(
    ("body", "status", "text"),
    [
        ({"messages": []}, 400, "[] is too short - 'messages'"),
        (said_by_user(5), 400, "invalid message content type: float64"),
        (said_by_user([{"type": "image_url", "image_url": "https://x/y.png"}]), 400, URL),
        ({"tools": [WEATHER]}, 400, f"registry.ollama.ai/library/{CHAT} does not support tools"),
        ({"model": "none"}, 404, "model 'none' not found"),
        ({"model": ""}, 400, "model is required"),
        ({"model": EMBED}, 400, f'"{EMBED}" does not support chat'),
        ({"reasoning_effort": "high"}, 400, f'"{CHAT}" does not support thinking'),
    ],
)
def test_errors_have_openais_shape_and_ollamas_words(api, body, status, text):
    kind = {400: "invalid_request_error", 404: "not_found_error"}[status]

    assert error_of(ask(api, **body)) == (status, kind, text)
    assert error_of(ask(api, **body, stream=True)) == (status, kind, text)


def test_what_goes_wrong_inside_is_an_api_error(api):
    reply = ask(api, options={"top_k": "many"})

    assert error_of(reply) == (500, "api_error", 'option "top_k" must be of type integer')


def test_parts_are_messages_in_their_order(api):
    parts = [{"type": "text", "text": "one"}, {"type": "text", "text": "two"}]
    whole = prompt_of(api, "/api/chat", messages=[{"role": "user", "content": "one\n\ntwo"}])

    counted = ask(api, **said_by_user(parts)).json()["usage"]["prompt_tokens"]

    tokens = api.post("/api/tokenize", json={"model": CHAT, "text": whole, "add_special": True})
    assert counted == len(tokens.json()["tokens"])


# Completions.


def complete(api, **body):
    asked = {"model": CHAT, "prompt": "1, 2, 3,", "max_tokens": 4} | SURE
    return api.post("/v1/completions", json=asked | body)


def test_a_text_completion_is_whole_or_streamed(api):
    whole = complete(api).json()
    streamed = complete(api, stream=True, stream_options={"include_usage": True})

    assert whole["id"].startswith("cmpl-")
    assert whole["object"] == "text_completion"
    assert whole["usage"]["completion_tokens"] == 4
    *chunks, counted, done = [data for _, data in events_of(streamed)]
    assert "".join(one["choices"][0]["text"] for one in chunks) == whole["choices"][0]["text"]
    assert all(one["usage"]["total_tokens"] == 0 for one in chunks)
    assert (counted["choices"], counted["usage"]["completion_tokens"], done) == ([], 4, "[DONE]")
    assert chunks[-1]["choices"][0]["finish_reason"] == "length"


def test_a_text_completion_stops_where_it_shall(api):
    text = complete(api, max_tokens=12).json()["choices"][0]["text"]

    for stop in (text[3:6], [text[3:6]]):
        choice = complete(api, max_tokens=12, stop=stop).json()["choices"][0]
        assert choice["text"] == text[: text.index(text[3:6])]
        assert choice["finish_reason"] == "stop"


def test_what_completions_cannot_do_is_ignored(api):
    reply = complete(api, best_of=3, user="u")

    assert reply.status_code == 200
    assert len(reply.json()["choices"]) == 1


# Embeddings and models.


def test_embeddings_come_as_numbers_or_base64(api):
    def embed(**more):
        body = {"model": EMBED, "input": ["one", "two"]} | more
        return api.post("/v1/embeddings", json=body).json()

    plain, coded, short = embed(), embed(encoding_format="BASE64"), embed(dimensions=8)

    assert (plain["object"], plain["model"]) == ("list", EMBED)
    assert {one["object"] for one in plain["data"]} == {"embedding"}
    assert [one["index"] for one in plain["data"]] == [0, 1]
    assert plain["usage"]["prompt_tokens"] == plain["usage"]["total_tokens"] == 6
    decoded = np.frombuffer(base64.b64decode(coded["data"][1]["embedding"]), "<f4")
    assert np.allclose(decoded, plain["data"][1]["embedding"], atol=1e-6)
    assert len(short["data"][0]["embedding"]) == 8


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ({}, "invalid input"),
        ({"input": []}, "invalid input"),
        ({"input": [1, 2]}, "invalid input type"),
        ({"input": [[1, 2]]}, "invalid input type"),
        (
            {"input": "a", "encoding_format": "hex"},
            "Invalid value for 'encoding_format' = hex. Supported values: ['float', 'base64'].",
        ),
    ],
)
def test_wrong_embedding_requests_are_refused(api, body, text):
    reply = api.post("/v1/embeddings", json={"model": EMBED} | body)

    assert error_of(reply) == (400, "invalid_request_error", text)


def test_models_are_listed_with_owner_and_time(api):
    listed = api.get("/v1/models").json()
    one = api.get(f"/v1/models/{CHAT}").json()

    assert listed["object"] == "list"
    assert one in listed["data"]
    assert one.items() >= {"id": CHAT, "object": "model", "owned_by": "library"}.items()
    assert one["created"] > 1_600_000_000
    assert error_of(api.get("/v1/models/none"))[:2] == (404, "not_found_error")


# Responses.


def respond(api, **body):
    asked = {"model": CHAT, "input": "Say hello.", "max_output_tokens": 4, "temperature": 0}
    return api.post("/v1/responses", json=asked | body)


def test_a_response_lists_what_was_thought_and_said(api):
    reply = respond(api, model=THINKER, input="Say pink.", max_output_tokens=24).json()

    assert (reply["object"], reply["status"]) == ("response", "completed")
    thought, message = reply["output"]
    assert (thought["type"], thought["encrypted_content"]) == ("reasoning", "I shall say pink.")
    assert (message["type"], message["content"][0]["text"]) == ("message", "pink")
    assert reply["usage"]["total_tokens"] > reply["usage"]["output_tokens"] > 0
    assert "previous_response_id" in reply


def test_a_streamed_response_numbers_its_events_without_a_gap(api):
    events = events_of(respond(api, stream=True))

    names = [name for name, _ in events]
    assert [data["type"] for _, data in events] == names
    assert [data["sequence_number"] for _, data in events] == list(range(len(events)))
    assert names[:4] == ["response.created", "response.in_progress",
                         "response.output_item.added", "response.content_part.added"]  # fmt: skip
    assert names[-4:-1] == ["response.output_text.done", "response.content_part.done",
                            "response.output_item.done"]  # fmt: skip
    assert names[-1] in ("response.completed", "response.incomplete")
    text = "".join(data["delta"] for name, data in events if name.endswith("output_text.delta"))
    assert text == respond(api).json()["output"][0]["content"][0]["text"]


def test_a_call_is_an_item_of_its_own(api):
    flat = {"type": "function", **WEATHER["function"]}
    asked = {"model": TOOLS, "input": ASKS[0]["content"], "tools": [flat], "max_output_tokens": 40}

    (call,) = respond(api, **asked).json()["output"]

    assert (call["type"], call["name"]) == ("function_call", "get_weather")
    assert json.loads(call["arguments"]) == {"city": "Oslo"}
    assert call["call_id"]


def test_a_model_that_hears_nothing_transcribes_nothing(api):
    sound = b"RIFF\x04\x00\x00\x00WAVE"

    reply = api.post(
        "/v1/audio/transcriptions", data={"model": CHAT}, files={"file": ("a.wav", sound)}
    )

    text = f"registry.ollama.ai/library/{CHAT} does not support audio"
    assert error_of(reply) == (400, "invalid_request_error", text)


def test_the_native_answer_is_the_same(api):
    options = {"temperature": 0, "top_p": 1.0, "num_predict": 4, "seed": 1}
    lines = lines_of(api.post("/api/chat", json={"model": CHAT, "messages": HELLO,
                                                 "options": options}))  # fmt: skip

    text = "".join(line["message"]["content"] for line in lines)
    assert ask(api).json()["choices"][0]["message"]["content"] == text
