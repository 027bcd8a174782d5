"""The socket of an open page is ended when what opened it ends: revoked, logged out, run out."""

from __future__ import annotations

import asyncio
from collections import deque

import pytest

from app.access.errors import KeyStoreError
from app.access.gate import COOKIE, Access
from app.access.sockets import POLICY_VIOLATION, Sockets

CLOSE = {"type": "websocket.close", "code": POLICY_VIOLATION}
PATIENCE_S = 30


class Page:
    """An open page: what it is sent, and how its application fares."""

    def __init__(self):
        self.sent, self.told = [], deque()
        self.opened, self.left = asyncio.Event(), asyncio.Event()
        self.coming = asyncio.Queue()

    async def app(self, scope, receive, send):
        """Do as Streamlit does: accept, then read until the client has gone."""
        await send({"type": "websocket.accept"})
        self.opened.set()
        while True:
            message = await receive()
            self.told.append(message)
            if message["type"] == "websocket.disconnect":
                break
        await send({"type": "websocket.send", "bytes": b"too late"})
        self.left.set()

    async def send(self, message):
        self.sent.append(message)


async def opened(gate_of, headers):
    """Open a page; gives it with the task that serves it."""
    page = Page()
    scope = {"type": "websocket", "path": "/ui/_stcore/stream", "headers": headers}
    serving = asyncio.create_task(gate_of(page)(scope, page.coming.get, page.send))
    await asyncio.wait_for(page.opened.wait(), PATIENCE_S)
    return page, serving


def cookie(session):
    return [(b"cookie", f"{COOKIE}={session}".encode())]


ENDS = {
    "revoked": lambda keyring, another, clock, session: keyring.revoke("reader"),
    "revoked by another process": lambda keyring, another, clock, session: another.revoke("reader"),
    "logged out": lambda keyring, another, clock, session: keyring.log_out(session),
    "session over": lambda keyring, another, clock, session: clock.go_on(hours=13),
    "key over": lambda keyring, another, clock, session: clock.go_on(hours=2),
}


@pytest.mark.parametrize("end", ENDS)
def test_a_page_that_lies_open_is_ended_with_its_login(keyring, another, clock, end):
    key = keyring.make("reader", ["read"], expires="1h" if end == "key over" else "")[1]
    session = keyring.log_in(key)
    other = keyring.log_in(keyring.make("other", ["read"])[1])

    def gate_of(page):
        return Access(page.app, keyring=keyring, look_s=0.01)

    async def go():
        page, serving = await opened(gate_of, cookie(session))
        page.coming.put_nowait({"type": "websocket.receive", "bytes": b"a click"})
        while not page.told:
            await asyncio.sleep(0)
        ENDS[end](keyring, another, clock, session)
        await asyncio.wait_for(serving, PATIENCE_S)
        return page

    async def beside():
        page, serving = await opened(gate_of, cookie(other))
        ended = await go()
        assert serving.done() is (end == "session over")
        page.coming.put_nowait({"type": "websocket.disconnect", "code": 1001})
        await asyncio.wait_for(serving, PATIENCE_S)
        return ended

    page = asyncio.run(beside())
    assert page.sent == [{"type": "websocket.accept"}, CLOSE]  # nothing after the end
    assert [one["type"] for one in page.told] == ["websocket.receive", "websocket.disconnect"]
    assert page.left.is_set()


def test_a_file_of_keys_that_cannot_be_read_for_a_moment_ends_no_page():
    looks = []

    def is_good(shown):
        looks.append(shown)
        if len(looks) < 3:
            raise KeyStoreError("busy")
        return len(looks) < 6

    sockets = Sockets(is_good, look_s=0.001)

    async def go():
        def gate_of(page):
            async def serve(scope, receive, send):
                await sockets.run(page.app, scope, receive, send, "shown")

            return serve

        page, serving = await opened(gate_of, [])
        await asyncio.wait_for(serving, PATIENCE_S)
        return page

    assert CLOSE in asyncio.run(go()).sent
    assert len(looks) == 6


def test_nothing_is_left_of_sockets_that_are_closed_and_nobody_looks_any_more():
    async def go():
        sockets = Sockets(lambda shown: True, look_s=0.001)

        def gate_of(page):
            async def serve(scope, receive, send):
                await sockets.run(page.app, scope, receive, send, "shown")

            return serve

        pages = [await opened(gate_of, []) for _ in range(3)]
        assert len(sockets) == 3
        for page, serving in pages:
            page.coming.put_nowait({"type": "websocket.disconnect", "code": 1001})
            await asyncio.wait_for(serving, PATIENCE_S)
        await asyncio.sleep(0)
        assert len(sockets) == 0
        return [one for one in asyncio.all_tasks() if one is not asyncio.current_task()]

    assert asyncio.run(go()) == []
