"""Nothing in, the smallest honest picture and sound out: what a projector is tried with; pure."""

from __future__ import annotations

import io
import struct
import wave
import zlib

_SIDE = 64  # pixels


def white_picture() -> bytes:
    """Write a white PNG file.

    Source: the PNG specification (third edition), sections 5 and 11.
    """
    header = struct.pack(">IIBBBBB", _SIDE, _SIDE, 8, 2, 0, 0, 0)
    rows = (b"\x00" + b"\xff" * 3 * _SIDE) * _SIDE
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(name, data) for name, data in chunks)


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def silence() -> bytes:
    """Write a WAV file of one silent second."""
    file = io.BytesIO()
    with wave.open(file, "wb") as sound:
        sound.setparams((1, 2, 16_000, 0, "NONE", ""))
        sound.writeframes(bytes(2 * 16_000))
    return file.getvalue()
