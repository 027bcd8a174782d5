"""What must never be written down: keys, sessions, questions, texts; and what may be installed."""

from __future__ import annotations

import ast
import json
import logging
import re
import stat
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, distributions, requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from tests.security.conftest import finished
from tests.security.locked import logged
from tests.security.test_sessions import log_in

ROOT = Path(__file__).parents[2]
QUESTION = "Where did Wilhelmina hide the zirconium teapot?"
TEXT = "Wilhelmina hid the zirconium teapot under the heliotrope bed."
TITLE = "A talk about heliotropes"
FILE = "heliotrope-inventory.txt"
PRIVATE = ("zirconium", "heliotrope", "Wilhelmina")


@pytest.fixture(scope="module")
def lines():
    """What is logged while this file is at work; other files may log elsewhere before."""
    with logged() as stream:
        yield stream


@pytest.fixture(scope="module")
def used(locked, lines):
    """Use everything with every kind of secret, rightly and wrongly; give the secrets."""
    cookie = log_in(locked)
    locked.http.headers["X-API-Key"] = locked.keys["admin"]
    sent = locked.admin(
        "POST",
        "/kb/documents",
        files=[("files", (FILE, TEXT.encode())), ("files", ("heliotrope.docx", b"PK\3\4broken"))],
        data={"collection": "private"},
    )
    finished(locked.http, sent.json()["job_id"])
    del locked.http.headers["X-API-Key"]
    talk = locked.admin(
        "POST", "/kb/conversations", json={"title": TITLE, "collection": "private"}
    ).json()["id"]
    asked = {"question": QUESTION, "collection": "private"}
    found = {"query": QUESTION, "collection": "private"}
    said = [{"role": "user", "content": QUESTION}]
    for who in ("admin", "read", "bound", "revoked", "expired", "never made", "of another server"):
        for path, body in (
            ("/kb/query", asked),
            ("/kb/query", asked | {"stream": True}),
            ("/kb/query", asked | {"conversation_id": talk}),
            ("/kb/query", {"question": QUESTION, "nonsense": QUESTION}),
            ("/kb/query", {"question": [QUESTION]}),
            ("/kb/search", found),
            ("/kb/explain", asked | {"file": FILE}),
            ("/api/chat", {"model": "kb/private", "messages": said, "stream": False}),
            (
                "/api/chat",
                {"model": "smollm2:135m", "messages": said, "options": {"num_predict": 1}},
            ),
            ("/api/generate", {"model": QUESTION, "prompt": TEXT}),
            ("/v1/chat/completions", {"model": "kb/private", "messages": said}),
            ("/v1/messages", {"model": "kb/private", "max_tokens": 9, "messages": said}),
            ("/api/embed", {"model": "all-minilm", "input": TEXT}),
            ("/api/pull", {"model": "http://user:hunter2hunter2@127.0.0.1:1/a/b", "stream": False}),
            ("/kb/nowhere", {"key": locked.keys["admin"]}),
        ):
            locked.ask(who, "POST", path, json=body)
    for headers in (
        {"Authorization": f"Bearer {locked.keys['admin']}"},
        {"Authorization": f"Basic {locked.keys['admin']}"},
        {"Cookie": f"quire_session={cookie}"},
        {"X-Request-ID": locked.keys["admin"]},
        {"User-Agent": locked.keys["admin"], "Referer": f"http://x/?key={locked.keys['admin']}"},
        {"Host": locked.keys["admin"][:40]},
        {"Origin": f"http://{locked.keys['admin']}"},
    ):
        for path in ("/kb/documents", f"/kb/documents/{locked.keys['admin']}", "/healthz"):
            locked.ask("", "GET", path, headers=headers)
            locked.ask(
                "", "GET", f"{path}?key={locked.keys['admin']}&q={QUESTION}", headers=headers
            )
    locked.ask("", "POST", "/login", data={"key": locked.keys["admin"] + "x"})
    locked.ask("", "POST", "/login", data={"key": locked.keys["admin"], "next": f"/ui/?k={cookie}"})
    made = locked.admin("POST", "/kb/keys", json={"name": "for the secrets", "scopes": ["read"]})
    secrets = [*locked.keys.values(), cookie, made.json()["key"], "hunter2hunter2"]
    return [part for one in secrets for part in (one, one.rpartition("_")[2])]


