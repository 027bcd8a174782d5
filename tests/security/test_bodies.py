"""Bodies that are too large, too deep, too slow, no end of them; heads and frames likewise."""

from __future__ import annotations

import base64
import json
import resource
import socket
import struct
import zlib
from contextlib import ExitStack, closing
from urllib.parse import urlsplit

import pytest
import zstandard

from app import limits
from app.serving import Connection, max_connections, raised_file_limit
from tests.security.locked import MAX_BODY_BYTES
from tests.security.test_sessions import COOKIE, log_in
from tests.security.wire import get, raw, status_of

MB = 1024**2
ROOM_BYTES = 160 * MB  # that an attack may make this process grow by at most
JSON_ROUTES = (
    "/kb/search",
    "/kb/query",
    "/kb/explain",
    "/kb/conversations",
    "/kb/conversations/import",
    "/kb/feedback",
    "/kb/collections",
    "/kb/exams",
    "/kb/keys",
    "/kb/migrations",
    "/kb/watched",
    "/kb/models/modelfile",
    "/api/chat",
    "/api/generate",
    "/api/embed",
    "/api/show",
    "/api/create",
    "/v1/chat/completions",
    "/v1/responses",
    "/v1/embeddings",
    "/v1/messages",
)


def peak_bytes():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


@pytest.fixture
def bounded(locked):
    """Hold that the process has not grown, and that the server answers as before."""
    before, state = peak_bytes(), locked.state()
    yield
    assert peak_bytes() - before < ROOM_BYTES
    assert locked.ask("", "GET", "/healthz").status_code == 200
    assert locked.state() == state


def post(path, key, *headers, body=b""):
    lines = (f"POST {path} HTTP/1.1", "Host: localhost", "Content-Type: application/json")
    shown = (f"X-API-Key: {key}",) if key else ()
    return "\r\n".join((*lines, *shown, *headers, "Connection: close", "", "")).encode() + body


@pytest.mark.parametrize("path", JSON_ROUTES)
@pytest.mark.usefixtures("bounded")
def test_a_body_that_is_declared_too_large_is_refused_before_it_comes(locked, path):
    for length in (MAX_BODY_BYTES + 1, 10**12, 10**30):
        asked = post(path, locked.keys["admin"], f"Content-Length: {length}")
        assert status_of(raw(locked.url, asked)) in (400, 413)


