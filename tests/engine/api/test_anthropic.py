"""The routes below /v1/messages, as Anthropic's clients read them."""

import base64
import json

import pytest

from engine.api.anthropic_frames import estimated_tokens
from engine.errors import BusyError, RuntimeFailedError
from engine.types import ChatRequest, Final, Message, Piece, ToolCall, ToolChoice
from tests.engine.api.fakes_engine import CHAT, EMBED, FINAL, install, write_gguf

ABLE = "able:latest"
SAYS_HI = {"max_tokens": 50, "messages": [{"role": "user", "content": "hi"}]}
TOOL = {
    "name": "weather",
    "description": "Tell the weather",
    "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}},
}
CALL = ToolCall("weather", {"city": "Oslo"}, "call_1")


@pytest.fixture
def able(engine, tmp_path):
    """A model that thinks and calls tools."""
    template = "{{ messages }}{{ tools }}<think></think>"
    install(engine.library, ABLE, write_gguf(tmp_path / "a.gguf", "llama", chat_template=template))
    return ABLE


def ask(client, **more):
    return client.post("/v1/messages", json={"model": CHAT} | SAYS_HI | more)


def frames_of(reply):
    frames = []
    for frame in reply.text.split("\n\n"):
        if frame:
            name, data = frame.split("\n")
            body = json.loads(data.removeprefix("data: "))
            assert name == f"event: {body['type']}"
            frames.append(body)
    return frames


def refusal(reply):
    body = reply.json()
    assert body["type"] == "error"
    assert body["request_id"].startswith("req_")
    return reply.status_code, body["error"]["type"], body["error"]["message"]


def test_a_message_is_whole_by_default(client):
    reply = ask(client).json()

    assert reply["id"].startswith("msg_")
    assert len(reply["id"]) == len("msg_") + 24
    assert (reply["type"], reply["role"], reply["model"]) == ("message", "assistant", CHAT)
    assert reply["content"] == [{"type": "text", "text": "Hello"}]
    assert (reply["stop_reason"], reply["stop_sequence"]) == ("end_turn", None)
    assert reply["usage"] == {"input_tokens": 3, "output_tokens": 2, "cache_read_input_tokens": 4}


def test_a_stream_opens_and_closes_each_block_in_order(client, engine, able):
    engine.script = (
        Piece(thinking="hm"),
        Piece(thinking="m"),
        Piece(text="Let "),
        Piece(text="me see."),
        Piece(tool_calls=(CALL,)),
        FINAL,
    )

    frames = frames_of(ask(client, model=able, tools=[TOOL], stream=True))

    block = ["content_block_start", "content_block_delta", "content_block_stop"]
    kinds = [one["type"] for one in frames]
    merged = [kind for at, kind in enumerate(kinds) if at == 0 or kinds[at - 1] != kind]
    assert merged == ["message_start", *block * 3, "message_delta", "message_stop"]
    starts = [one for one in frames if one["type"] == "content_block_start"]
    assert [one["index"] for one in starts] == [0, 1, 2]
    assert [one["content_block"]["type"] for one in starts] == ["thinking", "text", "tool_use"]
    assert starts[2]["content_block"] == {
        "type": "tool_use",
        "id": "call_1",
        "name": "weather",
        "input": {},
    }
    deltas = [one["delta"] for one in frames if one["type"] == "content_block_delta"]
    assert "".join(one.get("thinking", "") for one in deltas) == "hmm"
    assert "".join(one.get("text", "") for one in deltas) == "Let me see."
    assert json.loads(deltas[-1]["partial_json"]) == {"city": "Oslo"}
    assert frames[-2]["delta"] == {"stop_reason": "tool_use", "stop_sequence": None}
    assert frames[-2]["usage"]["output_tokens"] == 2
    assert frames[0]["message"]["usage"]["input_tokens"] >= 1


