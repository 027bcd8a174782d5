"""`quire chats` against the real routes, without a socket."""

from __future__ import annotations

import json
from contextlib import contextmanager

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from typer.testing import CliRunner

from app.api.conversations import conversations_router, install_conversation_errors
from app.api.errors import install_errors
from app.cli.conversations import begin, last_used
from app.cli.main import build
from app.client import Client, ServerError
from app.conversations.store import FILE, Conversations
from app.conversations.types import Conversation, Message
from app.query.types import Sentence
from tests.app.conversations.conftest import TEXT, TIME, Texts, answer, cited, question


@pytest.fixture
def texts():
    return Texts({"d1": TEXT})


@pytest.fixture
def store(tmp_path, texts):
    found = Conversations(tmp_path / FILE, texts.shelf())
    yield found
    found.close()


@pytest.fixture
def quire(store, monkeypatch):
    app = FastAPI()
    install_errors(app)
    install_conversation_errors(app)
    app.include_router(conversations_router(store, lambda _: None))
    client = Client("http://testserver")
    client._http = TestClient(app)

    @contextmanager
    def client_of():
        yield client

    monkeypatch.setattr("app.cli.conversations.client_of", client_of)

    def run(*words):
        return CliRunner().invoke(build(), words)

    run.client = client
    return run


def test_conversations_are_listed_with_what_one_needs_to_go_on(quire, store):
    ids = [store.create(f"talk {n}").id for n in range(3)]
    store.append(ids[0], [question(), answer()])

    done = quire("chats", "-n", "2")

    head, first, second = done.stdout.splitlines()
    assert head.split() == ["ID", "TITLE", "COLLECTION", "MESSAGES", "LAST", "USED"]
    assert first.split()[:5] == [ids[0], "talk", "0", "default", "2"]
    assert second.startswith(ids[2])
    rest = quire("chats", "--before", done.stderr.split("--before ")[1].strip())
    assert ids[1] in rest.stdout


def test_search_finds_and_nothing_found_is_said(quire, store):
    store.append(store.create("地铁").id, [question("上海轨道交通"), answer()])
    store.create("tea")

    assert "地铁" in quire("chats", "--search", "轨道").stdout
    assert "tea" not in quire("chats", "--search", "轨道").stdout
    assert "no conversation holds that" in quire("chats", "--search", "xyzzy").stderr


def test_no_conversations_are_said(quire):
    assert "no conversations yet" in quire("chats").stderr
    assert json.loads(quire("chats", "--json").stdout) == {"conversations": [], "next": ""}


def test_one_is_shown_with_its_sources_and_what_became_of_them(quire, store, texts):
    one = store.create("Bay").id
    store.append(one, [question(), answer()])
    doubt = Sentence("It is blue.", (), "not_found")
    broken = Message("assistant", "", TIME, "broken_off", (doubt,))
    store.append(one, [question("\x1b[2JAnd?"), broken])
    texts["d1"] = "changed"

    lines = quire("chats", "show", one).stdout.splitlines()

    assert lines == [
        "Bay  (default, " + store.get(one).created_at[:10] + ")",
        "",
        ">>> When was the harbour opened?",
        "",
        "It was opened in 1931 [1].",
        "[1] ports/bay.md, page 3, characters 0-31  (changed since, or gone)",
        "    The harbour was opened in 1931.",
        "",
        ">>> [2JAnd?",
        "",
        "(broken off: only what was checked by then)",
        "  not found in the documents: It is blue.",
    ]


def test_one_is_begun_with_or_without_a_title(quire, store):
    plain = quire("chats", "new", "-c", "work").stdout.strip()
    named = quire("chats", "new", "Green", "tea").stdout.strip()

    assert (store.summary(plain).title, store.summary(plain).collection) == ("", "work")
    assert (store.summary(named).title, store.summary(named).collection) == ("Green tea", "default")
    assert "(nothing asked yet)" in quire("chats").stdout


def test_the_last_used_one_is_found_and_begun_where_there_is_none(quire, store):
    first = last_used(quire.client, "work")
    second = begin(quire.client, "default")
    store.append(first, [question(), answer()])

    assert store.summary(first).collection == "work"
    assert last_used(quire.client, "default") == first != second


def test_one_is_renamed_and_deleted(quire, store):
    one, two = store.create().id, store.create().id

    assert quire("chats", "rename", one, "Green", "tea").stdout == f"renamed {one}\n"
    assert store.summary(one).title == "Green tea"
    assert quire("chats", "rm", one, two).stdout == f"deleted {one}\ndeleted {two}\n"
    assert store.page().summaries == ()


def test_an_export_goes_to_a_file_or_to_the_next_program_and_comes_back(quire, store, tmp_path):
    one = store.create("Bay").id
    store.append(one, [question(), answer("x [1].", cited())])
    target = tmp_path / "bay.json"

    written = quire("chats", "export", one)
    done = quire("chats", "export", one, "--format", "json", "-o", str(target))
    new = quire("chats", "import", str(target)).stdout.strip()

    assert written.stdout.startswith("# Bay\n")
    assert (done.stdout, done.exit_code) == ("", 0)
    assert store.get(new).messages == store.get(one).messages


def test_a_collection_that_an_import_names_does_not_steer_the_terminal(quire, store):
    found = store.restore(Conversation("", "Bay", "\x1b[2Jports", TIME, TIME))

    assert "\x1b" not in quire("chats").stdout + quire("chats", "show", found.id).stdout


@pytest.mark.parametrize("text", ["", "nonsense", "[]", "[" * 100_000])
def test_a_file_that_is_no_export_is_refused_by_name(quire, tmp_path, text):
    file = tmp_path / "other.json"
    file.write_text(text)

    done = quire("chats", "import", str(file))

    assert done.exit_code == 1
    assert "other.json: not" in done.stderr


@pytest.mark.parametrize("words", [("show", "x"), ("rm", "x/../y"), ("rename", "x", "y")])
def test_an_unknown_id_is_told_in_the_servers_words(quire, words):
    done = quire("chats", *words)

    assert isinstance(done.exception, ServerError)
    assert "not found" in str(done.exception).casefold()
