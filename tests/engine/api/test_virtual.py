"""Models that are no file, behind the real engine and all its APIs; what they say is made up."""

import json
import threading
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest
from fastapi.testclient import TestClient

from engine.config import EngineSettings
from engine.engine import Engine
from engine.errors import ModelNotFoundError, RuntimeFailedError
from engine.types import Final, ModelDetails, Piece
from engine.virtual import VirtualEntry, untagged
from tests.engine.api.fakes_engine import (
    CHAT,
    build_app,
    events_of,
    fake_verbs,
    install,
    lines_of,
    served,
    wait_until,
    write_gguf,
)

NAMES = ("v/oracle", "v/我的 文档")
MARK = {
    "type": "url_citation",
    "url_citation": {"start_index": 4, "end_index": 7, "title": "Stars", "url": "http://x/1"},
}
NOTES = {
    "annotations": [MARK],
    "citations": [{"n": 1, "path": "stars.md"}],
    "mode": "generated",
}
ANSWER = (Piece("Yes "), Piece("[1]"), Final("stop", n_prompt=9, n_generated=3, notes=NOTES))
HELLO = [{"role": "user", "content": "Will it rain?"}]
IMAGE = "iVBORw0KGgo="
TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}


class Oracle:
    """Says the same to everybody, or does what the test says."""

    def __init__(self, name):
        self.entry = VirtualEntry(
            name=name,
            modified_at=datetime(2026, 1, 2, tzinfo=UTC),
            details=ModelDetails("oracle", "", "", ("oracle",), "words"),
            digest="0" * 64,
            description="Knows.\nSays.",
            info={"general.architecture": "oracle"},
        )
        self.requests = []
        self.answer = lambda: iter(ANSWER)

    def chat(self, request):
        self.requests.append(request)
        return self.answer()


class Oracles:
    def __init__(self):
        self.models = {name: Oracle(name) for name in NAMES}

    def owns(self, name):
        return name.startswith("v/")

    def entries(self):
        return [one.entry for one in self.models.values()]

    def find(self, name):
        if untagged(name) not in self.models:
            raise ModelNotFoundError(name, f"model '{name}' not found: no such oracle")
        return self.models[untagged(name)]

    def instead(self, name, verb):
        return f"{name} is an oracle: instead of {verb}, ask it"


@pytest.fixture
def engine(tiny_models, tmp_path):
    settings = EngineSettings(models_dir=tmp_path / "models", extra_models_dirs=(tiny_models,))
    with Engine(settings) as engine:
        engine.virtual = Oracles()
        yield engine


@pytest.fixture
def oracle(engine):
    return engine.virtual.models["v/oracle"]


@pytest.fixture
def stored(engine, tmp_path):
    """A model on disk that has an oracle's name."""
    install(engine.library, "v/oracle", write_gguf(tmp_path / "o.gguf", "llama", chat_template="x"))
    return "v/oracle"


def chat(client, model="v/oracle", **more):
    return client.post("/api/chat", json={"model": model, "messages": HELLO, **more})


def complete(client, model="v/oracle", **more):
    return client.post("/v1/chat/completions", json={"model": model, "messages": HELLO, **more})


# Lists and descriptions


def test_they_stand_behind_the_stored_models_in_both_lists(client):
    tags = client.get("/api/tags").json()["models"]
    ids = [one["id"] for one in client.get("/v1/models").json()["data"]]

    assert [one["name"] for one in tags][-2:] == ids[-2:] == list(NAMES)
    assert CHAT in ids[:-2]
    assert tags[-2]["model"] == "v/oracle:latest"
    assert tags[-2]["details"]["family"] == "oracle"
    assert tags[-2]["capabilities"] == ["completion"]


def test_nobody_is_listed_where_nobody_has_any(client, engine):
    engine.virtual = None

    assert {one["name"] for one in client.get("/api/tags").json()["models"]} == {
        "tiny:latest",
        "embedder:latest",
    }
    assert chat(client).status_code == 404