@pytest.mark.parametrize(
    ("final", "reason", "sequence"),
    [
        (Final("stop"), "end_turn", None),
        (Final("length"), "max_tokens", None),
        (Final("stop", stop_string="END"), "stop_sequence", "END"),
    ],
)
def test_the_reason_for_the_end_is_told(client, engine, final, reason, sequence):
    engine.script = (Piece("x"), final)

    reply = ask(client).json()
    delta = frames_of(ask(client, stream=True))[-2]["delta"]

    assert (reply["stop_reason"], reply["stop_sequence"]) == (reason, sequence)
    assert (delta["stop_reason"], delta["stop_sequence"]) == (reason, sequence)


def test_an_empty_answer_has_no_block(client, engine):
    engine.script = (FINAL,)

    assert ask(client).json()["content"] == []
    kinds = [one["type"] for one in frames_of(ask(client, stream=True))]
    assert kinds == ["message_start", "message_delta", "message_stop"]


def test_thoughts_and_calls_come_as_blocks(client, engine, able):
    engine.script = (Piece(thinking="hm"), Piece(tool_calls=(CALL, CALL)), FINAL)

    both = ask(client, model=able, tools=[TOOL]).json()
    choice = {"type": "auto", "disable_parallel_tool_use": True}
    one = ask(client, model=able, tools=[TOOL], tool_choice=choice).json()

    use = {"type": "tool_use", "id": "call_1", "name": "weather", "input": {"city": "Oslo"}}
    thought = {"type": "thinking", "thinking": "hm", "signature": ""}
    assert both["content"] == [thought, use, use]
    assert both["stop_reason"] == "tool_use"
    assert one["content"] == [thought, use]


def test_a_request_reaches_the_engine_in_its_own_terms(client, engine, able):
    ask(
        client,
        model=able,
        system=[{"type": "text", "text": "Be kind."}, {"type": "text", "text": "Be brief."}],
        temperature=0.25,
        top_p=0.5,
        top_k=7,
        stop_sequences=["END"],
        tools=[TOOL],
        tool_choice={"type": "any"},
        thinking={"type": "enabled", "budget_tokens": 100},
        output_config={"effort": "xhigh"},
        metadata={"user_id": "u"},
    )

    asked = engine.requests[-1]
    assert asked.messages == (Message("system", "Be kind.\n\nBe brief."), Message("user", "hi"))
    assert asked.options == {
        "num_predict": 50,
        "temperature": 0.25,
        "top_p": 0.5,
        "top_k": 7,
        "stop": ["END"],
    }
    function = {
        "name": "weather",
        "description": "Tell the weather",
        "parameters": TOOL["input_schema"],
    }
    assert asked.tools == ({"type": "function", "function": function},)
    assert asked.tool_choice == ToolChoice("required")
    assert asked.think == "high"


@pytest.mark.parametrize(
    ("thinking", "expected"),
    [
        (None, False),
        ({"type": "disabled"}, False),
        ({"type": "enabled", "budget_tokens": 9}, True),
        ({"type": "adaptive"}, True),
    ],
)
def test_a_model_thinks_only_when_asked(client, engine, able, thinking, expected):
    ask(client, model=able, thinking=thinking)

    assert engine.requests[-1].think is expected


def test_a_wish_to_think_is_dropped_for_models_that_cannot(client, engine):
    reply = ask(client, thinking={"type": "enabled", "budget_tokens": 100})

    assert reply.status_code == 200
    assert engine.requests[-1].think is None


def test_a_round_of_tools_becomes_turns(client, engine, able):
    ask(
        client,
        model=able,
        tools=[TOOL],
        messages=[
            {"role": "user", "content": "Weather?"},
            {
                "role": "assistant",
                "content": [
                    {"type": "thinking", "thinking": "Ask.", "signature": ""},
                    {"type": "text", "text": "I look."},
                    {"type": "tool_use", "id": "t1", "name": "weather", "input": {"city": "Oslo"}},
                ],
            },
            {
                "role": "user",
                "content": [
                    {"type": "tool_result", "tool_use_id": "t1", "content": "Rain"},
                    {"type": "tool_result", "tool_use_id": "t9", "content": "?", "is_error": True},
                    {"type": "text", "text": "And?"},
                ],
            },
        ],
    )

    user, assistant, result, failed, following = engine.requests[-1].messages
    assert user == Message("user", "Weather?")
    assert (assistant.content, assistant.thinking) == ("I look.", "Ask.")
    assert assistant.tool_calls == (ToolCall("weather", {"city": "Oslo"}, "t1", 0),)
    assert result == Message("tool", "Rain", tool_name="weather", tool_call_id="t1")
    assert (failed.content, failed.tool_name) == ("Error: ?", "")
    assert following == Message("user", "And?")


