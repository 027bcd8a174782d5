"""Ollama's contract on a real server: POST /api/chat (its section 4) and what calls tools (12)."""

import json
import re

import httpx
import pytest

from tests.live.clients import ASKS, CHAT, EMBED, HELLO, TOOLS, WEATHER
from tests.live.contract import (
    GREEDY,
    LONG_ENOUGH,
    PINK,
    TALKER,
    THINKER,
    lines_of,
    make_all,
    prompt_of,
    refusal,
)

FULL = f"registry.ollama.ai/library/{CHAT}"
TOO_LONG = (
    "the prompt is longer than the context length currently available to the model; shorten the "
    "prompt, adjust the context length in settings, or use a model with a longer context length"
)
WITH_TOOLS = {"model": TOOLS, "messages": ASKS, "tools": [WEATHER]}
CALLING = {"temperature": 0, "num_predict": 40}


@pytest.fixture(scope="module")
def api(client_server):
    with httpx.Client(base_url=client_server, timeout=60) as client:
        make_all(client)
        yield client


def ask(api, **body):
    return api.post("/api/chat", json={"model": CHAT, "stream": False, "messages": HELLO} | body)


def test_a_line_holds_a_piece_and_the_last_one_the_counters(api):
    *pieces, last = lines_of(ask(api, stream=True, options=GREEDY))

    for one in pieces:
        assert list(one) == ["model", "created_at", "message", "done"]
        assert list(one["message"]) == ["role", "content"]
        assert (one["message"]["role"], one["done"]) == ("assistant", False)
    assert last["message"] == {"role": "assistant", "content": ""}
    assert (last["done"], last["done_reason"], last["eval_count"]) == (True, "length", 4)
    assert "context" not in last


def test_one_object_holds_what_the_lines_hold(api):
    lines = lines_of(ask(api, stream=True, options=GREEDY))
    whole = ask(api, options=GREEDY).json()

    assert whole["message"]["content"] == "".join(line["message"]["content"] for line in lines)
    assert whole["done_reason"] == lines[-1]["done_reason"]


@pytest.mark.parametrize("messages", [[], None])
def test_no_messages_load_or_unload(api, messages):
    loaded = ask(api, messages=messages, stream=True).json()
    unloaded = ask(api, messages=messages, keep_alive=0, stream=True).json()

    for one, reason in ((loaded, "load"), (unloaded, "unload")):
        assert one["message"] == {"role": "assistant", "content": ""}
        assert (one["done"], one["done_reason"]) == (True, reason)


def test_unloading_asks_for_no_ability(api):
    reply = ask(api, model=EMBED, messages=[], keep_alive=0).json()

    assert reply["done_reason"] == "unload"
    assert refusal(ask(api, model=EMBED)) == (400, f'"{EMBED}" does not support chat')
    assert refusal(ask(api, tools=[WEATHER])) == (400, f"{FULL} does not support tools")


def shown(api, *turns, **body):
    messages = [{"role": role, "content": text} for role, text in turns]
    return prompt_of(api, "/api/chat", messages=messages, **body)


def test_the_models_own_texts_come_first(api):
    prompt = shown(api, ("user", "hi"), model=TALKER)
    late = shown(api, ("user", "hi"), ("system", "Sing."), ("user", "so?"), model=TALKER)
    own = shown(api, ("SYSTEM", "Sing."), ("user", "hi"), model=TALKER)

    order = [prompt.index(text) for text in ("Be brief.", "ping", "pong", "hi<|im_end|>")]
    assert order == sorted(order)
    assert "Be brief." in late
    assert "Be brief." not in own
    assert "<|im_start|>system\nSing." in own
    assert own.index("Sing.") < own.index("ping") < own.index("hi<|im_end|>")


def test_a_template_decides_about_roles_that_nobody_knows(api):
    assert "<|im_start|>critic\nhm" in shown(api, ("Critic", "hm"), model=TOOLS)


def test_pictures_need_a_model_that_sees(api):
    messages = [{"role": "user", "content": "What?", "images": ["iVBORw0K"]}]

    assert refusal(ask(api, messages=messages)) == (400, f"{FULL} does not support vision")


def test_data_that_is_no_base64_is_an_error(api):
    status, text = refusal(ask(api, messages=[{"role": "user", "images": ["§§"]}]))

    assert status == 400
    assert "images[0]" in text


# Conversations that are too long.


def test_old_turns_leave_but_system_and_last_message_stay(api):
    turns = [("system", "Be kind."), ("user", "old " * 60), ("assistant", "ok " * 60)]

    prompt = shown(api, *turns, ("user", "new"), options={"num_ctx": 64})
    reply = ask(
        api,
        messages=[{"role": role, "content": text} for role, text in [*turns, ("user", "new")]],
        options=GREEDY | {"num_ctx": 64},
    ).json()

    assert "old" not in prompt
    assert "Be kind." in prompt
    assert "new" in prompt
    assert reply["prompt_eval_count"] < 64


