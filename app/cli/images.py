"""A prompt in, the pictures whose paths stand in it out; reads those files."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_PATH = re.compile(
    r"(?:[A-Za-z]:)?(?:~|\.{1,2})?[/\\](?:\\ |[^\s'\"]){0,1000}?\.(?:jpe?g|png|webp|wav|mp3)\b",
    re.IGNORECASE,
)
_MAX_BYTES = 100 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Attached:
    """A prompt without the paths of its pictures, and the pictures."""

    text: str
    images: tuple[str, ...]  # base64
    names: tuple[str, ...]


def attach(text: str) -> Attached:
    """Take the files out that a prompt names; what is no file stays text.

    Raises:
        OSError: a file cannot be read, or is larger than 100 MB.
    """
    images: list[str] = []
    names: list[str] = []
    for written, path in _named(text):
        if path.stat().st_size > _MAX_BYTES:
            raise OSError(f"{path} is larger than 100 MB")
        images.append(base64.b64encode(path.read_bytes()).decode())
        names.append(written)
        for quote in ("'", '"'):
            text = text.replace(f"{quote}{written}{quote}", "")
        text = text.replace(written, "")
    return Attached(text.strip(), tuple(images), tuple(names))


def _named(text: str) -> Iterator[tuple[str, Path]]:
    for written in dict.fromkeys(_PATH.findall(text)):
        path = Path(re.sub(r"\\([ ()\[\]{}$&*?;'\"|<>~])", r"\1", written)).expanduser()
        if path.is_file():
            yield written, path