def test_a_document_of_plain_text_is_read(client, engine):
    source = {"type": "text", "media_type": "text/plain", "data": "Body"}
    block = {"type": "document", "title": "Title", "source": source}

    ask(client, messages=[{"role": "user", "content": [block, {"type": "text", "text": "Q"}]}])

    assert engine.requests[-1].messages == (Message("user", "Title\n\nBody\n\nQ"),)


def image(**source):
    return [{"role": "user", "content": [{"type": "image", "source": source}]}]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"model": ""}, "model is required"),
        ({"max_tokens": 0}, "max_tokens is required and must be positive"),
        ({"max_tokens": -1}, "max_tokens is required and must be positive"),
        ({"messages": []}, "messages is required"),
        ({"messages": [{"role": "robot", "content": "x"}]}, 'messages.0.role: "robot"'),
        ({"messages": [{"role": "user", "content": 5}]}, "messages.0.content: must be"),
        ({"messages": [{"role": "user", "content": ["x"]}]}, "messages.0.content.0: must be"),
        (
            {"messages": [{"role": "user", "content": [{"type": "video"}]}]},
            "a block of type 'video' cannot be read",
        ),
        ({"messages": image(type="url", url="http://x")}, "only base64 images"),
        ({"messages": image(type="base64", data="§")}, "base64"),
        ({"tools": [{"type": "web_search_20250305", "name": "s"}]}, "is not available here"),
        ({"tool_choice": {"type": "tool"}}, "tool_choice"),
        ({"tools": [TOOL]}, "does not support tools"),
        (
            {"messages": image(type="base64", data=base64.b64encode(b"\x89PNG").decode())},
            "does not support vision",
        ),
    ],
)
def test_what_is_wrong_is_said(client, body, expected):
    status, kind, message = refusal(ask(client, **body))

    assert (status, kind) == (400, "invalid_request_error")
    assert expected in message


def test_models_that_are_missing_or_only_embed_are_refused(client):
    assert refusal(ask(client, model="gone")) == (404, "not_found_error", "model 'gone' not found")
    assert refusal(ask(client, model=EMBED)) == (
        400,
        "invalid_request_error",
        f'"{EMBED}" does not support chat',
    )


def test_errors_of_the_engine_keep_the_shape(client, engine):
    engine.script = (BusyError(),)
    assert refusal(ask(client))[:2] == (503, "overloaded_error")

    engine.script = (Piece("x"), RuntimeFailedError("broke"))
    last = frames_of(ask(client, stream=True))[-1]
    assert last["type"] == "error"
    assert last["error"] == {"type": "api_error", "message": "broke"}


def test_a_body_that_is_no_json_keeps_the_shape(client):
    assert refusal(client.post("/v1/messages", content=b"{"))[:2] == (400, "invalid_request_error")
    assert refusal(client.post("/v1/messages"))[2] == "missing request body"


def test_tokens_are_counted_without_a_limit_of_them(client, engine):
    body = {"model": CHAT, "messages": SAYS_HI["messages"], "system": "Be kind."}

    reply = client.post("/v1/messages/count_tokens", json=body)

    assert reply.status_code == 200
    assert reply.json() == {"input_tokens": engine.count_chat_tokens(engine.counted[-1])}
    assert engine.counted[-1].messages[0] == Message("system", "Be kind.")


def test_the_guess_grows_with_the_prompt():
    short = estimated_tokens(ChatRequest("m", (Message("user", "hi"),)))
    long = estimated_tokens(ChatRequest("m", (Message("user", "hi" * 400),)))

    assert 1 <= short < long