@pytest.mark.parametrize("name", [*NAMES, "v/oracle:latest", "v/我的 文档:LATEST"])
def test_each_is_described_under_all_its_names(client, name):
    shown = client.post("/api/show", json={"model": name}).json()
    one = client.get(f"/v1/models/{name}").json()

    assert shown["capabilities"] == ["completion"]
    assert shown["modelfile"] == "# Knows.\n# Says.\n"
    assert shown["description"] == "Knows.\nSays."
    assert one["id"] == untagged(name)
    assert one["owned_by"] == "v"


def test_none_is_ever_in_memory(client):
    assert chat(client).status_code == 200
    assert client.get("/api/ps").json() == {"models": []}


# Answers in every API's shape


@pytest.mark.parametrize("name", [*NAMES, "v/oracle:latest"])
def test_the_native_answer_has_notes_beside_its_message(client, name):
    whole = chat(client, name, stream=False).json()
    *parts, last = lines_of(chat(client, name))

    assert whole["message"]["content"] == "Yes [1]"
    assert "".join(one["message"]["content"] for one in parts) == "Yes [1]"
    for end in (whole, last):
        assert (end["citations"], end["mode"]) == (NOTES["citations"], "generated")
        assert "annotations" not in end
        assert (end["model"], end["eval_count"], end["prompt_eval_count"]) == (name, 3, 9)
    assert not any("citations" in one for one in parts)


def test_openais_answer_has_citations_in_the_message_and_at_the_top(client):
    reply = complete(client).json()

    message = reply["choices"][0]["message"]
    assert message["content"] == "Yes [1]"
    assert message["annotations"] == [MARK]
    assert message["citations"] == reply["citations"] == NOTES["citations"]
    assert reply["mode"] == "generated"
    assert reply["usage"]["total_tokens"] == 12


def test_openais_stream_has_them_in_the_chunk_that_ends_the_answer(client):
    reply = complete(client, stream=True, stream_options={"include_usage": True})

    *frames, done = events_of(reply)
    *parts, last, usage = [json.loads(frame) for frame in frames]
    assert done == "[DONE]"
    assert "".join(one["choices"][0]["delta"]["content"] for one in parts) == "Yes [1]"
    assert last["choices"][0]["delta"] == {
        "annotations": [MARK],
        "citations": NOTES["citations"],
    }
    assert last["choices"][0]["finish_reason"] == "stop"
    assert last["citations"] == NOTES["citations"]
    assert usage["usage"]["completion_tokens"] == 3


def test_the_responses_api_has_them_as_its_own_annotations(client):
    asked = {"model": "v/oracle", "input": "Will it rain?"}
    whole = client.post("/v1/responses", json=asked).json()
    streamed = client.post("/v1/responses", json=asked | {"stream": True}).text

    (part,) = whole["output"][0]["content"]
    assert part["text"] == "Yes [1]"
    assert part["annotations"] == [{"type": "url_citation", **MARK["url_citation"]}]
    assert whole["citations"] == NOTES["citations"]
    completed = json.loads(streamed.strip().split("\n\n")[-1].split("data: ")[1])
    assert completed["response"]["output"][0]["content"] == [part]


def test_anthropics_api_and_prompts_are_answered_in_text(client, oracle):
    asked = {"model": "v/oracle", "max_tokens": 5, "messages": HELLO}
    claude = client.post("/v1/messages", json=asked).json()
    prompt = {"model": "v/oracle", "prompt": "Will it rain?", "system": "Be brief."}
    generated = client.post("/api/generate", json=prompt | {"stream": False}).json()
    completed = client.post("/v1/completions", json=prompt).json()

    assert claude["content"] == [{"type": "text", "text": "Yes [1]"}]
    assert generated["response"] == completed["choices"][0]["text"] == "Yes [1]"
    assert generated["citations"] == NOTES["citations"]
    roles = [[one.role for one in request.messages] for request in oracle.requests]
    assert roles == [["user"], ["system", "user"], ["user"]]


