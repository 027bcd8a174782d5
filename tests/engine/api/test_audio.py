"""Speech to text: what a form may hold."""

import pytest

from engine.api.audio import MAX_FILE_BYTES
from engine.types import Piece
from tests.engine.api.fakes_engine import CHAT, FINAL

WAV = b"RIFF\x04\x00\x00\x00WAVE"
PATH = "/v1/audio/transcriptions"


def send(client, model, *, sound=WAV, **fields):
    files = {"file": ("speech.wav", sound, "audio/wav")}
    return client.post(PATH, data={"model": model} | fields, files=files)


def error_of(reply):
    return reply.status_code, reply.json()["error"]["message"]


def test_a_recording_goes_to_a_model_that_hears(client, engine, gifted):
    engine.script = (Piece(thinking="hm"), Piece(" Good "), Piece("day.\n"), FINAL)

    reply = send(client, gifted, language="en", prompt="Quire")

    assert reply.json() == {"text": "Good day."}
    (message,) = engine.requests[0].messages
    assert message.images == (WAV,)
    assert "language is en" in message.content
    assert "Quire" in message.content
    assert engine.requests[0].options == {"temperature": 0}


def test_the_text_may_come_plain(client, gifted):
    reply = send(client, gifted, response_format="text")

    assert reply.headers["content-type"].startswith("text/plain")
    assert reply.text == "Hello\n"


def test_a_model_that_does_not_hear_is_refused(client, engine):
    full = "registry.ollama.ai/library/tiny:latest"

    assert error_of(send(client, CHAT)) == (400, f"{full} does not support audio")
    assert engine.requests == []


@pytest.mark.parametrize(
    ("change", "status", "text"),
    [
        ({"model": ""}, 400, "model is required"),
        ({"model": "no"}, 404, "model 'no' not found"),
        ({"response_format": "srt"}, 400, "response_format must be json or text, got 'srt'"),
        ({"sound": b""}, 400, "file is no recording that can be read: send WAV or MP3"),
        ({"sound": b"\x89PNG"}, 400, "file is no recording that can be read: send WAV or MP3"),
    ],
)
def test_wrong_fields_are_named(client, gifted, change, status, text):
    assert error_of(send(client, **({"model": gifted} | change))) == (status, text)


def test_a_form_without_a_file_is_refused(client, gifted):
    reply = client.post(PATH, data={"model": gifted}, files={"other": b"x"})

    assert error_of(reply) == (400, "file is required: send the recording as a file, WAV or MP3")


BOUNDARY = "multipart/form-data; boundary=x"


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("application/json", b"{}"),
        ("multipart/form-data", b"x"),
        (BOUNDARY, b""),
        (BOUNDARY, b"--x\r\n"),
        (BOUNDARY, b"garbage"),
        (BOUNDARY, b"--x\r\nContent-Disposition: form-data\r\n\r\na\r\n--x--\r\n"),
        (
            BOUNDARY + "; charset=odd",
            b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\na\r\n--x--\r\n',
        ),
        (None, b""),
    ],
)
def test_what_is_no_form_is_refused(client, kind, body):
    reply = client.post(PATH, content=body, headers={"content-type": kind} if kind else {})

    status, text = error_of(reply)
    assert status == 400
    assert text


def test_a_recording_that_is_too_large_is_refused(client, gifted):
    reply = send(client, gifted, sound=WAV + bytes(MAX_FILE_BYTES))
    flood = send(client, gifted, sound=WAV + bytes(MAX_FILE_BYTES + (2 << 20)))

    assert (reply.status_code, flood.status_code) == (413, 413)
