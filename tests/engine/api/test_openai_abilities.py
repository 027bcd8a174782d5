"""What the /v1 routes write of tools, reasoning, logprobs and several answers."""

import base64
import json
import threading

import pytest

from engine.errors import RuntimeFailedError
from engine.types import Final, Message, Piece, TokenLogprob, ToolCall, ToolChoice
from tests.engine.api.fakes_engine import CHAT, FINAL, GIFTED, events_of

SAYS_HI = {"messages": [{"role": "user", "content": "hi"}]}
PNG = b"\x89PNG\r\n"
TOOL = {"type": "function", "function": {"name": "f"}}
NAMED = {"type": "function", "function": {"name": "f"}}
CALLS = (ToolCall("f", {"b": "é", "a": 2}, id="c1"), ToolCall("g", {}, id="c2", index=1))
WRITTEN = [
    {
        "id": "c1",
        "index": 0,
        "type": "function",
        "function": {"name": "f", "arguments": '{"b":"é","a":2}'},
    },
    {"id": "c2", "index": 1, "type": "function", "function": {"name": "g", "arguments": "{}"}},
]
A = TokenLogprob("a", -0.5, b"a", (TokenLogprob("a", -0.5, b"a"), TokenLogprob("b", -2.0, b"b")))
BC = TokenLogprob("bc", -1.0, b"bc")


def ask(client, **more):
    return client.post("/v1/chat/completions", json={"model": GIFTED} | SAYS_HI | more)


def complete(client, **more):
    return client.post("/v1/completions", json={"model": CHAT, "prompt": "x"} | more)


def chunks_of(reply):
    *frames, done = events_of(reply)
    assert done == "[DONE]"
    return [json.loads(frame) for frame in frames]


def text_error(reply):
    return reply.status_code, reply.json()["error"]["message"]


def numbered(request):
    """Answer with the seed, so that several runs can be told apart."""
    seed = (request.options or {}).get("seed", "-")
    yield Piece(f"s{seed}")
    yield Piece("!")
    yield Final("stop", n_prompt=7, n_reused=4, n_generated=2)


@pytest.mark.parametrize(
    ("given", "choice"),
    [
        (None, ToolChoice()),
        ("none", ToolChoice("none")),
        ("required", ToolChoice("required")),
        (NAMED, ToolChoice("named", "f")),
    ],
)
def test_the_choice_of_tools_reaches_the_engine(client, engine, gifted, given, choice):
    ask(client, tools=[TOOL], tool_choice=given)

    assert (engine.requests[0].tools, engine.requests[0].tool_choice) == ((TOOL,), choice)


def test_tool_calls_come_whole_with_their_arguments_as_text(client, engine, gifted):
    engine.script = (Piece(thinking="hm"), Piece("so"), Piece(tool_calls=CALLS), FINAL)

    whole = ask(client, tools=[TOOL]).json()["choices"][0]
    chunks = chunks_of(ask(client, tools=[TOOL], stream=True))

    assert whole["finish_reason"] == "tool_calls"
    assert whole["message"] == {
        "role": "assistant",
        "content": "so",
        "reasoning": "hm",
        "tool_calls": WRITTEN,
    }
    deltas = [one["choices"][0]["delta"] for one in chunks]
    assert deltas == [
        {"role": "assistant", "content": "", "reasoning": "hm"},
        {"content": "so"},
        {"tool_calls": [WRITTEN[0]]},
        {"tool_calls": [WRITTEN[1]]},
        {},
    ]
    assert [one["choices"][0]["finish_reason"] for one in chunks] == [None] * 4 + ["tool_calls"]


def test_a_call_that_was_cut_off_is_told_by_its_length(client, engine, gifted):
    engine.script = (Piece(tool_calls=CALLS[:1]), Final("length"))

    assert ask(client).json()["choices"][0]["finish_reason"] == "length"


def test_at_most_one_call_where_calls_are_not_parallel(client, engine, gifted):
    engine.script = (Piece(tool_calls=CALLS), Piece(tool_calls=CALLS), FINAL)

    whole = ask(client, parallel_tool_calls=False).json()["choices"][0]
    chunks = chunks_of(ask(client, parallel_tool_calls=False, stream=True))

    assert whole["message"]["tool_calls"] == WRITTEN[:1]
    calls = [call for one in chunks for call in one["choices"][0]["delta"].get("tool_calls", [])]
    assert calls == WRITTEN[:1]


