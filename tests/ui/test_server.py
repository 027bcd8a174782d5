import asyncio

import pytest

from ui.server import is_same_origin, ui_app


@pytest.mark.parametrize(
    ("origin", "host", "is_same"),
    [
        (None, "127.0.0.1:1", True),
        ("http://127.0.0.1:1", "127.0.0.1:1", True),
        ("https://Docs.example:1", "docs.EXAMPLE:1", True),
        ("http://127.0.0.1:2", "127.0.0.1:1", False),
        ("http://evil.example", "127.0.0.1:1", False),
        ("null", "127.0.0.1:1", False),
        ("http://127.0.0.1:1", None, False),
    ],
)
def test_only_the_servers_own_pages_may_use_it(origin, host, is_same):
    assert is_same_origin(origin, host) is is_same


@pytest.mark.parametrize(
    ("kind", "first"),
    [
        ("websocket", {"type": "websocket.close", "code": 1008}),
        ("http", {"type": "http.response.start", "status": 403, "headers": []}),
    ],
)
def test_pages_of_other_origins_are_refused_before_streamlit_sees_them(kind, first):
    sent = []

    async def send(message):
        sent.append(message)

    async def receive():
        return {}

    headers = [(b"origin", b"http://evil.example"), (b"host", b"127.0.0.1:1")]
    app = ui_app("http://127.0.0.1:1")
    asyncio.run(app({"type": kind, "headers": headers}, receive, send))

    assert sent[0] == first
