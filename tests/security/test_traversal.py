"""Names that lead elsewhere, in every path and every field that the API describes."""

from __future__ import annotations

import json
from urllib.parse import quote

import pytest

from tests.security.conftest import CANARY, finished

UP = "../../"
NAMES = (
    "../secret.txt",
    "../../../../../../../../../../etc/passwd",
    "..%2f..%2fsecret.txt",
    "..%252f..%252fsecret.txt",
    "....//....//secret.txt",
    "..\\..\\secret.txt",
    "/etc/passwd",
    "file:///etc/passwd",
    "secret.txt\0.md",
    "~/secret.txt",
    "$HOME/secret.txt",
    "．．／secret.txt",
    "%c0%ae%c0%ae/secret.txt",
    "con:",
    "a/../../secret.txt",
)
# What talks to registries waits for them; the names are tried in test_outbound.py.
_LEFT_OUT = {("post", "/api/pull"), ("post", "/api/push")}


def operations(http):
    for path, found in http.get("/openapi.json").json()["paths"].items():
        for method, operation in found.items():
            if (method, path) not in _LEFT_OUT:
                yield method, path, operation


def bodies(operation, name):
    """Fill every text of a described body with a name, one at a time and all at once."""
    content = (operation.get("requestBody") or {}).get("content", {})
    for kind, described in content.items():
        schema = described.get("schema") or {}
        if kind != "application/json":
            continue
        fields = [
            key
            for key, one in (schema.get("properties") or {}).items()
            if "string" in json.dumps(one)
        ]
        needed = schema.get("required") or []
        yield dict.fromkeys({*fields, *needed}, name) | {"stream": False}


@pytest.mark.parametrize("name", NAMES)
def test_no_path_and_no_field_leads_outside(site, http, name):
    before, wrong = site.state_of_outside(), []
    for method, path, operation in operations(http):
        asked = path
        for parameter in operation.get("parameters", []):
            if parameter["in"] == "path":
                asked = asked.replace("{" + parameter["name"] + "}", quote(name, safe=""))
        params = {
            one["name"]: name
            for one in operation.get("parameters", [])
            if one["in"] == "query" and "string" in json.dumps(one["schema"])
        }
        for body in list(bodies(operation, name)) or [None]:
            reply = http.request(method, asked, params=params, json=body)
            if reply.status_code >= 500 and reply.status_code not in {501, 503}:
                wrong.append((method, asked, reply.status_code, reply.text[:200]))
            if CANARY in reply.text or "root:x:" in reply.text:
                wrong.append((method, asked, "read", reply.text[:200]))
    assert wrong == []
    assert site.state_of_outside() == before


@pytest.mark.parametrize("name", NAMES)
def test_raw_paths_lead_nowhere(site, http, name):
    """As sent on the wire: no client has tidied these."""
    import socket

    host, port = site.url.removeprefix("http://").split(":")
    for prefix in ("/", "/ui/", "/ui/static/", "/kb/documents/", "/api/blobs/", "/v1/models/"):
        raw = (prefix + name).replace("\0", "%00").replace(" ", "%20")
        request = f"GET {raw} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode()
        with socket.create_connection((host, int(port)), timeout=20) as line:
            line.sendall(request)
            answer = b""
            while part := line.recv(65536):
                answer += part
        assert CANARY.encode() not in answer
        assert b"root:x:" not in answer
        assert answer.split(b" ", 2)[1][:1] in {b"2", b"3", b"4"} or answer == b""


@pytest.mark.parametrize("name", NAMES)
def test_uploads_are_stored_under_no_name_of_the_sender(site, http, name):
    before = site.state_of_outside()
    files = [("files", (name.replace("\0", ""), f"# {name!r}\n\nHarmless text.".encode()))]

    sent = http.post("/kb/documents", files=files, data={"collection": "uploads"})

    assert sent.status_code in {202, 400}
    if sent.status_code == 202:
        assert finished(http, sent.json()["job_id"])["state"] == "done"
    assert site.state_of_outside() == before


@pytest.mark.parametrize(
    "folder", ["/proc", "/proc/self", "/dev", "/sys", "~root/nowhere", "/nonexistent", "\0", ""]
)
def test_folders_of_the_system_and_of_nobody_are_not_watched(http, folder):
    reply = http.post("/kb/watched", json={"folder": folder, "collection": "watched"})

    assert reply.status_code in {400, 403, 404}
    assert http.get("/kb/watched").json()["watched"] == []
    assert "root:x:" not in reply.text
