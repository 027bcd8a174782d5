"""The JavaScript clients of Ollama, OpenAI and Vercel's AI SDK, unchanged, on a real server."""

import json
import subprocess
from pathlib import Path

import pytest

from tests.live.clients import CHAT, EMBED

FOLDER = Path(__file__).parent / "npm"
NODE = FOLDER / "node_modules" / "node" / "bin" / "node"
TIMEOUT_S = 120
OSLO = {"city": "Oslo"}

pytestmark = pytest.mark.skipif(
    not NODE.exists(),
    reason=f"no JavaScript clients; run `npm ci` in {FOLDER.name}/ (make test does)",
)


@pytest.fixture
def run(client_server):
    def call(client, task):
        done = subprocess.run(
            [NODE, "clients.mjs", client_server, client, task],
            cwd=FOLDER,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
        )
        assert done.returncode == 0, done.stderr[-2000:]
        return json.loads(done.stdout)

    return call


def test_ollama_lists_and_describes(run):
    assert {CHAT, EMBED} <= set(run("ollama", "list"))
    shown = run("ollama", "show")
    assert shown["family"] == "llama"
    assert "completion" in shown["capabilities"]


def test_ollama_streams_what_it_gives_whole(run):
    whole, streamed = run("ollama", "chat"), run("ollama", "stream")

    assert whole["text"] == streamed["text"] != ""
    assert (whole["done"], streamed["done"]) == (True, True)
    assert 0 < whole["count"] <= 8


def test_ollama_can_abort_a_stream(run):
    aborted = run("ollama", "abort")

    assert aborted["failure"]
    assert 3 <= aborted["parts"] < 100


def test_ollama_embeds(run):
    assert run("ollama", "embed") == [384, 384]


def test_ollama_gets_answers_that_keep_to_a_schema(run):
    person = run("ollama", "structured")

    assert set(person) == {"name", "age"}
    assert isinstance(person["age"], int)


def test_ollama_calls_tools(run):
    assert run("ollama", "tools")[0] | {"index": 0} == {
        "name": "get_weather",
        "arguments": OSLO,
        "index": 0,
    }


def test_ollama_is_told_of_missing_models(run):
    failure = run("ollama", "missing")

    assert failure["status"] == 404
    assert "model 'nothing' not found" in failure["message"]


def test_ollama_copies_deletes_and_creates(run):
    assert run("ollama", "copy") is True
    assert run("ollama", "create") == {"last": "success", "system": "Be brief."}


def test_ollama_is_told_of_a_registry_that_does_not_answer(run):
    assert run("ollama", "pull")["message"]


def test_openai_lists_and_chats(run):
    assert {CHAT, EMBED} <= set(run("openai", "models"))
    whole, streamed = run("openai", "chat"), run("openai", "stream")
    assert whole["text"] == streamed["text"] != ""
    assert whole["usage"]["total_tokens"] == streamed["usage"]["total_tokens"] > 0


def test_openai_forces_a_tool(run):
    reply = run("openai", "tools")

    assert reply["reason"] == "tool_calls"
    assert {call["name"] for call in reply["calls"]} == {"get_weather"}
    assert set(reply["calls"][0]["arguments"]) == {"city"}


def test_openai_gets_answers_that_keep_to_a_schema(run):
    assert set(run("openai", "structured")) == {"name", "age"}


def test_openai_reads_responses(run):
    whole, streamed = run("openai", "responses"), run("openai", "responses_stream")

    assert whole["text"] == streamed["text"] != ""
    assert whole["usage"]["output_tokens"] > 0
    assert streamed["kinds"][0] == "response.created"
    assert streamed["kinds"][-1] == "response.completed"


def test_openai_embeds_and_is_told_of_missing_models(run):
    assert run("openai", "embed") == [384, 384]
    assert run("openai", "missing")["status"] == 404


def test_the_ai_sdk_chats_and_streams(run):
    whole, streamed = run("ai", "chat"), run("ai", "stream")

    assert whole["text"] == streamed["text"] != ""
    assert whole["usage"]["outputTokens"] > 0


def test_the_ai_sdk_gets_objects_calls_tools_and_embeds(run):
    assert set(run("ai", "object")) == {"name", "age"}
    assert run("ai", "tools") == [{"name": "get_weather", "input": OSLO}]
    assert run("ai", "embed") == {"one": 384, "many": [384, 384]}


def test_the_ai_sdk_is_told_of_missing_models(run):
    assert "not found" in run("ai", "missing")["message"]
