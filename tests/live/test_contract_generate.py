"""Ollama's contract on a real server: POST /api/generate (its section 3)."""

import json

import httpx
import pytest

from tests.engine.runtime.tiny_models import write_chat
from tests.live.clients import CHAT, EMBED
from tests.live.contract import (
    FILLER,
    GREEDY,
    LONG_ENOUGH,
    TALKER,
    THINKER,
    lines_of,
    make_all,
    prompt_of,
    refusal,
    upload,
)

FULL = f"registry.ollama.ai/library/{CHAT}"
SAYS_PINK = {"model": THINKER, "prompt": "Say pink.", "options": LONG_ENOUGH}


@pytest.fixture(scope="module")
def api(client_server):
    with httpx.Client(base_url=client_server, timeout=60) as client:
        make_all(client)
        yield client


def ask(api, **body):
    return api.post("/api/generate", json={"model": CHAT, "stream": False} | body)


# The answer.


def test_a_line_holds_a_piece_and_the_last_one_the_counters(api):
    *pieces, last = lines_of(ask(api, prompt="Say hello.", stream=True, options=GREEDY))

    assert pieces
    for one in pieces:
        assert list(one) == ["model", "created_at", "response", "done"]
        assert (one["model"], one["done"]) == (CHAT, False)
    assert set(last) >= {"done_reason", "context", "total_duration", "prompt_eval_count"}
    assert (last["response"], last["done"], last["eval_count"]) == ("", True, 4)


def test_one_object_holds_what_the_lines_hold(api):
    options = {"temperature": 0, "num_predict": 12, "seed": 1}
    asked = {"prompt": "Count to ten.", "logprobs": True, "top_logprobs": 2, "options": options}

    lines = lines_of(ask(api, **asked, stream=True))
    whole = ask(api, **asked).json()

    assert whole["response"] == "".join(line["response"] for line in lines)
    # What was cached is computed a little differently, so no more than the tokens must agree.
    said = [one["token"] for line in lines for one in line.get("logprobs", [])]
    assert [one["token"] for one in whole["logprobs"]] == said
    assert (whole["done_reason"], whole["context"]) == (lines[-1]["done_reason"],
                                                       lines[-1]["context"])  # fmt: skip


def test_the_prompts_count_includes_what_was_cached(api):
    first, second = (ask(api, prompt="Name a colour.", options=GREEDY).json() for _ in range(2))

    assert first["prompt_eval_count"] == second["prompt_eval_count"]
    assert second["prompt_eval_cached_count"] >= first["prompt_eval_count"] - 1


def test_every_token_has_a_logprob_with_its_bytes_and_rivals(api):
    asked = {"prompt": "Say hello.", "logprobs": True, "top_logprobs": 3}
    plain = {"prompt": "Say hello.", "logprobs": True}

    found = ask(api, **asked, options=GREEDY).json()["logprobs"]
    bare = ask(api, **plain, options=GREEDY).json()["logprobs"]

    assert len(found) == len(bare) == GREEDY["num_predict"]
    for one in found:
        assert bytes(one["bytes"]).decode() == one["token"]
        rivals = [rival["logprob"] for rival in one["top_logprobs"]]
        assert len(rivals) == 3
        assert rivals == sorted(rivals, reverse=True)
        assert one["logprob"] <= 0
    assert all("top_logprobs" not in one for one in bare)


@pytest.mark.parametrize("n", [-1, 21])
def test_the_number_of_rivals_has_bounds(api, n):
    reply = ask(api, prompt="x", logprobs=True, top_logprobs=n)

    assert refusal(reply) == (400, "top_logprobs must be between 0 and 20")


# Loading and unloading.


def names_of_running(api):
    return {one["name"] for one in api.get("/api/ps").json()["models"]}


