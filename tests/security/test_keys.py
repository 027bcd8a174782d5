"""Keys that open nothing, that open something else, and sessions that somebody else would use."""

from __future__ import annotations

import json
from urllib.parse import quote

import pytest

from app.access.gate import COOKIE
from app.access.routes import need_of
from tests.security.locked import CANARIES, told
from tests.security.wire import body_of, filled, get, operations, raw, status_of

USELESS = ("", "revoked", "expired", "of another server", "never made")
# Ollama's cloud: each says that there is none, to whoever has any key.
CLOUD = ("/api/me", "/api/signout", "/api/user/", "/api/experimental/")


def is_guarded(method, path):
    return bool(need_of(method, path).scopes)


@pytest.fixture(scope="module")
def every(locked):
    """List (METHOD, path with something in it, body) of every operation that asks for a key."""
    description = locked.admin("GET", "/openapi.json").json()
    return [
        (method, filled(path, "1"), body_of(operation))
        for method, path, operation in operations(description)
        if is_guarded(method, path)
    ]


@pytest.mark.parametrize("who", USELESS)
def test_nothing_is_opened_or_changed_without_a_key_that_holds(locked, every, who):
    before = locked.state()
    let_in = []
    for method, path, body in every:
        reply = locked.ask(who, method, path, json=body)
        if reply.status_code != 401 or any(one in told(reply) for one in CANARIES):
            let_in.append((method, path, reply.status_code, reply.text[:100]))

    assert len(every) > 80
    assert let_in == []
    assert locked.state() == before