@pytest.mark.usefixtures("bounded")
def test_a_body_in_pieces_is_cut_off_at_the_bound(locked):
    piece = b"%x\r\n" % 65536 + b" " * 65536 + b"\r\n"
    pieces = piece * (8 * MAX_BODY_BYTES // 65536)

    for key in (locked.keys["admin"], ""):
        for path in ("/kb/search", "/api/chat", "/login"):
            asked = post(path, key, "Transfer-Encoding: chunked", body=pieces + b"0\r\n\r\n")
            # Nothing: it was still being sent when the line was cut.
            assert status_of(raw(locked.url, asked)) in (0, 401, 413), path


def packed(name):
    """Pack 200 MB of blanks, a piece at a time: the sender is no larger for it."""
    packer = {
        "gzip": lambda: zlib.compressobj(wbits=31),
        "deflate": zlib.compressobj,
        "zstd": lambda: zstandard.ZstdCompressor().compressobj(),
        "br": lambda: zlib.compressobj(wbits=-15),
    }[name]()
    blanks = b" " * MB
    return b"".join([*(packer.compress(blanks) for _ in range(200)), packer.flush()])


@pytest.mark.parametrize("name", ["gzip", "deflate", "zstd", "br"])
@pytest.mark.usefixtures("bounded")
def test_a_packed_body_never_unpacks_to_much(locked, name):
    bomb = packed(name)[:MAX_BODY_BYTES]
    for path in ("/kb/search", "/v1/responses", "/api/chat"):
        reply = locked.admin("POST", path, content=bomb, headers={"Content-Encoding": name})
        assert reply.status_code in (400, 413), reply.text


@pytest.mark.parametrize("path", JSON_ROUTES)
@pytest.mark.usefixtures("bounded")
def test_a_body_that_is_deep_or_has_no_end_of_fields_is_told_so(locked, path):
    for body in (
        b"[" * 200_000,
        b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
        b'{"query":' + b"[" * 300 + b"]" * 300 + b"}",
        b"{" + b",".join(b'"k%d":%d' % (n, n) for n in range(50_000)) + b"}",
        b'{"query":' + b"9" * 20_000 + b"}",
        b'{"query":1e999}',
        b'{"query":NaN}',
        b"\xff\xfe\x00",
        b"",
    ):
        reply = locked.admin("POST", path, content=body)
        assert reply.status_code in (400, 404, 413, 422), (body[:40], reply.text[:200])


def multipart(locked, body, boundary="b"):
    kind = f"multipart/form-data; boundary={boundary}"
    return locked.admin("POST", "/kb/documents", content=body, headers={"Content-Type": kind})


def part(name, text=b"x", more=b""):
    return (
        b'--b\r\nContent-Disposition: form-data; name="'
        + name
        + b'"'
        + more
        + b"\r\n\r\n"
        + text
        + b"\r\n"
    )


ENDLESS = {
    "many fields": lambda: b"".join(part(b"f%d" % n) for n in range(100_000)) + b"--b--\r\n",
    "many large fields": lambda: part(b"f", b"x" * 60_000) * 300 + b"--b--\r\n",
    "large fields": lambda: (
        b"".join(part(b"f%d" % n, b"x" * 60_000) for n in range(300)) + b"--b--\r\n"
    ),
    "many files": lambda: part(b"files", b"", b'; filename="a.md"') * 20_000 + b"--b--\r\n",
    "a huge header": lambda: b"--b\r\nX: " + b"x" * 20 * MB,
    "many headers": lambda: b"--b\r\n" + b"X: y\r\n" * 100_000 + b"\r\n",
    "a huge name": lambda: (
        part(b"x" * 4_000, b"", b'; filename="' + b"y" * 100_000 + b'.md"') + b"--b--\r\n"
    ),
    "no end": lambda: part(b"files", b"x" * MB, b'; filename="a.md"'),
    "no boundary": lambda: b"x" * 20 * MB,
    "a field without end": lambda: (
        b'--b\r\nContent-Disposition: form-data; name="f"\r\n\r\n' + b"x" * 20 * MB
    ),
    "a file without end": lambda: part(b"files", b"x" * 20 * MB, b'; filename="a.md"'),
    "only borders": lambda: b"--b\r\n" * 100_000 + b"--b--\r\n",
}


@pytest.mark.parametrize("kind", ENDLESS)
@pytest.mark.usefixtures("bounded")
def test_an_upload_without_measure_is_told_so_and_leaves_nothing(locked, kind):
    reply = multipart(locked, ENDLESS[kind]())

    assert reply.status_code in (400, 413), reply.text[:300]
    assert list(locked.home.glob("upload-*")) == []


@pytest.mark.parametrize(
    "kind",
    [
        "multipart/form-data",
        "multipart/form-data; boundary=",
        "multipart/form-data; boundary=" + "b" * 10_000,
        "multipart/form-data; boundary=b; boundary=c",
        "multipart/mixed; boundary=b",
        "text/plain",
        "\xff",
    ],
)
def test_a_form_without_a_border_is_told_so(locked, kind):
    body = part(b"files", b"x", b'; filename="a.md"') + b"--b--\r\n"
    asked = (
        f"POST /kb/documents HTTP/1.1\r\nHost: localhost\r\nX-API-Key: {locked.keys['bound']}\r\n"
        f"Content-Type: {kind}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    ).encode("latin-1")

    assert status_of(raw(locked.url, asked + body)) in (400, 403)


def test_a_body_that_comes_too_slowly_is_given_up(locked, monkeypatch):
    monkeypatch.setattr(limits, "SILENT_S", 0.3)
    for path in ("/kb/search", "/kb/documents", "/api/blobs/sha256:" + "0" * 64):
        asked = post(path, locked.keys["admin"], "Content-Length: 1000", body=b"--b")
        asked = asked.replace(b"application/json", b"multipart/form-data; boundary=b")
        assert status_of(raw(locked.url, asked)) == 408, path


def test_a_body_that_trickles_is_given_up(locked, monkeypatch):
    """Each byte comes in time, all of them never would."""
    monkeypatch.setattr(limits, "GRACE_S", 0.0)
    monkeypatch.setattr(limits, "PACE_S", 0.5)
    at = urlsplit(locked.url)
    asked = post("/kb/search", locked.keys["admin"], "Content-Length: 100000")
    with closing(socket.create_connection((at.hostname, at.port), timeout=20)) as line:
        line.sendall(asked)
        line.settimeout(0.05)
        answer = b""
        for _ in range(400):
            try:
                line.sendall(b" ")
                answer = line.recv(65536)
                break
            except TimeoutError:
                continue
    assert status_of(answer) == 408


def test_a_head_that_comes_too_slowly_is_given_up(locked, monkeypatch):
    monkeypatch.setattr(Connection, "head_s", 0.3)
    for begun in (b"", b"GET ", b"GET / HTTP/1.1\r\nHost: localhost\r\nX: "):
        answer = raw(locked.url, begun)
        assert status_of(answer) in (0, 408)


def test_a_head_without_end_is_given_up(locked):
    for endless in (
        b"GET /" + b"x" * MB,
        b"GET / HTTP/1.1\r\nX: " + b"x" * MB,
        b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 100_000,
        b"GET / HTTP/1.1\r\nCookie: " + b"a=b; " * 100_000,
    ):
        assert status_of(raw(locked.url, endless)) in (0, 400, 414, 431)


def test_thousands_of_idle_connections_keep_nobody_out(locked):
    room = max_connections(raised_file_limit()) - 50
    at = urlsplit(locked.url)
    with ExitStack() as held:
        for _ in range(min(2000, room)):
            line = socket.create_connection((at.hostname, at.port), timeout=20)
            held.callback(line.close)
        asked = get("/kb/documents", f"X-API-Key: {locked.keys['read']}")
        answers = [raw(locked.url, get("/healthz")), raw(locked.url, asked)]
    assert [status_of(one) for one in answers] == [200, 200]


SMUGGLED = b"GET /kb/smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n"
SHAPES = (
    (b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n", b"0\r\n\r\n"),
    (b"Transfer-Encoding: chunked\r\nContent-Length: 4\r\n", b"0\r\n\r\n"),
    (b"Content-Length: 0\r\nContent-Length: %d\r\n" % len(SMUGGLED), b""),
    (b"Content-Length: %d\r\nContent-Length: 0\r\n" % len(SMUGGLED), b""),
    (b"Content-Length: 0, %d\r\n" % len(SMUGGLED), b""),
    (b"Content-Length: +0\r\n", b""),
    (b"Content-Length: 0x0\r\n", b""),
    (b"Content-Length : 0\r\n", b""),
    (b"Content-Length:\x0b0\r\n", b""),
    (b"Transfer-Encoding: xchunked\r\n", b"0\r\n\r\n"),
    (b"Transfer-Encoding: chunked, identity\r\n", b"0\r\n\r\n"),
    (b"Transfer-Encoding : chunked\r\n", b"0\r\n\r\n"),
    (b"Transfer-Encoding:\x0bchunked\r\nContent-Length: 5\r\n", b"0\r\n\r\n"),
    (b"X: y\r\n Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", b"0\r\n\r\n"),
    (b"X: y\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n", b"0\r\n\r\n"),
    (b"Transfer-Encoding: chunked\r\n", b"0 \r\n\r\n"),
    (b"Transfer-Encoding: chunked\r\n", b"-1\r\n\r\n"),
    (b"Transfer-Encoding: chunked\r\n", b"ffffffffffffffff1\r\n\r\n"),
    (b"Transfer-Encoding: chunked\r\n", b"5\r\nab\r\n0\r\n\r\n"),
    (b"Transfer-Encoding: chunked\r\n", b"1;" + b"x" * 100_000),
)


@pytest.mark.parametrize("shape", range(len(SHAPES)))
def test_two_readings_of_one_body_make_no_second_request(locked, shape):
    """Whatever a proxy before this server may take for the end, what follows opens nothing.

    Either the line is closed, or what is left was plainly a request of its own.
    """
    headers, body = SHAPES[shape]
    head = (
        b"POST /kb/search HTTP/1.1\r\nHost: localhost\r\nX-API-Key: "
        + locked.keys["admin"].encode()
    )
    answer = raw(locked.url, head + b"\r\n" + headers + b"\r\n" + body + SMUGGLED, timeout_s=5)

    heads = [one[:3] for one in answer.split(b"HTTP/1.1 ")[1:]]
    assert not any(one.startswith(b"2") for one in heads)
    assert len(heads) <= 1 or heads[1] in (b"400", b"401")


def frame(payload_length, payload=b"", opcode=2):
    return (
        bytes([0x80 | opcode, 0x80 | 127]) + struct.pack(">Q", payload_length) + bytes(4) + payload
    )


def test_a_frame_of_a_socket_has_a_bound(locked):
    """The pages' socket, opened by somebody who may, then fed without measure."""
    key = base64.b64encode(b"0" * 16).decode()
    asked = get(
        "/ui/_stcore/stream",
        "Upgrade: websocket",
        f"Sec-WebSocket-Key: {key}",
        "Sec-WebSocket-Version: 13",
        f"Cookie: {COOKIE}={log_in(locked)}",
    ).replace(b"Connection: close", b"Connection: Upgrade")
    at, before = urlsplit(locked.url), peak_bytes()
    with closing(socket.create_connection((at.hostname, at.port), timeout=60)) as line:
        line.sendall(asked)
        assert line.recv(65536).startswith(b"HTTP/1.1 101")
        loaded = peak_bytes()
        line.sendall(frame(2**40, b"x" * MB))
        answer = b""
        try:
            while got := line.recv(65536):
                answer += got
        except ConnectionResetError:
            pass
    assert b"\x03\xf1" in answer  # 1009, message too big
    assert peak_bytes() - loaded < ROOM_BYTES, (before, loaded)
    assert json.loads(locked.ask("", "GET", "/healthz").text)
