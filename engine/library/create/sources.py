"""Uploaded files and installed models in, the GGUF files that a new model is made of out."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from engine.errors import GgufError, RequestError
from engine.library.blobs import file_digest
from engine.library.create.checks import Files
from engine.library.create.quantize import needs_quantizing, quantize
from engine.library.create.split import Source, groups, merge
from engine.library.gguf import Header, read_header
from engine.library.manifest import Layer, LayerKind, layer_type
from engine.library.store import Library
from engine.types import Progress

_KIND_OF_GENERAL_TYPE: Mapping[str, LayerKind] = {
    "adapter": "adapter",
    "projector": "projector",
    "mmproj": "projector",
}
_SAFETENSORS = ".safetensors"

Convert = Callable[[Path, Path, str], object]  # folder, target, wanted type or nothing
ConvertAdapter = Callable[[Path, Path, Path], object]  # folder, base GGUF, target


@dataclass(frozen=True, slots=True)
class Converters:
    """How folders of safetensors become GGUF files; replaced in tests."""

    model: Convert
    adapter: ConvertAdapter


@dataclass(frozen=True, slots=True)
class Part:
    """One GGUF file that becomes a layer."""

    kind: LayerKind
    path: Path
    header: Header
    digest: str = ""  # of a stored blob; empty: a new file that is not stored yet
    file: BinaryIO | None = None  # the open new file


class Workshop:
    """Makes GGUF files in the blobs folder; those that are not stored vanish with the stack."""

    def __init__(self, library: Library, converters: Converters, stack: ExitStack) -> None:
        self.library, self._converters, self._stack = library, converters, stack

    def keep(self, digests: Iterable[str]) -> None:
        """Keep blobs from being cleaned up until the work is done.

        Raises:
            LibraryError: the folder cannot be written.
        """
        self._stack.enter_context(self.library.keeping(digests))

    def stored(self, layer: Layer, kind: LayerKind) -> Part:
        """Take the GGUF file of an installed model's layer."""
        path = self.library.blob_path(layer.digest)
        return Part(kind, path, read_header(path, max_items=0), layer.digest)

    def models(self, files: Files, quantization: str) -> Generator[Progress, None, list[Part]]:
        """Make model, projector and adapter files of what was uploaded.

        Args:
            quantization: what the model is to become; a conversion may make it at once.

        Raises:
            RequestError: the files are of no known type.
            GgufError: a file is not a usable GGUF file.
        """
        if self._type_of(files) == _SAFETENSORS:
            yield Progress("converting model")
            convert = self._converters.model

            def write(target: Path) -> None:
                self._staged(files, lambda folder: convert(folder, target, quantization))

            part = self._new("model", write)
            yield Progress("verifying conversion")
            return [part]
        return (yield from self._gguf(files))

    def adapters(self, files: Files, base: Part) -> Generator[Progress, None, list[Part]]:
        """Make the adapter file of what was uploaded.

        Raises:
            RequestError: several adapters, or files that are none.
            GgufError: a file is not a usable GGUF file.
        """
        if self._type_of(files) == _SAFETENSORS:
            yield Progress("converting adapter")
            convert = self._converters.adapter

            def write(target: Path) -> None:
                self._staged(files, lambda folder: convert(folder, base.path, target))

            return [self._new("adapter", write)]
        if len(files) > 1:
            raise RequestError("only one adapter is currently supported")
        parts = yield from self._gguf(files)
        for part, name in zip(parts, files, strict=True):
            if part.kind != "adapter":
                raise RequestError(f"{name} is a {part.kind}, not a LoRA adapter")
        return parts

    def drafts(self, files: Files, quantization: str) -> Generator[Progress, None, list[Part]]:
        """Make the draft model's file of what was uploaded.

        Raises:
            RequestError, GgufError: as `models`.
        """
        parts = yield from self.models(files, quantization)
        if len(parts) != 1 or parts[0].kind != "model":
            raise RequestError("a draft is one model")
        one = parts[0]
        return [Part("draft", one.path, one.header, one.digest, one.file)]

    def quantized(self, part: Part, name: str) -> Generator[Progress, None, Part]:
        """Quantize a file, unless it is of that type already.

        Raises:
            EngineError: it is quantized to another type.
            GgufError: llama.cpp cannot do it.
        """
        is_made_so = part.file is not None and part.header.file_type_name == name
        if is_made_so or not needs_quantizing(part.header, name):
            return part
        file, path = self._stack.enter_context(self.library.blobs.writing())
        yield from quantize(part.path, path, part.header, name)
        return Part(part.kind, path, read_header(path, max_items=0), file=file)

    def settle(self, part: Part) -> Layer:
        """Store a new file; give the layer of a stored one."""
        digest = part.digest or file_digest(part.path)
        size = part.path.stat().st_size
        if part.file is not None:
            self.keep([digest])
            self.library.blobs.settle(part.file, part.path, digest)
        return Layer(layer_type(part.kind), digest, size)

    def _new(self, kind: LayerKind, write: Callable[[Path], None]) -> Part:
        file, path = self._stack.enter_context(self.library.blobs.writing())
        write(path)
        return Part(kind, path, read_header(path, max_items=0), file=file)

    def _staged(self, files: Files, convert: Callable[[Path], object]) -> None:
        """Let `convert` see the blobs under the names that the client gave them."""
        with tempfile.TemporaryDirectory(prefix="quire-create-") as name:
            folder = Path(name)
            for relative, digest in files.items():
                place = folder / relative
                try:
                    place.parent.mkdir(parents=True, exist_ok=True)
                    place.symlink_to(self.library.blob_path(digest).resolve())
                except (FileExistsError, NotADirectoryError) as error:
                    raise RequestError(f"{relative} stands twice among the files") from error
            convert(folder)

    def _gguf(self, files: Files) -> Generator[Progress, None, list[Part]]:
        sources: list[Source] = []
        for name, digest in files.items():
            path = self.library.blob_path(digest)
            yield Progress("parsing GGUF")
            sources.append(Source(name, digest, path, _header(path, name)))
        return [self._whole(group) for group in groups(sources)]

    def _whole(self, group: Sequence[Source]) -> Part:
        first = group[0]
        kind = _kind(first.header)
        if len(group) == 1:
            return Part(kind, first.path, first.header, first.digest)
        return self._new(kind, lambda to: merge(group, to))

    def _type_of(self, files: Files) -> str:
        if any(name.endswith(_SAFETENSORS) for name in files):
            return _SAFETENSORS
        if any(name.endswith(".gguf") for name in files) or any(self._magic(files)):
            return ".gguf"
        raise RequestError("unknown type")

    def _magic(self, files: Files) -> Iterator[bool]:
        return (_is_gguf(self.library.blob_path(digest)) for digest in files.values())


def _is_gguf(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(4) == b"GGUF"


def _header(path: Path, name: str) -> Header:
    if not _is_gguf(path):
        raise GgufError(f"supplied file was not in GGUF format: {name}")
    return read_header(path, max_items=0)


def _kind(header: Header) -> LayerKind:
    if header.architecture == "clip":
        return "projector"
    return _KIND_OF_GENERAL_TYPE.get(str(header.metadata.get("general.type")), "model")
