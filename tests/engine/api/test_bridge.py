"""A real server, a scripted engine, and clients that come in crowds or leave early."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256

import httpx
import pytest

from engine.api.bridge import Bridge
from engine.types import Final, Piece
from tests.engine.api.fakes_engine import (
    CHAT,
    FINAL,
    WAIT_S,
    FakeEngine,
    build_app,
    fake_verbs,
    lines_of,
    served,
    tiny_library,
    wait_until,
)


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    return tiny_library(tmp_path_factory.mktemp("bridge"))


@pytest.fixture
def engine(library):
    return FakeEngine(library)


@pytest.fixture
def server(engine):
    with served(build_app(engine, fake_verbs([]))) as url:
        yield url


class Told:
    """An iterator that never has anything until it is closed from another thread."""

    def __init__(self):
        self.closed = threading.Event()

    def __iter__(self):
        return self

    def __next__(self):
        assert self.closed.wait(WAIT_S), "never closed"
        raise StopIteration

    def close(self):
        self.closed.set()


def endless(pause_s=0.01):
    while True:
        yield Piece("x")
        time.sleep(pause_s)


def asking(**more):
    return {"model": CHAT, "prompt": "x", **more}


def test_a_client_that_leaves_a_stream_ends_the_generation(server, engine):
    engine.script = endless

    with httpx.stream("POST", f"{server}/api/generate", json=asking()) as reply:
        next(reply.iter_lines())
        assert engine.n_open == 1

    assert engine.closed.wait(WAIT_S)


def test_a_client_that_leaves_before_the_answer_is_whole_ends_the_generation(server, engine):
    engine.script = endless

    with pytest.raises(httpx.ReadTimeout):
        httpx.post(f"{server}/api/generate", json=asking(stream=False), timeout=0.3)

    assert engine.closed.wait(WAIT_S)


def test_a_client_that_leaves_several_streams_ends_them_all(server, engine):
    engine.script = endless

    with httpx.stream("POST", f"{server}/v1/completions", json=asking(n=3, stream=True)) as reply:
        next(reply.iter_lines())
        wait_until(lambda: engine.n_open == 3)

    wait_until(lambda: engine.n_open == 0)


def test_a_client_that_leaves_several_answers_ends_them_all(server, engine):
    engine.script = endless

    with pytest.raises(httpx.ReadTimeout):
        httpx.post(f"{server}/v1/completions", json=asking(n=3), timeout=0.5)

    wait_until(lambda: engine.n_open == 0)
    assert engine.n_most_open == 3


def test_an_engine_without_a_token_yet_is_stopped_at_its_next_sign_of_life(server, engine):
    def only_signs():
        while True:
            yield Piece("")
            time.sleep(0.01)

    engine.script = only_signs

    with pytest.raises(httpx.ReadTimeout):
        httpx.post(f"{server}/api/generate", json=asking(), timeout=0.3)

    assert engine.closed.wait(WAIT_S)


def test_an_iterator_that_can_be_closed_from_outside_is_told_at_once(library):
    told = Told()
    engine = FakeEngine(library)
    engine.generate = lambda request: told

    with served(build_app(engine)) as url:
        with pytest.raises(httpx.ReadTimeout):
            httpx.post(f"{url}/api/generate", json=asking(), timeout=0.3)

        assert told.closed.wait(WAIT_S)


def test_many_streams_run_at_once_and_leave_room_for_other_requests(server, engine):
    n_streams = 64
    everybody = threading.Barrier(n_streams + 1, timeout=WAIT_S)

    def together():
        everybody.wait()
        yield Piece("a")
        everybody.wait()
        yield FINAL

    engine.script = together

    def ask(_):
        return httpx.post(f"{server}/api/generate", json=asking(), timeout=WAIT_S)

    with ThreadPoolExecutor(n_streams) as clients:
        replies = clients.map(ask, range(n_streams))
        everybody.wait()
        tags = httpx.get(f"{server}/api/tags", timeout=5)
        everybody.wait()
        texts = [lines_of(reply)[0]["response"] for reply in replies]

    assert tags.status_code == 200
    assert engine.n_most_open == n_streams
    assert texts == ["a"] * n_streams


def test_pieces_that_wait_together_travel_together(server, engine):
    engine.script = (*[Piece("ab")] * 20_000, FINAL)

    lines = lines_of(httpx.post(f"{server}/api/generate", json=asking()))

    assert "".join(line["response"] for line in lines) == "ab" * 20_000
    assert len(lines) < 15_000
    assert lines[-1]["done"]


def test_the_first_piece_does_not_wait_for_the_second(server, engine):
    is_read = threading.Event()

    def one_by_one():
        yield Piece("first")
        assert is_read.wait(WAIT_S)
        yield Final("stop")

    engine.script = one_by_one

    with httpx.stream("POST", f"{server}/api/generate", json=asking()) as reply:
        lines = reply.iter_lines()
        assert '"first"' in next(lines)
        is_read.set()
        assert '"done":true' in next(lines)


def test_a_server_stops_while_a_client_streams(library):
    engine = FakeEngine(library, endless)

    with served(build_app(engine)) as url:
        stream = httpx.stream("POST", f"{url}/api/generate", json=asking())
        with stream as reply:
            next(reply.iter_lines())
            reply.close()

    wait_until(lambda: engine.n_open == 0)


def test_a_blob_is_taken_in_while_it_arrives_and_left_out_when_it_breaks_off(server, library):
    data = bytes(range(256)) * 20_000
    digest = f"sha256:{sha256(data).hexdigest()}"
    other = f"sha256:{sha256(b'other').hexdigest()}"

    def broken():
        yield data[:100_000]
        raise OSError("the line is cut")

    with pytest.raises(OSError, match="cut"):
        httpx.post(f"{server}/api/blobs/{digest}", content=broken())
    assert httpx.head(f"{server}/api/blobs/{digest}").status_code == 404
    assert httpx.post(f"{server}/api/blobs/{digest}", content=data).status_code == 201
    assert httpx.post(f"{server}/api/blobs/{digest}", content=data).status_code == 200
    assert httpx.head(f"{server}/api/blobs/{digest}").status_code == 200
    refused = httpx.post(f"{server}/api/blobs/{other}", content=data)
    assert refused.status_code == 400
    assert refused.json()["error"].startswith(f'digest mismatch, expected "{other}", got "')
    assert library.blob_path(digest).read_bytes() == data
    wait_until(lambda: len(list((library.root / "blobs").glob("*"))) == n_blobs(library) + 1)


def n_blobs(library):
    layers = [library.manifest(one.name).all_layers for one in library.entries()]
    return len({layer.digest for some in layers for layer in some})


def test_a_thread_that_cannot_start_gives_its_place_back():
    bridge = Bridge(max_threads=1)

    def fail():
        raise RuntimeError("can't start new thread")

    for _ in range(2):
        with pytest.raises(RuntimeError):
            bridge._take(fail)
