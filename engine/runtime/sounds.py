"""A sound file's first bytes in, a refusal out where decoding it would want absurd room; pure."""

from __future__ import annotations

import struct

from engine.errors import RequestError

# A decoder reserves memory for what the header claims, resampled: a lying header of 44 bytes would
# ask for gigabytes.
MIN_SAMPLE_RATE = 4000
MAX_SECONDS = 3600


def check_sound(content: bytes, kind: str, label: str) -> None:
    """Check that a WAV or FLAC file is as long as it claims, and not absurdly long.

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
    except (ValueError, struct.error) as error:
        raise RequestError(f"{label}: the {kind.upper()} file is damaged: {error}") from error


def _check_wav(content: bytes) -> None:
    at, bytes_per_s, rate = 12, 0, 0
    while at + 8 <= len(content):
        name, size = struct.unpack_from("<4sI", content, at)
        if name == b"fmt ":
            rate, bytes_per_s = struct.unpack_from("<II", content, at + 12)
        elif name == b"data":
            if size > len(content) - at - 8:
                raise ValueError(f"{size:,} bytes of sound announced, fewer are there")
            _check_length(rate, size / bytes_per_s if bytes_per_s else 0.0)
            return
        at += 8 + size + size % 2
    raise ValueError("it holds no sound")


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
