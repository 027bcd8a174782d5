"""The login: a key in, a cookie out; nowhere else, not too often, and gone when it is ended."""

from __future__ import annotations

import asyncio
import re
import threading
from html.parser import HTMLParser
from http.cookies import SimpleCookie

import httpx
import pytest
from anyio import create_task_group, to_thread
from fastapi import FastAPI, Request

from app.access.caller import Facts, caller, handling
from app.access.gate import COOKIE, Access
from app.access.installing import install_access
from app.access.keys import parse_token
from app.access.known import COOKIE as KNOWN
from app.access.login import login_router
from app.access.login_page import Asked, language_of, login_page, safe_next
from app.access.opening import Lock
from app.access.throttle import MAX_ADDRESSES, MAX_FAILURES, WITHIN_S, Knock, Throttle


class Seconds:
    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def seconds():
    return Seconds()


@pytest.fixture
def app(keyring, seconds):
    made = FastAPI()
    made.add_middleware(Access, keyring=keyring)
    made.include_router(login_router(keyring, throttle=Throttle(seconds)))

    @made.get("/ui/{rest:path}")
    def page(rest: str, request: Request):
        return {"name": caller().name}

    return made


def asked(app, method, path, *, base="http://quire", address="192.0.2.7", **more):
    async def go():
        transport = httpx.ASGITransport(app, client=(address, 1))
        async with httpx.AsyncClient(transport=transport, base_url=base) as http:
            return await http.request(method, path, **more)

    return asyncio.run(go())


@pytest.fixture
def key(keyring):
    return keyring.make("reader", ["read"])[1]


def cookie_of(reply, name=COOKIE):
    cookies = SimpleCookie()
    for one in reply.headers.get_list("set-cookie"):
        cookies.load(one)
    return cookies[name]


def test_a_key_becomes_a_cookie_that_no_script_and_no_other_site_gets(app, key):
    reply = asked(app, "POST", "/login", data={"key": f" {key}\n", "next": "/ui/documents"})
    assert len(reply.headers.get_list("set-cookie")) == 2

    assert (reply.status_code, reply.headers["location"]) == (303, "/ui/documents")
    cookie = cookie_of(reply)
    assert cookie["httponly"]
    assert cookie["samesite"] == "strict"
    assert cookie["path"] == "/"
    assert not cookie["secure"]
    assert not cookie["domain"]
    assert int(cookie["max-age"]) == 12 * 3600
    assert key not in reply.headers["set-cookie"]
    page = asked(app, "GET", "/ui/documents", headers={"cookie": f"{COOKIE}={cookie.value}"})
    assert page.json() == {"name": "reader"}


def test_over_https_the_cookie_stays_there(app, key):
    reply = asked(app, "POST", "/login", base="https://quire", data={"key": key})

    assert cookie_of(reply)["secure"]


def test_a_header_of_whoever_asks_does_not_make_it_https(app, key):
    reply = asked(app, "POST", "/login", data={"key": key}, headers={"x-forwarded-proto": "https"})

    assert not cookie_of(reply)["secure"]  # only a proxy that uvicorn trusts may say so


@pytest.mark.parametrize("shown", ["", "wrong", "qk_00000000_" + "0" * 43])
def test_a_wrong_key_gets_no_cookie_and_is_not_shown_again(app, shown):
    reply = asked(app, "POST", "/login", data={"key": shown})

    assert reply.status_code == 401
    assert "set-cookie" not in reply.headers
    assert "opens nothing here" in reply.text
    assert not shown or shown not in reply.text


def test_who_logs_in_and_out_is_known_to_whoever_writes_it_down(app, key):
    for path, cookie in (("/login", False), ("/logout", True)):
        session = cookie_of(asked(app, "POST", "/login", data={"key": key})).value
        with handling(Facts()) as noted:
            headers = {"cookie": f"{COOKIE}={session}"} if cookie else {}
            asked(app, "POST", path, data={"key": key}, headers=headers)
        assert noted.caller.name == "reader"


def test_where_no_key_is_asked_for_the_login_leads_on():
    open_ = FastAPI()
    install_access(open_, Lock(), home="/ui/")

    reply = asked(open_, "GET", "/login")

    assert (reply.status_code, reply.headers["location"]) == (303, "/ui/")
    assert asked(open_, "GET", "/kb/me").json()["is_asked"] is False


def test_a_session_is_no_key_to_log_in_with(app, keyring, key):
    assert asked(app, "POST", "/login", data={"key": keyring.log_in(key)}).status_code == 401


