"""Anthropic's, LangChain's and the newer parts of OpenAI's and Ollama's clients, unchanged."""

import gc
import json
import warnings

import anthropic
import httpx
import ollama
import openai
import pytest
from langchain_core.messages import HumanMessage
from langchain_ollama import ChatOllama, OllamaEmbeddings, OllamaLLM
from pydantic import BaseModel

from tests.live.clients import ASKS, CHAT, EMBED, HELLO, PERSON, TOOLS, WEATHER

OSLO = {"city": "Oslo"}
SHORT = {"num_predict": 8, "temperature": 0, "seed": 1}


class Person(BaseModel):
    name: str
    age: int


@pytest.fixture
def claude(client_server):
    with anthropic.Anthropic(base_url=client_server, api_key="none", max_retries=0) as client:
        yield client


@pytest.fixture
def gpt(client_server):
    with openai.OpenAI(base_url=f"{client_server}/v1", api_key="none", max_retries=0) as client:
        yield client


@pytest.fixture
def native(client_server):
    client = ollama.Client(host=client_server)
    yield client
    client._client.close()


@pytest.fixture
def langchain(client_server):
    """Make LangChain's clients; close their connections, which they never do."""
    made = []

    def make(kind, **options):
        made.append(kind(base_url=client_server, **options))
        return made[-1]

    yield make
    for one in made:
        one._client._client.close()


# Anthropic


def test_anthropic_gives_whole_what_it_streams(claude):
    options = {"temperature": 0.0, "top_k": 1}
    asked = {"model": CHAT, "max_tokens": 8, "messages": HELLO, "extra_body": options}
    whole = claude.messages.create(**asked)
    with claude.messages.stream(**asked) as stream:
        text = "".join(stream.text_stream)
        final = stream.get_final_message()

    assert whole.content[0].text == text == final.content[0].text
    assert whole.stop_reason == "max_tokens"
    assert (whole.usage.output_tokens, final.usage.output_tokens) == (8, 8)


def test_anthropic_forces_a_tool_and_takes_its_result(claude):
    tool = {
        "name": "get_weather",
        "description": "Tell the weather of a city",
        "input_schema": WEATHER["function"]["parameters"],
    }
    asked = {"model": TOOLS, "max_tokens": 60, "tools": [tool]}
    choice = {"type": "tool", "name": "get_weather"}

    first = claude.messages.create(**asked, messages=ASKS, tool_choice=choice)
    use = next(block for block in first.content if block.type == "tool_use")
    result = {"type": "tool_result", "tool_use_id": use.id, "content": "Rain"}
    turns = [
        *ASKS,
        {"role": "assistant", "content": [block.model_dump() for block in first.content]},
        {"role": "user", "content": [result]},
    ]
    second = claude.messages.create(**asked, messages=turns, tool_choice={"type": "none"})

    assert (first.stop_reason, use.name, set(use.input)) == ("tool_use", "get_weather", {"city"})
    assert second.content[0].type == "text"


def test_anthropic_streams_a_tool_call(claude):
    tool = {"name": "get_weather", "input_schema": WEATHER["function"]["parameters"]}
    with claude.messages.stream(
        model=TOOLS, max_tokens=60, messages=ASKS, tools=[tool], tool_choice={"type": "any"}
    ) as stream:
        final = stream.get_final_message()

    assert {block.name for block in final.content} == {"get_weather"}
    assert final.stop_reason == "tool_use"


def test_anthropic_counts_tokens_as_the_prompt_has_them(claude):
    counted = claude.messages.count_tokens(model=CHAT, messages=HELLO)
    answered = claude.messages.create(model=CHAT, max_tokens=1, messages=HELLO)
    usage = answered.usage

    assert counted.input_tokens == usage.input_tokens + (usage.cache_read_input_tokens or 0)


def test_anthropic_raises_its_own_errors(claude):
    with pytest.raises(anthropic.NotFoundError, match="model 'nothing' not found"):
        claude.messages.create(model="nothing", max_tokens=5, messages=HELLO)
    with pytest.raises(anthropic.BadRequestError, match="max_tokens is required"):
        claude.messages.create(model=CHAT, max_tokens=0, messages=HELLO)


# OpenAI


def test_openai_reads_responses_whole_and_streamed(gpt):
    asked = {"model": CHAT, "input": "Say hello.", "max_output_tokens": 8, "temperature": 0}
    whole = gpt.responses.create(**asked)
    with gpt.responses.stream(**asked) as stream:
        kinds = [event.type for event in stream]
        final = stream.get_final_response()

    assert whole.output_text == final.output_text != ""
    assert kinds[0] == "response.created"
    assert kinds[-1] == "response.completed"
    assert whole.usage.output_tokens == 8


def test_openai_gets_tool_calls_by_both_of_its_interfaces(gpt):
    choice = {"type": "function", "function": {"name": "get_weather"}}
    chat = gpt.chat.completions.create(
        model=TOOLS,
        messages=ASKS,
        tools=[WEATHER],
        tool_choice=choice,
        max_tokens=60,
        temperature=0,
    )
    flat = {"type": "function", **WEATHER["function"]}
    response = gpt.responses.create(
        model=TOOLS, input=ASKS[0]["content"], tools=[flat], tool_choice="required"
    )

    (call,) = chat.choices[0].message.tool_calls
    assert (call.function.name, set(json.loads(call.function.arguments))) == (
        "get_weather",
        {"city"},
    )
    assert chat.choices[0].finish_reason == "tool_calls"
    assert {item.name for item in response.output} == {"get_weather"}