def test_without_messages_there_is_nothing_to_load(client, oracle):
    for path in ("chat", "generate"):
        loaded = client.post(f"/api/{path}", json={"model": "v/oracle"}).json()
        unloaded = client.post(f"/api/{path}", json={"model": "v/oracle", "keep_alive": 0}).json()

        assert (loaded["done_reason"], unloaded["done_reason"]) == ("load", "unload")
    assert oracle.requests == []


# What they cannot do


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"messages": [{"role": "user", "content": "What?", "images": [IMAGE]}]}, "images"),
        ({"format": "json"}, "does not support a format"),
        ({"grammar": 'root ::= "a"'}, "does not support a format or a grammar"),
        ({"think": True}, "thinking"),
        ({"logprobs": True}, "logprobs"),
        ({"tools": [TOOL], "tool_choice": "required"}, "tools"),
        ({"_debug_render_only": True}, "is an oracle: instead of use, ask it"),
    ],
)
def test_what_they_cannot_do_is_refused_in_words(client, oracle, more, words):
    reply = chat(client, **more)

    assert reply.status_code == 400
    assert words in reply.json()["error"]
    assert oracle.requests == []


def test_tools_that_need_not_be_called_are_left_out(client, oracle):
    assert chat(client, tools=[TOOL]).status_code == 200
    assert complete(client, tools=[TOOL], tool_choice="auto").status_code == 200
    assert [request.tools for request in oracle.requests] == [(), ()]


@pytest.mark.parametrize(
    ("path", "more"),
    [
        ("/api/generate", {"prompt": "a", "raw": True}),
        ("/api/generate", {"prompt": "a", "template": "{{ .Prompt }}"}),
        ("/api/generate", {"prompt": "a", "suffix": "b"}),
        ("/api/generate", {"prompt": "a", "context": [1]}),
        ("/v1/completions", {"prompt": [1, 2]}),
        ("/v1/chat/completions", {"messages": HELLO, "n": 2}),
        ("/v1/chat/completions", {"messages": HELLO, "response_format": {"type": "json_object"}}),
        ("/v1/responses", {"input": "a", "tools": [TOOL["function"] | {"type": "function"}],
                           "tool_choice": "required"}),
        ("/v1/messages/count_tokens", {"messages": HELLO}),
        ("/api/tokenize", {"text": "a"}),
        ("/api/embed", {"input": "a"}),
        ("/api/embeddings", {"prompt": "a"}),
        ("/v1/embeddings", {"input": "a"}),
        ("/api/rerank", {"query": "a", "documents": ["b"]}),
        ("/api/pull", {}),
        ("/api/push", {}),
        ("/api/create", {"from": CHAT}),
    ],
)  # fmt: skip
@pytest.mark.parametrize("name", NAMES)
def test_every_other_route_refuses_them_with_400(client, name, path, more):
    reply = client.post(path, json={"model": name, "stream": False, **more})

    assert reply.status_code == 400, reply.text
    assert name in reply.text


@pytest.mark.parametrize("name", NAMES)
def test_they_are_not_copied_deleted_or_built_upon(client, asked, name):
    deleted = client.request("DELETE", "/api/delete", json={"model": name})
    copied = client.post("/api/copy", json={"source": name, "destination": "mine"})
    over = client.post("/api/copy", json={"source": CHAT, "destination": name})
    built = client.post("/api/create", json={"model": "mine", "from": name})

    assert [one.status_code for one in (deleted, copied, over, built)] == [400] * 4
    assert deleted.json()["error"] == f"{name} is an oracle: instead of delete, ask it"
    assert "instead of copy" in copied.json()["error"]
    assert "instead of create" in over.json()["error"]
    assert asked == []