def test_a_logout_ends_the_session_everywhere(app, key):
    cookie = cookie_of(asked(app, "POST", "/login", data={"key": key})).value
    headers = {"cookie": f"{COOKIE}={cookie}"}

    reply = asked(app, "POST", "/logout", headers=headers)

    assert (reply.status_code, reply.headers["location"]) == (303, "/login")
    assert cookie_of(reply)["max-age"] == "0"
    assert asked(app, "GET", "/ui/", headers=headers).status_code == 401


def test_a_logout_of_nobody_is_no_error_and_a_link_logs_nobody_out(app):
    assert asked(app, "POST", "/logout").status_code == 303
    assert asked(app, "GET", "/logout").status_code in (401, 405)


@pytest.mark.parametrize(
    "place",
    [
        "https://evil.example/",
        "//evil.example/ui/",
        "/\\evil.example",
        "/ui/\\..",
        "/ui\\@evil.example",
        "/ui@evil.example",
        "/uievil",
        "javascript:alert(1)",
        "/ui/\r\nSet-Cookie: a=b",
        "/ui/ x",
        "ui/",
        "/login",
        "/logout",
        "/ui/" + "a" * 3000,
        " /ui/",
        "/ui/é",
    ],
)
def test_a_login_leads_nowhere_but_to_our_own_pages(app, key, place):
    assert safe_next(place) == "/ui/"
    reply = asked(app, "POST", "/login", data={"key": key, "next": place})
    assert reply.headers["location"] == "/ui/"
    shown = asked(app, "GET", "/login", params={"next": place}).text
    assert 'name="next" value="/ui/"' in shown


@pytest.mark.parametrize("place", ["/ui", "/ui/", "/ui/documents?a=%2F&b=c", "/docs", "/ui?x=1"])
def test_a_login_leads_back_to_the_page_that_was_asked_for(place):
    assert safe_next(place) == place


def test_after_ten_wrong_keys_an_address_waits_even_with_a_right_one(app, key, seconds):
    for _ in range(MAX_FAILURES):
        assert asked(app, "POST", "/login", data={"key": "wrong"}).status_code == 401

    reply = asked(app, "POST", "/login", data={"key": key})

    assert reply.status_code == 429
    assert int(reply.headers["retry-after"]) == WITHIN_S + 1
    assert "Try again in 5 min" in reply.text
    assert asked(app, "POST", "/login", address="192.0.2.8", data={"key": key}).status_code == 303
    seconds.now += WITHIN_S
    assert asked(app, "POST", "/login", data={"key": key}).status_code == 303


def test_a_right_key_makes_earlier_mistakes_forgotten(app, key):
    for _ in range(MAX_FAILURES - 1):
        asked(app, "POST", "/login", data={"key": "wrong"})
    asked(app, "POST", "/login", data={"key": key})

    assert asked(app, "POST", "/login", data={"key": "wrong"}).status_code == 401


def test_a_guesser_behind_a_proxy_does_not_lock_out_who_has_logged_in_before(app, keyring, key):
    """All browsers come from one address; only some of them have been here."""
    mark = cookie_of(asked(app, "POST", "/login", data={"key": key}), KNOWN)
    assert (mark["path"], mark["samesite"], bool(mark["httponly"])) == ("/login", "strict", True)
    other = keyring.make("other", ["read"])[1]
    for _ in range(MAX_FAILURES):
        asked(app, "POST", "/login", data={"key": key[:12] + "A" * 43})

    def status(shown, cookie):
        headers = {"cookie": f"{KNOWN}={cookie}"}
        return asked(app, "POST", "/login", data={"key": shown}, headers=headers).status_code

    assert status(other, mark.value) == 429  # the mark is of use for its own key only
    assert status(key, f"{parse_token(key).id}.{'0' * 64}") == 429
    assert status(key, "") == 429
    assert status(key, mark.value) == 303


def test_who_logs_in_and_shows_the_session_waits_for_no_thread_of_others(app, key):
    """The server's common threads may all be busy, with a disk that hangs for example."""

    async def go():
        release, busy = threading.Event(), to_thread.current_default_thread_limiter()
        transport = httpx.ASGITransport(app, client=("192.0.2.7", 1))
        async with (
            httpx.AsyncClient(transport=transport, base_url="http://quire") as http,
            create_task_group() as group,
        ):
            for _ in range(int(busy.total_tokens)):
                group.start_soon(to_thread.run_sync, release.wait)
            while busy.available_tokens:
                await asyncio.sleep(0)
            try:
                entered = await asyncio.wait_for(http.post("/login", data={"key": key}), 60)
                left = await asyncio.wait_for(http.post("/logout"), 60)
            finally:
                release.set()
            return entered, left

    entered, left = asyncio.run(go())
    assert (entered.status_code, entered.headers["location"]) == (303, "/ui/")
    assert (left.status_code, left.headers["location"]) == (303, "/login")


