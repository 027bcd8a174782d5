"""Connections that send no head, too long a one, or are too many; on a real socket."""

import asyncio
import contextlib
import socket
import threading
import time
from contextlib import closing, contextmanager

import httpx
import pytest

from app.serving import MAX_CONNECTIONS, MIN_CONNECTIONS, Connection, make_server, max_connections
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


def test_the_limits_stand_in_one_place():
    assert Connection.head_s == 20.0