def test_nothing_is_stored_under_their_name_by_writing_its_host(client, asked):
    name = "registry.ollama.ai/v/oracle"

    over = client.post("/api/copy", json={"source": CHAT, "destination": name})
    pulled = client.post("/api/pull", json={"model": name, "stream": False})

    assert [one.status_code for one in (over, pulled)] == [400, 400]
    assert over.json()["error"] == "v/oracle:latest is an oracle: instead of create, ask it"
    assert asked == []


@pytest.mark.parametrize("name", ["v/nobody", "v/没有"])
def test_a_name_of_their_kind_that_nobody_has_is_not_found(client, name):
    for reply in (
        chat(client, name),
        complete(client, name),
        client.post("/api/show", json={"model": name}),
        client.post("/api/embed", json={"model": name, "input": "a"}),
        client.get(f"/v1/models/{name}"),
    ):
        assert reply.status_code == 404
        assert f"model '{name}' not found: no such oracle" in reply.text


# Stored models of such names


def test_a_stored_model_of_the_same_name_goes_before(client, engine, stored, oracle):
    tags = [one["name"] for one in client.get("/api/tags").json()["models"]]
    shown = client.post("/api/show", json={"model": stored}).json()

    assert tags.count("v/oracle:latest") == 1
    assert "v/oracle" not in tags
    assert shown["details"]["family"] == "test"
    assert chat(client, stored, messages=[], keep_alive=0).json()["done_reason"] == "unload"
    assert oracle.requests == []


def test_a_stored_model_of_the_same_name_can_be_moved_away(client, engine, stored):
    copied = client.post("/api/copy", json={"source": stored, "destination": "mine"})
    deleted = client.request("DELETE", "/api/delete", json={"model": stored})

    assert (copied.status_code, deleted.status_code) == (200, 200)
    assert chat(client, stored, stream=False).json()["message"]["content"] == "Yes [1]"


# When something goes wrong


def test_an_error_before_the_first_word_has_its_status_in_every_shape(client, oracle):
    def refuse():
        raise ModelNotFoundError("v/oracle", "gone")
        yield

    oracle.answer = refuse

    assert (chat(client).status_code, chat(client).json()) == (404, {"error": "gone"})
    assert complete(client, stream=True).status_code == 404
    assert complete(client).json()["error"]["type"] == "not_found_error"


def test_an_error_in_the_middle_is_the_last_frame(client, oracle):
    def fail():
        yield Piece("Ye")
        raise RuntimeFailedError("the stars are gone")

    oracle.answer = fail

    assert lines_of(chat(client))[-1] == {"error": "the stars are gone"}
    assert "the stars are gone" in events_of(complete(client, stream=True))[-1]


@pytest.mark.parametrize("path", ["/api/chat", "/v1/chat/completions"])
def test_a_client_that_goes_away_closes_the_answer_at_once(engine, oracle, path):
    import httpx

    closed = threading.Event()

    class Endless:
        def __iter__(self):
            return self

        def __next__(self):
            if closed.wait(0.01):
                raise StopIteration
            return Piece("on and ")

        def close(self):
            closed.set()

    oracle.answer = Endless
    with served(build_app(engine)) as url:
        asked = {"model": "v/oracle", "messages": HELLO, "stream": True}
        with httpx.stream("POST", url + path, json=asked, timeout=10) as reply:
            next(reply.iter_bytes())
        wait_until(closed.is_set)


def test_the_engine_itself_answers_without_any_api(engine):
    from engine.types import ChatRequest, GenerateRequest, Message

    events = list(engine.chat(ChatRequest("v/oracle", (Message("user", "Rain?"),))))
    again = list(engine.generate(GenerateRequest("v/oracle:latest", "Rain?")))

    assert events == again == list(ANSWER)


@pytest.fixture
def client(engine, asked):
    with TestClient(build_app(engine, fake_verbs(asked)), raise_server_exceptions=False) as client:
        yield client


def test_names_are_looked_up_only_among_those_of_their_kind():
    from engine.virtual import virtual_of

    shelf = SimpleNamespace(library=None, virtual=Oracles())  # a library would be asked for others

    assert virtual_of(shelf, "llama3.2") is None
