"""Files inside of JSON, as base64 text, in; their bytes out; pure."""

from __future__ import annotations

import binascii
from collections.abc import Sequence

from engine.errors import RequestError

# What a data URI may say of a picture; OpenAI's clients write one, native ones send bare base64.
_PICTURES = ("image/jpeg", "image/jpg", "image/png", "image/webp", "")
_AUDIO_FORMATS = ("wav", "mp3")


def decode(texts: Sequence[str], field: str) -> tuple[bytes, ...]:
    """Decode every text; line ends inside are passed over, as Go does.

    Args:
        field: where the texts stood in the request, for the error.
    Raises:
        RequestError: one is empty or not base64.
    """
    return tuple(_decode(text, f"{field}[{index}]") for index, text in enumerate(texts))


def _decode(text: str, place: str) -> bytes:
    if not text:
        raise RequestError(f"{place} is empty: send the file's bytes as base64")
    try:
        data = binascii.a2b_base64(
            text.replace("\n", "").replace("\r", "").encode("ascii"), strict_mode=True
        )
    except ValueError as error:  # also what is no ASCII, also binascii.Error
        reason = "other letters than base64 has" if not text.isascii() else str(error)
        raise RequestError(
            f"illegal base64 data in {place}: {reason}; send the file's bytes as standard base64 "
            "with padding, without a data: prefix"
        ) from error
    if not data:
        raise RequestError(f"{place} is empty: send the file's bytes as base64")
    return data


def is_audio(data: bytes) -> bool:
    """Tell sound (WAV, MP3) from pictures by the first bytes."""
    if data[:4] == b"RIFF":
        return data[8:12] == b"WAVE"
    # Eleven bits set, then a layer that is not the reserved one: a frame of MPEG audio.
    is_mpeg_frame = len(data) > 1 and data[0] == 0xFF and data[1] & 0xE0 == 0xE0 and data[1] & 6 > 0
    return data[:3] == b"ID3" or is_mpeg_frame


def picture_text(value: object) -> str:
    """Take the base64 text out of an `image_url`, which is a string or an object.

    Raises:
        RequestError: the URL leads elsewhere, or is no data URI of a picture.
    """
    url = value.get("url") if isinstance(value, dict) else value
    if not isinstance(url, str):
        raise RequestError("invalid message format")
    if url.startswith(("http://", "https://")):
        raise RequestError(
            "image URLs are not currently supported, please use base64 encoded data instead"
        )
    head, _, text = url.partition(",")
    if head not in {f"data:{kind};base64" for kind in _PICTURES}:
        raise RequestError("invalid image input")
    return text


def audio_text(value: object) -> str:
    """Take the base64 text out of an `input_audio`.

    Raises:
        RequestError: no data, or a format that no model reads.
    """
    fields = value if isinstance(value, dict) else {}
    data, kind = fields.get("data"), fields.get("format", "wav")
    if not isinstance(data, str):
        raise RequestError("invalid input_audio: data must be a string of base64")
    if kind not in _AUDIO_FORMATS:
        raise RequestError(f"invalid input_audio format: {kind!r:.40} (must be wav or mp3)")
    return data
