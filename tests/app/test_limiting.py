"""Bodies that are too large or too slow, clients that ask too often: each told so in its shape."""

import asyncio
import json

import pytest

from app import limits
from app.access.caller import Caller, Facts, facts, handling
from app.limiting import KeyLimits, Limits
from tests.app.asgi import call, echo, scope_of


def limited(app=echo, per_minute=0, max_body_bytes=100, clock=lambda: 0.0):
    return Limits(app, max_body_bytes=max_body_bytes, per_minute=per_minute, clock=clock)


def test_a_body_within_the_limit_passes_whole():
    assert call(limited(), parts=[b"x" * 60, b"x" * 40]).body == b"100"


@pytest.mark.parametrize("declared", [{"content-length": 101}, {}, {"content-length": "1e9"}])
def test_a_body_that_is_too_large_is_refused_whether_or_not_it_says_so(declared):
    answer = call(limited(), scope_of(headers=declared), [b"x" * 60, b"x" * 41])

    assert answer.status == 413
    assert "100 bytes" in json.loads(answer.body)["error"]
    assert answer.headers["connection"] == "close"
    assert [one["type"] for one in answer.messages] == ["http.response.start", "http.response.body"]


def test_files_may_be_larger():
    assert call(limited(), scope_of("/kb/documents"), [b"x" * 101]).body == b"101"


def test_what_answers_before_the_body_came_is_not_disturbed():
    async def hasty(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        assert (await receive())["type"] == "http.request"
        assert (await receive())["type"] == "http.disconnect"
        await send({"type": "http.response.body", "body": b"never sent"})

    answer = call(limited(hasty), parts=[b"x" * 60, b"x" * 41])

    assert answer.status == 200
    assert answer.body == b""


@pytest.mark.parametrize("first", [[], [b"begun"]])
def test_a_body_that_stays_silent_is_given_up(monkeypatch, first):
    monkeypatch.setattr(limits, "SILENT_S", 0.05)
    left = list(first)

    async def silent():
        if left:
            return {"type": "http.request", "body": left.pop(), "more_body": True}
        return await asyncio.Event().wait()

    answer = call(limited(), receive=silent)

    assert answer.status == 408
    assert "slowly" in json.loads(answer.body)["error"]


def test_a_body_that_dribbles_is_given_up():
    now = iter(range(0, 1000, 5))

    async def dribbling():
        return {"type": "http.request", "body": b"x", "more_body": True}

    answer = call(limited(clock=lambda: float(next(now))), receive=dribbling)

    assert answer.status == 408


def test_who_goes_away_is_not_answered():
    async def gone():
        return {"type": "http.disconnect"}

    assert call(limited(), receive=gone).body == b"0"


def test_requests_without_a_body_are_not_waited_for():
    async def waiting(scope, receive, send):
        await receive()

    with pytest.raises(TimeoutError):
        call(
            lambda *asked: asyncio.wait_for(limited(waiting)(*asked), 0.05),
            scope_of(method="GET"),
            (),
        )


@pytest.mark.parametrize(
    ("path", "read"),
    [
        ("/kb/query", lambda body: body["error"]),
        ("/api/chat", lambda body: body["error"]),
        ("/v1/chat/completions", lambda body: body["error"]["message"]),
        ("/v1/messages", lambda body: body["error"]["message"]),
    ],
)
def test_who_asks_too_often_is_told_when_to_come_back_in_the_words_of_the_path(path, read):
    app = limited(per_minute=60)
    answers = [call(app, scope_of(path)) for _ in range(12)]

    assert [one.status for one in answers] == [200] * 10 + [429] * 2
    assert answers[-1].headers["retry-after"] == "1"
    assert "too many requests" in read(json.loads(answers[-1].body))


def test_addresses_are_counted_apart():
    app = limited(per_minute=60)
    for _ in range(11):
        last = call(app)

    assert last.status == 429
    assert call(app, scope_of(client=("10.0.0.2", 5))).status == 200
    assert call(app, scope_of("/healthz", "GET")).status == 200


def test_wrong_keys_are_held_up_and_right_ones_never():
    async def door(scope, receive, send):
        is_right = (b"authorization", b"right") in scope["headers"]
        status = 200 if is_right else 401
        await send({"type": "http.response.start", "status": status, "headers": []})
        await send({"type": "http.response.body", "body": b"wrong"})

    app = limited(door, per_minute=60)
    guesses = [call(app, scope_of(headers={"authorization": str(n)})) for n in range(12)]

    assert [one.status for one in guesses] == [401] * 10 + [429] * 2
    assert guesses[-1].body != b"wrong"
    right = [call(app, scope_of(headers={"authorization": "right"})).status for _ in range(30)]
    assert right == [200] * 30


def test_each_key_has_its_own_allowance():
    app = KeyLimits(echo, per_minute=60, clock=lambda: 0.0)

    def ask(key):
        with handling(Facts(caller=Caller(key, key, frozenset()))):
            assert facts().caller.key_id == key
            return call(app).status

    assert [ask("a") for _ in range(12)] == [200] * 10 + [429] * 2
    assert ask("b") == 200
    assert [ask("") for _ in range(30)] == [200] * 30  # counted by address, further out


@pytest.mark.parametrize("shown", [{"authorization": "Bearer ollama"}, {"cookie": "a=b"}])
def test_where_no_keys_are_asked_for_showing_one_lifts_no_limit(shown):
    app = Limits(echo, max_body_bytes=100, per_minute=60, is_locked=False, clock=lambda: 0.0)

    statuses = [call(app, scope_of(headers=shown)).status for _ in range(11)]

    assert statuses == [200] * 10 + [429]


def test_wrong_keys_are_held_up_at_the_pages_too():
    async def door(scope, receive, send):
        await send({"type": "http.response.start", "status": 401, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    app = limited(door, per_minute=60)
    scope = scope_of("/ui/", "GET", {"authorization": "Bearer wrong"})

    assert [call(app, scope).status for _ in range(11)] == [401] * 10 + [429]


def test_addresses_of_one_network_of_ipv6_share_an_allowance():
    app = limited(per_minute=60)
    statuses = [call(app, scope_of(client=(f"2001:db8::{n + 1:x}", 5))).status for n in range(11)]

    assert statuses == [200] * 10 + [429]
