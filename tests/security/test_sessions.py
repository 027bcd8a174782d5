"""The cookie of a login: guessed, fixed, stolen, sent along by a foreign page, led elsewhere."""

from __future__ import annotations

import base64
import re
import socket
from contextlib import contextmanager
from urllib.parse import quote, urlsplit

import httpx
import pytest

from app.access.gate import COOKIE
from app.access.routes import need_of
from app.access.throttle import MAX_FAILURES
from tests.security.locked import CANARIES
from tests.security.wire import body_of, filled, get, operations, raw, status_of

EVIL = "https://evil.example"
GUESSER = "127.0.0.3"  # else the throttle would keep the other tests out


def log_in(locked, who="admin", **headers):
    """Log in as a browser does; give the value of the cookie."""
    reply = locked.ask("", "POST", "/login", data={"key": locked.keys[who]}, headers=headers)
    assert reply.status_code == 303, reply.text
    return re.search(rf"{COOKIE}=([^;]+)", reply.headers["set-cookie"])[1]


@pytest.fixture
def cookie(locked):
    return log_in(locked)


def with_cookie(locked, cookie, method, path, headers=None, **more):
    sent = {"Cookie": f"{COOKIE}={cookie}"} | (headers or {})
    return locked.ask("", method, path, headers=sent, **more)


def form(path, body, *headers):
    lines = (f"POST {path} HTTP/1.1", "Host: localhost", *headers)
    lines += ("Content-Type: application/x-www-form-urlencoded", f"Content-Length: {len(body)}")
    return "\r\n".join((*lines, "Connection: close", "", body)).encode()


def test_whoever_guesses_keys_is_stopped_and_finds_none(locked):
    guesses = [f"qk_{n:08d}_" + "A" * 43 for n in range(2 * MAX_FAILURES)]
    statuses = []
    for guess in guesses:
        forged = f"X-Forwarded-For: 10.0.0.{len(statuses)}"
        answer = raw(locked.url, form("/login", f"key={guess}", forged), source=GUESSER)
        statuses.append(status_of(answer))
        assert b"set-cookie" not in answer.lower()
    right = raw(locked.url, form("/login", f"key={locked.keys['read']}"), source=GUESSER)

    assert statuses == [401] * MAX_FAILURES + [429] * MAX_FAILURES
    assert status_of(right) == 429  # also the right one has to wait: else the wait tells nothing
    assert log_in(locked, "read")  # others do not


@pytest.mark.parametrize("shown", ["revoked", "expired", "of another server", "never made"])
def test_no_session_begins_with_a_key_that_opens_nothing(locked, shown):
    body = f"key={quote(locked.keys[shown])}"
    source = f"127.0.1.{1 + len(shown)}"

    answer = raw(locked.url, form("/login", body), source=source)

    assert status_of(answer) == 401
    assert b"set-cookie" not in answer.lower()


def test_a_session_opens_no_further_session(locked, cookie):
    answer = raw(locked.url, form("/login", f"key={cookie}"), source="127.0.0.4")

    assert status_of(answer) == 401


def test_a_cookie_that_somebody_else_chose_is_never_made_a_session(locked):
    chosen = "qs_00000000_" + "B" * 43
    reply = locked.ask(
        "",
        "POST",
        "/login",
        data={"key": locked.keys["read"]},
        headers={"Cookie": f"{COOKIE}={chosen}"},
    )

    assert chosen not in reply.headers["set-cookie"]
    assert with_cookie(locked, chosen, "GET", "/kb/documents").status_code == 401
    again = log_in(locked, "read")
    assert again != log_in(locked, "read")


def test_a_cookie_is_of_no_use_on_another_server(locked, cookie):
    """Cookies know no ports: a browser sends them to every server of a host."""
    from app.access.keyring import Keyring
    from app.access.store import FILE, AccessStore

    store = AccessStore(locked.home.parent / "elsewhere" / FILE)
    try:
        assert Keyring(store).caller_of(cookie) is None
        theirs = Keyring(store).log_in(locked.keys["of another server"])
    finally:
        store.close()
    assert with_cookie(locked, theirs, "GET", "/kb/documents").status_code == 401


