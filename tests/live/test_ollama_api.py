"""The real clients of Ollama and OpenAI against a real server on the starter models."""

import json
import os
import shutil
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import numpy as np
import ollama
import openai
import pytest

from engine.library.store import Library
from tests.engine.api.fakes_engine import FakeEngine, build_app, served, wait_until

CHAT, EMBED = "smollm2:135m", "all-minilm:latest"
SHORT = {"num_predict": 12, "temperature": 0, "seed": 1}
HELLO = [{"role": "user", "content": "Say hello."}]


@pytest.fixture(scope="module")
def server(starter_engine):
    with served(build_app(starter_engine)) as url:
        yield url


@pytest.fixture
def native(server):
    client = ollama.Client(host=server)
    yield client
    client._client.close()


@pytest.fixture
def own_models(starter_models, tmp_path):
    """A client of a server whose models may be changed."""
    shutil.copytree(starter_models, tmp_path / "models", copy_function=os.link)
    with served(build_app(FakeEngine(Library(tmp_path / "models")))) as url:
        client = ollama.Client(host=url)
        yield client
        client._client.close()


@pytest.fixture
def openai_client(server):
    with openai.OpenAI(base_url=f"{server}/v1", api_key="none", max_retries=0) as client:
        yield client


def test_the_installed_models_are_listed_and_described(native):
    listed = {one.model: one for one in native.list().models}
    shown = native.show(CHAT)
    embedding = native.show(EMBED)

    assert {CHAT, EMBED} <= set(listed)
    assert listed[CHAT].details.format == "gguf"
    assert listed[CHAT].size > 90_000_000
    assert shown.modelinfo["general.architecture"] == "llama"
    assert shown.modelinfo["llama.context_length"] == 8192
    assert shown.modelinfo["general.parameter_count"] > 130_000_000
    assert "completion" in shown.capabilities
    assert "<|im_start|>" in shown.template
    assert shown.modelfile.splitlines()[0].startswith("#")
    assert embedding.capabilities == ["embedding"]


def test_generate_streams_what_it_gives_whole(native):
    whole = native.generate(CHAT, "The capital of France is", options=SHORT)
    parts = list(native.generate(CHAT, "The capital of France is", options=SHORT, stream=True))

    assert whole.response
    assert "".join(part.response for part in parts) == whole.response
    assert parts[-1].done
    assert parts[-1].done_reason in ("stop", "length")
    assert whole.prompt_eval_count > 5
    assert 0 < whole.eval_count <= 12
    assert whole.total_duration >= whole.eval_duration > 0
    assert whole.context


def test_chat_streams_what_it_gives_whole(native):
    whole = native.chat(CHAT, HELLO, options=SHORT)
    parts = list(native.chat(CHAT, HELLO, options=SHORT, stream=True))

    assert whole.message.role == "assistant"
    assert whole.message.content
    assert "".join(part.message.content for part in parts) == whole.message.content


def test_a_loaded_model_is_shown_as_running(native):
    native.generate(CHAT, "")

    running = {one.model: one for one in native.ps().models}

    assert running[CHAT].context_length == 2048
    assert running[CHAT].size > 0
    assert running[CHAT].expires_at is not None


def test_a_schema_shapes_the_answer(native):
    schema = {
        "type": "object",
        "properties": {"name": {"type": "string", "enum": ["Ann", "Bob"]}},
        "required": ["name"],
    }

    reply = native.chat(CHAT, HELLO, format=schema, options={"temperature": 0, "num_predict": 60})

    assert json.loads(reply.message.content)["name"] in ("Ann", "Bob")


def test_embeddings_agree_across_all_routes(native, openai_client):
    texts = ["why is the sky blue?", "why is the grass green?"]

    reply = native.embed(EMBED, texts)
    both = np.array(reply.embeddings)
    old = np.array(native.embeddings(EMBED, texts[0]).embedding)
    other = openai_client.embeddings.create(model=EMBED, input=texts)

    assert both.shape == (2, 384)
    assert np.allclose(np.linalg.norm(both, axis=1), 1, atol=1e-5)
    assert reply.prompt_eval_count == 16
    assert native.embed(EMBED, "").embeddings == []
    assert old @ both[0] > 0.999
    assert np.array([one.embedding for one in other.data])[1] @ both[1] > 0.999
    assert other.usage.prompt_tokens == 16


