"""The server of one command: known by its token, deaf to all others."""

import asyncio

import httpx
import pytest

from app.access.only import Only
from app.api.wire import StatusOut
from app.client import connect
from tests.app.conftest import settings_at

TOKEN = "t" * 43


async def hello(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"hello"})


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ([("Authorization", f"Bearer {TOKEN}")], 200),
        ([], 401),
        ([("Authorization", "")], 401),
        ([("Authorization", "Bearer ")], 401),
        ([("Authorization", f"bearer {TOKEN}")], 401),
        ([("Authorization", f"Bearer {TOKEN}x")], 401),
        ([("Authorization", f"Bearer {TOKEN[1:]}")], 401),
        ([("Authorization", "Bearer x"), ("Authorization", f"Bearer {TOKEN}")], 401),
        ([("X-API-Key", TOKEN)], 401),
        ([("Cookie", f"quire_session={TOKEN}")], 401),
    ],
)
def test_exactly_one_header_with_exactly_the_token_is_let_in(headers, status):
    async def answered():
        transport = httpx.ASGITransport(app=Only(hello, token=TOKEN))
        async with httpx.AsyncClient(transport=transport, base_url="http://private") as client:
            return await client.get("/", headers=headers)

    assert asyncio.run(answered()).status_code == status


def test_a_command_without_a_server_is_heard_and_nobody_else(tmp_path, starter_models):
    settings = settings_at(tmp_path / "home", starter_models)

    with connect(settings, lambda _: None, "engine") as client:
        assert client.is_private
        assert client.get("/kb/status", StatusOut).mode == "engine"
        for path in ("/kb/status", "/healthz", "/api/tags", "/", "/nowhere"):
            assert httpx.get(f"{client.url}{path}").status_code == 401
