"""Rules of Ollama's contract that no other test holds and that need no model."""

import pytest

from tests.engine.api.fakes_engine import CHAT, install, write_gguf

SAYS_HI = {"messages": [{"role": "user", "content": "hi"}]}


@pytest.mark.parametrize("path", ["/api/generate", "/api/chat"])
def test_a_model_that_only_paints_is_refused(client, engine, tmp_path, path):
    data = write_gguf(tmp_path / "p.gguf", "llama")
    install(engine.library, "painter", data, {"capabilities": ["image"]})

    reply = client.post(path, json={"model": "painter", "prompt": "a cat"} | SAYS_HI)

    text = "image generation models are not currently supported"
    assert (reply.status_code, reply.json()) == (400, {"error": text})
    assert engine.requests == []


@pytest.mark.parametrize(
    ("role", "expected"),
    [("USER", "user"), ("System", "system"), ("tool", "tool"), ("Critic", "critic"), ("", "")],
)
def test_roles_are_lower_cased_and_left_to_the_template(client, engine, role, expected):
    client.post("/api/chat", json={"model": CHAT, "messages": [{"role": role, "content": "x"}]})

    assert engine.requests[0].messages[0].role == expected
