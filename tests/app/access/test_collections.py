"""A key that is bound to one collection: the others do not exist for it, in any route."""

from __future__ import annotations

import asyncio
import json

import httpx
import pytest

from tests.app.conftest import settings_at

FACT = "The lighthouse of Brumly was built in 1871 by Ada Finch."
SECRET = "The vault of Norwick holds nine amber seals from 1654."


@pytest.fixture(scope="module")
def opened(tmp_path_factory, starter_models):
    """Hold collections `open` and `closed`, and give (ask, keys, ids)."""
    from app.access.keyring import Keyring
    from app.access.store import FILE, AccessStore
    from app.compose import compose
    from app.server import build_app

    home = tmp_path_factory.mktemp("bound")
    store = AccessStore(home / FILE)
    keyring = Keyring(store)
    every = ["read", "ask", "ingest"]
    keys = {
        "admin": keyring.make("admin", ["admin"])[1],
        "bound": keyring.make("bound", every, ["open", "new"])[1],
        "bound too": keyring.make("bound too", every, ["open"])[1],
        "bound admin": keyring.make("bound admin", ["admin"], ["open"])[1],
        "free": keyring.make("free", every)[1],
    }
    store.close()
    settings = settings_at(home, starter_models, QUIRE_AUTH="on", QUIRE_RATE_LIMIT="0")
    with compose(settings, lambda _: None, is_chat_needed=False) as parts:
        transport = httpx.ASGITransport(build_app(parts, has_ui=False))

        def ask(who, method, path, **more):
            async def go():
                async with httpx.AsyncClient(
                    transport=transport, base_url="http://127.0.0.1", timeout=120
                ) as http:
                    headers = {"x-api-key": keys[who]}
                    return await http.request(method, path, headers=headers, **more)

            return asyncio.run(go())

        ids = {}
        for name, text in (("open", FACT), ("closed", SECRET)):
            files = [("files", (f"{name}.txt", text.encode()))]
            sent = ask("admin", "POST", "/kb/documents", files=files, data={"collection": name})
            assert sent.status_code == 202, sent.text
            job = sent.json()["job_id"]
            assert parts.kb.wait(job, 60).state == "done"
            there = ask("admin", "GET", "/kb/documents", params={"collection": name}).json()
            ids[name] = {"document": there["documents"][0]["id"], "job": job}
        yield ask, ids


BOUND = ("bound", "bound admin")


@pytest.mark.parametrize("who", BOUND)
def test_lists_hold_only_what_is_seen(opened, who):
    ask, ids = opened

    def got(path, **params):
        reply = ask(who, "GET", path, params=params)
        assert reply.status_code == 200, reply.text
        return reply

    assert [one["name"] for one in got("/kb/collections").json()["collections"]] == ["open"]
    listed = got("/kb/documents").json()
    assert [one["id"] for one in listed["documents"]] == [ids["open"]["document"]]
    assert listed["total"] == 1
    assert [one["id"] for one in got("/kb/jobs").json()["jobs"]] == [ids["open"]["job"]]
    status = got("/kb/status").json()
    assert [one["name"] for one in status["collections"]] == ["open"]
    assert status["n_documents"] == 1
    models = [one["name"] for one in got("/api/tags").json()["models"]]
    assert "kb/open" in models
    assert "kb/closed" not in models
    listed = [one["id"] for one in got("/v1/models").json()["data"]]
    assert "kb/closed" not in listed
    for path in (
        "/kb/documents",
        "/kb/jobs",
        "/kb/status",
        "/kb/statistics",
        "/kb/exams",
        "/kb/migrations",
        "/kb/watched",
        "/api/tags",
    ):
        assert "closed" not in got(path).text


@pytest.mark.parametrize("who", BOUND)
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/kb/documents/{document}"),
        ("GET", "/kb/documents/{document}/text"),
        ("GET", "/kb/documents/{document}/pages/1/image"),
        ("GET", "/kb/documents/{document}/consequences"),
        ("DELETE", "/kb/documents/{document}"),
        ("GET", "/kb/jobs/{job}"),
        ("POST", "/kb/jobs/{job}/retry"),
        ("POST", "/kb/jobs/{job}/cancel"),
    ],
)
def test_what_is_of_another_collection_is_answered_like_what_never_was(opened, who, method, path):
    ask, ids = opened
    there = ask(who, method, path.format(**ids["closed"]))
    never = ask(who, method, path.format(document="0" * 32, job="0" * 32))

    assert there.status_code == never.status_code == 404
    told = there.text
    for one in ids["closed"].values():
        told = told.replace(one, "0" * 32)
    assert told == never.text
    assert ask("admin", "GET", f"/kb/documents/{ids['closed']['document']}").status_code == 200


