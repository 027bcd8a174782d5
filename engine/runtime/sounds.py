"""A sound file's first bytes in, a refusal out where decoding it would want absurd room; pure."""

from __future__ import annotations

import re
import struct

from engine.errors import RequestError

# A decoder reserves memory for what the header claims, resampled: a lying header of 44 bytes would
# ask for gigabytes.
MIN_SAMPLE_RATE = 4000
MAX_SECONDS = 3600
_WAV_FORMATS = {1, 3, 6, 7}  # PCM, float, A-law, mu-law; what ADPCM announces ends the process
_EXTENSIBLE = 0xFFFE
_MIN_FRAME_BYTES = 24  # of MP3: 8 kbit/s at 24 kHz
_ANNOUNCED = re.compile(rb"(?:Xing|Info)...[\x01-\xff](....)", re.DOTALL)


def check_sound(content: bytes, kind: str, label: str) -> None:
    """Check that a file is as long as it claims, and a WAV or FLAC file not absurdly long.

    Args:
        label: what the file is called in a message.
    Raises:
        RequestError: it is damaged or too long.
    """
    try:
        if kind == "wav":
            _check_wav(content)
        elif kind == "flac":
            _check_flac(content)
        elif kind == "mp3":
            _check_mp3(content)
    except (ValueError, struct.error) as error:
        raise RequestError(f"{label}: the {kind.upper()} file is damaged: {error}") from error


def _check_wav(content: bytes) -> None:
    at, rate, frame_bytes = 12, 0, 0
    while at + 8 <= len(content):
        name, size = struct.unpack_from("<4sI", content, at)
        if name == b"fmt " and not frame_bytes:
            rate, frame_bytes = _wav_format(content, at + 8)
        elif name == b"data":
            if size > len(content) - at - 8:
                raise ValueError(f"{size:,} bytes of sound announced, fewer are there")
            _check_length(rate, size / frame_bytes / rate if rate and frame_bytes else 0.0)
            return
        at += 8 + size + size % 2
    raise ValueError("it holds no sound")


def _wav_format(content: bytes, at: int) -> tuple[int, int]:
    """Read the samples a second and the bytes of one of them, over all channels."""
    tag, n_channels, rate, _, frame_bytes, bits = struct.unpack_from("<HHIIHH", content, at)
    if tag == _EXTENSIBLE:
        (tag,) = struct.unpack_from("<H", content, at + 24)
    if tag not in _WAV_FORMATS:
        raise ValueError(f"encoding {tag} is not supported; send PCM")
    if not frame_bytes or frame_bytes * 8 != n_channels * bits:
        raise ValueError(f"{frame_bytes} bytes do not hold {n_channels} x {bits} bits")
    return rate, frame_bytes


def _check_mp3(content: bytes) -> None:
    at = 0
    while content[at : at + 3] == b"ID3" and at + 10 <= len(content):
        flags, *size = content[at + 5 : at + 10]
        has_footer = flags >> 4 & 1
        at += 10 + sum(part << 7 * (3 - place) for place, part in enumerate(size)) + 10 * has_footer
    if content[at : at + 4] in (b"fLaC", b"OggS"):  # its own claims would be believed
        raise ValueError("behind its tag it is a file of another kind")
    for found in _ANNOUNCED.finditer(content, at):
        n_frames = int.from_bytes(found[1], "big")
        if found[0][7] & 1 and n_frames > len(content) // _MIN_FRAME_BYTES:
            raise ValueError(f"{n_frames:,} frames announced, fewer are there")


def _check_flac(content: bytes) -> None:
    # STREAMINFO begins at 8: 10 bytes of sizes, then 20 bits of rate, 8 bits, 36 bits of samples.
    (packed,) = struct.unpack_from(">Q", content, 18)
    rate, n_samples = packed >> 44, packed & ((1 << 36) - 1)
    _check_length(rate, n_samples / rate if rate else 0.0)


def _check_length(rate: int, seconds: float) -> None:
    if rate < MIN_SAMPLE_RATE:
        raise ValueError(f"{rate} samples a second, at least {MIN_SAMPLE_RATE} are needed")
    if seconds > MAX_SECONDS:
        raise ValueError(f"{seconds:,.0f} s long, {MAX_SECONDS:,} s are allowed")
