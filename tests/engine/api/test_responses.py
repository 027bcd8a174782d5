"""The route /v1/responses, as OpenAI's newer clients read it."""

import json

import pytest

from engine.errors import BusyError, RuntimeFailedError
from engine.types import Final, Message, Piece, ToolCall, ToolChoice
from tests.engine.api.fakes_engine import CHAT, EMBED, FINAL, install, write_gguf

ABLE = "able:latest"
TOOL = {
    "type": "function",
    "name": "weather",
    "description": "Tell the weather",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
}
CALL = ToolCall("weather", {"city": "Oslo"}, "call_1")


@pytest.fixture
def able(engine, tmp_path):
    """A model that thinks and calls tools."""
    template = "{{ messages }}{{ tools }}<think></think>"
    install(engine.library, ABLE, write_gguf(tmp_path / "a.gguf", "llama", chat_template=template))
    return ABLE


def ask(client, **more):
    return client.post("/v1/responses", json={"model": CHAT, "input": "hi"} | more)


def frames_of(reply):
    frames = []
    for frame in reply.text.split("\n\n"):
        if frame:
            name, data = frame.split("\n")
            body = json.loads(data.removeprefix("data: "))
            assert name == f"event: {body['type']}"
            frames.append(body)
    assert [one["sequence_number"] for one in frames] == list(range(len(frames)))
    return frames


def test_a_response_is_whole_by_default(client):
    reply = ask(client, instructions="Be kind.", metadata={"a": "b"}).json()

    assert reply["id"].startswith("resp_")
    assert (reply["object"], reply["status"], reply["model"]) == ("response", "completed", CHAT)
    (item,) = reply["output"]
    assert (item["type"], item["role"], item["status"]) == ("message", "assistant", "completed")
    assert item["id"].startswith("msg_")
    part = {"type": "output_text", "text": "Hello", "annotations": [], "logprobs": []}
    assert item["content"] == [part]
    assert reply["usage"] == {
        "input_tokens": 7,
        "input_tokens_details": {"cached_tokens": 4},
        "output_tokens": 2,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": 9,
    }
    assert reply["created_at"] <= reply["completed_at"]
    assert (reply["instructions"], reply["metadata"]) == ("Be kind.", {"a": "b"})


def test_a_stream_tells_every_item_from_its_beginning_to_its_end(client, engine, able):
    engine.script = (
        Piece(thinking="hm"),
        Piece(text="Let "),
        Piece(text="me see."),
        Piece(tool_calls=(CALL,)),
        FINAL,
    )

    frames = frames_of(ask(client, model=able, tools=[TOOL], stream=True))

    kinds = [one["type"].removeprefix("response.") for one in frames]
    merged = [kind for at, kind in enumerate(kinds) if at == 0 or kinds[at - 1] != kind]
    assert merged == [
        "created",
        "in_progress",
        "output_item.added",
        "reasoning_summary_text.delta",
        "reasoning_summary_text.done",
        "output_item.done",
        "output_item.added",
        "content_part.added",
        "output_text.delta",
        "output_text.done",
        "content_part.done",
        "output_item.done",
        "output_item.added",
        "function_call_arguments.delta",
        "function_call_arguments.done",
        "output_item.done",
        "completed",
    ]
    added = [one for one in frames if one["type"].endswith("output_item.added")]
    assert [one["output_index"] for one in added] == [0, 1, 2]
    text = "".join(one["delta"] for one in frames if one["type"].endswith("output_text.delta"))
    assert text == "Let me see."
    thought, message, call = frames[-1]["response"]["output"]
    assert thought["summary"] == [{"type": "summary_text", "text": "hm"}]
    assert thought["encrypted_content"] == "hm"
    assert message["content"][0]["text"] == "Let me see."
    assert (call["type"], call["call_id"], call["name"]) == ("function_call", "call_1", "weather")
    assert json.loads(call["arguments"]) == {"city": "Oslo"}
    assert [one["item"]["id"] for one in added] == [thought["id"], message["id"], call["id"]]


def test_an_answer_cut_by_its_limit_says_so(client, engine):
    engine.script = (Piece("x"), Final("length"))

    reply = ask(client, max_output_tokens=1).json()

    assert reply["status"] == "incomplete"
    assert reply["incomplete_details"] == {"reason": "max_output_tokens"}
    assert engine.requests[-1].options["num_predict"] == 1


