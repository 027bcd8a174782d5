"""`quire keys`, and commands against a server that asks for a key."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from typer.testing import CliRunner

from app.cli.failures import explain
from app.cli.main import build
from app.client import Client, ServerError, ask_status, connect, find_server, key_for, noting
from tests.app.conftest import settings_at


def said(*words):
    return CliRunner().invoke(build(), list(words))


def test_a_key_is_printed_alone_on_standard_output_and_never_again():
    made = said(
        "keys", "add", "ci", "--scope", "read", "--scope", "ask", "--collection", "papers",
        "--expires", "90d",
    )  # fmt: skip
    key = made.stdout.strip()

    assert key.startswith("qk_")
    assert "ask, read; papers, until" in made.stderr
    assert key not in made.stderr
    listed = said("keys", "list")
    assert "papers" in listed.stdout
    assert key[3:11] in listed.stdout
    assert key[12:] not in listed.stdout + said("keys", "list", "--json").stdout
    (one,) = json.loads(said("keys", "list", "--json").stdout)["keys"]
    assert (one["name"], one["scopes"], one["is_open"]) == ("ci", ["ask", "read"], True)
    assert "opens nothing" in said("keys", "revoke", "ci").stdout
    assert "revoked" in said("keys", "list").stdout


def test_without_keys_the_list_says_how_to_make_one():
    assert "quire keys add NAME" in said("keys", "list").stdout


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("keys", "revoke", "nobody"), "no key is called 'nobody'"),
        (("keys", "add", "x", "--scope", "root"), "no scope is called 'root'"),
        (("keys", "add", "x", "--expires", "soon"), "cannot read 'soon'"),
    ],
)
def test_what_cannot_be_done_is_told_in_one_line(words, told):
    assert told in explain(said(*words).exception)


@pytest.mark.parametrize(
    "flags", [("--engine-only",), ("--host", "0.0.0.0"), ("--engine-only", "--host", "0.0.0.0")]
)
def test_a_server_without_any_key_does_not_start(monkeypatch, flags):
    if "--host" not in flags:
        monkeypatch.setenv("QUIRE_AUTH", "on")

    error = said("serve", "--port", "0", *flags).exception

    assert "quire keys add NAME --scope admin" in explain(error)


@pytest.fixture(scope="module")
def locked(tmp_path_factory, starter_models):
    """Run an engine that asks for keys; give its settings and a key that may only read."""
    from app.access.here import token_noted
    from app.access.keyring import Keyring
    from app.access.store import FILE, AccessStore
    from app.compose import compose_engine
    from app.server import bind, build_app, running

    home = tmp_path_factory.mktemp("locked")
    store = AccessStore(home / FILE)
    _, text = Keyring(store).make("reader", ["read"])
    store.close()
    settings = settings_at(home, starter_models, QUIRE_AUTH="on")
    with (
        compose_engine(settings) as parts,
        running(build_app(parts, has_ui=False), bind("127.0.0.1", 0)) as url,
        token_noted(home, url, parts.lock),
        noting(home, url),
    ):
        yield settings, url, text


def test_commands_on_the_servers_machine_need_no_key(locked):
    settings, url, _ = locked

    assert find_server(settings, "engine") == url
    with connect(settings, lambda _: None, "engine") as client:
        assert not client.is_private
        assert client.text("/metrics")
        assert "smollm2:135m" in client.text("/api/tags")


def test_a_key_that_was_set_is_used_with_what_it_may(locked):
    settings, _, text = locked

    with connect(replace(settings, own_key=text), lambda _: None, "engine") as client:
        assert "smollm2:135m" in client.text("/api/tags")
        with pytest.raises(ServerError, match="this needs the scope admin") as told:
            client.tell("DELETE", "/api/delete", {"model": "smollm2:135m"})
        assert told.value.status == 403


def test_without_a_server_a_command_has_its_own_and_needs_no_key(tmp_path, starter_models):
    settings = settings_at(tmp_path, starter_models, QUIRE_AUTH="on")

    with connect(settings, lambda _: None, "engine") as client:
        assert client.is_private
        assert "smollm2:135m" in client.text("/api/tags")
    assert not (tmp_path / "access.sqlite3").exists()


def test_a_wrong_key_is_told_instead_of_starting_another_server(locked):
    settings, _, _ = locked

    with pytest.raises(ServerError, match="does not take the key of QUIRE_KEY"):
        find_server(replace(settings, own_key="qk_wrong"), "engine")


def test_without_a_key_nobody_is_told_anything(locked):
    _, url, text = locked
    assert ask_status(url) is None
    assert ask_status(url, text) is not None
    client = Client(url)
    with pytest.raises(ServerError, match="asks for a key") as told:
        client.text("/api/tags")
    client.close()
    assert told.value.status == 401


def test_an_engine_elsewhere_that_asks_for_a_key_says_how_to_show_one(locked):
    settings, url, text = locked
    port = int(url.rpartition(":")[2])
    away = replace(settings, ollama_host=("localhost", port))

    assert key_for(away, f"http://localhost:{port}") == ""
    with pytest.raises(ServerError, match="asks for a key: set QUIRE_KEY"):
        find_server(away, "engine")
    assert find_server(replace(away, own_key=text), "engine")


def test_the_clients_of_ollama_openai_and_anthropic_show_a_key_in_their_own_way(locked):
    import anthropic
    import ollama
    import openai

    _, url, text = locked
    native = ollama.Client(host=url, headers={"Authorization": f"Bearer {text}"})
    assert "smollm2:135m" in [one.model for one in native.list().models]
    stranger = ollama.Client(host=url)
    with pytest.raises(ollama.ResponseError, match="asks for a key"):
        stranger.list()
    for one in (native, stranger):
        one._client.close()
    with openai.OpenAI(base_url=f"{url}/v1", api_key=text, max_retries=0) as gpt:
        assert "smollm2:135m" in [one.id for one in gpt.models.list()]
        with pytest.raises(openai.PermissionDeniedError, match="this needs the scope ask"):
            gpt.embeddings.create(model="all-minilm", input="x")
    with (
        openai.OpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0) as gpt,
        pytest.raises(openai.AuthenticationError, match="not known here"),
    ):
        gpt.models.list()
    asked = {
        "model": "smollm2:135m",
        "max_tokens": 4,
        "messages": [{"role": "user", "content": "hi"}],
    }
    with (
        anthropic.Anthropic(base_url=url, api_key=text, max_retries=0) as claude,
        pytest.raises(anthropic.PermissionDeniedError, match="this needs the scope ask"),
    ):
        claude.messages.create(**asked)
    with (
        anthropic.Anthropic(base_url=url, api_key="none", max_retries=0) as claude,
        pytest.raises(anthropic.AuthenticationError, match="not known here"),
    ):
        claude.messages.create(**asked)
