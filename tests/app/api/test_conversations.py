"""/kb/conversations over HTTP: every verb, what is refused, hostile input."""

from __future__ import annotations

import json

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from app.api.conversations import conversations_router, install_conversation_errors
from app.api.conversations_wire import ConversationOut, SummaryOut
from app.api.errors import install_errors
from app.api.wire import DeletedOut
from app.client import ServerError
from app.conversations import limits
from app.conversations.store import FILE, Conversations
from ingest.errors import CollectionNotFoundError
from tests.app.conversations.conftest import TEXT, Texts, answer, cited, question

PATH = "/kb/conversations"


@pytest.fixture
def texts():
    return Texts({"d1": TEXT})


@pytest.fixture
def store(tmp_path, texts):
    found = Conversations(tmp_path / FILE, texts.shelf())
    yield found
    found.close()


@pytest.fixture
def client(store):
    def check(collection):
        if collection not in ("default", "work"):
            raise CollectionNotFoundError(collection)

    app = FastAPI()
    install_errors(app)
    install_conversation_errors(app)
    app.include_router(conversations_router(store, check))
    return TestClient(app, raise_server_exceptions=False)


def begun(client, **body):
    answer = client.post(PATH, json=body)
    assert answer.status_code == 201, answer.text
    return answer.json()["id"]


def told(answer, status):
    assert answer.status_code == status, answer.text
    return answer.json()["error"]


def test_a_conversation_lives_from_its_beginning_to_its_end(client, store):
    one = begun(client, collection="work")
    store.append(one, [question(), answer()])

    listed = client.get(PATH).json()
    whole = client.get(f"{PATH}/{one}").json()
    renamed = client.patch(f"{PATH}/{one}", json={"title": "Bay"}).json()
    deleted = client.delete(f"{PATH}/{one}").json()

    assert [chat["id"] for chat in listed["conversations"]] == [one]
    assert (whole["title"], whole["collection"], whole["n_messages"]) == (
        "When was the harbour opened?", "work", 2,
    )  # fmt: skip
    assert (renamed["title"], deleted) == ("Bay", {"deleted": True})
    assert one in told(client.get(f"{PATH}/{one}"), 404)


def test_each_citation_tells_whether_its_document_still_holds_it(client, store, texts):
    one = begun(client)
    store.append(one, [question(), answer("x [1].", cited(), cited(2, 32, 67))])

    before = client.get(f"{PATH}/{one}").json()["messages"][1]
    texts["d1"] = TEXT[:31] + " Its lighthouse fell down."
    after = client.get(f"{PATH}/{one}").json()["messages"][1]

    assert [span["is_current"] for span in before["citations"]] == [True, True]
    assert [span["is_current"] for span in after["citations"]] == [True, False]
    assert after["citations"][1]["text"] == TEXT[32:67]
    assert after["sentences"][0]["support"] == "supported"


def test_lists_are_searched_and_paged(client, store):
    for n in range(5):
        begun(client, title=f"tea {n}")
    store.append(begun(client, title="other"), [question("上海轨道交通"), answer()])

    first = client.get(PATH, params={"q": "tea", "limit": 3}).json()
    second = client.get(PATH, params={"q": "tea", "limit": 3, "before": first["next"]}).json()
    chinese = client.get(PATH, params={"q": "轨道"}).json()

    found = first["conversations"] + second["conversations"]
    assert [one["title"] for one in found] == [f"tea {n}" for n in (4, 3, 2, 1, 0)]
    assert second["next"] == ""
    assert [one["title"] for one in chinese["conversations"]] == ["other"]


def test_an_export_is_a_file_that_a_browser_saves_under_its_title(client, store):
    one = begun(client, title='a/b "上海"\r\nx: y')
    store.append(one, [question(), answer()])

    saved = client.get(f"{PATH}/{one}/export")

    assert saved.text.startswith('# a/b "上海" x: y\n')
    assert "[^1]: ports/bay.md, page 3" in saved.text
    assert saved.headers["content-type"] == "text/markdown; charset=utf-8"
    assert saved.headers["content-disposition"] == (
        f'attachment; filename="{one}.md"; '
        "filename*=UTF-8''a%20b%20%22%E4%B8%8A%E6%B5%B7%22%20x%3A%20y.md"
    )


