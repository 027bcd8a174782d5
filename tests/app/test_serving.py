"""Connections that send no head, too long a one, or are too many; on a real socket."""

import asyncio
import contextlib
import socket
import sys
import threading
import time
from contextlib import closing, contextmanager

import httpx
import pytest

from app.serving import (
    MAX_CONNECTIONS,
    MAX_PIPELINED,
    MIN_CONNECTIONS,
    Connection,
    make_server,
    max_connections,
)
from app.stopping import Halting, Stop
from tests.app.asgi import echo

PATIENCE_S = 30


@contextmanager
def serving(app=None, **limits):
    """Serve with tight limits; give (port, server, stop)."""
    at = socket.socket()
    at.bind(("127.0.0.1", 0))
    stop = Stop(grace_s=limits.pop("grace_s", 1.0))
    server = make_server(Halting(app or echo, stop=stop), stop)
    server.config.lifespan = "off"
    for name, value in limits.items():
        setattr(server.config.http, name, value)
    thread = threading.Thread(target=server.run, args=([at],), daemon=True)
    thread.start()
    deadline = time.monotonic() + PATIENCE_S
    while not server.started and time.monotonic() < deadline:
        time.sleep(0.005)
    try:
        yield at.getsockname()[1], server, stop
    finally:
        server.should_exit = True
        thread.join(PATIENCE_S)
        assert not thread.is_alive()


def connected(port):
    return closing(socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S))


def rest_of(connection):
    parts = []
    try:
        while part := connection.recv(65536):
            parts.append(part)
    except ConnectionResetError:
        pass
    return b"".join(parts)


@pytest.mark.parametrize(
    ("n_files", "expected"),
    [(16, MIN_CONNECTIONS), (1024, 512), (65536, MAX_CONNECTIONS)],
)
def test_half_of_the_file_descriptors_stay_free(n_files, expected):
    assert max_connections(n_files) == expected


@pytest.mark.parametrize("sent", [b"", b"GET /kb HT", b"GET /kb HTTP/1.1\r\nHost: x\r\nA: "])
def test_a_connection_without_a_whole_head_is_closed(sent):
    with serving(head_s=0.1) as (port, _, _), connected(port) as one:
        one.sendall(sent)

        assert rest_of(one).startswith(b"HTTP/1.1 408 ")


def test_the_second_head_of_a_kept_connection_is_waited_for_as_long():
    with serving(head_s=0.3) as (port, _, _), connected(port) as one:
        one.sendall(b"GET /kb HTTP/1.1\r\nHost: x\r\n\r\nGET /kb HT")

        answers = rest_of(one)

    assert answers.startswith(b"HTTP/1.1 200 ")
    assert b"HTTP/1.1 408 " in answers


def test_a_request_that_takes_long_after_its_head_is_left_alone():
    async def slow(scope, receive, send):
        await asyncio.sleep(0.3)
        await echo(scope, receive, send)

    with serving(slow, head_s=0.1) as (port, _, _):
        assert httpx.get(f"http://127.0.0.1:{port}/kb").status_code == 200


def test_a_head_without_end_is_refused():
    with serving() as (port, _, _), connected(port) as one:
        try:
            one.sendall(b"GET /kb HTTP/1.1\r\nHost: x\r\n")
            for n in range(2000):
                one.sendall(b"x-%d: %s\r\n" % (n, b"y" * 100))
        except OSError:
            pass  # it was closed already

        assert b"431 " in rest_of(one)[:100]


