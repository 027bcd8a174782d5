import struct

import pytest

from engine.errors import RequestError
from engine.runtime.media import kind_of
from engine.runtime.samples import silence
from engine.runtime.sounds import check_sound


def wav(*, tag=1, n_channels=1, rate=16_000, bits=16, align=2, n_bytes=3200, more=b""):
    form = struct.pack("<HHIIHH", tag, n_channels, rate, rate * align, align, bits) + more
    head = b"fmt " + struct.pack("<I", len(form)) + form
    sound = b"data" + struct.pack("<I", n_bytes) + bytes(n_bytes)
    return b"RIFF" + struct.pack("<I", 4 + len(head) + len(sound)) + b"WAVE" + head + sound


def mp3(n_frames, name=b"Xing", *, n_real=20):
    frame = b"\xff\xfb\x90\x00" + bytes(413)
    first = b"\xff\xfb\x90\x00" + bytes(32) + name + struct.pack(">II", 1, n_frames)
    return first + bytes(417 - len(first)) + frame * n_real


def flac(n_samples):
    facts = bytes(10) + struct.pack(">Q", 16_000 << 44 | 15 << 36 | n_samples) + bytes(16)
    return b"fLaC\x80\x00\x00\x22" + facts + bytes(100)


TAG = b"ID3\x04\x00\x00\x00\x00\x00\x03abc"
GUID = struct.pack("<HHIH14x", 22, 16, 0, 1)


@pytest.mark.parametrize(
    "content",
    [
        silence(),
        wav(),
        wav(tag=3, bits=32, align=4),
        wav(tag=7, bits=8, align=1),
        wav(n_channels=2, align=4),
        wav(tag=0xFFFE, more=GUID),
        mp3(20),
        mp3(20, b"Info"),
        TAG + mp3(20),
        flac(16_000),
    ],
)
def test_honest_files_pass(content):
    check_sound(content, kind_of(content), "image 1")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (wav(tag=17, bits=32, align=4, n_bytes=3), "encoding 17 is not supported"),  # ADPCM
        (wav(tag=2, bits=4, align=256), "encoding 2 is not supported"),
        (wav(tag=0xFFFE, more=GUID.replace(b"\x01\x00", b"\x11\x00")), "encoding 17"),
        (wav(n_channels=65535, bits=16, align=2), "2 bytes do not hold 65535 x 16 bits"),
        (wav(n_channels=0, align=0), "0 bytes do not hold"),
        (wav(rate=4000, bits=8, align=1, n_bytes=4000 * 3601), "3,601 s long"),
        (wav(rate=100), "100 samples a second"),
        (wav()[:-1], "fewer are there"),
        (mp3(1_000_000), "1,000,000 frames announced"),  # 7 hours of nothing
        (TAG + mp3(1_000_000, b"Info"), "1,000,000 frames announced"),
        (TAG + TAG + flac(2**36 - 1), "a file of another kind"),
        (flac(2**36 - 1), "s long"),
    ],
)
def test_files_that_lie_about_their_length_are_refused(content, said):
    with pytest.raises(RequestError, match=said):
        check_sound(content, kind_of(content), "image 1")