def test_calls_after_the_first_are_dropped_where_only_one_is_wanted(client, engine, able):
    engine.script = (Piece(tool_calls=(CALL, CALL)), FINAL)

    both = ask(client, model=able, tools=[TOOL]).json()["output"]
    one = ask(client, model=able, tools=[TOOL], parallel_tool_calls=False).json()["output"]

    assert [len(both), len(one)] == [2, 1]


def test_a_request_reaches_the_engine_in_its_own_terms(client, engine, able):
    schema = {"type": "object", "properties": {"a": {"type": "integer"}}}
    ask(
        client,
        model=able,
        instructions="Be kind.",
        temperature=0.25,
        tools=[TOOL, {"type": "web_search"}],
        tool_choice={"type": "function", "name": "weather"},
        reasoning={"effort": "xhigh"},
        text={"format": {"type": "json_schema", "name": "x", "schema": schema}},
        truncation="disabled",
        store=True,
    )

    asked = engine.requests[-1]
    assert asked.messages == (Message("system", "Be kind."), Message("user", "hi"))
    assert asked.options == {"temperature": 0.25, "top_p": 1.0}
    names = ("name", "description", "parameters")
    function = {name: TOOL[name] for name in names}
    assert asked.tools == ({"type": "function", "function": function},)
    assert asked.tool_choice == ToolChoice("named", "weather")
    assert (asked.think, asked.format, asked.is_truncating) == ("max", schema, False)


def test_items_become_turns(client, engine, able):
    ask(
        client,
        model=able,
        input=[
            {"role": "developer", "content": "Rules."},
            {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Q"}]},
            {"type": "reasoning", "id": "rs_1", "summary": [{"text": "Ask."}]},
            {
                "type": "function_call",
                "call_id": "c1",
                "name": "weather",
                "arguments": '{"city": "Oslo"}',
            },
            {"type": "function_call_output", "call_id": "c1", "output": "Rain"},
            {"type": "web_search_call", "id": "ws"},
        ],
    )

    system, user, assistant, tool = engine.requests[-1].messages
    assert (system, user) == (Message("system", "Rules."), Message("user", "Q"))
    assert assistant.thinking == "Ask."
    assert assistant.tool_calls == (ToolCall("weather", {"city": "Oslo"}, "c1", 0),)
    assert tool == Message("tool", "Rain", tool_name="weather", tool_call_id="c1")


@pytest.mark.parametrize(
    ("body", "status", "expected"),
    [
        ({"model": ""}, 400, "model is required"),
        ({"model": "gone"}, 404, "model 'gone' not found"),
        ({"model": EMBED}, 400, f'"{EMBED}" does not support chat'),
        ({"input": None}, 400, "input is required"),
        ({"input": []}, 400, "input is required"),
        ({"input": ["x"]}, 400, "input[0]: must be an object"),
        ({"input": [{"type": "computer_call"}]}, 400, "an item of type 'computer_call'"),
        ({"input": [{"role": "user", "content": [{"type": "x"}]}]}, 400, "input[0].content[0]"),
        (
            {"input": [{"type": "function_call", "name": "f", "call_id": "c", "arguments": "{"}]},
            400,
            "invalid tool call arguments",
        ),
        ({"previous_response_id": "resp_1"}, 400, "send the whole conversation"),
        ({"tools": [TOOL]}, 400, "does not support tools"),
        ({"reasoning": {"effort": "huge"}}, 400, "invalid reasoning value: 'huge'"),
    ],
)
def test_what_is_wrong_is_said(client, body, status, expected):
    reply = ask(client, **body)

    assert reply.status_code == status
    assert expected in reply.json()["error"]["message"]


def test_errors_of_the_engine_keep_the_shape(client, engine):
    engine.script = (BusyError(),)
    assert ask(client).status_code == 503

    engine.script = (Piece("x"), RuntimeFailedError("broke"))
    last = frames_of(ask(client, stream=True))[-1]
    assert last["type"] == "response.failed"
    assert last["response"]["error"]["message"] == "broke"
    assert last["response"]["status"] == "failed"
