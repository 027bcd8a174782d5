"""A Modelfile in, the body of a create request out; files that it names are uploaded first."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from engine.errors import ModelfileError
from engine.library.modelfile import Modelfile, decode_modelfile, parse_modelfile

if TYPE_CHECKING:
    from app.client import Client

_CHUNK_BYTES = 1 << 20
# Of a folder the first kind that is there is taken, as Ollama does.
_WEIGHTS = (
    "model*.safetensors",
    "consolidated*.safetensors",
    "adapters.safetensors",
    "adapter_model.safetensors",
    "pytorch_model*.bin",
    "*.gguf",
)
# Tokenizers and settings, also those of folders inside (1_Pooling of sentence-transformers).
_BESIDE = ("*.json", "*/*.json", "tokenizer.model", "vocab.txt", "merges.txt")

Store = Callable[[str, Path], None]  # digest, file


@dataclass(frozen=True, slots=True)
class Uploads:
    """How files get into the server's store."""

    put: Store  # its bytes
    link: Store | None = None  # a GGUF file by reference; None copies it too


def uploads_to(client: Client) -> Uploads:
    """Send files to a server."""
    return Uploads(lambda digest, path: client.put_blob(digest, _chunks(path)))


def read_modelfile(file: str) -> tuple[Modelfile, Path]:
    """Read a Modelfile; paths in it are relative to the folder that is returned.

    Args:
        file: its path; - for standard input; empty takes `Modelfile` in the working folder, and
            without one the model that lies there.

    Raises:
        ModelfileError: it cannot be read, or there is none.
    """
    if file == "-":
        return parse_modelfile(decode_modelfile(sys.stdin.buffer.read())), Path.cwd()
    path = Path(file or "Modelfile").expanduser()
    if not file and not path.exists():
        if not any(_files_of(Path.cwd())):
            raise ModelfileError("no Modelfile or safetensors files found")
        return Modelfile((".",)), Path.cwd()
    return parse_modelfile(decode_modelfile(path.read_bytes())), path.resolve().parent


def body_of(model: str, parsed: Modelfile, folder: Path, uploads: Uploads) -> dict[str, object]:
    """Build the request.

    Raises:
        ModelfileError: it names files that are not there or of no use.
    """
    body: dict[str, object] = {"model": model, **_sources(parsed, folder, uploads)}
    for name, paths in (("adapters", parsed.adapters), ("draft_files", _one(parsed.draft))):
        files: dict[str, str] = {}
        for path in paths:
            files |= _stored(_place(folder, path, name), uploads)
        if files:
            body[name] = files
    texts = {
        "system": parsed.system,
        "template": parsed.template,
        "renderer": parsed.renderer,
        "parser": parsed.parser,
        "requires": parsed.requires,
    }
    body |= {name: text for name, text in texts.items() if text is not None}
    if parsed.licenses:
        body["license"] = list(parsed.licenses)
    if parsed.parameters:
        body["parameters"] = dict(parsed.parameters)
    if parsed.messages:
        body["messages"] = [{"role": one.role, "content": one.content} for one in parsed.messages]
    return body


def _sources(parsed: Modelfile, folder: Path, uploads: Uploads) -> dict[str, object]:
    """Tell names of models from paths: what exists is a path."""
    files: dict[str, str] = {}
    names: list[str] = []
    for source in parsed.sources:
        path = folder / Path(source).expanduser()
        if path.exists():
            files |= _stored(path, uploads)
        elif Path(source).suffix == ".gguf" or source.startswith(("/", "./", "../", "~")):
            raise ModelfileError(f"FROM {source}: there is no such file as {path}")
        else:
            names.append(source)
    if len(names) > 1:
        raise ModelfileError(f"FROM names several models: {', '.join(names)}; name one")
    found: dict[str, object] = {"from": names[0]} if names else {}
    return found | {"files": files} if files else found


def _place(folder: Path, text: str, what: str) -> Path:
    path = folder / Path(text).expanduser()
    if not path.exists():
        keyword = "ADAPTER" if what == "adapters" else "DRAFT"
        raise ModelfileError(f"{keyword} {text}: there is no such file as {path}")
    return path


def _one(text: str | None) -> tuple[str, ...]:
    return (text,) if text else ()


def _stored(path: Path, uploads: Uploads) -> dict[str, str]:
    """Put a file, or the files of a folder, into the store; give their names and digests."""
    if path.is_dir():
        found = {str(one.relative_to(path).as_posix()): one for one in _files_of(path)}
        if not found:
            raise ModelfileError(f"FROM {path}: no safetensors or GGUF files in that folder")
    elif path.is_file():
        found = {path.name: path}
    else:
        raise ModelfileError(f"FROM {path}: neither a file nor a folder")
    digests: dict[str, str] = {}
    for name, one in found.items():
        digests[name] = f"sha256:{_digest(one)}"
        put = uploads.link if uploads.link and _is_gguf(one) else uploads.put
        put(digests[name], one)
    return digests


def _files_of(folder: Path) -> Iterator[Path]:
    for pattern in _WEIGHTS:
        weights = sorted(path for path in folder.glob(pattern) if path.is_file())
        if weights:
            yield from weights
            if pattern != "*.gguf":  # which is complete in itself
                yield from (
                    path
                    for beside in _BESIDE
                    for path in sorted(folder.glob(beside))
                    if path.is_file()
                )
            return


def _is_gguf(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(4) == b"GGUF"


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _chunks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            yield chunk
