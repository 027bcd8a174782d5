"""Ollama's contract on a real server: the route of Anthropic, /v1/messages (its section 16)."""

import re

import httpx
import pytest

from tests.live.clients import ASKS, CHAT, HELLO, TOOLS, WEATHER
from tests.live.contract import PINK, THINKER, events_of, make_all

TOOL = {"name": "get_weather", "description": WEATHER["function"]["description"],
        "input_schema": WEATHER["function"]["parameters"]}  # fmt: skip
WISH = {"type": "enabled", "budget_tokens": 100}


@pytest.fixture(scope="module")
def api(client_server):
    with httpx.Client(base_url=client_server, timeout=60) as client:
        make_all(client)
        yield client


def ask(api, **body):
    asked = {"model": CHAT, "messages": HELLO, "max_tokens": 4, "temperature": 0}
    return api.post("/v1/messages", json=asked | body)


def test_a_message_is_one_object(api):
    reply = ask(api).json()

    assert re.fullmatch(r"msg_[0-9a-f]{24}", reply["id"])
    assert (reply["type"], reply["role"], reply["model"]) == ("message", "assistant", CHAT)
    assert (reply["stop_reason"], reply["stop_sequence"]) == ("max_tokens", None)
    assert reply["usage"]["output_tokens"] == 4
    assert [block["type"] for block in reply["content"]] == ["text"]


def test_a_stream_brackets_its_blocks(api):
    events = events_of(ask(api, stream=True))

    names = [name for name, _ in events]
    assert [data["type"] for _, data in events] == names
    assert names[:2] == ["message_start", "content_block_start"]
    assert names[-3:] == ["content_block_stop", "message_delta", "message_stop"]
    assert set(names[2:-3]) == {"content_block_delta"}
    deltas = [data["delta"] for name, data in events if name == "content_block_delta"]
    assert {delta["type"] for delta in deltas} == {"text_delta"}
    assert "".join(delta["text"] for delta in deltas) == ask(api).json()["content"][0]["text"]
    last = events[-2][1]
    assert (last["delta"]["stop_reason"], last["usage"]["output_tokens"]) == ("max_tokens", 4)
    assert events[0][1]["message"]["usage"]["input_tokens"] > 0


@pytest.mark.parametrize("thinking", [WISH, {"type": "adaptive"}])
def test_thoughts_are_a_block_of_their_own(api, thinking):
    asked = {"model": THINKER, "messages": PINK, "max_tokens": 24, "thinking": thinking}

    content = ask(api, **asked).json()["content"]
    events = events_of(ask(api, **asked, stream=True))

    assert [block["type"] for block in content] == ["thinking", "text"]
    assert (content[0]["thinking"], content[1]["text"]) == ("I shall say pink.", "pink")
    starts = [data for name, data in events if name == "content_block_start"]
    assert [(one["index"], one["content_block"]["type"]) for one in starts] == [
        (0, "thinking"), (1, "text"),
    ]  # fmt: skip


def test_a_wish_to_think_is_dropped_where_it_cannot_be(api):
    assert ask(api, thinking=WISH).json()["content"][0]["type"] == "text"


def test_a_call_is_a_block_with_its_input_as_an_object(api):
    asked = {"model": TOOLS, "messages": ASKS, "tools": [TOOL], "max_tokens": 40}

    reply = ask(api, **asked).json()
    events = events_of(ask(api, **asked, stream=True))

    (use,) = reply["content"]
    assert (use["type"], use["name"], use["input"]) == ("tool_use", "get_weather", {"city": "Oslo"})
    assert reply["stop_reason"] == "tool_use"
    kinds = {data["delta"]["type"] for name, data in events if name == "content_block_delta"}
    assert kinds == {"input_json_delta"}
    assert events[-2][1]["delta"]["stop_reason"] == "tool_use"


def test_a_stop_sequence_is_named(api):
    whole = ask(api, max_tokens=12).json()["content"][0]["text"]
    stop = whole[3:6]

    reply = ask(api, max_tokens=12, stop_sequences=[stop]).json()

    assert (reply["stop_reason"], reply["stop_sequence"]) == ("stop_sequence", stop)
    assert "".join(one["text"] for one in reply["content"]) == whole[: whole.index(stop)]


def test_system_and_content_come_as_text_or_blocks(api):
    block = {"type": "text", "text": "Say hello."}
    blocks = {"system": [block | {"text": "Be kind."}],
              "messages": [{"role": "user", "content": [block]}]}  # fmt: skip

    as_blocks = ask(api, **blocks).json()
    as_text = ask(api, system="Be kind.", messages=[{"role": "user", "content": "Say hello."}])

    assert as_blocks["content"] == as_text.json()["content"]


def test_headers_and_metadata_are_not_checked(api):
    headers = {"x-api-key": "any", "anthropic-version": "1999-01-01"}
    body = {"model": CHAT, "messages": HELLO, "max_tokens": 1, "metadata": {"user_id": "u"}}

    assert api.post("/v1/messages", json=body, headers=headers).status_code == 200


@pytest.mark.parametrize(
    ("body", "status", "kind", "text"),
    [
        ({"model": ""}, 400, "invalid_request_error", "model is required"),
        ({"max_tokens": 0}, 400, "invalid_request_error",
         "max_tokens is required and must be positive"),
        ({"max_tokens": None}, 400, "invalid_request_error",
         "max_tokens is required and must be positive"),
        ({"messages": []}, 400, "invalid_request_error", "messages is required"),
        ({"model": "none"}, 404, "not_found_error", "model 'none' not found"),
    ],
)  # fmt: skip
def test_errors_have_anthropics_shape(api, body, status, kind, text):
    reply = ask(api, **body)

    assert reply.status_code == status
    assert reply.json()["type"] == "error"
    assert reply.json()["error"] == {"type": kind, "message": text}
    assert reply.json()["request_id"]
