"""Names, origins and addresses that a request makes up."""

from __future__ import annotations

import asyncio
import json

import httpx
import pytest

from tests.security.locked import CANARIES
from tests.security.wire import filled, get, operations, raw, status_of

HOSTS = (
    "evil.example",
    "evil.example:80",
    "localhost.evil.example",
    "127.0.0.1.evil.example",
    "evil.example#localhost",
    "localhost@evil.example",
    "8.8.8.8",
    "xn--lcalhost-n0a.example",
    "[2606:4700::1111]",
)
ORIGINS = (
    "https://evil.example",
    "http://localhost.evil.example",
    "http://localhost@evil.example",
    "http://127.0.0.1.evil.example",
    "http://evil.example#http://localhost",
    "http://localhost:80.evil.example",
    "null",
    "chrome-extension://evil",
    "HTTP://EVIL.EXAMPLE",
    "http://localhost, https://evil.example",
)
FAR = "127.0.0.7"  # no proxy that is trusted


@pytest.fixture(scope="module")
def every(locked):
    description = locked.admin("GET", "/openapi.json").json()
    found = [(method, filled(path, "1")) for method, path, _ in operations(description)]
    return [*found, ("GET", "/"), ("GET", "/login"), ("POST", "/login"), ("GET", "/ui/")]


def test_no_foreign_name_reaches_any_route(locked, every):
    """DNS rebinding: the browser of a visitor calls this server by a name of the attacker's."""
    let_in = []
    key = f"X-API-Key: {locked.keys['admin']}"
    for method, path in every:
        answer = raw(locked.url, get(path, key, host="evil.example", method=method))
        if status_of(answer) != 403 or any(one.encode() in answer for one in CANARIES):
            let_in.append((method, path, answer[:120]))
    assert len(every) > 85
    assert let_in == []


@pytest.mark.parametrize("host", HOSTS)
def test_no_foreign_name_is_taken_for_this_machines(locked, host):
    key = f"X-API-Key: {locked.keys['admin']}"
    answer = raw(locked.url, get("/kb/documents", key, host=host))

    assert status_of(answer) in (400, 403)


def test_a_second_name_does_not_hide_the_first(locked):
    key = f"X-API-Key: {locked.keys['admin']}"
    for first, second in (("localhost", "evil.example"), ("evil.example", "localhost")):
        asked = get("/kb/documents", f"Host: {second}", key, host=first)
        answer = raw(locked.url, asked)
        assert status_of(answer) in (400, 403) or (first == "localhost" and b"evil" not in answer)
    for named in ("X-Forwarded-Host", "X-Host", "Forwarded"):
        asked = get("/kb/documents", f"{named}: localhost", key, host="evil.example")
        assert status_of(raw(locked.url, asked)) == 403


def test_no_foreign_page_reaches_any_route(locked, every):
    let_in = []
    for method, path in every:
        for origin in ORIGINS[:2]:
            reply = locked.admin(method, path, headers={"Origin": origin})
            if reply.status_code != 403 or "access-control-allow-origin" in reply.headers:
                let_in.append((method, path, origin, reply.status_code))
    assert let_in == []


@pytest.mark.parametrize("origin", ORIGINS)
def test_no_foreign_origin_is_taken_for_a_local_one(locked, origin):
    for method in ("GET", "POST", "OPTIONS"):
        reply = locked.admin(
            method,
            "/kb/search" if method != "GET" else "/kb/documents",
            headers={"Origin": origin, "Access-Control-Request-Method": "POST"},
        )
        assert reply.status_code == 403, (method, reply.status_code)
        assert "access-control-allow-origin" not in reply.headers


def test_no_origin_at_all_may_read_with_a_cookie(locked):
    for origin in ("http://localhost:1", "http://127.0.0.1:9999", "tauri://localhost"):
        for method in ("GET", "OPTIONS"):
            reply = locked.admin(
                method,
                "/kb/documents",
                headers={"Origin": origin, "Access-Control-Request-Method": "DELETE"},
            )
            assert "access-control-allow-credentials" not in reply.headers
            assert reply.headers.get("access-control-allow-origin") in (None, origin)


SPOOFS = (
    "X-Forwarded-For: 203.0.113.9",
    "X-Forwarded-For: 203.0.113.9, 127.0.0.1",
    "X-Real-IP: 203.0.113.9",
    "Forwarded: for=203.0.113.9",
    "X-Client-IP: 203.0.113.9",
    "True-Client-IP: 203.0.113.9",
    "CF-Connecting-IP: 203.0.113.9",
    "X-Forwarded-Proto: https",
)


def audited(locked, request_id):
    folder = locked.home / "audit"
    lines = [json.loads(one) for one in (folder / "audit.jsonl").read_text("ascii").splitlines()]
    return [one for one in lines if one.get("request_id") == request_id]


@pytest.mark.parametrize("spoof", SPOOFS)
def test_an_address_is_made_up_by_nobody_but_a_trusted_proxy(locked, spoof):
    name = f"spoof-{SPOOFS.index(spoof)}"
    asked = get(
        "/kb/documents", f"X-Request-ID: {name}", f"X-API-Key: {locked.keys['read']}", spoof
    )

    answer = raw(locked.url, asked, source=FAR)

    assert status_of(answer) == 200
    assert locked.audit.settle()
    (line,) = audited(locked, name)
    assert line["address"] == FAR
    assert b"strict-transport-security" not in answer.lower()  # nor is the scheme


@pytest.mark.parametrize("spoof", ["X-Forwarded-For", "X-Real-IP", "Forwarded"])
def test_a_folder_is_watched_for_nobody_who_only_says_that_he_is_here(locked, spoof):
    async def go():
        transport = httpx.ASGITransport(locked.app, client=("203.0.113.9", 5))
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as http:
            return await http.post(
                "/kb/watched",
                json={"folder": "/usr/share", "collection": "open"},
                headers={"X-API-Key": locked.keys["admin"], spoof: "127.0.0.1"},
            )

    assert asyncio.run(go()).status_code == 403
    assert locked.admin("GET", "/kb/watched").json()["watched"] == []


@pytest.mark.parametrize(
    "name", ["a b", "a\tb", "x" * 65, '"}', "\xe9", "../../x", "{}", "<script>", ""]
)
def test_the_id_of_a_request_forges_no_line_of_a_log(locked, name):
    asked = get("/kb/documents", f"X-Request-ID: {name}", f"X-API-Key: {locked.keys['read']}")

    answer = raw(locked.url, asked)

    assert locked.audit.settle()
    (given,) = [
        one.split(b":", 1)[1].strip().decode()
        for one in answer.partition(b"\r\n\r\n")[0].splitlines()
        if one.lower().startswith(b"x-request-id")
    ]
    assert given != name
    assert given.isalnum()
    assert len(audited(locked, given)) == 1
