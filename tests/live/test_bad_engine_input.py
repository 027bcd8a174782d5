"""What strangers may ask of the running engine: each ends in its own error, other streams go on."""

import asyncio
import json
import socket
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from tests.engine.runtime.tiny_models import write_chat
from tests.live.bad_engine import EngineProcess, install

MODEL, OTHER = "tiny:latest", "other:latest"
MOST_GROWTH_MB = 300


@pytest.fixture(scope="module")
def engine(tmp_path_factory):
    home = tmp_path_factory.mktemp("bad-input")
    process = EngineProcess(
        home / "quire", home / "models", OLLAMA_MAX_QUEUE="8", OLLAMA_NUM_PARALLEL="2"
    )
    client = process.start()
    install(client, MODEL, write_chat(home / "chat.gguf"))
    yield process, client
    process.stop()


@pytest.fixture
def client(engine):
    process, client = engine
    yield client
    assert client.get("/api/version").status_code == 200
    assert process.is_alive


@contextmanager
def streaming(process, n_predict=400):
    """Read a stream all the while; afterwards it must have come to its end, without an error."""
    lines, failed = [], []
    body = {"model": MODEL, "prompt": "abc", "options": {"num_predict": n_predict, "seed": 3}}

    def read():
        try:
            with httpx.stream(
                "POST", f"{process.url}/api/generate", json=body, timeout=120
            ) as answer:
                lines.extend(json.loads(line) for line in answer.iter_lines())
        except httpx.HTTPError as error:
            failed.append(error)

    reading = threading.Thread(target=read)
    reading.start()
    while not lines and not failed and reading.is_alive():
        time.sleep(0.001)
    try:
        yield
    finally:
        reading.join(120)
    assert failed == []
    assert lines[-1].get("done") is True, lines[-1]


def ask(client, **more):
    body = {"model": MODEL, "prompt": "abc", "stream": False}
    return client.post("/api/generate", json={**body, **more})


def said(answer, *statuses):
    assert answer.status_code in statuses, answer.text
    return answer.json()["error"]


@pytest.mark.parametrize(
    "options",
    [
        {"num_predict": 1 << 62, "stop": ["a", "e", "o", " "]},
        {"num_batch": 0},
        {"num_batch": -1},
        {"num_batch": 1_000_000_000},
        {"num_thread": -5},
        {"num_thread": 1_000_000},
        {"num_ctx": -1},
        {"num_ctx": 1},
        {"top_k": -7},
        {"top_k": 1 << 40},
        {"seed": 1 << 70},
        {"seed": -(1 << 70)},
        {"repeat_last_n": 1 << 40},
        {"num_keep": 1 << 40},
        {"temperature": 1e300},
        {"num_gpu": 1 << 40},
        {"main_gpu": -3},
        {"mirostat": 7},
        {"repeat_penalty": 0},
        {"dry_sequence_breakers": ["x" * 100_000], "dry_multiplier": 1.0},
    ],
    ids=str,
)
def test_an_absurd_option_is_cut_to_size_or_refused_by_name(engine, client, options):
    with streaming(engine[0]):
        answer = ask(client, options={"num_predict": 4} | options)

    if answer.status_code != 200:
        text = said(answer, 400, 500, 503).replace("context length", "num_ctx")
        assert any(name in text for name in options), answer.text


def test_numbers_that_json_does_not_know_are_refused(client):
    raw = b'{"model": "tiny:latest", "prompt": "a", "options": {"temperature": NaN}}'

    assert "NaN" in said(client.post("/api/generate", content=raw), 400)


@pytest.mark.parametrize(
    "grammar",
    [
        "root ::= root",
        "root ::= " + "(" * 20_000,
        'root ::= n root "a" | "a"\nn ::= "b"?',
        "root ::= a0\n" + "".join(f"a{n} ::= a{n + 1} | a{n + 1}\n" for n in range(60)),
        "root ::= missing",
        'root ::= "a"{100000}',
    ],
    ids=lambda grammar: grammar[:24],
)
def test_a_grammar_without_end_is_refused(engine, client, grammar):
    with streaming(engine[0]):
        error = said(ask(client, grammar=grammar), 400)

    assert "grammar" in error


