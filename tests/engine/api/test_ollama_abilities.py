"""What the native routes pass on and write of thinking, tools, pictures, logprobs and grammars."""

import base64
import json
import re

import pytest

from engine.errors import FormatError
from engine.types import Message, Piece, TokenLogprob, ToolCall, ToolChoice
from tests.engine.api.fakes_engine import CHAT, FINAL, GIFTED, lines_of

SAYS_HI = {"messages": [{"role": "user", "content": "hi"}]}
PNG, WAV = b"\x89PNG\r\n", b"RIFF\x04\x00\x00\x00WAVE"
FULL = "registry.ollama.ai/library/tiny:latest"
TOOL = {"type": "function", "function": {"name": "f", "parameters": {"z": 1, "a": {"b": [2]}}}}
NATIVE_CALL = re.compile(r"call_[a-z0-9]{8}")


def text_of(data):
    return base64.b64encode(data).decode()


def error_of(reply):
    return reply.status_code, reply.json()["error"]


def ask(client, **more):
    return client.post("/api/chat", json={"model": GIFTED} | SAYS_HI | more)


@pytest.mark.parametrize("path", ["/api/chat", "/api/generate"])
def test_everything_that_a_request_says_reaches_the_engine(client, engine, gifted, path):
    body = {
        "model": gifted,
        "prompt": "x",
        "suffix": "y",
        "template": "{{ .Prompt }}",
        "images": [text_of(PNG)],
        "think": "high",
        "shift": False,
        "truncate": False,
        "logprobs": True,
        "top_logprobs": 3,
        "grammar": 'root ::= "a"',
        "tools": [TOOL],
        "tool_choice": "required",
    }

    client.post(path, json=SAYS_HI | body)

    (request,) = engine.requests
    assert (request.think, request.is_shifting, request.n_top_logprobs) == ("high", False, 3)
    assert request.grammar == 'root ::= "a"'
    if path == "/api/generate":
        assert (request.suffix, request.template, request.images) == ("y", "{{ .Prompt }}", (PNG,))
    else:
        assert (request.tools, request.tool_choice) == ((TOOL,), ToolChoice("required"))
        assert not request.is_truncating


def test_what_a_request_does_not_say_stays_open(client, engine, gifted):
    ask(client)
    ask(client, top_logprobs=3)
    ask(client, logprobs=True)

    plain, *_ = engine.requests
    assert (plain.think, plain.tools, plain.tool_choice) == (None, (), ToolChoice())
    assert (plain.grammar, plain.is_shifting, plain.is_truncating) == (None, True, True)
    assert [one.n_top_logprobs for one in engine.requests] == [None, None, 0]


def test_tools_keep_their_keys_and_their_order(client, engine, gifted):
    odd = {"function": {"parameters": {"b": 1, "a": 2}, "name": "g", "x": None}, "type": "function"}

    ask(client, tools=[TOOL, odd])

    assert json.dumps(engine.requests[0].tools) == json.dumps([TOOL, odd])


def test_earlier_turns_come_whole(client, engine, gifted):
    call = {"id": "c1", "function": {"index": 1, "name": "f", "arguments": {"b": 1, "a": [2]}}}
    messages = [
        {"role": "user", "content": "hi", "images": [text_of(PNG), text_of(WAV)]},
        {"role": "assistant", "content": "", "thinking": "hm", "tool_calls": [call]},
        {"role": "tool", "content": "42", "tool_name": "f", "tool_call_id": "c1"},
        {"role": "assistant", "tool_calls": [{"function": {"name": "g"}}]},
    ]

    ask(client, messages=messages)

    assert engine.requests[0].messages == (
        Message("user", "hi", images=(PNG, WAV)),
        Message(
            "assistant",
            "",
            thinking="hm",
            tool_calls=(ToolCall("f", {"b": 1, "a": [2]}, id="c1", index=1),),
        ),
        Message("tool", "42", tool_name="f", tool_call_id="c1"),
        Message("assistant", "", tool_calls=(ToolCall("g", {}),)),
    )


