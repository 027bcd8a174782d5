"""What Ollama lacks, on a real server: rerankers, tokens, grammars, adapters, cached prompts."""

import httpx
import pytest

from tests.engine.runtime.tiny_models import write_chat, write_lora, write_reranker
from tests.live.clients import ASKS, CHAT, EMBED, TOOLS, WEATHER
from tests.live.contract import make_from_files, refusal, upload

RANKER, PLAIN, ADAPTED = "ranker:latest", "plain:latest", "adapted:latest"
DOCUMENTS = ["the sky is blue", "cats sleep", "grass is green today"]


@pytest.fixture(scope="module")
def api(client_server, tmp_path_factory):
    folder = tmp_path_factory.mktemp("extensions")
    with httpx.Client(base_url=client_server, timeout=60) as client:
        make_from_files(client, RANKER, write_reranker(folder / "ranker.gguf"))
        make_from_files(client, PLAIN, write_chat(folder / "plain.gguf"))
        yield client


def test_documents_come_back_ordered_by_what_the_reranker_says(api):
    asked = {"model": RANKER, "query": "what is blue?", "documents": DOCUMENTS}

    own = api.post("/api/rerank", json=asked).json()["results"]
    cohere = api.post("/v1/rerank", json=asked | {"top_n": 2, "return_documents": True}).json()

    scores = [one["relevance_score"] for one in own]
    assert scores == sorted(scores, reverse=True)
    assert sorted(one["index"] for one in own) == [0, 1, 2]
    assert all(0 <= score <= 1 for score in scores)
    assert [one["index"] for one in cohere["results"]] == [one["index"] for one in own[:2]]
    assert [one["document"]["text"] for one in cohere["results"]] == [
        DOCUMENTS[one["index"]] for one in own[:2]
    ]
    assert cohere["usage"]["total_tokens"] > 0


def test_a_score_does_not_depend_on_its_neighbours(api):
    asked = {"model": RANKER, "query": "what is blue?"}

    together = api.post("/api/rerank", json=asked | {"documents": DOCUMENTS * 20}).json()["results"]
    alone = api.post("/api/rerank", json=asked | {"documents": DOCUMENTS[:1]}).json()["results"]

    same = [one["relevance_score"] for one in together if one["index"] % 3 == 0]
    assert same == pytest.approx(
        [alone[0]["relevance_score"]] * 20, abs=2e-3
    )  # batch shapes differ in the last digits


@pytest.mark.parametrize("model", [CHAT, EMBED])
def test_models_that_do_not_rank_are_refused_by_name(api, model):
    reply = api.post("/api/rerank", json={"model": model, "query": "q", "documents": ["d"]})

    assert refusal(reply) == (400, f'"{model}" does not support rerank')


@pytest.mark.parametrize("text", ["Hello, world!", "你好，世界", "def f(x):\n\treturn x 🌛"])
def test_text_survives_its_tokens(api, text):
    tokens = api.post("/api/tokenize", json={"model": CHAT, "text": text}).json()["tokens"]
    back = api.post("/api/detokenize", json={"model": CHAT, "tokens": tokens}).json()

    assert back["text"] == text
    assert len(tokens) > 1


def test_a_conversation_is_counted_as_its_prompt_is(api):
    messages = [{"role": "user", "content": "Say hello."}]
    counted = api.post("/api/tokenize", json={"model": CHAT, "messages": messages}).json()["count"]
    body = {"model": CHAT, "messages": messages, "stream": False, "options": {"num_predict": 1}}

    assert api.post("/api/chat", json=body).json()["prompt_eval_count"] == counted


@pytest.mark.parametrize(
    "constraint",
    [
        {"grammar": 'root ::= "yes" | "no"'},
        {"format": {"type": "gbnf", "grammar": 'root ::= "yes" | "no"'}},
    ],
)
def test_a_grammar_binds_the_answer(api, constraint):
    body = {"model": CHAT, "prompt": "Is the sky blue?", "stream": False} | constraint

    assert api.post("/api/generate", json=body).json()["response"] in ("yes", "no")


def test_a_grammar_that_cannot_be_read_is_refused(api):
    body = {"model": CHAT, "prompt": "x", "stream": False, "grammar": "root ::= ("}
    status, text = refusal(api.post("/api/generate", json=body))

    assert status == 400
    assert "grammar" in text