@pytest.mark.parametrize("who", BOUND)
@pytest.mark.parametrize("name", ["closed", "never"])
@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/kb/search", {"query": "seals", "collection": "NAME"}),
        ("POST", "/kb/explain", {"question": "seals", "file": "closed.txt", "collection": "NAME"}),
        ("POST", "/kb/query", {"question": "What holds the vault?", "collection": "NAME"}),
        (
            "POST",
            "/kb/query",
            {"question": "What holds the vault?", "collection": "NAME", "stream": True},
        ),
        ("POST", "/kb/conversations", {"collection": "NAME"}),
        ("POST", "/kb/collections", {"name": "NAME"}),
        ("GET", "/kb/collections/NAME", None),
        ("GET", "/kb/documents?collection=NAME", None),
        ("GET", "/kb/statistics?collection=NAME", None),
        ("GET", "/kb/suggestions?collection=NAME", None),
        ("DELETE", "/kb/watched?folder=/tmp&collection=NAME", None),
    ],
)
def test_a_collection_of_others_is_refused_whether_or_not_it_exists(
    opened, who, name, method, path, body
):
    ask, _ = opened
    sent = None if body is None else json.loads(json.dumps(body).replace("NAME", name))

    reply = ask(who, method, path.replace("NAME", name), json=sent)

    assert reply.status_code == 403
    assert reply.json()["error"].startswith(f"the key '{who}' may not use collection '{name}'")


def test_files_of_others_collections_are_not_taken_in(opened):
    ask, _ = opened
    files = [("files", ("x.txt", b"x"))]

    reply = ask("bound", "POST", "/kb/documents", files=files, data={"collection": "closed"})

    assert reply.status_code == 403
    assert ask("bound", "POST", "/kb/documents", files=files).status_code == 403  # default


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/kb/migrations", {"model": "all-minilm:latest"}),
        ("/kb/migrations/revert", {}),
        ("/kb/migrations/revert", {"collection": "closed"}),
        ("/kb/exams", {"collection": "closed", "n": 5}),
    ],
)
def test_an_administrator_of_one_collection_changes_no_other(opened, path, body):
    ask, _ = opened

    assert ask("bound admin", "POST", path, json=body).status_code == 403


def test_its_own_collection_answers(opened):
    ask, _ = opened

    found = ask("bound", "POST", "/kb/search", json={"query": "lighthouse", "collection": "open"})
    answer = ask(
        "bound",
        "POST",
        "/kb/query",
        json={"question": "Who built the lighthouse?", "collection": "open"},
    )

    assert found.json()["hits"][0]["text"] == FACT
    assert "Ada Finch" in answer.json()["answer"]


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/api/chat", {"messages": [{"role": "user", "content": "seals?"}], "stream": False}),
        ("/api/generate", {"prompt": "seals?", "stream": False}),
        ("/api/show", {}),
        ("/v1/chat/completions", {"messages": [{"role": "user", "content": "seals?"}]}),
        (
            "/v1/messages",
            {"max_tokens": 9, "messages": [{"role": "user", "content": "seals?"}]},
        ),
    ],
)
def test_a_collection_as_a_model_does_not_exist_for_others(opened, path, body):
    ask, _ = opened
    there = ask("bound", "POST", path, json={**body, "model": "kb/closed"})
    never = ask("bound", "POST", path, json={**body, "model": "kb/never1"})

    assert there.status_code == never.status_code == 404
    assert "kb/open" in there.text
    assert "amber" not in there.text
    if path != "/v1/messages":  # each of its errors has a number of its own
        assert there.text.replace("closed", "X") == never.text.replace("never1", "X")
    if path == "/api/chat":
        assert ask("bound", "POST", path, json={**body, "model": "kb/open"}).status_code == 200


def test_the_error_of_a_collection_that_is_not_there_names_no_others(opened):
    ask, _ = opened

    reply = ask("bound", "POST", "/kb/search", json={"query": "x", "collection": "new"})

    assert reply.status_code == 404
    assert "closed" not in reply.text


def begun(ask, who, collection="open"):
    made = ask(who, "POST", "/kb/conversations", json={"title": "Lamps", "collection": collection})
    assert made.status_code == 201, made.text
    return made.json()["id"]