@pytest.mark.parametrize(
    ("body", "place"),
    [
        ({"messages": [{"role": "user", "images": ["?"]}]}, "images[0]"),
        ({"messages": [{"tool_calls": [{"function": {"arguments": "{}"}}]}]}, "arguments"),
        ({"tools": ["x"]}, '"tools.0"'),
        ({"tools": [TOOL, {"function": 5}]}, "tools[1]"),
        ({"tools": [{"function": {"name": 5}}]}, "tools[0]: function.name"),
        ({"tools": [{"function": {"name": "f", "parameters": []}}]}, "function.parameters"),
        ({"tools": [TOOL], "tool_choice": "some"}, "invalid tool_choice"),
        ({"grammar": 5}, '"grammar"'),
        ({"grammar": "root ::= a", "format": "json"}, "exclude each other"),
        ({"format": {"type": "gbnf"}}, 'needs a "grammar"'),
        ({"format": {"type": "gbnf", "grammar": "a"}, "grammar": "b"}, "exclude each other"),
        ({"shift": 1}, '"shift"'),
    ],
)
def test_wrong_fields_are_named(client, engine, gifted, body, place):
    status, text = error_of(ask(client, **body))

    assert status == 400
    assert place in text
    assert engine.requests == []


@pytest.mark.parametrize(
    ("path", "extra", "text"),
    [
        ("generate", {"suffix": "y"}, f"{FULL} does not support insert"),
        ("generate", {"images": [text_of(PNG)]}, f"{FULL} does not support vision"),
        ("generate", {"images": [text_of(WAV)]}, f"{FULL} does not support audio"),
        ("chat", {"tools": [TOOL]}, f"{FULL} does not support tools"),
        ("chat", {"think": True}, '"tiny" does not support thinking'),
    ],
)
def test_each_ability_is_asked_for_by_name(client, engine, gifted, path, extra, text):
    body = {"prompt": "x"} | SAYS_HI | extra

    refused = client.post(f"/api/{path}", json=body | {"model": "tiny"})
    accepted = client.post(f"/api/{path}", json=body | {"model": gifted})

    assert error_of(refused) == (400, text)
    assert accepted.status_code == 200
    assert len(engine.requests) == 1


@pytest.mark.parametrize("name", ["qwen3", "deepseek-r1:7b"])
def test_families_that_learnt_to_think_later_are_to_be_pulled_again(client, engine, name):
    engine.library.copy(CHAT, name)

    status, text = error_of(client.post("/api/chat", json={"model": name, "think": True} | SAYS_HI))

    assert status == 400
    assert text.startswith(f'"{name}" does not support thinking')
    assert "ull the model again" in text


@pytest.mark.parametrize(
    "given",
    [{"grammar": 'root ::= "a"'}, {"format": {"type": "gbnf", "grammar": 'root ::= "a"'}}],
)
def test_a_grammar_comes_in_either_form(client, engine, given):
    client.post("/api/generate", json={"model": CHAT, "prompt": "x"} | given)

    assert (engine.requests[0].grammar, engine.requests[0].format) == ('root ::= "a"', None)


def test_a_schema_that_no_grammar_can_express_is_the_clients_fault(client, engine):
    engine.script = (FormatError("invalid format: no grammar for 'x'"),)

    reply = client.post("/api/chat", json={"model": CHAT, "format": {"type": "x"}} | SAYS_HI)

    assert error_of(reply) == (400, "invalid format: no grammar for 'x'")


THOUGHT = (
    Piece(thinking="h"),
    Piece(thinking="m"),
    Piece("He", thinking="!"),
    Piece("llo"),
    Piece(tool_calls=(ToolCall("f", {"b": 1, "a": 2}), ToolCall("g", {}, id="own", index=1))),
    FINAL,
)


def test_a_line_holds_one_kind_of_thing(client, engine, gifted):
    engine.script = THOUGHT

    *pieces, last = [line["message"] for line in lines_of(ask(client))]

    assert all(one["role"] == "assistant" and "content" in one for one in pieces)
    assert "".join(one.get("thinking", "") for one in pieces) == "hm!"
    assert "".join(one["content"] for one in pieces) == "Hello"
    assert all(len([1 for value in one.values() if value]) == 2 for one in pieces)
    assert last == {"role": "assistant", "content": ""}
    (calls,) = [one["tool_calls"] for one in pieces if "tool_calls" in one]
    first, second = calls
    assert NATIVE_CALL.fullmatch(first.pop("id"))
    assert json.dumps(first["function"]) == json.dumps(
        {"index": 0, "name": "f", "arguments": {"b": 1, "a": 2}}
    )
    assert second == {"id": "own", "function": {"index": 1, "name": "g", "arguments": {}}}