def test_the_cookie_goes_to_no_script_and_no_other_site(locked):
    reply = locked.ask("", "POST", "/login", data={"key": locked.keys["read"]})
    told = reply.headers["set-cookie"].casefold()

    assert "httponly" in told
    assert "samesite=strict" in told
    assert "domain" not in told
    assert locked.keys["read"].casefold() not in told


def test_a_logout_ends_the_session_on_the_server_too(locked, cookie):
    assert with_cookie(locked, cookie, "GET", "/kb/documents").status_code == 200

    left = with_cookie(locked, cookie, "POST", "/logout")

    assert left.status_code == 303
    assert with_cookie(locked, cookie, "GET", "/kb/documents").status_code == 401


def test_a_session_ends_with_its_key(locked):
    made = locked.admin("POST", "/kb/keys", json={"name": "for a while", "scopes": ["read"]}).json()
    locked.keys["for a while"] = made["key"]
    cookie = log_in(locked, "for a while")
    assert with_cookie(locked, cookie, "GET", "/kb/documents").status_code == 200

    assert locked.admin("DELETE", f"/kb/keys/{made['id']}").status_code == 200

    assert with_cookie(locked, cookie, "GET", "/kb/documents").status_code == 401


def test_a_foreign_page_logs_nobody_out_and_nobody_in(locked, cookie):
    out = with_cookie(locked, cookie, "POST", "/logout", headers={"Origin": EVIL})
    into = locked.ask(
        "", "POST", "/login", data={"key": locked.keys["read"]}, headers={"Origin": EVIL}
    )

    assert out.status_code == into.status_code == 403
    assert "set-cookie" not in into.headers
    assert with_cookie(locked, cookie, "GET", "/kb/documents").status_code == 200


ORIGINS = (
    {},
    {"Origin": EVIL},
    {"Origin": "null"},
    {"Origin": "http://localhost:1"},  # another program of this machine: of the same site
    {"Sec-Fetch-Site": "cross-site"},
    {"Referer": f"{EVIL}/"},
)


@pytest.mark.parametrize("headers", ORIGINS, ids=str)
def test_a_cookie_alone_changes_nothing_whoever_made_the_browser_send_it(locked, cookie, headers):
    """Cross-site request forgery, over every operation that is not a read."""
    before, done = locked.state(), []
    description = locked.admin("GET", "/openapi.json").json()
    for method, path, operation in operations(description):
        if method in ("GET", "HEAD") or not need_of(method, path).scopes:
            continue
        asked, body = filled(path, "1"), body_of(operation) or {}
        as_form = {"Content-Type": "application/x-www-form-urlencoded"}
        as_text = {"Content-Type": "text/plain"}
        for kind in (
            {"json": body},
            {"data": {one: str(value) for one, value in body.items()}, "headers": as_form},
            {"content": str(body), "headers": as_text},
        ):
            sent = headers | kind.pop("headers", {})
            reply = with_cookie(locked, cookie, method, asked, sent, **kind)
            if reply.status_code not in (401, 403):
                done.append((method, asked, reply.status_code))
    files = {"files": ("forged.txt", b"forged")}
    upload = with_cookie(locked, cookie, "POST", "/kb/documents", headers, files=files)

    assert upload.status_code in (401, 403)
    assert done == []
    assert locked.state() == before


@pytest.mark.parametrize("origin", [EVIL, "null", "http://localhost:1", "http://127.0.0.1:1"])
def test_a_foreign_page_reads_nothing_with_the_cookie(locked, cookie, origin):
    """A browser shows an answer to a foreign page only with both headers; none has the second."""
    for path in ("/kb/documents", "/kb/keys", "/api/tags", "/metrics", "/openapi.json", "/kb/me"):
        reply = with_cookie(locked, cookie, "GET", path, headers={"Origin": origin})
        assert "access-control-allow-credentials" not in reply.headers
        assert reply.headers.get("access-control-allow-origin") != "*"
        if origin in (EVIL, "null"):
            assert reply.status_code == 403
            assert not any(one in reply.text for one in CANARIES)


