"""The server stops: what runs is told so in its own shape, its threads are waited for."""

import asyncio
import json
import threading

import httpx
import pytest

from engine.api.bridge import Bridge
from engine.errors import StoppingError
from engine.types import Piece

WAIT_S = 10.0


def endless(ended=None):
    try:
        while True:
            yield Piece("")
    finally:
        if ended is not None:
            ended.set()


def test_a_feed_that_waits_learns_of_the_end_and_its_thread_ends():
    bridge, ended = Bridge(), threading.Event()

    async def read():
        feed = bridge.feed(lambda: endless(ended))
        waiting = asyncio.ensure_future(feed.batch())
        await asyncio.sleep(0)
        bridge.stop()
        try:
            with pytest.raises(StoppingError):
                await waiting
        finally:
            feed.close()

    asyncio.run(read())

    assert bridge.drained(WAIT_S)
    assert ended.is_set()


def test_what_is_there_already_comes_before_the_end():
    bridge = Bridge()
    given, may_go = threading.Event(), threading.Event()

    def some():
        yield "a"
        given.set()
        assert may_go.wait(WAIT_S)

    async def read():
        feed = bridge.feed(some)
        assert await asyncio.to_thread(given.wait, WAIT_S)
        bridge.stop()
        first = await feed.batch()
        with pytest.raises(StoppingError):
            await feed.batch()
        may_go.set()
        feed.close()
        return first

    assert asyncio.run(read()) == ["a"]


def test_a_feed_that_is_over_ends_as_usual():
    bridge = Bridge()

    async def read():
        feed = bridge.feed(lambda: iter("ab"))
        assert bridge.drained(WAIT_S)
        bridge.stop()
        return [await feed.batch(), await feed.batch()]

    assert asyncio.run(read()) == [["a", "b"], []]


class Request:
    async def receive(self):
        await asyncio.Event().wait()


def test_a_call_is_ended_and_none_begins_any_more():
    bridge, may_end = Bridge(), threading.Event()

    async def ask():
        calling = asyncio.ensure_future(bridge.call(Request(), lambda: may_end.wait(WAIT_S)))
        await asyncio.sleep(0.01)
        bridge.stop()
        with pytest.raises(StoppingError):
            await calling
        with pytest.raises(StoppingError):
            await bridge.call(Request(), lambda: None)
        with pytest.raises(StoppingError):
            bridge.feed(lambda: iter("a"))

    asyncio.run(ask())
    assert bridge.drained(0.01) is False
    may_end.set()

    assert bridge.drained(WAIT_S)


@pytest.mark.parametrize(
    ("path", "body", "last"),
    [
        ("/api/generate", {"prompt": "x"}, lambda text: json.loads(text.splitlines()[-1])["error"]),
        (
            "/v1/chat/completions",
            {"messages": [{"role": "user", "content": "x"}], "stream": True},
            lambda text: json.loads(text.strip().rsplit("data: ", 1)[1])["error"]["message"],
        ),
        (
            "/v1/messages",
            {"messages": [{"role": "user", "content": "x"}], "stream": True, "max_tokens": 5},
            lambda text: json.loads(text.strip().rsplit("event: error\ndata: ", 1)[1])["error"][
                "message"
            ],
        ),
    ],
)
def test_each_stream_ends_in_its_own_shape(tmp_path, path, body, last):
    from fastapi import FastAPI

    from engine.api.errors import install_engine_errors
    from engine.api.router import engine_router
    from tests.engine.api.fakes_engine import CHAT, FakeEngine, served, tiny_library

    may_end = threading.Event()

    def begun():
        yield Piece("begun")
        while not may_end.wait(0.01):
            yield Piece("")

    bridge, engine = Bridge(), FakeEngine(tiny_library(tmp_path), begun)
    app = FastAPI()
    install_engine_errors(app)
    app.include_router(engine_router(engine, bridge=bridge))

    @app.post("/stop")
    async def stop():
        bridge.stop()

    try:
        with served(app) as url:
            with httpx.stream("POST", url + path, json={"model": CHAT, **body}) as reply:
                parts = reply.iter_text()
                text = next(parts)
                httpx.post(f"{url}/stop")
                text += "".join(parts)
            refused = httpx.post(url + path, json={"model": CHAT, **body})
    finally:
        may_end.set()

    assert "stopping" in last(text)
    assert refused.status_code == 503
    assert refused.headers["retry-after"]
