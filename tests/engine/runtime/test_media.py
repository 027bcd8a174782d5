import io
import wave
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import RequestError
from engine.runtime import pictures
from engine.runtime.media import Media, Prompt, as_prompt, kind_of, placeholder, split_markers
from engine.runtime.pictures import decode_picture
from engine.runtime.samples import silence, white_picture
from engine.runtime.sounds import check_sound
from tests.engine.runtime.tiny_models import picture


@pytest.mark.parametrize(
    ("text", "n_media", "parts"),
    [
        ("plain", 0, ["plain"]),
        ("a [img-0] b", 1, ["a ", 0, " b"]),
        ("[img-1][img-0]", 2, [1, 0]),
        ("a [img-0] [img-0]", 1, ["a ", 0, " [img-0]"]),
        ("[img-7] and [img-x]", 1, [0, "[img-7] and [img-x]"]),
        ("", 2, [0, 1]),
    ],
)
def test_every_file_has_its_place_once(text, n_media, parts):
    assert split_markers(text, n_media) == parts


@given(st.text(alphabet="ab [img-012]", max_size=60), st.integers(0, 3))
def test_no_text_is_lost_and_no_file_told_twice(text, n_media):
    parts = split_markers(text, n_media)

    assert sorted(one for one in parts if isinstance(one, int)) == list(range(n_media))
    rest = "".join(one for one in parts if isinstance(one, str))
    bare = text
    for number in range(n_media):
        bare = bare.replace(f"[img-{number}]", "", 1)
    assert len(rest) == len(bare)


def test_a_prompt_counts_cells_not_positions():
    prompt = Prompt((1, -5, -5, 2), (Media(1, 2, 16, None),))

    assert len(prompt) == 18
    assert prompt.text_tokens == (1, 2)
    assert as_prompt([1, 2]) == Prompt((1, 2))


@given(st.binary(max_size=9), st.binary(max_size=9), st.integers(0, 3), st.integers(0, 3))
def test_only_equal_parts_of_equal_files_share_a_placeholder(one, other, part, other_part):
    is_equal = (one, part) == (other, other_part)

    assert (placeholder(one, part) == placeholder(other, other_part)) == is_equal
    assert placeholder(one, part) < 0


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF", "BMP"])
def test_a_picture_is_known_by_its_first_bytes_and_decoded(kind):
    content = picture(kind, size=(7, 5))

    pixels = decode_picture(content, "image 1")

    assert kind_of(content) == kind.lower()
    assert (pixels.width, pixels.height, len(pixels.data)) == (7, 5, 7 * 5 * 3)


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (silence(), "wav"),
        (b"ID3\x04", "mp3"),
        (b"\xff\xfb\x90", "mp3"),
        (b"fLaC", "flac"),
        (b"", ""),
        (b"%PDF-", ""),
        (b"RIFF\0\0\0\0AVI ", ""),
    ],
)
def test_a_sound_is_known_by_its_first_bytes(content, kind):
    assert kind_of(content) == kind


@given(st.data())
def test_damaged_pictures_are_refused_or_decoded_but_never_else(data):
    content = bytearray(data.draw(st.sampled_from([white_picture(), picture("JPEG")])))
    for at in data.draw(st.lists(st.integers(0, len(content) - 1), max_size=5)):
        content[at] ^= data.draw(st.integers(1, 255))
    cut = data.draw(st.integers(0, len(content)))

    with suppress(RequestError):
        pixels = decode_picture(bytes(content[:cut]), "image 3")
        assert len(pixels.data) == pixels.width * pixels.height * 3


def test_a_picture_too_large_to_hold_is_refused_unread(monkeypatch):
    monkeypatch.setattr(pictures, "MAX_PIXELS", 100)

    with pytest.raises(RequestError, match="image 1: 40 x 30 pixels are too many"):
        decode_picture(picture(), "image 1")


def wav(rate=16_000, n_frames=160):
    file = io.BytesIO()
    with wave.open(file, "wb") as sound:
        sound.setparams((1, 2, rate, 0, "NONE", ""))
        sound.writeframes(bytes(2 * n_frames))
    return file.getvalue()


def flac(rate, n_samples):
    packed = rate << 44 | n_samples
    return b"fLaC\x00\x00\x00\x22" + bytes(10) + packed.to_bytes(8, "big") + bytes(16)


def test_an_honest_sound_passes():
    check_sound(wav(), "wav", "image 1")
    check_sound(flac(16_000, 16_000), "flac", "image 1")
    check_sound(b"ID3", "mp3", "image 1")


@pytest.mark.parametrize(
    ("content", "kind", "message"),
    [
        (wav()[:100], "wav", "bytes of sound announced, fewer are there"),
        (wav()[:30], "wav", "requires a buffer"),
        (wav()[:36], "wav", "it holds no sound"),
        (wav(rate=1), "wav", "1 samples a second"),
        (flac(16_000, 2**36 - 1), "flac", "s long"),
        (flac(0, 5), "flac", "0 samples a second"),
        (b"fLaC", "flac", "requires a buffer"),
    ],
)
def test_a_sound_that_lies_is_refused(content, kind, message):
    with pytest.raises(
        RequestError, match=f"image 4: the {kind.upper()} file is damaged.*{message}"
    ):
        check_sound(content, kind, "image 4")


@given(st.binary(max_size=80))
def test_no_bytes_break_the_check(noise):
    for kind, head in (("wav", b"RIFF\0\0\0\0WAVE"), ("flac", b"fLaC")):
        with suppress(RequestError):
            check_sound(head + noise, kind, "image 1")