def test_wrong_requests_raise_what_the_client_expects(native):
    cases = [
        (lambda: native.generate("nothing", "x"), 404, "model 'nothing' not found"),
        (lambda: native.chat("nothing", HELLO), 404, "model 'nothing' not found"),
        (lambda: native.chat(EMBED, HELLO), 400, f'"{EMBED}" does not support chat'),
        (lambda: native.chat(CHAT, HELLO, think=True), 400, "does not support thinking"),
        (lambda: native.chat(CHAT, HELLO, tools=[len]), 400, "does not support tools"),
        (lambda: native.generate(CHAT, "x", options={"top_k": "a"}), 500, 'option "top_k" must be'),
        (lambda: list(native.generate(CHAT, "x", suffix="y", stream=True)), 400, "insert"),
    ]

    for call, status, text in cases:
        with pytest.raises(ollama.ResponseError) as caught:
            call()
        assert caught.value.status_code == status
        assert text in caught.value.error


def test_copies_can_be_made_and_deleted(own_models):
    own_models.copy(CHAT, "copy:v1")

    assert "copy:v1" in {one.model for one in own_models.list().models}
    own_models.delete("copy:v1")
    assert "copy:v1" not in {one.model for one in own_models.list().models}


def test_a_model_can_be_made_with_another_system_message(own_models):
    created = own_models.create("made", from_=CHAT, system="You are a pirate.", stream=False)

    assert created.status == "success"
    assert "SYSTEM You are a pirate." in own_models.show("made").modelfile


def test_a_model_can_be_made_from_an_uploaded_file(own_models, starter_engine):
    path = starter_engine.library.find(EMBED).model_path
    own_models.delete(EMBED)

    digest = own_models.create_blob(path)
    steps = list(own_models.create("uploaded", files={"model.gguf": digest}, stream=True))

    assert steps[-1].status == "success"
    assert own_models.show("uploaded").capabilities == ["embedding"]


def test_the_openai_client_chats(openai_client):
    asking = {"model": CHAT, "messages": HELLO, "temperature": 0, "seed": 1}
    usage = {"include_usage": True}

    whole = openai_client.chat.completions.create(**asking, max_completion_tokens=12)
    stream = openai_client.chat.completions.create(
        **asking, max_tokens=12, stream=True, stream_options=usage
    )
    chunks = list(stream)

    text = "".join(one.choices[0].delta.content or "" for one in chunks if one.choices)
    assert text == whole.choices[0].message.content
    assert whole.usage.completion_tokens <= 12
    assert chunks[-1].usage.total_tokens == whole.usage.total_tokens


def test_the_openai_client_completes_and_lists(openai_client):
    done = openai_client.completions.create(model=CHAT, prompt="One, two,", max_tokens=5)

    assert done.choices[0].text
    assert CHAT in {one.id for one in openai_client.models.list()}
    assert openai_client.models.retrieve(CHAT).owned_by == "library"
    with pytest.raises(openai.NotFoundError, match="not found"):
        openai_client.chat.completions.create(model="nothing", messages=HELLO)


def test_a_cancelled_stream_frees_the_engine(server, native, starter_engine):
    long = {"model": CHAT, "prompt": "Tell a very long story.", "options": {"num_predict": 4000}}
    n_slots = starter_engine.settings.n_parallel

    for _ in range(2 * n_slots):
        with httpx.stream("POST", f"{server}/api/generate", json=long) as reply:
            next(reply.iter_lines())

    began = time.monotonic()
    assert native.generate(CHAT, "Hello", options={"num_predict": 2}).done
    assert time.monotonic() - began < 20


def test_several_streams_at_once_all_end(server):
    def ask(number):
        body = {"model": CHAT, "prompt": f"Count from {number}.", "options": SHORT}
        return httpx.post(f"{server}/api/generate", json=body, timeout=100).text.splitlines()

    with ThreadPoolExecutor(8) as clients:
        answers = list(clients.map(ask, range(8)))

    assert all(json.loads(lines[-1])["done"] for lines in answers)


def test_a_model_can_be_unloaded(native):
    native.generate(CHAT, "", keep_alive=0)

    wait_until(lambda: CHAT not in {one.model for one in native.ps().models})