@pytest.mark.parametrize("keyword", ["not", "if", "contains", "patternProperties"])
def test_a_schema_that_no_grammar_can_express_is_refused_by_its_keyword(api, keyword):
    schema = {"type": "object", "properties": {"a": {"type": "string", keyword: {}}}}
    body = {"model": CHAT, "prompt": "x", "stream": False, "format": schema}
    status, text = refusal(api.post("/api/generate", json=body))

    assert status == 400
    assert keyword in text


def test_tool_choice_binds(api):
    body = {"model": TOOLS, "messages": ASKS, "tools": [WEATHER], "stream": False}
    body["options"] = {"temperature": 0, "num_predict": 60}

    def calls(choice):
        message = api.post("/api/chat", json=body | {"tool_choice": choice}).json()["message"]
        return message.get("tool_calls", [])

    named = calls({"type": "function", "function": {"name": "get_weather"}})
    assert [call["function"]["name"] for call in named] == ["get_weather"]
    assert calls("required")
    assert calls("none") == []


def test_a_prompt_told_before_is_reported_as_cached(api):
    prompt = "The following text is long enough to be worth keeping: " + "one two three " * 20
    body = {"model": CHAT, "prompt": prompt, "stream": False, "options": {"num_predict": 1}}
    api.post("/api/generate", json=body)
    again = api.post("/api/generate", json=body).json()

    assert again["prompt_eval_cached_count"] == again["prompt_eval_count"] - 1


def test_a_prompt_that_does_not_fit_is_refused_with_numbers(api):
    messages = [{"role": "user", "content": "word " * 3000}]
    status, text = refusal(api.post("/api/chat", json={"model": CHAT, "messages": messages}))

    assert status == 400
    assert "room for 2,047" in text


def test_an_adapter_changes_what_the_model_says(api, tmp_path):
    digest = upload(api, write_lora(tmp_path / "adapter.gguf", scale=20.0))
    body = {"model": ADAPTED, "from": PLAIN, "adapters": {"a.gguf": digest}, "stream": False}
    assert api.post("/api/create", json=body).json() == {"status": "success"}

    def says(model):
        wanted = {"model": model, "prompt": "hello", "raw": True, "stream": False}
        wanted["options"] = {"temperature": 0, "num_predict": 8}
        return api.post("/api/generate", json=wanted).json()["response"]

    shown = api.post("/api/show", json={"model": ADAPTED}).json()
    assert says(ADAPTED) != says(PLAIN)
    assert "ADAPTER" in shown["modelfile"]


def test_every_sampler_is_taken_and_wrong_ones_are_named(api):
    options = {
        "num_predict": 3,
        "dry_multiplier": 0.8,
        "xtc_probability": 0.5,
        "top_n_sigma": 1.0,
        "mirostat": 2,
        "dynatemp_range": 0.3,
        "logit_bias": {"5": -100},
    }
    body = {"model": CHAT, "prompt": "Hello", "stream": False}
    wrong = api.post("/api/generate", json=body | {"options": {"dry_multiplier": "x"}})

    assert api.post("/api/generate", json=body | {"options": options}).status_code == 200
    assert refusal(wrong) == (500, 'option "dry_multiplier" must be of type float32')


def test_several_choices_come_in_one_answer(api):
    body = {"model": CHAT, "messages": [{"role": "user", "content": "Hi"}], "n": 3}
    reply = api.post("/v1/chat/completions", json=body | {"max_completion_tokens": 4}).json()

    assert [one["index"] for one in reply["choices"]] == [0, 1, 2]
    assert reply["usage"]["completion_tokens"] <= 12


def test_an_answer_that_takes_longer_than_its_request_allows_ends_with_504(api):
    asked = {"model": CHAT, "prompt": "Count to a thousand.", "stream": False}
    options = {"num_predict": 2000, "ignore_eos": True}

    late = api.post("/api/generate", json=asked | {"options": options | {"timeout": 0.3}})
    after = api.post("/api/generate", json=asked | {"options": {"num_predict": 3, "timeout": 60}})

    status, text = refusal(late)
    assert status == 504
    assert "deadline" in text
    assert after.json()["done_reason"] == "length"


def test_a_stream_whose_time_is_up_says_so_in_its_last_line(api):
    options = {"num_predict": 2000, "ignore_eos": True, "timeout": 0.5}
    asked = {"model": CHAT, "prompt": "Count to a thousand.", "options": options}

    lines = api.post("/api/generate", json=asked).text.splitlines()

    assert len(lines) > 1
    assert "deadline" in lines[-1]
