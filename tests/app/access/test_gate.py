"""The gate before a trivial application: who is let in with what, and in whose words not."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor, wait

import httpx
import pytest
from starlette.datastructures import Headers
from starlette.responses import JSONResponse

from app.access.caller import caller
from app.access.gate import COOKIE, Access, shown_in
from app.recorded import Recorded
from tests.app.asgi import call, scope_of


async def inner(scope, receive, send):
    """Tell who asks."""
    who = caller()
    body = {"id": who.key_id, "name": who.name, "scopes": sorted(who.scopes)}
    await JSONResponse(body)(scope, receive, send)


def asked(keyring, method, path, **headers):
    async def go():
        transport = httpx.ASGITransport(Access(inner, keyring=keyring))
        async with httpx.AsyncClient(transport=transport, base_url="http://quire") as http:
            return await http.request(
                method, path, headers={name.replace("_", "-"): at for name, at in headers.items()}
            )

    return asyncio.run(go())


@pytest.fixture
def key(keyring):
    return keyring.make("reader", ["read"])[1]


@pytest.mark.parametrize("header", ["Authorization", "X-API-Key", "x-api-key"])
def test_a_key_is_taken_in_any_of_the_usual_headers(keyring, key, header):
    value = f"Bearer {key}" if header == "Authorization" else key

    reply = asked(keyring, "POST", "/kb/search", **{header: value})

    assert reply.status_code == 200
    assert reply.json()["name"] == "reader"
    assert reply.json()["scopes"] == ["read"]


def test_the_caller_of_one_request_is_not_that_of_the_next(keyring, key):
    assert asked(keyring, "GET", "/", X_API_Key=key).json()["name"] == "reader"
    assert asked(keyring, "GET", "/").json() == {"id": "", "name": "", "scopes": []}


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/api/chat", lambda body: isinstance(body["error"], str)),
        ("/kb/query", lambda body: isinstance(body["error"], str)),
        ("/v1/chat/completions", lambda body: body["error"]["type"] == "authentication_error"),
        ("/v1/messages", lambda body: body["type"] == "error"),
    ],
)
def test_without_a_key_each_kind_of_client_is_told_in_its_own_words(keyring, path, kind):
    reply = asked(keyring, "POST", path)

    assert reply.status_code == 401
    assert reply.headers["www-authenticate"] == 'Bearer realm="quire"'
    assert kind(reply.json())
    assert "X-API-Key" in reply.text


def test_what_a_key_lacks_is_named(keyring, key):
    reply = asked(keyring, "POST", "/kb/query", Authorization=f"Bearer {key}")

    assert reply.status_code == 403
    assert reply.json() == {
        "error": "the key 'reader' may not do that: this needs the scope ask; it has read"
    }


@pytest.mark.parametrize(
    "shown",
    [
        "x",
        "qk_00000000_" + "0" * 43,
        "qk_" + "é" * 20,
        "Bearer",
        "qk_' OR 1=1 --_x",
        "a" * 20_000,
    ],
)
def test_what_is_no_key_opens_nothing(keyring, key, shown):
    reply = asked(keyring, "POST", "/kb/search", X_API_Key=shown.encode("utf-8"))

    assert reply.status_code == 401
    assert shown[:12] not in reply.text or shown in ("x", "Bearer")


def test_a_revoked_key_opens_nothing_from_then_on_also_when_another_process_revoked_it(
    keyring, another, key
):
    assert asked(keyring, "POST", "/kb/search", X_API_Key=key).status_code == 200
    another.revoke("reader")
    assert asked(keyring, "POST", "/kb/search", X_API_Key=key).status_code == 401


def test_a_key_that_another_process_made_opens_at_once(keyring, another):
    asked(keyring, "POST", "/kb/search", X_API_Key="x")
    _, text = another.make("new", ["read"])

    assert asked(keyring, "POST", "/kb/search", X_API_Key=text).status_code == 200


def test_a_key_opens_nothing_once_it_is_over(keyring, clock):
    _, text = keyring.make("short", ["read"], expires="12h")
    assert asked(keyring, "POST", "/kb/search", X_API_Key=text).status_code == 200
    clock.go_on(hours=12)
    assert asked(keyring, "POST", "/kb/search", X_API_Key=text).status_code == 401


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/kb/documents", 200),
        ("HEAD", "/api/tags", 200),
        ("POST", "/kb/search", 401),
        ("DELETE", "/kb/documents/1", 401),
        ("PATCH", "/kb/conversations/1", 401),
        ("POST", "/ui/_stcore/upload_file/1/2", 200),
        ("GET", "/ui/", 200),
        ("POST", "/uix", 401),
    ],
)
def test_a_cookie_opens_the_pages_and_elsewhere_only_what_reads(keyring, method, path, status):
    _, text = keyring.make("all", ["admin"])
    session = keyring.log_in(text)

    assert asked(keyring, method, path, Cookie=f"a=b; {COOKIE}={session}").status_code == status


def test_a_session_is_a_key_too_when_it_is_shown_as_one(keyring, key):
    session = keyring.log_in(key)

    reply = asked(keyring, "POST", "/kb/search", Authorization=f"Bearer {session}")

    assert reply.json()["name"] == "reader"


def test_a_header_goes_before_the_cookie(keyring, key):
    session = keyring.log_in(key)

    reply = asked(
        keyring, "GET", "/kb/documents", X_API_Key="qk_wrong", Cookie=f"{COOKIE}={session}"
    )

    assert reply.status_code == 401


def test_the_password_of_a_proxy_hides_no_key():
    headers = Headers({"authorization": "Basic dXNlcjpwYXNz", "x-api-key": "mine"})

    assert shown_in(headers, "POST", "/kb/search") == "mine"


@pytest.mark.parametrize(
    ("path", "goes_to"),
    [
        ("/ui/", "/login?next=%2Fui%2F"),
        ("/ui/documents?a=1&b=//x", "/login?next=%2Fui%2Fdocuments%3Fa%3D1%26b%3D%2F%2Fx"),
        ("/docs", "/login?next=%2Fdocs"),
    ],
)
def test_a_browser_without_a_session_is_led_to_the_login(keyring, path, goes_to):
    reply = asked(keyring, "GET", path, Accept="text/html,*/*")

    assert (reply.status_code, reply.headers["location"]) == (303, goes_to)
    assert reply.headers["cache-control"] == "no-store"


def test_a_browser_whose_session_is_over_is_told_so_at_the_login(keyring, key):
    session = keyring.log_in(key)
    keyring.revoke("reader")

    reply = asked(keyring, "GET", "/ui/", Accept="text/html", Cookie=f"{COOKIE}={session}")

    assert (reply.status_code, reply.headers["location"]) == (303, "/login?next=%2Fui%2F&over=1")


def test_what_a_page_loads_by_itself_is_refused_not_led_away(keyring):
    assert asked(keyring, "GET", "/ui/static/x.js", Accept="*/*").status_code == 401
    assert asked(keyring, "POST", "/ui/x", Accept="text/html").status_code == 401


def talked(keyring, headers):
    """Open a websocket of the pages; give what is sent."""
    sent = []

    async def page(scope, receive, send):
        await send({"type": "websocket.accept"})

    async def go():
        scope = {"type": "websocket", "path": "/ui/_stcore/stream", "headers": headers}

        async def send(message):
            sent.append(message)

        await Access(page, keyring=keyring)(scope, None, send)

    asyncio.run(go())
    return sent


def test_the_websocket_of_the_pages_takes_the_cookie_and_nothing_less(keyring, key):
    session = keyring.log_in(key)
    cookie = [(b"cookie", f"{COOKIE}={session}".encode())]

    assert talked(keyring, cookie) == [{"type": "websocket.accept"}]
    assert talked(keyring, []) == [{"type": "websocket.close", "code": 1008}]
    keyring.revoke("reader")
    assert talked(keyring, cookie) == [{"type": "websocket.close", "code": 1008}]


def test_a_file_of_keys_that_cannot_be_read_lets_nobody_in(keyring, key):
    keyring.store.close()

    reply = asked(keyring, "POST", "/kb/search", X_API_Key=key)

    assert reply.status_code == 503
    assert "keys" in reply.json()["error"]


def test_the_last_use_is_noted_but_not_at_each_request(keyring, key, clock):
    asked(keyring, "POST", "/kb/search", X_API_Key=key)
    first = keyring.listed()[0].last_used_at
    assert first == "2026-05-04T12:00:00+00:00"
    clock.go_on(seconds=59)
    asked(keyring, "POST", "/kb/search", X_API_Key=key)
    assert keyring.listed()[0].last_used_at == first
    clock.go_on(seconds=1)
    asked(keyring, "POST", "/kb/search", X_API_Key=key)
    assert keyring.listed()[0].last_used_at == "2026-05-04T12:01:00+00:00"


@pytest.mark.parametrize(
    ("method", "path", "shown", "status", "route"),
    [
        ("DELETE", "/kb/documents/secret-name", "", 401, "/kb/documents/{}"),
        ("DELETE", "/kb/documents/secret-name", "reader", 403, "/kb/documents/{}"),
        ("POST", "/api/pull", "reader", 403, "/api/pull"),
        ("POST", "/kb/nothing", "reader", 403, "none"),
    ],
)
def test_the_audit_log_says_what_was_refused(keyring, key, method, path, shown, status, route):
    entries = []
    headers = {"x-api-key": key} if shown else {}

    app = Recorded(Access(inner, keyring=keyring), audit=entries.append)
    call(app, scope_of(path, method, headers))

    assert [(one.status, one.route, one.key_name) for one in entries] == [(status, route, shown)]


def test_listing_keys_waits_for_no_request_and_holds_none_up(keyring):
    keyring.make("reader")

    with ThreadPoolExecutor(1) as threads, keyring.store._reading:
        found = threads.submit(keyring.listed)
        is_done = not wait([found], 10).not_done

    assert is_done
