"""Files inside of JSON: base64 in, bytes out."""

import base64
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.api.media import audio_text, decode, is_audio, picture_text
from engine.errors import RequestError


@settings(max_examples=100, deadline=None)
@given(st.lists(st.binary(min_size=1), max_size=4))
def test_what_was_encoded_comes_back(files):
    texts = [base64.encodebytes(one).decode() for one in files]

    assert decode(texts, "images") == tuple(files)


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=20))
def test_any_text_is_decoded_to_something_or_refused(text):
    with suppress(RequestError):
        assert decode([text], "images") != (b"",)


@pytest.mark.parametrize("text", ["", "\n", "a", "aGk", "aGk=x", "data:image/png;base64,aGk=", "é"])
def test_bad_data_is_refused_with_its_place(text):
    with pytest.raises(RequestError, match=r"images\[1\]"):
        decode(["aGk=", text], "images")


@pytest.mark.parametrize(
    ("data", "is_sound"),
    [
        (b"RIFF\x00\x00\x00\x00WAVEfmt ", True),
        (b"RIFF\x00\x00\x00\x00WEBPVP8 ", False),
        (b"ID3\x04", True),
        (b"\xff\xfb\x90\x00", True),
        (b"\xff\xf3\x90\x00", True),
        (b"\xff\xd8\xff\xe0", False),  # JPEG
        (b"\x89PNG\r\n", False),
        (b"\xff", False),
        (b"", False),
    ],
)
def test_sound_is_told_from_pictures(data, is_sound):
    assert is_audio(data) == is_sound


@pytest.mark.parametrize(
    "value",
    [
        "data:image/png;base64,aGk=",
        {"url": "data:image/jpeg;base64,aGk="},
        {"url": "data:image/webp;base64,aGk=", "detail": "low"},
        "data:;base64,aGk=",
    ],
)
def test_data_uris_of_pictures_are_taken(value):
    assert picture_text(value) == "aGk="


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (
            "https://x/y.png",
            "image URLs are not currently supported, please use base64 encoded data instead",
        ),
        ("data:image/gif;base64,aGk=", "invalid image input"),
        ("data:image/png,aGk=", "invalid image input"),
        ("aGk=", "invalid image input"),
        (None, "invalid message format"),
        ({"uri": "x"}, "invalid message format"),
    ],
)
def test_other_urls_are_refused(value, text):
    with pytest.raises(RequestError) as caught:
        picture_text(value)

    assert str(caught.value) == text


def test_sound_comes_with_its_format():
    assert audio_text({"data": "aGk=", "format": "mp3"}) == "aGk="
    assert audio_text({"data": "aGk="}) == "aGk="
    for wrong in (None, {}, {"data": 5}, {"data": "aGk=", "format": "flac"}):
        with pytest.raises(RequestError, match="input_audio"):
            audio_text(wrong)
