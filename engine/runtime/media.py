"""A prompt's text and pictures in, a row of positions out; pure, the native parts are only held."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256

_MARKER = re.compile(r"\[img-(\d{1,6})\]")


@dataclass(frozen=True, slots=True, eq=False)
class Media:
    """A picture (or one part of it, or a sound) at its place in a prompt."""

    begin: int  # index of its first position in the prompt
    n_positions: int
    n_cells: int  # places that it takes in the cache; M-RoPE gives several cells one position
    chunk: object  # the native part that is computed

    @property
    def end(self) -> int:
        """Index of the position after it."""
        return self.begin + self.n_positions


@dataclass(frozen=True, slots=True)
class Prompt:
    """What is computed before the first token is drawn.

    Invariant: equal pictures have equal placeholders, different ones differ in every placeholder;
    so a common prefix of two prompts never ends inside a picture.
    """

    tokens: tuple[int, ...]  # one per position; those of media are negative placeholders
    media: tuple[Media, ...] = ()

    def __len__(self) -> int:
        return len(self.tokens) + sum(one.n_cells - one.n_positions for one in self.media)

    @property
    def text_tokens(self) -> tuple[int, ...]:
        """The tokens that stand for text."""
        return tuple(one for one in self.tokens if one >= 0)


def as_prompt(tokens: Sequence[int] | Prompt) -> Prompt:
    """Take plain tokens as a prompt without media."""
    return tokens if isinstance(tokens, Prompt) else Prompt(tuple(tokens))


def placeholder(content: bytes, part: int) -> int:
    """Name a picture's part by a negative number that no token and no other picture has."""
    digest = sha256(content + part.to_bytes(4, "little")).digest()
    return -1 - int.from_bytes(digest[:7], "little")


def split_markers(text: str, n_media: int) -> list[str | int]:
    """Cut a text at its markers `[img-N]`; N counts from 0.

    Media that no marker names go in front; a number that names none stays text, and so does a
    second marker of the same number, since nothing is told twice.
    """
    parts: list[str | int] = []
    seen: set[int] = set()
    at = 0
    for found in _MARKER.finditer(text):
        number = int(found[1])
        if number < n_media and number not in seen:
            parts += [text[at : found.start()], number]
            seen.add(number)
            at = found.end()
    parts.append(text[at:])
    missing = [number for number in range(n_media) if number not in seen]
    return [one for one in (*missing, *parts) if one != ""]


def kind_of(content: bytes) -> str:
    """Tell what a file is by its first bytes: png, jpeg, webp, gif, bmp, wav, mp3, flac or ""."""
    if content[:4] == b"RIFF":
        return {b"WEBP": "webp", b"WAVE": "wav"}.get(content[8:12], "")
    for magic, kind in _MAGIC:
        if content.startswith(magic):
            return kind
    is_mpeg = len(content) > 1 and content[0] == 0xFF and content[1] & 0xE0 == 0xE0
    return "mp3" if is_mpeg else ""


_MAGIC = (
    (b"\x89PNG\r\n\x1a\n", "png"),
    (b"\xff\xd8\xff", "jpeg"),
    (b"GIF8", "gif"),
    (b"BM", "bmp"),
    (b"fLaC", "flac"),
    (b"ID3", "mp3"),
)
SOUNDS = frozenset({"wav", "mp3", "flac"})