def test_without_stream_all_of_it_is_in_one_object(client, engine, gifted):
    engine.script = THOUGHT

    reply = ask(client, stream=False).json()

    message = reply["message"]
    assert (message["thinking"], message["content"]) == ("hm!", "Hello")
    assert [call["function"]["name"] for call in message["tool_calls"]] == ["f", "g"]
    assert (reply["done_reason"], reply["prompt_eval_cached_count"]) == ("stop", 4)


def test_generate_thinks_too(client, engine, gifted):
    engine.script = THOUGHT[:4] + (FINAL,)

    streamed = lines_of(client.post("/api/generate", json={"model": gifted, "prompt": "x"}))
    whole = client.post("/api/generate", json={"model": gifted, "prompt": "x", "stream": False})

    assert "".join(line.get("thinking", "") for line in streamed) == "hm!"
    assert "".join(line["response"] for line in streamed) == "Hello"
    assert (whole.json()["thinking"], whole.json()["response"]) == ("hm!", "Hello")


A = TokenLogprob("a", -0.5, b"a", (TokenLogprob("a", -0.5, b"a"), TokenLogprob("b", -2.0, b"b")))
HALF = TokenLogprob("\ufffd", float("-inf"), b"\xe4\xbd")


def test_every_token_has_its_logprob_on_some_line(client, engine, gifted):
    engine.script = (Piece("a", logprobs=(A,)), Piece(logprobs=(HALF,)), FINAL)

    lines = lines_of(ask(client, logprobs=True, top_logprobs=2))
    whole = ask(client, logprobs=True, top_logprobs=2, stream=False).json()

    written = [one for line in lines for one in line.get("logprobs", [])]
    top = [
        {"token": "a", "logprob": -0.5, "bytes": [97]},
        {"token": "b", "logprob": -2.0, "bytes": [98]},
    ]
    assert written == [
        {"token": "a", "logprob": -0.5, "bytes": [97], "top_logprobs": top},
        {"token": "\ufffd", "logprob": -9999.0, "bytes": [0xE4, 0xBD]},
    ]
    assert whole["logprobs"] == written


def test_pictures_alone_are_work_to_do(client, engine, gifted):
    reply = client.post("/api/generate", json={"model": gifted, "images": [text_of(PNG)]})

    assert lines_of(reply)[-1]["done_reason"] == "stop"


@pytest.mark.parametrize("path", ["/api/chat", "/api/generate"])
def test_a_prompt_may_be_shown_instead_of_answered(client, engine, gifted, path):
    messages = [{"role": "user", "content": "hi", "images": [text_of(PNG)]}]
    body = {"model": gifted, "prompt": "hi", "images": [text_of(PNG)], "messages": messages}

    reply = client.post(path, json=body | {"_debug_render_only": True}).json()

    shown = "user:hi" if path == "/api/chat" else "[hi]"
    assert reply["_debug_info"] == {"rendered_template": shown, "image_count": 1}
    assert (reply["model"], reply["done"]) == (gifted, False)
    assert "response" in reply or "message" in reply


def test_the_answer_to_a_load_ends_without_a_line_end(client):
    for body in ({"model": CHAT}, {"model": CHAT, "keep_alive": 0}):
        for path in ("/api/generate", "/api/chat"):
            assert client.post(path, json=body).text.endswith("}")


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("POST", "/api/me", 401),
        ("POST", "/api/signout", 401),
        ("DELETE", "/api/user/keys/abc/d+e=", 401),
        ("POST", "/api/experimental/web_search", 403),
        ("POST", "/api/experimental/web_fetch", 403),
        ("GET", "/api/experimental/model-recommendations", 403),
    ],
)
def test_the_cloud_is_refused_in_words(client, method, path, status):
    reply = client.request(method, path)

    assert reply.status_code == status
    assert re.search("no cloud", reply.json()["error"])


def test_the_cloud_is_said_to_be_off(client):
    assert client.get("/api/status").json() == {"cloud": {"disabled": True, "source": "config"}}


@pytest.mark.parametrize("path", ["/api/version", "/api/tags"])
def test_heads_are_answered_without_a_body(client, path):
    reply = client.head(path)

    assert (reply.status_code, reply.content) == (200, b"")


def test_deep_nesting_is_refused_before_anything_walks_through_it(client, engine):
    deep = "[" * 600 + "]" * 600
    raw = f'{{"model":"{CHAT}","prompt":"x","format":{{"enum":{deep}}}}}'

    reply = client.post("/api/generate", content=raw)

    assert error_of(reply) == (400, "invalid JSON: nested too deeply: at most 200 levels are read")
    assert engine.requests == []
