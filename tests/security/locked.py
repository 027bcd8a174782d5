"""A server that asks for keys, with every kind of key, and a collection that others may not see."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx

from tests.app.conftest import settings_at

OPEN_FACT = "The lighthouse of Brumly was built in 1871 by Ada Finch."
SECRET_FACT = "The vault of Norwick holds nine amber seals from 1654."
CANARIES = ("amber seals", "Norwick", "vault-plan")  # of the collection `closed`
TABLE_FILE = "vault-plan.txt"
SCOPED = ("read", "ask", "ingest")
MAX_BODY_BYTES = 1024**2


@dataclass
class Locked:
    """The server, its keys by what they are, the ids of what lies in each collection."""

    url: str
    home: Path
    app: object
    parts: object
    audit: object
    keys: dict[str, str]
    ids: dict[str, dict[str, str]]
    clients: ExitStack = field(repr=False, default_factory=ExitStack)
    http: httpx.Client = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self.http = self.clients.enter_context(
            httpx.Client(base_url=self.url, timeout=60, trust_env=False)
        )

    def ask(self, who: str, method: str, path: str, **more) -> httpx.Response:
        """Send a request with the key called `who`; empty = without one."""
        self.http.cookies.clear()
        headers = {"X-API-Key": self.keys[who]} if who else {}
        return self.http.request(method, path, headers=headers | more.pop("headers", {}), **more)

    def admin(self, method: str, path: str, **more) -> httpx.Response:
        """Send a request that may do everything."""
        return self.ask("admin", method, path, **more)

    def state(self) -> dict[str, object]:
        """Say what is stored, as who may see everything sees it."""
        lists = {
            "/kb/collections": ("name", "n_documents"),
            "/kb/documents?limit=1000": ("id", "collection"),
            "/kb/conversations?limit=1000": ("id", "title"),
            "/kb/exams": ("id", "n_cases"),
            "/kb/watched": ("folder", "collection"),
            "/kb/keys": ("id", "is_open", "revoked_at"),
            "/kb/migrations": ("collection",),
            "/api/tags": ("name", "digest"),
        }
        found = {}
        for path, names in lists.items():
            reply = self.admin("GET", path)
            assert reply.status_code == 200, reply.text
            held = reply.json()
            rows = (
                held
                if isinstance(held, list)
                else next(one for one in held.values() if isinstance(one, list))
            )
            found[path] = [[row.get(name) for name in names] for row in rows]
        return found


@contextmanager
def opened(home: Path, models: Path, **more: str) -> Iterator[Locked]:
    """Serve a library of two collections to who has a key."""
    from app.cli.serve import auditing
    from app.compose import compose
    from app.server import bind, build_app, running

    home.mkdir(parents=True, exist_ok=True)
    keys = _keys(home, home.parent / "elsewhere")
    settings = settings_at(
        home,
        models,
        **({"QUIRE_AUTH": "on", "QUIRE_RATE_LIMIT": "0", "QUIRE_MAX_BODY_MB": "1"} | more),
    )
    with ExitStack() as stack:
        parts = stack.enter_context(compose(settings, lambda _: None))
        audit = stack.enter_context(auditing(parts))
        app = build_app(parts, audit=audit)
        url = stack.enter_context(running(app, bind("127.0.0.1", 0)))
        clients = stack.enter_context(ExitStack())
        site = Locked(url, home, app, parts, audit, keys, {}, clients)
        parts.lock.keyring.revoke("revoked")
        for name, file, text in (
            ("open", "open.txt", OPEN_FACT),
            ("closed", TABLE_FILE, SECRET_FACT),
        ):
            site.ids[name] = _stored(site, name, file, text)
        yield site


def _keys(home: Path, elsewhere: Path) -> dict[str, str]:
    from app.access.keyring import Keyring
    from app.access.store import FILE, AccessStore

    with closing(AccessStore(home / FILE)) as store:
        now = Keyring(store)
        past = Keyring(store, clock=lambda: datetime.now(UTC) - timedelta(days=9))
        keys = {
            "admin": now.make("admin", ["admin"])[1],
            "revoked": now.make("revoked", ["admin"])[1],
            "expired": past.make("expired", ["admin"], expires="1d")[1],
            "bound": now.make("bound", SCOPED, ["open"])[1],
            "bound admin": now.make("bound admin", ["admin"], ["open"])[1],
            "free": now.make("free", SCOPED)[1],
        }
        for scope in SCOPED:
            keys[scope] = now.make(f"only {scope}", [scope])[1]
    elsewhere.mkdir(parents=True, exist_ok=True)
    with closing(AccessStore(elsewhere / FILE)) as store:
        keys["of another server"] = Keyring(store).make("admin", ["admin"])[1]
    keys["never made"] = "qk_NeverMad_" + "ZyX7" * 10 + "abc"
    return keys


def _stored(site: Locked, collection: str, file: str, text: str) -> dict[str, str]:
    """Fill a collection with a document, a job, a conversation and an exam."""
    files = [("files", (file, text.encode()))]
    sent = site.admin("POST", "/kb/documents", files=files, data={"collection": collection})
    assert sent.status_code == 202, sent.text
    job = sent.json()["job_id"]
    assert site.parts.kb.wait(job, 60).state == "done"
    listed = site.admin("GET", "/kb/documents", params={"collection": collection}).json()
    chat = site.admin(
        "POST", "/kb/conversations", json={"title": f"About {file}", "collection": collection}
    ).json()["id"]
    case = {"question": f"What about {file}?", "file": file, "answer": text.split()[1]}
    exam = site.admin("POST", "/kb/exams", json={"collection": collection, "cases": [case]})
    assert exam.status_code == 201, exam.text
    return {
        "document": listed["documents"][0]["id"],
        "job": job,
        "conversation": chat,
        "exam": exam.json()["id"],
    }


@contextmanager
def logged() -> Iterator[io.StringIO]:
    """Gather every line that a server of this process logs, in the form that it writes them."""
    from app.logs import OURS, set_up

    stream = io.StringIO()
    before = {name: logging.getLogger(name).level for name in ("", *OURS)}
    handler = set_up("info", "json", stream)
    for name in OURS:
        logging.getLogger(name).setLevel(logging.DEBUG)
    try:
        yield stream
    finally:
        logging.getLogger().removeHandler(handler)
        for name, level in before.items():
            logging.getLogger(name).setLevel(level)


def told(reply: httpx.Response) -> str:
    """Write everything that an answer says: status, headers, body."""
    return f"{reply.status_code} {json.dumps(dict(reply.headers))} {reply.text}"