def test_earlier_turns_are_translated(client, engine, gifted):
    picture = "data:image/png;base64," + base64.b64encode(PNG).decode()
    call = {"id": "c1", "function": {"name": "f", "arguments": '{"b":1,"a":[2]}'}}
    bare = {"id": "c2", "function": {"name": "g", "arguments": ""}}
    messages = [
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "a"},
                {"type": "image_url", "image_url": {"url": picture}},
                {"type": "text", "text": "b"},
            ],
        },
        {"role": "assistant", "content": None, "reasoning": "hm", "tool_calls": [call, bare]},
        {"role": "tool", "tool_call_id": "c2", "content": "1"},
        {"role": "tool", "tool_call_id": "lost", "name": "h", "content": "2"},
    ]

    ask(client, messages=messages)

    calls = (
        ToolCall("f", {"b": 1, "a": [2]}, id="c1"),
        ToolCall("g", {}, id="c2", index=1),
    )
    assert engine.requests[0].messages == (
        Message("user", "a\n\nb", images=(PNG,)),
        Message("assistant", "", thinking="hm", tool_calls=calls),
        Message("tool", "1", tool_name="g", tool_call_id="c2"),
        Message("tool", "2", tool_name="h", tool_call_id="lost"),
    )


@pytest.mark.parametrize("arguments", ["{", "[]", "5", '"a"', "null"])
def test_arguments_that_are_no_object_are_refused(client, gifted, arguments):
    call = {"function": {"name": "f", "arguments": arguments}}

    reply = ask(client, messages=[{"role": "assistant", "tool_calls": [call]}])

    assert text_error(reply) == (400, "invalid tool call arguments")


@pytest.mark.parametrize("effort", ["none", "minimal", "low", "medium", "high", "max", "xhigh"])
def test_efforts_become_levels(client, engine, gifted, effort):
    ask(client, reasoning_effort=effort)

    expected = {"none": False, "minimal": "low", "xhigh": "max"}.get(effort, effort)
    assert engine.requests[0].think == expected


def test_fields_that_openai_has_no_word_for_are_taken(client, engine, gifted):
    own = {"num_ctx": 64, "temperature": 0.1, "top_k": 9, "min_p": None}
    ask(
        client,
        options=own,
        top_k=5,
        min_p=0.2,
        repeat_penalty=1.1,
        keep_alive="10m",
        logit_bias={"7": -100},
        grammar='root ::= "a"',
    )
    ask(client, options=own, temperature=0.9, keep_alive=0)
    ask(client, response_format={"type": "gbnf", "grammar": "root ::= x"})

    full, short, formatted = engine.requests
    assert full.options == {
        "temperature": 0.1,
        "top_p": 1.0,
        "num_ctx": 64,
        "top_k": 5,
        "min_p": 0.2,
        "repeat_penalty": 1.1,
        "logit_bias": {"7": -100},
    }
    assert (full.keep_alive_s, full.grammar) == (600.0, 'root ::= "a"')
    assert (short.options["temperature"], short.options["top_k"]) == (0.9, 9)
    assert short.keep_alive_s == 0
    assert formatted.grammar == "root ::= x"


def test_logprobs_stand_beside_their_text(client, engine, gifted):
    engine.script = (Piece("a", logprobs=(A,)), Piece("bc", logprobs=(BC,)), FINAL)

    whole = ask(client, logprobs=True, top_logprobs=2).json()["choices"][0]
    chunks = chunks_of(ask(client, logprobs=True, top_logprobs=2, stream=True))

    content = whole["logprobs"]["content"]
    top = [
        {"token": "a", "logprob": -0.5, "bytes": [97]},
        {"token": "b", "logprob": -2.0, "bytes": [98]},
    ]
    assert content == [
        {"token": "a", "logprob": -0.5, "bytes": [97], "top_logprobs": top},
        {"token": "bc", "logprob": -1.0, "bytes": [98, 99], "top_logprobs": []},
    ]
    streamed = [
        one
        for chunk in chunks
        for one in chunk["choices"][0].get("logprobs", {}).get("content", [])
    ]
    assert streamed == content