@pytest.mark.parametrize("other", ["bound too", "free"])
def test_a_conversation_is_for_its_own_key_and_for_administrators(opened, other):
    ask, _ = opened
    mine = begun(ask, "bound")

    def listed(who):
        found = ask(who, "GET", "/kb/conversations").json()["conversations"]
        return mine in [one["id"] for one in found]

    assert [listed(who) for who in ("bound", "admin", "bound admin", other)] == [
        True,
        True,
        True,
        False,
    ]
    assert ask("admin", "GET", f"/kb/conversations/{mine}").status_code == 200
    for method, path, body in (
        ("GET", f"/kb/conversations/{mine}", None),
        ("GET", f"/kb/conversations/{mine}/export", None),
        ("PATCH", f"/kb/conversations/{mine}", {"title": "mine now"}),
        ("DELETE", f"/kb/conversations/{mine}", None),
        ("POST", "/kb/query", {"question": "And then?", "conversation_id": mine}),
    ):
        assert ask(other, method, path, json=body).status_code == 404, (method, path)
    found = ask(other, "GET", "/kb/conversations", params={"q": "Lamps"})
    assert mine not in found.text


def test_an_administrator_of_one_collection_sees_no_talk_about_another(opened):
    ask, _ = opened
    theirs = begun(ask, "free", "closed")

    assert ask("bound admin", "GET", f"/kb/conversations/{theirs}").status_code == 404
    assert theirs not in ask("bound admin", "GET", "/kb/conversations").text
    assert ask("admin", "GET", f"/kb/conversations/{theirs}").status_code == 200


def test_what_was_exported_is_not_brought_in_under_anothers_collection(opened):
    ask, _ = opened
    theirs = begun(ask, "admin", "closed")
    told = ask("admin", "GET", f"/kb/conversations/{theirs}/export?format=json").json()

    assert ask("bound", "POST", "/kb/conversations/import", json=told).status_code == 403
    assert ask("free", "POST", "/kb/conversations/import", json=told).status_code == 201


def test_whoever_asks_is_told_what_is_allowed(opened):
    ask, _ = opened

    assert ask("bound", "GET", "/kb/me").json() | {"id": ""} == {
        "is_asked": True,
        "id": "",
        "name": "bound",
        "scopes": ["ask", "ingest", "read"],
        "collections": ["new", "open"],
    }


def test_a_talk_that_was_made_up_tells_nothing_of_documents_of_others(opened):
    ask, ids = opened
    made = ask("free", "POST", "/kb/conversations", json={"title": "T", "collection": "open"})
    told = ask("free", "GET", f"/kb/conversations/{made.json()['id']}/export?format=json").json()
    for document, is_current in (
        (ids["open"]["document"], True),
        (ids["closed"]["document"], False),
    ):
        text = (FACT if is_current else SECRET)[:8]
        cited = {"n": 1, "document_id": document, "digest": "", "path": "x", "title": "x"}
        cited |= {"page": None, "start": 0, "end": 8, "text": text}
        at = told["conversation"]["created_at"]
        told["conversation"]["messages"] = [
            {"role": "user", "text": "?", "created_at": at},
            {
                "role": "assistant",
                "text": "x [1]",
                "created_at": at,
                "mode": "extractive",
                "citations": [cited],
            },
        ]
        sent = ask("bound", "POST", "/kb/conversations/import", json=told)
        assert sent.status_code == 201, sent.text
        found = ask("bound", "GET", f"/kb/conversations/{sent.json()['id']}").json()
        assert found["messages"][1]["citations"][0]["is_current"] is is_current


def test_keys_are_made_listed_and_revoked_over_the_api(opened):
    ask, _ = opened
    made = ask(
        "admin", "POST", "/kb/keys", json={"name": "new", "scopes": ["read"], "expires": "1d"}
    )
    body = made.json()

    assert made.status_code == 201
    assert made.headers["cache-control"] == "no-store"
    listed = ask("admin", "GET", "/kb/keys")
    assert body["key"] not in listed.text
    (shown,) = [one for one in listed.json()["keys"] if one["id"] == body["id"]]
    assert (shown["scopes"], shown["is_open"], shown["collections"]) == (["read"], True, None)
    assert ask("free", "GET", "/kb/keys").status_code == 403
    assert ask("admin", "DELETE", f"/kb/keys/{body['id']}").json()["is_open"] is False
    assert ask("admin", "DELETE", f"/kb/keys/{body['id']}").status_code == 404
    assert ask("admin", "POST", "/kb/keys", json={"name": "\u202e"}).status_code == 400
    assert (
        ask("admin", "POST", "/kb/keys", json={"name": "x", "scopes": ["root"]}).status_code == 400
    )
