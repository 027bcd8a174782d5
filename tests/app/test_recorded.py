"""Every request has an id, leaves one line and one audit entry, whatever becomes of it."""

import asyncio
import logging
import re

import pytest

from app.access.caller import Caller, facts
from app.logs import FIELDS
from app.recorded import Recorded, is_audited, request_id_of
from tests.app.asgi import call, echo, scope_of


@pytest.mark.parametrize("given", ["abc-1", "A.b_c-9", "x" * 64])
def test_a_well_formed_id_is_kept(given):
    assert request_id_of(given) == given


@pytest.mark.parametrize(
    "given", ["", "x" * 65, "a b", "a\nb", "a\r\nSet-Cookie: x", "ä", "a;b", "<b>", "a/b"]
)
def test_any_other_is_replaced(given):
    assert re.fullmatch(r"[0-9a-f]{16}", request_id_of(given))


@pytest.mark.parametrize(
    ("path", "is_so"),
    [
        ("/healthz", False),
        ("/readyz", False),
        ("/metrics", False),
        ("/", False),
        ("/ui/static/a.js", False),
        ("/kb/query", True),
        ("/login", True),
        ("/api/chat", True),
        ("/nothing", True),
    ],
)
def test_probes_and_files_of_pages_are_not_audited(path, is_so):
    assert is_audited(path) is is_so


@pytest.mark.parametrize("path", ["/ui/", "/metrics", "/docs"])
def test_a_refusal_is_audited_wherever_it_was(path):
    assert is_audited(path, 401)
    assert is_audited(path, 403)


def test_the_id_comes_back_and_the_entry_says_who_did_what():
    entries = []

    async def app(scope, receive, send):
        scope["route"] = type("Route", (), {"path": "/kb/documents/{document_id}"})()
        facts().caller = Caller("k1", "joe", frozenset({"read"}))
        facts().collections.add("hr")
        await echo(scope, receive, send)

    scope = scope_of("/kb/documents/secret-name", headers={"x-request-id": "mine"})
    scope["query_string"] = b"q=private"

    answer = call(Recorded(app, audit=entries.append), scope, [b"body"])

    assert answer.headers["x-request-id"] == "mine"
    (one,) = entries
    assert (one.request_id, one.key, one.key_name) == ("mine", "k1", "joe")
    assert (one.method, one.route, one.status) == ("POST", "/kb/documents/{document_id}", 200)
    assert (one.address, one.collections, one.is_cut) == ("10.0.0.1", ("hr",), False)
    assert "secret-name" not in str(one)
    assert "private" not in str(one)


def test_requests_do_not_see_each_others_facts():
    seen = []

    async def app(scope, receive, send):
        seen.append(facts().request_id)
        facts().collections.add("x")
        assert facts().collections == {"x"}
        await echo(scope, receive, send)

    recorded = Recorded(app)
    call(recorded)
    call(recorded)

    assert len(set(seen)) == 2
    assert facts().request_id == ""


def test_a_failure_is_recorded_as_one_and_goes_on():
    entries = []

    async def app(scope, receive, send):
        raise ValueError("out of luck")

    with pytest.raises(ValueError, match="luck"):
        call(Recorded(app, audit=entries.append))

    assert entries[0].status == 500


def test_a_client_that_goes_away_in_the_middle_is_noted():
    entries = []

    async def app(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"abc", "more_body": True})
        assert (await receive())["type"] == "http.disconnect"

    async def gone():
        return {"type": "http.disconnect"}

    call(Recorded(app, audit=entries.append), receive=gone)

    assert (entries[0].status, entries[0].is_cut) == (200, True)


def test_a_client_that_stays_to_the_end_is_not_taken_for_gone():
    entries = []

    async def app(scope, receive, send):
        await echo(scope, receive, send)
        await receive()

    messages = [{"type": "http.request", "body": b"", "more_body": False}]

    async def receive():
        return messages.pop(0) if messages else {"type": "http.disconnect"}

    call(Recorded(app, audit=entries.append), receive=receive)

    assert entries[0].is_cut is False


def test_the_line_in_the_log_has_what_an_administrator_asks_for(caplog):
    caplog.set_level(logging.INFO, "quire.requests")

    call(Recorded(echo), parts=[b"12345"])

    (record,) = [one for one in caplog.records if one.name == "quire.requests"]
    told = getattr(record, FIELDS)
    assert (told["method"], told["route"], told["status"], told["n_bytes"]) == (
        "POST",
        "none",
        200,
        1,
    )
    assert told["duration_ms"] >= 0


def test_odd_methods_do_not_get_into_the_log():
    entries = []

    call(Recorded(echo, audit=entries.append), scope_of(method="X" * 500))

    assert entries[0].method == "other"


def test_sockets_of_pages_have_an_id_and_leave_no_entry():
    entries, seen = [], []

    async def app(scope, receive, send):
        seen.append(facts().request_id)

    scope = scope_of("/ui/_stcore/stream") | {"type": "websocket"}
    asyncio.run(Recorded(app, audit=entries.append)(scope, None, None))

    assert seen[0]
    assert entries == []