def test_tries_at_the_same_moment_are_counted_too(app, key):
    async def go():
        transport = httpx.ASGITransport(app, client=("192.0.2.7", 1))
        async with httpx.AsyncClient(transport=transport, base_url="http://quire") as http:
            tries = [http.post("/login", data={"key": f"{n}"}) for n in range(3 * MAX_FAILURES)]
            return [one.status_code for one in await asyncio.gather(*tries)]

    statuses = asyncio.run(go())
    assert sorted(statuses) == [401] * MAX_FAILURES + [429] * 2 * MAX_FAILURES


def test_a_form_that_is_none_of_ours_is_a_wrong_key(app):
    assert asked(app, "POST", "/login", content=b"a" * 1_000_000).status_code == 401
    assert asked(app, "POST", "/login", content=b"\xff\xfe%00&&==").status_code == 401
    assert asked(app, "POST", "/login", json={"key": "x"}).status_code == 401


def test_the_table_of_failures_does_not_grow(seconds):
    throttle = Throttle(seconds)
    for n in range(MAX_ADDRESSES * 3):
        for _ in range(2):
            throttle.fail(Knock(f"10.{n >> 16 & 255}.{n >> 8 & 255}.{n & 255}"))
    for _ in range(5000):
        throttle.fail(Knock("192.0.2.1"))

    assert len(throttle) == MAX_ADDRESSES
    assert throttle.wait_s(Knock("192.0.2.1")) == WITHIN_S
    assert throttle.wait_s(Knock("10.0.0.0")) == 0


def test_addresses_of_one_network_of_ipv6_are_one(seconds):
    throttle = Throttle(seconds)
    for n in range(MAX_FAILURES):
        throttle.fail(Knock(f"2001:db8::{n:x}"))

    assert throttle.wait_s(Knock("2001:db8::ffff")) == WITHIN_S
    assert throttle.wait_s(Knock("2001:db8:0:1::1")) == 0


class Page(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.tags = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("trouble", ["", "wrong", "wait", "over"])
def test_the_page_loads_nothing_and_needs_no_script(language, trouble):
    text = login_page(Asked(language, "/ui/a?b=1&c=2", trouble, 200.0))
    page = Page(text)

    tags = [tag for tag, _ in page.tags]
    assert "script" not in tags
    assert "img" not in tags
    assert "url(" not in text
    links = [at.get("href") or at.get("src") for _, at in page.tags if {"href", "src"} & set(at)]
    assert all(one.startswith(("data:", "/login?")) for one in links)
    assert ("html", {"lang": "zh-CN" if language == "zh" else "en"}) in page.tags
    assert ("alert" in str(page.tags)) is bool(trouble)
    (field,) = [at for tag, at in page.tags if tag == "input" and at["name"] == "key"]
    assert field["type"] == "password"
    assert ("aria-invalid" in field) is (trouble in ("wrong", "wait"))
    assert any(at.get("value") == "/ui/a?b=1&c=2" for tag, at in page.tags if tag == "input")
    assert ("/login?" in text and "over=1" in text) is (trouble == "over")  # in both languages


def test_who_was_signed_out_in_another_tab_reads_why_he_is_asked(app):
    reply = asked(app, "GET", "/login", params={"over": "1", "next": "/ui/ask"})

    assert reply.status_code == 200
    assert "You are signed out" in reply.text
    assert "您已退出登录" in asked(app, "GET", "/login", params={"over": "1", "lang": "zh"}).text


def test_the_pages_own_policy_allows_its_style_and_nothing_else(app):
    reply = asked(app, "GET", "/login")

    policy = reply.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    style = re.search(r"<style>(.*)</style>", reply.text, re.DOTALL)[1]
    from base64 import b64encode
    from hashlib import sha256

    assert b64encode(sha256(style.encode()).digest()).decode() in policy
    assert reply.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    ("chosen", "accepted", "language"),
    [
        ("", "", "en"),
        ("", "zh-CN,zh;q=0.9,en;q=0.8", "zh"),
        ("", "de,en;q=0.5,zh;q=0.4", "en"),
        ("", "fr", "en"),
        ("zh", "en", "zh"),
        ("en", "zh", "en"),
        ("<b>", "zh", "zh"),
    ],
)
def test_the_language_is_the_browsers_unless_another_was_chosen(chosen, accepted, language):
    assert language_of(chosen, accepted) == language