LEADS_AWAY = (
    EVIL,
    "//evil.example",
    "///evil.example",
    "/\\evil.example",
    "\\\\evil.example",
    "/ui//evil.example/..//",
    "/ui\\@evil.example",
    "/ui@evil.example",
    "/ui.evil.example",
    "/ui/\t//evil.example",
    "/ui/\r\nLocation: https://evil.example",
    "/ui/\nSet-Cookie: a=b",
    "/ui?next=https://evil.example",
    "javascript:alert(1)",
    "data:text/html,x",
    "https:evil.example",
    "/docs/../../evil.example",
    "%2f%2fevil.example",
    "/login?next=//evil.example",
    "/logout",
    " /ui/",
    "/ui/" + "x" * 3000,
    '/ui/"><script>alert(1)</script>',
)


@pytest.mark.parametrize("following", LEADS_AWAY)
def test_a_login_leads_to_pages_of_this_server_only(locked, following):
    page = locked.ask("", "GET", "/login", params={"next": following})
    reply = locked.ask("", "POST", "/login", data={"key": locked.keys["read"], "next": following})
    leads_to = httpx.URL(locked.url).join(reply.headers["location"])

    assert "<script" not in page.text
    assert reply.status_code == 303
    assert str(leads_to).startswith(f"{locked.url}/")
    assert reply.headers["location"].startswith(("/ui", "/docs"))
    assert "\r" not in reply.headers["location"]
    assert "a=b" not in reply.headers.get("set-cookie", "")


def handshake(path, *headers):
    key = base64.b64encode(b"0" * 16).decode()
    return get(
        path,
        "Upgrade: websocket",
        f"Sec-WebSocket-Key: {key}",
        "Sec-WebSocket-Version: 13",
        *headers,
    ).replace(b"Connection: close", b"Connection: Upgrade")


def shake_hands(locked, *headers, path="/ui/_stcore/stream", source=""):
    return raw(locked.url, handshake(path, *headers), source=source)


@pytest.mark.parametrize(
    "headers",
    [
        (),
        (f"Cookie: {COOKIE}=qs_00000000_{'0' * 43}",),
        ("Authorization: Bearer x",),
        ("Sec-WebSocket-Protocol: streamlit, COOKIE",),
        ("Origin: http://localhost",),
        (f"Origin: {EVIL}",),
    ],
    ids=range(6),
)
def test_the_pages_socket_opens_to_no_one_without_a_session(locked, headers):
    for path in ("/ui/_stcore/stream", "/ui/x", "/kb/documents", "/"):
        answer = shake_hands(locked, *headers, path=path)
        assert not answer.startswith(b"HTTP/1.1 101"), (path, answer[:200])


@pytest.mark.parametrize("origin", [EVIL, "null", "http://localhost:1", "http://127.0.0.1:1"])
def test_the_pages_socket_opens_to_no_foreign_page_with_the_cookie(locked, cookie, origin):
    """Sockets know no same-origin policy: the server itself has to look."""
    answer = shake_hands(locked, f"Cookie: {COOKIE}={cookie}", f"Origin: {origin}")

    assert not answer.startswith(b"HTTP/1.1 101"), answer[:200]


def test_an_open_page_is_cut_off_when_its_key_is_revoked_and_when_somebody_logs_out(locked):
    """Not only its requests are refused: what would go on drawing is closed."""
    made = locked.admin("POST", "/kb/keys", json={"name": "open page", "scopes": ["read"]}).json()
    locked.keys["open page"] = made["key"]

    with page_open(locked, log_in(locked, "open page")) as page:
        assert locked.admin("DELETE", f"/kb/keys/{made['id']}").status_code == 200
        assert read_until(page, CLOSED).endswith(CLOSED)

    cookie = log_in(locked, "read")
    with page_open(locked, cookie) as page:
        assert with_cookie(locked, cookie, "POST", "/logout").status_code == 303
        assert read_until(page, CLOSED).endswith(CLOSED)


CLOSED = b"\x88\x02" + (1008).to_bytes(2, "big")  # the frame that closes a socket, with its code


@contextmanager
def page_open(locked, cookie):
    """Open the socket of a page and leave it open."""
    at = urlsplit(locked.url)
    with socket.create_connection((at.hostname, at.port), timeout=60) as line:
        line.sendall(handshake("/ui/_stcore/stream", f"Cookie: {COOKIE}={cookie}"))
        assert read_until(line, b"\r\n\r\n").startswith(b"HTTP/1.1 101")
        yield line


def read_until(line, end):
    """Read up to some bytes, one at a time so that none behind them is taken."""
    found = b""
    while not found.endswith(end) and (one := line.recv(1)):
        found += one
    return found
