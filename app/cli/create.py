"""A Modelfile in, the body of a create request out; files that it names are uploaded first."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from engine.errors import ModelfileError
from engine.library.modelfile import Modelfile, decode_modelfile, parse_modelfile

if TYPE_CHECKING:
    from app.client import Client

_CHUNK_BYTES = 1 << 20


def read_modelfile(file: str) -> tuple[Modelfile, Path]:
    """Read a Modelfile; paths in it are relative to the folder that is returned.

    Args:
        file: its path, or - for standard input.
    """
    if file == "-":
        return parse_modelfile(decode_modelfile(sys.stdin.buffer.read())), Path.cwd()
    path = Path(file).expanduser()
    return parse_modelfile(decode_modelfile(path.read_bytes())), path.resolve().parent


def body_of(client: Client, model: str, parsed: Modelfile, folder: Path) -> dict[str, object]:
    """Build the request.

    Raises:
        ModelfileError: it names something that this engine cannot make a model from.
    """
    if parsed.adapters or parsed.draft:
        raise ModelfileError(
            "ADAPTER and DRAFT are not supported; merge the adapter into the model"
        )
    body: dict[str, object] = {"model": model, **_sources(client, parsed, folder)}
    texts = {"system": parsed.system, "template": parsed.template}
    body |= {name: text for name, text in texts.items() if text is not None}
    if parsed.licenses:
        body["license"] = list(parsed.licenses)
    if parsed.parameters:
        body["parameters"] = dict(parsed.parameters)
    if parsed.messages:
        body["messages"] = [{"role": one.role, "content": one.content} for one in parsed.messages]
    return body


def _sources(client: Client, parsed: Modelfile, folder: Path) -> dict[str, object]:
    """Tell names of models from paths: what exists as a file is a file."""
    paths = [folder / Path(source).expanduser() for source in parsed.sources]
    if not any(path.exists() for path in paths):
        return {"from": parsed.sources[0]}
    files: dict[str, str] = {}
    for path in paths:
        if not path.is_file():
            raise ModelfileError(f"FROM {path}: not a file; name a GGUF file or an installed model")
        digest = f"sha256:{_digest(path)}"
        client.put_blob(digest, _chunks(path))
        files[path.name] = digest
    return {"files": files}


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _chunks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            yield chunk
