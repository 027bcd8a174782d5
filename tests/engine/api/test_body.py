"""What arrives as a body, and what is made of it."""

import pytest
import zstandard

from engine.api.body import MAX_BODY_BYTES, MAX_UNPACKED_BYTES, parse
from engine.api.wire import ChatWire, GenerateWire
from engine.errors import RequestError


def test_the_content_type_does_not_matter(client):
    raw = b'{"model":"tiny:latest","prompt":"x","stream":false}'

    for kind in ("text/plain", "application/x-www-form-urlencoded", None):
        headers = {"content-type": kind} if kind else {}
        reply = client.post("/api/generate", content=raw, headers=headers)
        assert reply.json()["response"] == "Hello"


@pytest.mark.parametrize("path", ["/api/generate", "/api/show", "/api/pull"])
def test_no_body_is_said_to_be_missing(client, path):
    reply = client.post(path)

    assert (reply.status_code, reply.json()) == (400, {"error": "missing request body"})
    assert client.post("/v1/completions").json()["error"]["message"] == "missing request body"


@pytest.mark.parametrize(
    "raw",
    [b"{", b"[]", b'"a"', b"5", b"{'a':1}", b'{"model":NaN}', b"[" * 100_000, b"\xff", b"9" * 5000],
)
def test_what_is_no_json_object_is_refused(client, raw):
    reply = client.post("/api/chat", content=raw)

    assert reply.status_code == 400
    assert reply.json()["error"]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"model": 5}, "model"),
        ({"model": "m", "messages": {}}, "messages"),
        ({"model": "m", "messages": [{"content": 5}]}, "messages.0.content"),
        ({"model": "m", "stream": "yes"}, "stream"),
        ({"model": "m", "options": []}, "options"),
    ],
)
def test_a_field_of_the_wrong_type_is_named(client, body, field):
    reply = client.post("/api/chat", json=body)

    assert reply.status_code == 400
    assert f'"{field}"' in reply.json()["error"]


def test_null_is_the_same_as_absent():
    wire = parse(
        b'{"model":"m","stream":null,"messages":[{"role":"user","content":null}]}', ChatWire
    )

    assert wire.stream is True
    assert wire.messages[0].content == ""
    assert parse(b"null", ChatWire) == ChatWire()


def test_half_a_surrogate_pair_is_mended_everywhere():
    raw = rb'{"prompt":"a\ud83d","options":{"stop":["\ude00b"]},"system":"\ud83d\ude00"}'

    wire = parse(raw, GenerateWire)

    assert wire.prompt == "a\ufffd"
    assert wire.options == {"stop": ["\ufffdb"]}
    assert wire.system == "\U0001f600"


def test_bytes_that_are_no_utf8_are_replaced():
    assert parse(b'{"prompt":"a\xffb"}', GenerateWire).prompt == "a\ufffdb"


def test_a_body_without_end_is_cut_off(client):
    def flood():
        for _ in range(MAX_BODY_BYTES // (1 << 20) + 2):
            yield b" " * (1 << 20)

    reply = client.post("/api/chat", content=flood())

    assert reply.status_code == 413
    assert "too large" in reply.json()["error"]


def test_an_empty_text_is_no_object():
    with pytest.raises(RequestError, match="missing request body"):
        parse(b"", ChatWire)


def test_a_zstd_body_is_unpacked_within_bounds(client):
    body = zstandard.compress(b'{"model": "tiny:latest", "input": "hi"}')
    bomb = zstandard.compress(b" " * (MAX_UNPACKED_BYTES + 1))
    said = {"content-encoding": "zstd"}

    assert client.post("/v1/responses", content=body, headers=said).status_code == 200
    assert client.post("/v1/responses", content=bomb, headers=said).status_code == 413
    broken = client.post("/v1/responses", content=b"{}", headers=said)
    assert broken.status_code == 400
    assert "not zstd" in broken.json()["error"]["message"]
