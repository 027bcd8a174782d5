"""Every route of the real application, with every kind of key."""

from __future__ import annotations

import asyncio
import re

import httpx
import pytest
from fastapi.routing import APIRoute
from starlette.routing import Mount, Route

from app.access.caller import SCOPES, Caller
from app.access.routes import entry_of, need_of
from tests.app.conftest import settings_at

WRONG = "qk_00000000_" + "0" * 43
OTHERS = ("elsewhere",)


@pytest.fixture(scope="module")
def parts(tmp_path_factory, starter_models):
    from app.access.keyring import Keyring
    from app.access.store import FILE, AccessStore
    from app.compose import compose

    home = tmp_path_factory.mktemp("locked")
    store = AccessStore(home / FILE)
    Keyring(store).make("first", ["admin"])
    store.close()
    settings = settings_at(home, starter_models, QUIRE_AUTH="on", QUIRE_RATE_LIMIT="0")
    with compose(settings, lambda _: None) as opened:
        yield opened


@pytest.fixture(scope="module")
def app(parts):
    from app.server import build_app

    return build_app(parts)


@pytest.fixture(scope="module")
def keys(parts):
    """Make a key of each scope, for all collections and for one that nobody asks about."""
    keyring = parts.lock.keyring
    made = {scope: keyring.make(scope, [scope])[1] for scope in SCOPES}
    bound = {
        f"bound {scope}": keyring.make(f"bound {scope}", [scope], OTHERS)[1] for scope in SCOPES
    }
    return {"none": "", "wrong": WRONG, **made, **bound}


def routes_of(app):
    """List (method, path) of every route, parameters filled in with something."""
    found = set()
    for route in walked(app.routes):
        if isinstance(route, Mount):
            found |= {("GET", f"{route.path}/"), ("POST", f"{route.path}/x/y")}
        elif isinstance(route, Route | APIRoute):
            path = re.sub(r"\{[^}]*\}", "1", route.path)
            found |= {(method, path) for method in route.methods}
    return sorted(found)


def walked(routes):
    for route in routes:
        inner = getattr(route, "original_router", None) or getattr(route, "router", None)
        if inner is not None and not hasattr(route, "methods"):
            yield from walked(inner.routes)
        else:
            yield route


def test_every_route_has_its_line_in_the_table(app):
    found = routes_of(app)

    missing = [one for one in found if entry_of(*one) is None]
    assert len(found) > 80
    assert missing == []


def test_the_description_says_what_each_operation_takes(app):
    described = app.openapi()["paths"]

    assert described["/healthz"]["get"]["security"] == []
    search = described["/kb/search"]["post"]
    assert search["security"] == [{"bearer": []}, {"key": []}]
    assert "scope read" in search["responses"]["403"]["description"]
    assert "bound" not in search["responses"]["403"]["description"]
    assert "not open to keys that are bound" in str(described["/kb/keys"]["get"]["responses"])
    for path, operations in described.items():
        for method, one in operations.items():
            is_public = not need_of(method.upper(), path).scopes
            assert (one["security"] == []) is is_public, (method, path)


def expected(method, path, who):
    need = need_of(method, path)
    if not need.scopes:
        return None
    if who in ("none", "wrong"):
        return 401
    scope = who.removeprefix("bound ")
    bound = frozenset(OTHERS) if scope != who else None
    return 403 if need.missing(Caller("x", who, frozenset({scope}), bound)) else None


def test_every_route_lets_in_whom_the_table_lets_in_and_nobody_else(app, keys):
    wrong = []

    async def go():
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as http:
            for method, path in routes_of(app):
                for who, key in keys.items():
                    status = expected(method, path, who)
                    if status is None and path.startswith("/ui"):
                        continue  # Streamlit answers; that takes seconds to load
                    headers = {"authorization": f"Bearer {key}"} if key else {}
                    reply = await http.request(method, path, headers=headers)
                    if not need_of(method, path).scopes:
                        assert reply.status_code < 500 or path == "/readyz"
                        continue
                    # Routes of Ollama's cloud say 401 and 403 by themselves, in other words.
                    is_asked = "www-authenticate" in reply.headers
                    is_refused = is_asked or (reply.status_code == 403 and "the key" in reply.text)
                    right = reply.status_code == status if status else not is_refused
                    # Of another collection: refused by the route itself, or not there.
                    if status is None and "bound" in who:
                        right = reply.status_code < 500
                    if not right or reply.status_code == 500:
                        wrong.append((method, path, who, status, reply.status_code, reply.text))

    asyncio.run(go())
    assert wrong == [], "\n".join(map(str, wrong))