@pytest.mark.parametrize("shift", [True, False])
def test_a_last_message_that_does_not_fit_is_refused(api, shift):
    messages = [{"role": "user", "content": "word " * 200}]

    for stream in (True, False):
        options = {"num_ctx": 64}
        reply = ask(api, messages=messages, shift=shift, stream=stream, options=options)
        status, text = refusal(reply)
        assert status == 400
        assert text.startswith(TOO_LONG)


def test_nothing_is_dropped_from_a_conversation_that_must_stay_whole(api):
    messages = [*HELLO, {"role": "assistant", "content": "ok " * 200}, *HELLO]
    options = GREEDY | {"num_ctx": 64}

    status, text = refusal(ask(api, messages=messages, truncate=False, options=options))

    assert status == 400
    assert text.startswith(TOO_LONG)
    assert ask(api, messages=messages, options=options).status_code == 200


def test_a_full_context_slides_unless_it_must_not(api):
    options = {"temperature": 0, "num_ctx": 40, "num_predict": 20, "ignore_eos": True}

    sliding = ask(api, options=options).json()
    fixed = ask(api, options=options, shift=False).json()

    assert (sliding["eval_count"], sliding["done_reason"]) == (20, "length")
    assert fixed["eval_count"] < 20
    assert fixed["done_reason"] == "length"


# Thinking.


def test_thoughts_stand_apart_from_the_answer(api):
    asked = {"model": THINKER, "messages": PINK, "options": LONG_ENOUGH}

    whole = ask(api, **asked).json()["message"]
    *pieces, _ = [line["message"] for line in lines_of(ask(api, **asked, stream=True))]
    silent = ask(api, **asked, think=False).json()["message"]

    assert whole == {"role": "assistant", "content": "pink", "thinking": "I shall say pink."}
    assert "".join(one.get("thinking", "") for one in pieces) == whole["thinking"]
    assert "".join(one["content"] for one in pieces) == "pink"
    assert not any("<" in one.get("thinking", "") + one["content"] for one in pieces)
    assert "thinking" not in silent


def test_earlier_thoughts_reach_the_template(api):
    turns = [*PINK, {"role": "assistant", "content": "pink", "thinking": "Easy."}, *PINK]

    prompt = prompt_of(api, "/api/chat", model=THINKER, messages=turns)

    assert "<idea>Easy.</idea>pink" in prompt


# Tools.


def test_a_call_comes_whole_with_its_arguments_as_an_object(api):
    reply = ask(api, **WITH_TOOLS, options=CALLING).json()

    (call,) = reply["message"]["tool_calls"]
    assert re.fullmatch(r"call_[a-z0-9]{8}", call["id"])
    expected = {"index": 0, "name": "get_weather", "arguments": {"city": "Oslo"}}
    assert call["function"] == expected
    assert (reply["message"]["content"], reply["done_reason"]) == ("", "stop")


def test_a_streamed_call_is_never_cut(api):
    lines = lines_of(ask(api, **WITH_TOOLS, stream=True, options=CALLING))

    calls = [call for line in lines for call in line["message"].get("tool_calls", [])]
    assert [call["function"]["arguments"] for call in calls] == [{"city": "Oslo"}]
    assert all(line["message"]["content"] == "" for line in lines)
    assert lines[-1]["done_reason"] == "stop"


def test_the_prompt_shows_tools_calls_and_results(api):
    call = {"function": {"name": "get_weather", "arguments": {"z": 1, "a": "b"}}}
    messages = [
        *ASKS,
        {"role": "assistant", "tool_calls": [call]},
        {"role": "tool", "content": "Rain", "tool_name": "get_weather"},
    ]

    prompt = prompt_of(api, "/api/chat", **WITH_TOOLS | {"messages": messages})

    listed = json.loads(prompt.split("Functions: ")[1].split("<|im_end|>")[0])
    assert listed[0]["function"]["parameters"] == WEATHER["function"]["parameters"]
    assert '<tool_call>{"name": "get_weather", "arguments": {' in prompt
    assert "<|im_start|>tool\nRain" in prompt


def test_without_tools_the_words_of_a_call_are_only_words(api):
    reply = ask(api, model=TOOLS, messages=ASKS, options=CALLING).json()["message"]

    assert "tool_calls" not in reply
    assert "get_weather" in reply["content"]


def test_the_choice_of_tools_is_kept(api):
    """Quire's own: Ollama ignores `tool_choice`."""
    none = ask(api, **WITH_TOOLS, tool_choice="none", options=CALLING).json()["message"]
    named = {"type": "function", "function": {"name": "get_weather"}}
    asked = WITH_TOOLS | {"messages": HELLO}
    forced = ask(api, **asked, tool_choice=named, options=CALLING).json()["message"]

    assert "tool_calls" not in none
    assert [call["function"]["name"] for call in forced["tool_calls"]] == ["get_weather"]