def test_several_answers_are_numbered_and_counted_together(client, engine, gifted):
    engine.answer = numbered

    whole = ask(client, n=3, seed=5).json()
    chunks = chunks_of(ask(client, n=3, stream=True, stream_options={"include_usage": True}))

    texts = [(one["index"], one["message"]["content"]) for one in whole["choices"]]
    assert texts == [(0, "s5!"), (1, "s6!"), (2, "s7!")]
    usage = {
        "prompt_tokens": 7,
        "completion_tokens": 6,
        "total_tokens": 13,
        "prompt_tokens_details": {"cached_tokens": 4},
    }
    assert whole["usage"] == usage
    *said, counted = chunks
    assert (counted["choices"], counted["usage"]) == ([], usage)
    for index, seed in enumerate((42, 43, 44)):  # the model's own seed counts up
        own = [one["choices"][0] for one in said if one["choices"][0]["index"] == index]
        assert own[0]["delta"]["role"] == "assistant"
        assert [one["finish_reason"] for one in own][-1] == "stop"
        assert "".join(one["delta"].get("content", "") for one in own) == f"s{seed}!"


def test_several_answers_are_computed_at_once(client, engine, gifted):
    meeting = threading.Barrier(3, timeout=10)

    def together(request):
        yield Piece("a")
        meeting.wait()
        yield FINAL

    engine.answer = together

    assert len(ask(client, n=3).json()["choices"]) == 3
    assert engine.n_most_open == 3


def test_one_answer_that_fails_ends_all(client, engine, gifted):
    others_may_go = threading.Event()

    def one_fails(request):
        yield Piece("a")
        if request.options["seed"] == 43:
            others_may_go.set()
            raise RuntimeFailedError("out of luck")
        others_may_go.wait(10)
        while True:
            yield Piece("b")

    engine.answer = one_fails

    *_, last = events_of(ask(client, n=2, stream=True))
    whole = ask(client, n=2)

    assert json.loads(last)["error"]["message"] == "out of luck"
    assert text_error(whole) == (500, "out of luck")


@pytest.mark.parametrize("n", [0, -1, 17])
def test_a_number_of_answers_out_of_bounds_is_refused(client, gifted, n):
    expected = (400, f"n must be between 1 and 16, got {n}")

    assert text_error(ask(client, n=n)) == expected
    assert text_error(complete(client, n=n)) == expected


def test_several_prompts_are_answered_in_order(client, engine):
    engine.answer = lambda request: iter([Piece(request.prompt.upper()), FINAL])

    whole = complete(client, prompt=["a", "b"], n=2, echo=True).json()
    body = {"prompt": ["a", "b"], "n": 2, "stream": True, "stream_options": {"include_usage": True}}
    *said, counted = chunks_of(complete(client, **body))

    texts = [(one["index"], one["text"]) for one in whole["choices"]]
    assert texts == [(0, "aA"), (1, "aA"), (2, "bB"), (3, "bB")]
    assert whole["usage"]["prompt_tokens"] == counted["usage"]["prompt_tokens"] == 14
    assert whole["usage"]["completion_tokens"] == 8
    streamed = dict.fromkeys(range(4), "")
    for chunk in said:
        streamed[chunk["choices"][0]["index"]] += chunk["choices"][0]["text"]
    assert streamed == {0: "A", 1: "A", 2: "B", 3: "B"}


def test_prompts_may_be_tokens_of_the_model(client, engine):
    complete(client, prompt=[104, 105])
    complete(client, prompt=[[104], [105]])

    assert sorted(one.prompt for one in engine.requests[1:]) == ["h", "i"]
    assert engine.requests[0].prompt == "hi"


def test_too_many_answers_are_refused(client, engine):
    status, text = text_error(complete(client, prompt=["a"] * 65, n=2))

    assert (status, engine.requests) == (400, [])
    assert "at most 128" in text


def test_completions_have_the_older_logprobs(client, engine):
    engine.script = (Piece("a", logprobs=(A,)), Piece("bc", logprobs=(BC,)), FINAL)

    whole = complete(client, prompt="xyz", logprobs=2, echo=True).json()["choices"][0]
    chunks = chunks_of(complete(client, logprobs=2, stream=True))

    assert engine.requests[0].n_top_logprobs == 2
    assert whole["text"] == "xyzabc"
    assert whole["logprobs"] == {
        "tokens": ["a", "bc"],
        "token_logprobs": [-0.5, -1.0],
        "top_logprobs": [{"a": -0.5, "b": -2.0}, None],
        "text_offset": [3, 4],
    }
    offsets = [
        offset
        for one in chunks
        for offset in one["choices"][0].get("logprobs", {}).get("text_offset", [])
    ]
    assert offsets == [0, 1]


def test_completions_take_a_suffix(client, engine, gifted):
    client.post("/v1/completions", json={"model": gifted, "prompt": "a", "suffix": "b"})

    assert engine.requests[0].suffix == "b"
    status, text = text_error(complete(client, suffix="b"))
    assert (status, text) == (400, "registry.ollama.ai/library/tiny:latest does not support insert")