def test_openai_parses_answers_into_its_classes(gpt):
    reply = gpt.chat.completions.parse(
        model=CHAT, messages=HELLO, response_format=Person, max_tokens=60, temperature=0
    )

    assert isinstance(reply.choices[0].message.parsed, Person)


def test_openai_gets_several_choices_and_logprobs(gpt):
    reply = gpt.chat.completions.create(
        model=CHAT, messages=HELLO, n=2, max_tokens=4, logprobs=True, top_logprobs=2, seed=7
    )

    assert [choice.index for choice in reply.choices] == [0, 1]
    for choice in reply.choices:
        assert len(choice.logprobs.content) == 4
        assert all(len(one.top_logprobs) == 2 for one in choice.logprobs.content)
        assert all(one.logprob <= 0 for one in choice.logprobs.content)


def test_openai_can_ban_a_token(gpt, client_server):
    asked = {"model": CHAT, "prompt": "1 2 3 4", "max_tokens": 1, "temperature": 0}
    usual = gpt.completions.create(**asked).choices[0].text
    reply = httpx.post(f"{client_server}/api/tokenize", json={"model": CHAT, "text": usual})
    bias = {str(token): -100 for token in reply.json()["tokens"]}

    other = gpt.completions.create(**asked, logit_bias=bias).choices[0].text

    assert usual
    assert other != usual


# Ollama


def test_ollama_calls_a_tool_by_itself(native):
    reply = native.chat(TOOLS, ASKS, tools=[WEATHER], options={"temperature": 0, "num_predict": 60})
    (call,) = reply.message.tool_calls

    assert (call.function.name, dict(call.function.arguments)) == ("get_weather", OSLO)
    assert reply.done_reason == "stop"


def test_ollama_streams_a_tool_call_whole(native):
    parts = list(
        native.chat(
            TOOLS, ASKS, tools=[WEATHER], stream=True, options={"temperature": 0, "num_predict": 60}
        )
    )

    calls = [call for part in parts for call in part.message.tool_calls or []]
    assert [dict(call.function.arguments) for call in calls] == [OSLO]
    assert "tool_call" not in "".join(part.message.content or "" for part in parts)
    assert parts[-1].done


def test_ollama_gets_a_logprob_for_every_token(native):
    reply = native.generate(
        CHAT, "The capital of France is", options=SHORT, logprobs=True, top_logprobs=3
    )

    assert len(reply.logprobs) == reply.eval_count
    assert all(len(one.top_logprobs) == 3 for one in reply.logprobs)


def test_ollama_is_refused_what_the_model_cannot_do(native):
    with pytest.raises(ollama.ResponseError, match="does not support tools"):
        native.chat(CHAT, ASKS, tools=[WEATHER])
    with pytest.raises(ollama.ResponseError, match="does not support thinking"):
        native.chat(CHAT, ASKS, think=True)
    with pytest.raises(ollama.ResponseError, match="does not support insert"):
        native.generate(CHAT, "def f(", suffix="return 1")


# LangChain


def test_langchain_chats_streams_and_counts(langchain):
    model = langchain(
        ChatOllama, model=CHAT, temperature=0, num_predict=8, validate_model_on_init=True
    )

    whole = model.invoke([HumanMessage("Say hello.")])
    streamed = "".join(part.content for part in model.stream([HumanMessage("Say hello.")]))

    assert whole.content == streamed != ""
    assert whole.usage_metadata["output_tokens"] == 8
    assert whole.response_metadata["done_reason"] == "length"


def test_langchain_binds_tools(langchain):
    model = langchain(ChatOllama, model=TOOLS, temperature=0, num_predict=60)

    reply = model.bind_tools([WEATHER]).invoke([HumanMessage(ASKS[0]["content"])])

    assert [(call["name"], call["args"]) for call in reply.tool_calls] == [("get_weather", OSLO)]


def test_langchain_gets_structured_output(langchain):
    model = langchain(ChatOllama, model=CHAT, temperature=0, num_predict=60)

    assert isinstance(model.with_structured_output(Person).invoke("Describe a person."), Person)


def test_langchain_embeds_and_completes(langchain):
    embeddings = langchain(OllamaEmbeddings, model=EMBED)
    completion = langchain(OllamaLLM, model=CHAT, temperature=0, num_predict=8)

    assert [len(one) for one in embeddings.embed_documents(["one", "two"])] == [384, 384]
    assert completion.invoke("Say hello.")


def test_langchain_community_still_works(client_server):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from langchain_community.embeddings import OllamaEmbeddings as OldEmbeddings
        from langchain_community.llms import Ollama as OldOllama

        old = OldOllama(model=CHAT, base_url=client_server, temperature=0, num_predict=8)
        vectors = OldEmbeddings(model=EMBED, base_url=client_server).embed_documents(["one"])

        assert old.invoke("Say hello.")
        gc.collect()  # what it leaves open is closed here, not in the middle of another test
    assert len(vectors[0]) == 384


def test_a_schema_of_the_tests_is_kept_by_all(native, gpt):
    mine = native.chat(CHAT, HELLO, format=PERSON, options=SHORT | {"num_predict": 60})

    assert set(json.loads(mine.message.content)) == {"name", "age"}