def test_an_exported_conversation_can_be_imported(client, store):
    one = begun(client, title="Bay", collection="work")
    store.append(one, [question(), answer()])
    exported = client.get(f"{PATH}/{one}/export", params={"format": "json"})

    new = client.post(f"{PATH}/import", content=exported.content)

    assert (new.status_code, new.json()["n_messages"]) == (201, 2)
    other = new.json()["id"]
    assert other != one
    again = client.get(f"{PATH}/{other}/export", params={"format": "json"}).text
    assert json.loads(again.replace(other, one)) == exported.json()


@pytest.mark.parametrize(
    ("verb", "where", "body"),
    [
        ("GET", "nobody", None),
        ("GET", "nobody/export", None),
        ("DELETE", "nobody", None),
        ("PATCH", "nobody", {"title": "x"}),
        ("GET", "%00", None),
        ("GET", "x" * 2_000, None),
    ],
)
def test_an_unknown_conversation_is_not_found(client, verb, where, body):
    assert "not found" in told(client.request(verb, f"{PATH}/{where}", json=body), 404)


@pytest.mark.parametrize(
    ("verb", "where", "body", "status", "word"),
    [
        ("POST", "", {"titel": "x"}, 400, "titel"),
        ("POST", "", {"collection": "nowhere"}, 404, "nowhere"),
        ("POST", "", {"title": 5}, 400, "title"),
        ("POST", "", {"title": " \n "}, 400, "empty"),
        ("POST", "", {"title": "x" * 10_000_000}, 413, "limit is 200"),
        ("POST", "/import", {}, 400, "format"),
        ("POST", "/import", {"format": "quire-conversation", "version": 1}, 400, "conversation"),
        ("GET", "?limit=0", None, 400, "limit"),
        ("GET", "?limit=1001", None, 400, "limit"),
        ("GET", "/any/export?format=pdf", None, 400, "format"),
    ],
)
def test_what_cannot_be_done_is_said(client, verb, where, body, status, word):
    assert word in told(client.request(verb, f"{PATH}{where}", json=body), status)


@pytest.mark.parametrize("raw", [b"", b"[]", b"{", b'{"a":' * 500, b"\xff\xfe"])
def test_an_import_of_anything_else_is_refused(client, raw):
    assert told(client.post(f"{PATH}/import", content=raw), 400)


def test_an_import_is_bound_by_the_limits(client, store, monkeypatch):
    one = begun(client)
    store.append(one, [question(), answer()])
    exported = client.get(f"{PATH}/{one}/export", params={"format": "json"}).json()
    monkeypatch.setattr(limits, "MAX_MESSAGES", 1)

    assert "at most 1 fit" in told(client.post(f"{PATH}/import", json=exported), 409)
    monkeypatch.setattr(limits, "MAX_MESSAGES", 2)
    exported["conversation"]["messages"][0]["text"] = "x" * (limits.MAX_TEXT + 1)
    assert "limit is 100,000" in told(client.post(f"{PATH}/import", json=exported), 413)
    assert len(client.get(PATH).json()["conversations"]) == 1


@pytest.mark.parametrize(
    "title", ["<script>alert(1)</script>", "\ud83d", "٣" * 200, "a\x00b", "%2e%2e%2f", "[^1]: x"]
)
def test_a_hostile_title_is_only_a_title(client, title):
    raw = json.dumps({"title": title})

    one = client.post(PATH, content=raw).json()["id"]

    assert client.get(f"{PATH}/{one}").status_code == 200
    for kind in ("markdown", "json"):
        answer = client.get(f"{PATH}/{one}/export", params={"format": kind})
        assert answer.status_code == 200
        assert "<script>" not in answer.text or kind == "json"


def test_500_turns_come_whole(client, store):
    one = begun(client)
    pairs = [message for n in range(500) for message in (question(f"{n}?"), answer(f"{n} [1]."))]
    store.append(one, pairs)

    found = client.get(f"{PATH}/{one}").json()

    assert len(found["messages"]) == 1000
    assert all(span["is_current"] for one in found["messages"] for span in one["citations"])


def test_a_real_server_keeps_conversations(server):
    client, settings = server

    one = client.post(PATH, {"title": "Tea"}, SummaryOut)

    assert client.get(f"{PATH}/{one.id}", ConversationOut).collection == "default"
    assert client.text(f"{PATH}/{one.id}/export").startswith("# Tea\n")
    assert (settings.home / FILE).is_file()
    with pytest.raises(ServerError, match="nowhere"):
        client.post(PATH, {"collection": "nowhere"}, SummaryOut)
    client.tell("DELETE", f"{PATH}/{one.id}", {})
    with pytest.raises(ServerError, match="not found") as gone:
        client.get(f"{PATH}/{one.id}", DeletedOut)
    assert gone.value.status == 404
