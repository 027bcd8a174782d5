"""A picture's file in, its pixels out; decoded by Pillow, which names what is wrong."""

from __future__ import annotations

import io
from dataclasses import dataclass

from engine.errors import RequestError

MAX_PIXELS = 64_000_000  # 192 MB once decoded


@dataclass(frozen=True, slots=True)
class Pixels:
    """A picture as rows of red, green, blue; transparency is dropped."""

    width: int
    height: int
    data: bytes


def decode_picture(content: bytes, label: str) -> Pixels:
    """Decode a PNG, JPEG, WebP, GIF (its first frame) or BMP file.

    Args:
        label: what the file is called in a message.
    Raises:
        RequestError: it is damaged or too large.
    """
    from PIL import Image  # heavy, and few requests hold pictures

    try:
        with Image.open(io.BytesIO(content), formats=("PNG", "JPEG", "WEBP", "GIF", "BMP")) as file:
            width, height = file.size
            if width * height > MAX_PIXELS:
                raise RequestError(
                    f"{label}: {width:,} x {height:,} pixels are too many; send at most "
                    f"{MAX_PIXELS:,}"
                )
            return Pixels(width, height, file.convert("RGB").tobytes())
    except (OSError, ValueError, SyntaxError, EOFError, Image.DecompressionBombError) as error:
        raise RequestError(f"{label}: the file is damaged: {error}") from error
