"""What a client sends comes back in no header that it did not name; pages carry no script of it."""

from __future__ import annotations

import socket

import pytest

from tests.security.conftest import FACT, finished

BREAKS = ("\r\nSet-Cookie: stolen=1", "\nSet-Cookie: stolen=1", "\rSet-Cookie: stolen=1", "\u2028x")
SCRIPT = "<script>alert(1)</script><img src=x onerror=alert(1)>"


def raw(site, request: bytes) -> bytes:
    """Send bytes as they are; no client tidies them."""
    host, port = site.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=20) as line:
        line.sendall(request)
        answer = b""
        while part := line.recv(65536):
            answer += part
    return answer


@pytest.mark.parametrize("text", [*BREAKS, '"; filename="evil.html', SCRIPT, "名字", "x" * 300])
def test_a_title_breaks_no_header_of_an_export(site, http, text):
    made = http.post("/kb/conversations", json={"collection": "default"}).json()["id"]
    renamed = http.patch(f"/kb/conversations/{made}", json={"title": f"title{text}"})

    answer = raw(
        site,
        f"GET /kb/conversations/{made}/export HTTP/1.1\r\nHost: localhost\r\n"
        "Connection: close\r\n\r\n".encode(),
    )
    head = answer.partition(b"\r\n\r\n")[0]

    assert renamed.status_code in {200, 400, 413}
    assert answer.startswith(b"HTTP/1.1 200")
    assert b"stolen" not in head.lower().replace(b"filename", b"").split(b"content-disposition")[0]
    assert not any(line.lower().startswith(b"set-cookie") for line in head.splitlines())
    assert b"text/html" not in head.lower()
    http.delete(f"/kb/conversations/{made}")


@pytest.mark.parametrize("text", [*BREAKS, SCRIPT])
def test_file_names_are_told_as_data_and_never_as_a_page(site, http, text):
    name = f"name{text}.md"
    body = (
        b'--b\r\nContent-Disposition: form-data; name="files"; filename="'
        + name.replace("\r", "%0D").replace("\n", "%0A").encode()
        + b'"\r\n\r\n'
        + FACT.encode()
        + b'\r\n--b\r\nContent-Disposition: form-data; name="collection"\r\n\r\nnames\r\n--b--\r\n'
    )
    sent = http.post(
        "/kb/documents",
        content=body,
        headers={"Content-Type": "multipart/form-data; boundary=b"},
    )

    assert sent.status_code == 202
    assert finished(http, sent.json()["job_id"])["state"] == "done"
    listed = http.get("/kb/documents", params={"collection": "names"})
    assert listed.headers["content-type"].startswith("application/json")
    assert "set-cookie" not in listed.headers


@pytest.mark.parametrize("path", ["/x", "/kb/documents/x", "/api/x", "/v1/x", "/docs/x", "/ui"])
def test_errors_repeat_what_was_asked_as_json_or_text(http, path):
    reply = http.get(f"{path}{SCRIPT}", headers={"Accept": "text/html"})

    assert reply.status_code in {404, 405}
    assert "text/html" not in reply.headers.get("content-type", "")


@pytest.mark.parametrize(
    "head",
    [
        b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX: a\x00b\r\nConnection: close\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\n\r\n",
        b"GET  /healthz\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"POST /kb/query HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n",
        b"POST /kb/query HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n"
        b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\n\r\n",
        b"POST /kb/query HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    ],
    ids=range(8),
)
def test_what_is_no_http_is_refused_and_the_server_goes_on(site, http, head):
    host, port = site.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=20) as line:
        line.sendall(head)
        line.shutdown(socket.SHUT_WR)
        answer = b""
        while part := line.recv(65536):
            answer += part

    assert b"smuggled" not in answer
    assert b"HTTP/1.1 5" not in answer
    assert answer.count(b"HTTP/1.1 200") <= 1
    assert http.get("/healthz").status_code == 200