def test_a_grammar_whose_ways_double_with_each_letter_ends_before_it_stalls_others(engine, client):
    grammar = 'root ::= s\ns ::= "a" s "x" | "a" s "y" | "a" s "z"'
    with streaming(engine[0]):
        began_s = time.monotonic()
        answer = ask(client, grammar=grammar, options={"num_predict": 60})

    assert "one way only" in said(answer, 400)
    assert time.monotonic() - began_s < 60


def test_a_body_of_200_mb_is_refused_without_reading_it_all(engine, client):
    process, _ = engine
    before = resident_mb(process.pid)
    chunk = b"x" * (1 << 20)
    parts = (chunk for _ in range(200))
    with streaming(process):
        try:
            answer = client.post("/api/generate", content=parts)
        except httpx.WriteError:
            answer = None  # it hung up while we were sending

    assert answer is None or "too large" in said(answer, 413)
    assert resident_mb(process.pid) - before < MOST_GROWTH_MB


def test_100000_messages_are_refused_or_cut_while_others_go_on(engine, client):
    messages = [{"role": ("user", "assistant")[n % 2], "content": "hi"} for n in range(100_000)]
    with streaming(engine[0]):
        answer = client.post(
            "/api/chat",
            json={
                "model": MODEL,
                "messages": messages,
                "stream": False,
                "options": {"num_predict": 2},
            },
        )

    if answer.status_code != 200:
        assert said(answer, 400, 413, 500)


def test_a_request_that_never_ends_holds_nobody(engine, client):
    process, _ = engine
    place = urlsplit(process.url)
    slow = [socket.create_connection((place.hostname, place.port), 10) for _ in range(50)]
    try:
        for one in slow:
            one.sendall(b"POST /api/generate HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99\r\n")
        assert ask(client, options={"num_predict": 2}).status_code == 200
        for one in slow:
            one.sendall(b"\r\n{")
        assert ask(client, options={"num_predict": 2}).status_code == 200
    finally:
        for one in slow:
            one.close()


def test_clients_that_never_read_hold_neither_others_nor_memory(engine, client):
    process, _ = engine
    place = urlsplit(process.url)
    before = resident_mb(process.pid)
    body = json.dumps({"model": MODEL, "prompt": "abc", "options": {"num_predict": 20_000}})
    head = f"POST /api/generate HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n\r\n"
    deaf = []
    for _ in range(2):  # as many as there are slots
        one = socket.socket()
        one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        one.connect((place.hostname, place.port))
        one.sendall((head + body).encode())
        deaf.append(one)
    try:
        answers = [ask(client, options={"num_predict": 2}) for _ in range(5)]
    finally:
        for one in deaf:
            one.close()

    assert [one.status_code for one in answers] == [200] * 5
    assert resident_mb(process.pid) - before < MOST_GROWTH_MB


def test_hundreds_at_once_are_all_answered_and_most_with_503(engine, client):
    process, _ = engine
    before = resident_mb(process.pid)

    async def all_at_once(n_requests):
        limits = httpx.Limits(max_connections=400)
        body = {"model": MODEL, "prompt": "abc", "stream": False, "options": {"num_predict": 1}}
        async with httpx.AsyncClient(
            base_url=process.url, timeout=httpx.Timeout(120, pool=None), limits=limits
        ) as many:
            return await asyncio.gather(
                *(many.post("/api/generate", json=body) for _ in range(n_requests))
            )

    answers = asyncio.run(all_at_once(300))

    statuses = [one.status_code for one in answers]
    assert set(statuses) <= {200, 503}
    assert 503 in statuses
    busy = next(one for one in answers if one.status_code == 503)
    assert "busy" in busy.json()["error"]
    assert busy.headers["retry-after"].isdecimal()
    assert resident_mb(process.pid) - before < MOST_GROWTH_MB


def test_a_model_deleted_while_it_answers_finishes_and_then_is_gone(engine, client):
    process, _ = engine
    client.post("/api/copy", json={"source": MODEL, "destination": OTHER})
    lines = []
    body = {"model": OTHER, "prompt": "abc", "options": {"num_predict": 300}}
    with client.stream("POST", "/api/generate", json=body) as answer:
        for line in answer.iter_lines():
            lines.append(json.loads(line))
            if len(lines) == 1:
                gone = httpx.request("DELETE", f"{process.url}/api/delete", json={"model": OTHER})
                assert gone.status_code == 200

    assert lines[-1]["done"] is True
    assert "not found" in said(ask(client, model=OTHER), 404)


def resident_mb(pid):
    pages = Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1]
    return int(pages) * 4096 / 1e6