def shown(text, used, *, has_private=True):
    """List what stands in a text that must not; never the secret itself, this is a log too."""
    found = [f"secret {one[:6]}…" for one in used if len(one) > 10 and one in text]
    return found + ([one for one in PRIVATE if one in text] if has_private else [])


def test_no_line_of_a_log_holds_a_secret_or_what_was_asked(lines, used):
    text = lines.getvalue()

    assert text.count("\n") > 100
    # Names of files that could not be read are told: whoever runs the server must find them.
    assert shown(text.replace("heliotrope.docx", ""), used) == []


def test_no_line_of_the_audit_log_does(locked, used):
    assert locked.audit.settle()
    text = (locked.home / "audit" / "audit.jsonl").read_text("ascii")

    assert text.count("\n") > 100
    assert shown(text, used) == []


def test_neither_the_figures_nor_the_last_lines_do(locked, used):
    for path in ("/metrics", "/kb/logs", "/healthz", "/readyz", "/openapi.json"):
        text = locked.admin("GET", path).text
        assert shown(text.replace("heliotrope.docx", ""), used) == [], path


def test_no_list_of_keys_does(locked, used):
    assert shown(locked.admin("GET", "/kb/keys").text, used) == []


@pytest.mark.parametrize("who", ["", "revoked", "bound", "admin"])
def test_no_error_repeats_a_secret(locked, used, who):
    key = locked.keys["free"]
    for method, path, body in (
        ("GET", f"/kb/documents/x?key={key}", None),
        ("POST", "/kb/search", {"query": "x", "collection": 5, "key": key}),
        ("POST", "/api/chat", {"model": "nowhere", "key": key}),
        ("POST", "/v1/chat/completions", {"model": "nowhere", "key": key}),
        ("GET", f"/nowhere?token={key}", None),
    ):
        reply = locked.ask(who, method, path, json=body, headers={"X-Secret": key})
        assert reply.status_code >= 400
        assert shown(reply.text + str(reply.headers), used) == [], path


def test_a_crash_tells_no_secret(locked, lines, used):
    """The trace of a defect goes to the log, with whatever stood in the message."""
    key = locked.keys["admin"]
    error = RuntimeError(f"cannot send Authorization: Bearer {key} to http://u:{key}@x/")
    logging.getLogger("app").error("crashed with %s", key, exc_info=error)
    text = lines.getvalue()

    assert "crashed with" in text
    assert "RuntimeError" in text
    assert shown(text, used, has_private=False) == []
    assert shown(locked.admin("GET", "/kb/logs").text, used, has_private=False) == []


def test_what_holds_secrets_is_readable_by_its_owner_alone(locked, used):
    from app.access.here import token_noted

    with token_noted(locked.home, locked.url, locked.parts.lock):
        files = [
            *locked.home.glob("access.sqlite3*"),
            *(locked.home / "audit").iterdir(),
            locked.home / "server.token",
        ]
        assert len(files) >= 5
        modes = {one.name: stat.S_IMODE(one.stat().st_mode) for one in files}
        text = (locked.home / "server.token").read_text("ascii")
    assert set(modes.values()) == {0o600}, modes
    assert not (locked.home / "server.token").exists()
    assert locked.parts.lock.keyring.caller_of(text.split()[0]) is None


def test_no_secret_lies_in_any_file_of_the_library(locked, used):
    """Digests only; a backup of the folder gives nobody a key."""
    holding = [
        path.name
        for path in locked.home.rglob("*")
        if path.is_file()
        for secret in used
        if len(secret) > 20 and secret.encode() in path.read_bytes()
    ]
    assert holding == []


# What the code says, read by a tool