def shown_wrongly(key):
    """Give the headers in which a right key opens nothing all the same."""
    half = key[: len(key) // 2]
    yield "authorization", [("Authorization", "Bearer ")]
    yield "authorization", [("Authorization", "Bearer")]
    yield "authorization", [("Authorization", f"Basic {key}")]
    yield "authorization", [("Authorization", f"Bearer{key}")]
    yield "authorization", [("Authorization", key)]
    yield "authorization", [("Authorization", f"Bearer {key} {key}")]
    yield "authorization", [("Authorization", f"Bearer {key},{key}")]
    yield "authorization", [("Authorization", f"Bearer {half}")]
    yield "authorization", [("Authorization", f"Bearer {key}x")]
    yield "authorization", [("Authorization", f"Bearer {key.swapcase()}")]
    yield "authorization", [("Authorization", f"Bearer {key.replace('qk_', 'qs_', 1)}")]
    yield "authorization", [("Authorization", "Bearer " + key * 1000)]
    yield "authorization", [("Authorization", "Bearer " + "\xe9" * 50)]
    yield "authorization", [("Authorization", f"Bearer %{key[0].encode().hex()}{key[1:]}")]
    yield "two", [("Authorization", "Bearer x"), ("Authorization", f"Bearer {key}")]
    yield "two", [("X-API-Key", "x"), ("X-API-Key", key)]
    yield "other", [("X-Api-Token", key)]
    yield "other", [("Api-Key", key)]
    yield "other", [("X-Auth-Token", key)]
    yield "other", [("Proxy-Authorization", f"Bearer {key}")]
    yield "other", [("Cookie", f"key={key}")]
    yield "other", [("X-Forwarded-User", "admin"), ("X-Remote-User", "admin")]
    yield "other", [("X-Original-URL", "/healthz"), ("X-Rewrite-URL", "/healthz")]
    yield "other", [("X-HTTP-Method-Override", "GET")]


def test_a_key_in_another_place_or_form_opens_nothing(locked):
    let_in = []
    for kind, headers in shown_wrongly(locked.keys["admin"]):
        lines = [f"{name}: {value}" for name, value in headers]
        for path in ("/kb/keys", "/kb/documents"):
            answer = raw(locked.url, get(path, *lines))
            if status_of(answer) not in (400, 401, 431):
                let_in.append((kind, path, answer[:200]))
    assert let_in == []


@pytest.mark.parametrize("name", ["key", "api_key", "apikey", "token", "access_token", COOKIE])
def test_a_key_in_an_address_opens_nothing(locked, name):
    reply = locked.ask("", "GET", "/kb/documents", params={name: locked.keys["admin"]})

    assert reply.status_code == 401


def test_a_key_of_one_scope_opens_no_route_of_another(locked, every):
    before, let_in = locked.state(), []
    for method, path, body in every:
        need = need_of(method, path)
        for scope in ("read", "ask", "ingest"):
            if scope in need.scopes or path.startswith(CLOUD):
                continue
            reply = locked.ask(scope, method, path, json=body)
            if reply.status_code != 403:
                let_in.append((scope, method, path, reply.status_code))
    assert let_in == []
    assert locked.state() == before


# Another collection


def spellings(name):
    """Write the name of a collection as somebody would who hopes that it is taken for it."""
    wide = "".join(chr(ord(one) + 0xFEE0) for one in name)
    return (
        name,
        name.upper(),
        name.title(),
        f" {name}",
        f"{name} ",
        f"{name}\t",
        f"{name}\0",
        f"{name}/",
        f"./{name}",
        f"open/../{name}",
        f"open,{name}",
        f"{name}\u200b",
        f"\ufeff{name}",
        wide,
        name.replace("c", "\u0441"),
        name.replace("o", "o\u0301").replace("\u0301", "", 1) + "\u0301",
        "*",
        "%",
        "_%",
        "cl*",
        "' OR '1'='1",
    )


NAMED = [
    ("POST", "/kb/search", {"query": "vault seals", "collection": "NAME"}),
    ("POST", "/kb/query", {"question": "What does the vault hold?", "collection": "NAME"}),
    ("POST", "/kb/query", {"question": "vault?", "collection": "NAME", "stream": True}),
    ("POST", "/kb/explain", {"question": "vault", "file": "vault-plan.txt", "collection": "NAME"}),
    ("POST", "/kb/conversations", {"collection": "NAME"}),
    ("GET", "/kb/documents?collection=NAME", None),
    ("GET", "/kb/documents?collection=open&collection=NAME", None),
    ("GET", "/kb/suggestions?collection=NAME", None),
    ("GET", "/kb/statistics?collection=NAME", None),
    ("GET", "/kb/collections/NAME", None),
    ("GET", "/kb/exams/verdicts/NAME", None),
    ("DELETE", "/kb/exams/verdicts/NAME", None),
    ("DELETE", "/kb/collections/NAME", None),
    ("POST", "/kb/collections/NAME/reindex", None),
    ("POST", "/kb/exams", {"collection": "NAME", "n": 3}),
    ("POST", "/kb/migrations", {"model": "all-minilm:latest", "collection": "NAME"}),
    ("POST", "/kb/migrations/revert", {"collection": "NAME"}),
    ("POST", "/kb/watched", {"folder": "/tmp", "collection": "NAME"}),
    ("POST", "/kb/watched/confirm", {"folder": "/tmp", "collection": "NAME"}),
    ("DELETE", "/kb/watched?folder=/tmp&collection=NAME", None),
    (
        "POST",
        "/api/chat",
        {"model": "kb/NAME", "messages": [{"role": "user", "content": "vault?"}]},
    ),
    ("POST", "/api/generate", {"model": "kb/NAME", "prompt": "What does the vault hold?"}),
    ("POST", "/api/show", {"model": "kb/NAME"}),
    ("GET", "/v1/models/kb/NAME", None),
    (
        "POST",
        "/v1/chat/completions",
        {"model": "kb/NAME", "messages": [{"role": "user", "content": "vault?"}]},
    ),
    ("POST", "/v1/completions", {"model": "kb/NAME", "prompt": "vault?"}),
    ("POST", "/v1/responses", {"model": "kb/NAME", "input": "vault?"}),
    (
        "POST",
        "/v1/messages",
        {"model": "kb/NAME", "max_tokens": 9, "messages": [{"role": "user", "content": "vault?"}]},
    ),
]


@pytest.mark.parametrize("who", ["bound", "bound admin"])
@pytest.mark.parametrize(("method", "path", "body"), NAMED, ids=lambda one: str(one)[:40])
def test_no_spelling_of_another_collection_opens_it(locked, who, method, path, body):
    before, leaks = locked.state(), []
    for name in spellings("closed"):
        asked = path.replace("NAME", quote(name, safe=""))
        sent = (
            None
            if body is None
            else json.loads(json.dumps(body).replace("NAME", json.dumps(name)[1:-1]))
        )
        reply = locked.ask(who, method, asked, json=sent)
        if reply.status_code < 400 and name == "closed":
            leaks.append((name, reply.status_code))
        if reply.status_code >= 500 or any(one in told(reply) for one in CANARIES):
            leaks.append((name, told(reply)[:300]))
    assert leaks == []
    assert locked.state() == before


BY_ID = [
    ("GET", "/kb/documents/{document}"),
    ("GET", "/kb/documents/{document}/text"),
    ("GET", "/kb/documents/{document}/consequences"),
    ("GET", "/kb/documents/{document}/pages/1/image"),
    ("DELETE", "/kb/documents/{document}"),
    ("GET", "/kb/jobs/{job}"),
    ("POST", "/kb/jobs/{job}/retry"),
    ("POST", "/kb/jobs/{job}/cancel"),
    ("GET", "/kb/conversations/{conversation}"),
    ("GET", "/kb/conversations/{conversation}/export"),
    ("GET", "/kb/conversations/{conversation}/export?format=json"),
    ("PATCH", "/kb/conversations/{conversation}"),
    ("DELETE", "/kb/conversations/{conversation}"),
    ("GET", "/kb/feedback?conversation_id={conversation}"),
    ("GET", "/kb/exams/{exam}"),
    ("DELETE", "/kb/exams/{exam}"),
    ("POST", "/kb/exams/{exam}/cases"),
    ("POST", "/kb/exams/{exam}/runs"),
]


def disguised(path):
    """Write a path as somebody would who hopes that the gate reads another than the router."""
    head, _, query = path.partition("?")
    tail = f"?{query}" if query else ""
    first, rest = head[1:].split("/", 1)
    return [
        path,
        f"{head}/{tail}",
        f"/{head}{tail}",
        f"/{first}//{rest}{tail}",
        f"/healthz/..{head}{tail}",
        f"/login/../{first}/{rest}{tail}",
        f"/ui/..{head}{tail}",
        f"/healthz/%2e%2e{head}{tail}",
        f"/{first}/./{rest}{tail}",
        f"/{first.upper()}/{rest}{tail}",
        f"/%6b%62/{rest}{tail}",
        f"/{first}%2f{rest}{tail}",
        f"{head};x=1{tail}",
        f"{head}%00{tail}",
        f"{head}%20{tail}",
        f"{head}.json{tail}",
        f"http://localhost{head}{tail}",
        f"http://evil.example/healthz?{head}{tail}",
        f"{head}#/healthz",
    ]


OVERRIDES = (
    "X-HTTP-Method-Override: GET",
    "X-Method-Override: DELETE",
    "X-Original-URL: /kb/documents",
    "X-Rewrite-URL: /kb/documents",
    "X-Forwarded-Prefix: /healthz",
    "X-Forwarded-For: 127.0.0.1",
)


@pytest.mark.parametrize("who", ["", "bound", "bound admin"])
@pytest.mark.parametrize(("method", "path"), BY_ID)
def test_no_disguise_of_a_path_leads_to_what_is_anothers(locked, who, method, path):
    before, leaks = locked.state(), []
    key = [f"X-API-Key: {locked.keys[who]}"] if who else []
    for asked in disguised(path.format(**locked.ids["closed"])):
        answer = raw(locked.url, get(asked, *key, *OVERRIDES, method=method))
        body = answer.partition(b"\r\n\r\n")[2]
        if status_of(answer) in (200, 202, 500) and b'"status":"ok"' not in body.replace(b" ", b""):
            leaks.append((asked, answer[:300]))
        if any(one.encode() in answer for one in CANARIES):
            leaks.append((asked, "told"))
    assert leaks == []
    assert locked.state() == before


@pytest.mark.parametrize(
    "method", ["HEAD", "OPTIONS", "PUT", "TRACE", "CONNECT", "PROPFIND", "get"]
)
def test_other_methods_open_nothing(locked, method):
    for path in ("/kb/documents/{document}", "/kb/documents/{document}/text", "/kb/exams/{exam}"):
        for who in ("", "bound", "free"):
            key = [f"X-API-Key: {locked.keys[who]}"] if who else []
            asked = path.format(**locked.ids["closed"])
            answer = raw(locked.url, get(asked, *key, method=method))
            assert status_of(answer) in (204, 400, 401, 403, 405), answer[:200]
            assert not any(one.encode() in answer for one in CANARIES)


@pytest.mark.parametrize("who", ["bound", "bound admin"])
def test_filters_name_no_document_of_another_collection(locked, who):
    for filters in (
        {"document_ids": [locked.ids["closed"]["document"]]},
        {"paths": ["vault-plan.txt"]},
        {"paths": ["*"]},
        {"paths": ["../*", "%"]},
    ):
        asked = {"collection": "open", "filters": filters}
        found = locked.ask(who, "POST", "/kb/search", json={"query": "vault seals"} | asked)
        answer = locked.ask(who, "POST", "/kb/query", json={"question": "vault seals?"} | asked)
        why = locked.ask(
            who, "POST", "/kb/explain", json={"question": "vault", "file": "*plan*"} | asked
        )
        for reply in (found, answer, why):
            assert not any(one in reply.text.replace("*plan*", "") for one in CANARIES[:2])
            assert (
                locked.ids["closed"]["document"] not in reply.text.replace(json.dumps(filters), "")
                or reply.status_code == 400
            )
        if found.status_code == 200:
            assert all(one["path"] == "open.txt" for one in found.json()["hits"])


def test_what_is_brought_in_names_no_document_of_another_collection(locked):
    """Made-up citations, read back, exported, rated: nowhere does the text of the document show."""
    made = locked.ask("bound", "POST", "/kb/conversations", json={"collection": "open"}).json()
    told_of = locked.ask(
        "bound", "GET", f"/kb/conversations/{made['id']}/export?format=json"
    ).json()
    at = told_of["conversation"]["created_at"]
    cited = {
        "n": 1,
        "document_id": locked.ids["closed"]["document"],
        "digest": "",
        "path": "x",
        "title": "x",
        "page": None,
        "start": 0,
        "end": 40,
        "text": "x",
    }
    told_of["conversation"]["messages"] = [
        {"role": "user", "text": "?", "created_at": at},
        {
            "role": "assistant",
            "text": "x [1]",
            "created_at": at,
            "mode": "extractive",
            "citations": [cited],
        },
    ]
    new = locked.ask("bound", "POST", "/kb/conversations/import", json=told_of)
    assert new.status_code == 201, new.text
    mine = new.json()["id"]
    right = {"document_id": locked.ids["closed"]["document"], "start": 0, "end": 40}
    opinions = [
        {"conversation_id": mine, "message": 1, "verdict": "up"},
        {"conversation_id": mine, "message": 1, "verdict": "down", "right": right},
    ]
    replies = [
        locked.ask("bound", "GET", f"/kb/conversations/{mine}"),
        locked.ask("bound", "GET", f"/kb/conversations/{mine}/export"),
        *(locked.ask("bound", "POST", "/kb/feedback", json=one) for one in opinions),
        locked.ask("bound", "GET", f"/kb/feedback?conversation_id={mine}"),
        locked.ask("bound admin", "GET", "/kb/exams"),
    ]
    replies += [
        locked.ask("bound admin", "GET", f"/kb/exams/{one['id']}")
        for one in replies[-1].json()["exams"]
    ]

    for reply in replies:
        assert not any(one in told(reply) for one in CANARIES), reply.text
    assert replies[3].status_code in (400, 403, 404)
    told_of["conversation"]["collection"] = "closed"
    assert locked.ask("bound", "POST", "/kb/conversations/import", json=told_of).status_code == 403
    other = {"question": "And the vault?", "conversation_id": locked.ids["closed"]["conversation"]}
    assert locked.ask("bound", "POST", "/kb/query", json=other).status_code == 404


def test_an_upload_goes_into_no_other_collection_however_it_is_named(locked):
    before = locked.state()["/kb/collections"]
    for fields in (
        {"collection": "closed"},
        {"Collection": "closed"},
        {"collection": " closed "},
        {"collection": ["open", "closed"]},
        {"collection": ""},
    ):
        files = [("files", ("mine.txt", b"not mine to put there"))]
        reply = locked.ask("bound", "POST", "/kb/documents", files=files, data=fields)
        assert reply.status_code == 403, fields
    assert locked.state()["/kb/collections"] == before


@pytest.mark.parametrize(
    "folder", ["", ".", "..", "../..", "audit", "inbox/..", "kb.sqlite3", "LINK"]
)
@pytest.mark.parametrize("who", ["bound admin", "admin"])
def test_the_servers_own_files_are_no_documents(locked, who, folder, tmp_path):
    path = f"{locked.home}/{folder}"
    (locked.home / "inbox").mkdir(exist_ok=True)
    if folder == "LINK":
        path = tmp_path / "link"
        path.symlink_to(locked.home)
    asked = {"folder": str(path), "collection": "open"}

    reply = locked.ask(who, "POST", "/kb/watched", json=asked)

    assert reply.status_code in (400, 403)
    assert locked.admin("GET", "/kb/watched").json()["watched"] == []