def test_an_empty_prompt_loads_and_keep_alive_zero_unloads(api):
    loaded = ask(api, stream=True)
    assert CHAT in names_of_running(api)
    unloaded = ask(api, keep_alive=0, stream=True)
    again = ask(api, prompt="", keep_alive=0)

    assert [one.json()["done_reason"] for one in (loaded, unloaded, again)] == [
        "load",
        "unload",
        "unload",
    ]
    for one in (loaded, unloaded, again):
        assert one.status_code == 200
        assert one.json().items() >= {"model": CHAT, "response": "", "done": True}.items()
    assert CHAT not in names_of_running(api)


def test_keep_alive_zero_with_a_prompt_answers_and_unloads(api):
    ask(api, keep_alive=0)

    reply = ask(api, prompt="hi", keep_alive="0", options=GREEDY).json()

    assert (reply["eval_count"], reply["done_reason"]) == (4, "length")
    assert CHAT not in names_of_running(api)


# The prompt.


def test_the_models_own_texts_come_before_the_prompt(api):
    plain = prompt_of(api, model=TALKER, prompt="hi")

    order = [plain.index(text) for text in ("Be brief.", "ping", "pong", "hi<|im_end|>")]
    assert order == sorted(order)
    assert "ping" not in prompt_of(api, model=TALKER, prompt="hi", context=[1, 2])
    assert "Be brief." not in prompt_of(api, model=TALKER, prompt="hi", system="Sing.")
    assert prompt_of(api, model=TALKER, prompt="hi", raw=True) == "hi"


def test_a_request_may_bring_its_own_template(api):
    template = "<{{ .System }}|{{ .Prompt }}>"

    assert prompt_of(api, prompt="hi", system="s", template=template) == "<s|hi>"


@pytest.mark.parametrize("template", ["{{ if }}", "{{ .Prompt", "{{ nonsense }}"])
def test_a_template_that_does_not_parse_is_an_error_of_the_server(api, template):
    status, text = refusal(ask(api, prompt="hi", template=template))

    assert status == 500
    assert text.startswith("template error: ")


@pytest.mark.parametrize("field", [{"system": "s"}, {"template": "t"}, {"context": [1]}])
def test_raw_goes_with_nothing_that_writes_prompts(api, field):
    text = "raw mode does not support template, system, or context"

    assert refusal(ask(api, prompt="x", raw=True, **field)) == (400, text)


def test_the_context_of_an_answer_goes_before_the_next_prompt(api):
    first = ask(api, prompt="My name is Ada.", options=GREEDY).json()
    raw = ask(api, prompt="My name is", raw=True, options=GREEDY).json()

    second = ask(api, prompt="Who am I?", context=first["context"], options=GREEDY).json()

    assert len(first["context"]) == first["prompt_eval_count"] + first["eval_count"]
    assert second["context"][: len(first["context"])] == first["context"]
    assert second["prompt_eval_count"] > len(first["context"])
    assert "context" not in raw


def test_a_suffix_makes_a_gap_to_fill(api):
    asked = {"prompt": "def f(", "suffix": "return 1"}

    assert prompt_of(api, model=FILLER, **asked) == "<A>def f(<B>return 1<C>"
    assert ask(api, model=FILLER, **asked, options=GREEDY).json()["response"]
    assert refusal(ask(api, **asked)) == (400, f"{FULL} does not support insert")


# Thinking.


@pytest.mark.parametrize(
    ("think", "shown"),
    [
        (None, "[true true medium]"),  # a model that can think does, unless told otherwise
        (True, "[true true medium]"),
        ("low", "[true true low]"),
        ("max", "[true true max]"),
        (False, "[true false ]"),
    ],
)
def test_a_thinking_models_template_is_told_how_much(api, think, shown):
    prompt = prompt_of(api, model=THINKER, prompt="hi", think=think)

    assert prompt.splitlines()[0] == shown
    assert prompt.endswith("<idea>") is (think is not False)