# Each was looked at; the reason says why it stays.
REVIEWED = {
    ("app/config.py", "B104"): "compares with the name of all interfaces, binds nothing",
    ("engine/api/guard.py", "B104"): "names of this machine that a Host header may have",
    ("ingest/load/epub.py", "B314"): "declarations of entities are refused before it is parsed",
}
# What is put into SQL as text, beside constants, marks for values and numbers: all are made of
# constants in the lines above, none of anything that came from outside.
IN_SQL = {
    ("app/backup/copy_store.py", "where"),
    ("app/backup/copy_store.py", "'collections' if is_old else 'spaces'"),
    ("app/backup/copy_store.py", "table"),
    ("app/backup/copy_store.py", "column"),
    ("app/conversations/store.py", "seen"),
    ("app/conversations/store.py", "every"),
    ("ingest/compact_store.py", "table"),  # of the catalogue itself, called terms_ and a number
    ("ingest/documents_store.py", "where"),
    ("ingest/jobs_store.py", "where"),
    ("ingest/listing_store.py", "where"),
    ("ingest/rows_store.py", "table"),
    ("ingest/search_store.py", "table"),
    ("ingest/search_store.py", "where"),
    ("ingest/spaces_store.py", "state"),
}
PLAIN = re.compile(
    r"_?[A-Z][A-Z_]*|(?:rows\.)?marks(?:\(batch\))?|lexical_table\(\w+\)"
    r"|'[,?]'\.join\('\?' \* \d+\)"
)


def put_into_sql(finding):
    """List the expressions in the f-strings that a finding is about, numbers left out."""
    tree = ast.parse((ROOT / finding["filename"]).read_text("utf-8"))
    lines = set(finding["line_range"]) | {finding["line_number"]}
    return {
        ast.unparse(part.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.JoinedStr)
        and lines & set(range(node.lineno, (node.end_lineno or node.lineno) + 1))
        for part in node.values
        if isinstance(part, ast.FormattedValue)
        and not (part.format_spec is not None and ast.unparse(part.format_spec) == "f'd'")
    }


@pytest.fixture(scope="module")
def bandit():
    """Let bandit read the code; nothing of medium or higher severity is left out."""
    command = [sys.executable, "-m", "bandit", "-q", "-r", "app", "engine", "ingest", "ui"]
    run = subprocess.run(
        [*command, "-f", "json", "--severity-level", "medium"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    report = json.loads(run.stdout)
    assert report["errors"] == []
    assert report["metrics"]["_totals"]["loc"] > 10_000
    return report["results"]


@pytest.mark.timeout(110)
def test_bandit_finds_nothing_that_nobody_has_looked_at(bandit):
    found = {(one["filename"], one["test_id"]) for one in bandit if one["test_id"] != "B608"}

    assert found - set(REVIEWED) == set()
    assert set(REVIEWED) - found == set(), "reviewed, but no longer there"


def test_no_statement_of_sql_is_made_of_what_came_from_outside(bandit):
    found = {
        (one["filename"], text)
        for one in bandit
        if one["test_id"] == "B608"
        for text in put_into_sql(one)
        if not PLAIN.fullmatch(text)
    }

    assert len(bandit) > 20
    assert found - IN_SQL == set()
    assert IN_SQL - found == set(), "reviewed, but no longer there"


# What is installed: no database of known faults can be reached from a test, so this holds only
# that what runs is exactly what was chosen.


def pins():
    lines = (ROOT / "constraints.txt").read_text("utf-8").splitlines()
    return [one for one in (line.split("#")[0].strip() for line in lines) if one]


def test_every_package_is_pinned_to_one_version():
    assert len(pins()) > 100
    loose = [one for one in pins() if not re.fullmatch(r"[\w.-]+==[\w.!+-]+(\s*;.*)?", one)]
    assert loose == []


def test_what_is_installed_is_what_is_pinned():
    wanted = dict(one.partition(";")[0].strip().split("==") for one in pins())
    wanted = {canonical(name): version for name, version in wanted.items()}
    there = {canonical(one.metadata["Name"]): one.version for one in distributions()}
    wrong = {
        name: (version, there[name])
        for name, version in wanted.items()
        if name in there and there[name].partition("+")[0] != version.partition("+")[0]
    }

    assert wrong == {}
    own_and_the_environments = {"quire", "setuptools"}
    assert sorted(needed() - set(wanted) - own_and_the_environments) == []


def needed():
    """Name what the project needs here, and what that needs."""
    found, waiting = set(), [("quire", {"", "dev"})]
    while waiting:
        name, extras = waiting.pop()
        found.add(canonical(name))
        try:
            lines = requires(name) or []
        except PackageNotFoundError:
            continue
        for one in map(Requirement, lines):
            is_asked = any(
                one.marker is None or one.marker.evaluate({"extra": extra}) for extra in extras
            )
            if is_asked and canonical(one.name) not in found:
                waiting.append((one.name, {"", *one.extras}))
    return found


def canonical(name):
    return re.sub(r"[-_.]+", "-", name).casefold()