def test_idle_connections_make_room_for_who_asks_something():
    with serving(max_connections=3) as (port, _, _):
        idle = [connected(port) for _ in range(10)]
        with connected(port) as one:
            one.sendall(b"GET /kb HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            answer = rest_of(one)
        with contextlib.ExitStack() as opened:
            first = [opened.enter_context(each) for each in idle][0]
            assert rest_of(first) == b""  # closed, the oldest before the others

    assert answer.startswith(b"HTTP/1.1 200 ")


def answered(connection):
    """Read the head and the body of one answer that tells its length."""
    raw = b""
    while b"\r\n\r\n" not in raw:
        raw += connection.recv(65536)
    head, _, body = raw.partition(b"\r\n\r\n")
    length = int(head.lower().partition(b"content-length:")[2].split()[0])
    while len(body) < length:
        body += connection.recv(65536)
    return head


async def hasty(scope, receive, send):
    """Answer without a look at the body, as a refusal does."""
    headers = [(b"content-length", b"2")]
    await send({"type": "http.response.start", "status": 401, "headers": headers})
    await send({"type": "http.response.body", "body": b"no"})


@pytest.mark.parametrize("line", [b"x: y\r\n", b"y" * 100])
def test_trailers_without_end_are_cut_off(line):
    with serving(hasty) as (port, _, _), connected(port) as one:
        one.sendall(b"POST /kb HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
        assert answered(one).startswith(b"HTTP/1.1 401 ")
        n_sent = 0
        with contextlib.suppress(ConnectionError):
            one.sendall(b"0\r\nx: ")
            for _ in range(500):
                one.sendall(line * 1000)
                n_sent += 1

    assert n_sent < 500


def test_trailers_do_not_join_the_headers_of_their_request():
    names = []

    async def reading(scope, receive, send):
        while (await receive()).get("more_body"):
            pass
        names.extend(name for name, _ in scope["headers"])
        await hasty(scope, receive, send)

    with serving(reading) as (port, _, _), connected(port) as one:
        one.sendall(b"POST /kb HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
        one.sendall(b"0\r\nx-api-key: late\r\n\r\n")
        answered(one)

    assert names == [b"host", b"transfer-encoding"]


def test_a_body_that_nobody_reads_has_as_long_as_a_head():
    with serving(hasty, head_s=0.2) as (port, _, _), connected(port) as one:
        one.sendall(b"POST /kb HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n")
        answered(one)
        one.sendall(b"x")  # which ends the time that an idle connection is kept

        assert b" 408 " in rest_of(one)


def test_a_chunked_body_in_the_smallest_pieces_is_read():
    sizes = []

    async def reading(scope, receive, send):
        sizes.append(0)
        while True:
            message = await receive()
            sizes[0] += len(message["body"])
            if not message["more_body"]:
                break
        await hasty(scope, receive, send)

    with serving(reading) as (port, _, _), connected(port) as one:
        one.sendall(b"POST /kb HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
        for _ in range(60):
            one.sendall(b"1\r\nx\r\n" * 1000)
        one.sendall(b"0\r\n\r\n")
        answered(one)

    assert sizes == [60_000]


def test_requests_sent_far_ahead_on_one_connection_are_cut_off(caplog):
    may_end, told = threading.Event(), threading.Event()

    async def slow(scope, receive, send):
        while not may_end.is_set():
            await asyncio.sleep(0.01)
        await hasty(scope, receive, send)
        told.set()

    with serving(slow) as (port, _, _), connected(port) as one:
        one.sendall(b"GET /kb HTTP/1.1\r\nHost: x\r\n\r\n" * (MAX_PIPELINED + 10))
        nothing = rest_of(one)
        may_end.set()
        assert told.wait(PATIENCE_S)

    assert nothing == b""
    assert "Exception" not in caplog.text


def test_a_few_requests_sent_ahead_are_answered_in_turn():
    with serving(hasty) as (port, _, _), connected(port) as one:
        one.sendall(b"GET /kb HTTP/1.1\r\nHost: x\r\n\r\n" * 20)
        one.sendall(b"GET /kb HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")

        assert rest_of(one).count(b"HTTP/1.1 401 ") == 21


def test_a_kept_connection_that_becomes_a_socket_is_left_alone():
    async def both(scope, receive, send):
        if scope["type"] == "http":
            await hasty(scope, receive, send)
            return
        await send({"type": "websocket.accept"})
        await asyncio.sleep(0.5)
        await send({"type": "websocket.send", "text": "still here"})
        await send({"type": "websocket.close"})

    with serving(both, head_s=0.1) as (port, _, _), connected(port) as one:
        one.sendall(b"GET /kb HTTP/1.1\r\nHost: x\r\n\r\n")
        answered(one)
        one.sendall(
            b"GET /kb HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        )
        shown = b""
        while b"still here" not in shown and (part := one.recv(65536)):
            shown += part

    assert shown.startswith(b"HTTP/1.1 101 ")
    assert b" 408 " not in shown


def test_kept_connections_make_room_for_new_ones():
    with serving(hasty, max_connections=3) as (port, _, _), contextlib.ExitStack() as opened:
        for _ in range(3):
            kept = opened.enter_context(connected(port))
            kept.sendall(b"GET /kb HTTP/1.1\r\nHost: x\r\n\r\n")
            answered(kept)
        with connected(port) as one:
            one.sendall(b"GET /kb HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")

            assert rest_of(one).startswith(b"HTTP/1.1 401 ")


def test_who_does_not_read_an_answer_makes_room_for_who_does(caplog):
    async def vast(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for _ in range(1000 if scope["path"] == "/vast" else 1):
            body = {"type": "http.response.body", "body": bytes(100_000), "more_body": True}
            await send(body)
        await send({"type": "http.response.body", "body": b""})

    with serving(vast, max_connections=3) as (port, server, _), contextlib.ExitStack() as opened:
        for _ in range(3):
            lazy = opened.enter_context(connected(port))
            lazy.sendall(b"GET /vast HTTP/1.1\r\nHost: x\r\n\r\n")
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            running = list(server.server_state.connections)
            if len(running) == 3 and all(each.flow.write_paused for each in running):
                break
            time.sleep(0.005)
        with connected(port) as one:
            one.sendall(b"GET /kb HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")

            assert rest_of(one).startswith(b"HTTP/1.1 200 ")

    assert "Exception" not in caplog.text


def test_too_many_requests_at_once_are_told_to_come_back_and_the_others_work():
    may_end = threading.Event()

    async def slow(scope, receive, send):
        while not may_end.is_set():
            await asyncio.sleep(0.01)
        await echo(scope, receive, send)

    with serving(slow, max_connections=3) as (port, _, stop):
        busy = [socket.create_connection(("127.0.0.1", port), PATIENCE_S) for _ in range(3)]
        for one in busy:
            one.sendall(b"GET /kb HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        deadline = time.monotonic() + PATIENCE_S
        while stop.n_running < 3 and time.monotonic() < deadline:
            time.sleep(0.005)
        with connected(port) as one:
            refused = rest_of(one)
        may_end.set()
        kept = [rest_of(one) for one in busy]
        for one in busy:
            one.close()

    assert refused.startswith(b"HTTP/1.1 503 ")
    assert b"retry-after: 5" in refused
    assert all(one.startswith(b"HTTP/1.1 200 ") for one in kept)


def test_a_running_request_finishes_while_new_ones_are_sent_away():
    begun, may_end = threading.Event(), threading.Event()

    async def slow(scope, receive, send):
        if scope["path"] == "/slow":
            begun.set()
            while not may_end.is_set():
                await asyncio.sleep(0.01)
        await echo(scope, receive, send)

    with serving(slow, grace_s=PATIENCE_S) as (port, server, stop):
        url, answers = f"http://127.0.0.1:{port}", []
        asking = threading.Thread(
            target=lambda: answers.append(httpx.get(f"{url}/slow", timeout=PATIENCE_S).status_code)
        )
        asking.start()
        assert begun.wait(PATIENCE_S)
        server.should_exit = True
        deadline = time.monotonic() + PATIENCE_S
        while not stop.is_stopping and time.monotonic() < deadline:
            time.sleep(0.005)

        refused = httpx.get(f"{url}/kb").status_code
        probed = httpx.get(f"{url}/readyz").status_code
        may_end.set()
        asking.join(PATIENCE_S)

    assert (refused, probed, answers) == (503, 200, [200])


def test_no_search_keeps_python_to_itself_for_long_while_the_loop_waits():
    before = sys.getswitchinterval()
    try:
        with serving():
            assert sys.getswitchinterval() <= 0.001
    finally:
        sys.setswitchinterval(before)


def test_the_limits_stand_in_one_place():
    assert Connection.head_s == 20.0


def test_a_kept_connection_is_closed_by_its_client_first():
    """Else a request that is sent just then is lost: httpx keeps 5 s, nginx 60."""
    server = make_server(echo, Stop(grace_s=1.0))

    assert server.config.timeout_keep_alive > 60