def test_thoughts_stand_apart_from_the_answer(api):
    whole = ask(api, **SAYS_PINK).json()
    lines = lines_of(ask(api, **SAYS_PINK, stream=True))
    silent = ask(api, **SAYS_PINK, think=False).json()

    assert (whole["thinking"], whole["response"]) == ("I shall say pink.", "pink")
    assert "".join(line.get("thinking", "") for line in lines) == whole["thinking"]
    assert "".join(line["response"] for line in lines) == whole["response"]
    assert not any(line.get("thinking") and line["response"] for line in lines)
    assert "thinking" not in silent


THINK = 'invalid think value: {} (must be "high", "medium", "low", "max", true, or false)'


@pytest.mark.parametrize(
    ("think", "text"),
    [
        (True, f'"{CHAT}" does not support thinking'),
        ("high", f'"{CHAT}" does not support thinking'),
        ("lots", THINK.format('"lots"')),
    ],
)
def test_thinking_is_refused_where_there_is_none(api, think, text):
    assert refusal(ask(api, prompt="x", think=think)) == (400, text)
    assert ask(api, prompt="x", think=False, options=GREEDY).status_code == 200


def test_a_format_binds_the_answer_and_not_the_thought(api):
    schema = {"type": "object", "properties": {"a": {"enum": ["x"]}}, "required": ["a"]}
    asked = SAYS_PINK | {"options": LONG_ENOUGH | {"num_predict": 48}}

    reply = ask(api, **asked, format=schema).json()

    assert reply["thinking"] == "I shall say pink."
    assert json.loads(reply["response"]) == {"a": "x"}


# Limits.


def test_the_format_is_json_or_a_schema_or_an_error(api):
    schema = {"type": "object", "properties": {"a": {"const": 7}}, "required": ["a"]}
    asked = {"prompt": "Say hello.", "options": GREEDY | {"num_predict": 16}}

    assert ask(api, **asked, format="json").json()["response"].lstrip().startswith("{")
    assert json.loads(ask(api, **asked, format=schema).json()["response"]) == {"a": 7}
    assert ask(api, **asked, format="").json()["response"] == ask(api, **asked).json()["response"]
    for odd, shown in (("xml", '"\\"xml\\""'), (5, '"5"')):
        text = f'invalid format: {shown}; expected "json" or a valid JSON Schema object'
        assert refusal(ask(api, prompt="x", format=odd)) == (500, text)


def test_stop_strings_end_the_answer_unseen(api):
    asked = {"prompt": "1, 2, 3,", "raw": True}
    plain = ask(api, **asked, options=GREEDY | {"num_predict": 12}).json()["response"]
    stop = plain[4:7]

    lines = lines_of(
        ask(api, **asked, stream=True, options=GREEDY | {"num_predict": 12, "stop": [stop]})
    )

    text = "".join(line["response"] for line in lines)
    assert text == plain[: plain.index(stop)]
    assert lines[-1]["done_reason"] == "stop"


def test_no_answer_is_longer_than_ten_contexts(api, tmp_path):
    digest = upload(api, write_chat(tmp_path / "tiny.gguf"))
    body = {"model": "babbler", "files": {"tiny.gguf": digest}, "stream": False}
    assert api.post("/api/create", json=body).status_code == 200
    options = {"num_ctx": 24, "ignore_eos": True, "seed": 3, "temperature": 1.5, "top_k": 0}

    answers = [
        ask(api, model="babbler", prompt="a", raw=True, options=options | {"num_predict": n}).json()
        for n in (-1, 10**6)
    ]

    assert [(one["eval_count"], one["done_reason"]) for one in answers] == [(240, "length")] * 2


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ({"model": EMBED, "prompt": "x"}, f'"{EMBED}" does not support generate'),
        ({"prompt": "x", "suffix": "y"}, f"{FULL} does not support insert"),
        ({"prompt": "x", "images": ["iVBORw0K"]}, f"{FULL} does not support vision"),
    ],
)
def test_what_the_model_cannot_do_is_named(api, body, text):
    assert refusal(ask(api, **body)) == (400, text)
