"""A manifest's bytes in, a ModelEntry out; reads the small blobs and, once each, GGUF headers."""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from engine.errors import BlobNotFoundError, GgufError, LibraryError
from engine.library.blobs import BlobFolder
from engine.library.facts import HeaderFacts, capabilities, details, header_facts
from engine.library.gguf import read_header
from engine.library.manifest import Layer, LayerKind, Manifest, manifest_digest, parse_manifest
from engine.types import Message, ModelEntry

log = logging.getLogger(__name__)

_MAX_REMEMBERED = 4096
_MAX_TEXT_BYTES = 32 * 1024 * 1024  # of all layers of one kind


class HeaderCache:
    """Facts of GGUF headers by path, size and time of change; safe for several threads."""

    def __init__(self) -> None:
        self._facts: dict[tuple[Path, int, int], HeaderFacts | None] = {}
        self._lock = threading.Lock()

    def facts(self, path: Path) -> HeaderFacts | None:
        """Give the facts of a file, or None if it is missing or damaged (said once in the log)."""
        try:
            status = path.stat()
        except OSError:
            return None
        key = (path, status.st_size, status.st_mtime_ns)
        with self._lock:
            if key in self._facts:
                return self._facts[key]
        found: HeaderFacts | None = None
        try:
            found = header_facts(read_header(path, max_items=0))
        except GgufError as error:
            log.warning("gguf_unreadable file=%s reason=%s", path.name, error)
            if isinstance(error.__cause__, OSError):  # too many open files: not the file's fault
                return None
        with self._lock:
            if len(self._facts) >= _MAX_REMEMBERED:
                self._facts.clear()
            self._facts[key] = found
        return found


@dataclass(frozen=True, slots=True)
class _SmallLayers:
    template: str | None
    system: str | None
    licenses: tuple[str, ...]
    params: Mapping[str, object]
    messages: tuple[Message, ...]


def build_entry(
    name: str, raw: bytes, modified_s: float, blobs: BlobFolder, headers: HeaderCache
) -> ModelEntry:
    """Describe one installed model.

    Args:
        raw: the manifest's bytes.
        modified_s: when the manifest was written, in seconds since 1970.

    Raises:
        LibraryError: the manifest is broken or names no GGUF file.
    """
    manifest = parse_manifest(raw)
    models = manifest.of_kind("model")
    if not models:
        raise LibraryError(f"model '{name}' holds no GGUF file; only GGUF models can be run")
    model = models[0]
    facts = headers.facts(blobs.path(model.digest))
    config = _object(blobs, manifest.config)
    small = _small_layers(blobs, manifest)
    return ModelEntry(
        name=name,
        digest=manifest_digest(raw),
        size_bytes=manifest.size_bytes,
        modified_at=datetime.fromtimestamp(modified_s, UTC),
        details=details(config, facts),
        model_path=blobs.path(model.digest),
        model_digest=model.digest,
        params=small.params,
        template=small.template,
        system=small.system,
        messages=small.messages,
        licenses=small.licenses,
        capabilities=capabilities(
            config, facts, small.template, has_projector=bool(manifest.of_kind("projector"))
        ),
        is_readable=facts is not None and _is_complete(blobs, manifest),
        chat_template=facts.chat_template if facts else "",
        projector_paths=_paths(blobs, manifest, "projector"),
        adapter_paths=_paths(blobs, manifest, "adapter"),
        draft_path=next(iter(_paths(blobs, manifest, "draft")), None),
        config=config,
    )


def _paths(blobs: BlobFolder, manifest: Manifest, kind: LayerKind) -> tuple[Path, ...]:
    return tuple(blobs.path(layer.digest) for layer in manifest.of_kind(kind))


def _is_complete(blobs: BlobFolder, manifest: Manifest) -> bool:
    return all(blobs.size(layer.digest) == layer.size_bytes for layer in manifest.all_layers)


def _small_layers(blobs: BlobFolder, manifest: Manifest) -> _SmallLayers:
    params: dict[str, object] = {}
    for layer in manifest.of_kind("params"):
        params |= _object(blobs, layer)
    messages: list[Message] = []
    for layer in manifest.of_kind("messages"):
        messages += _messages(_json(blobs, layer))
    return _SmallLayers(
        template=_last(_texts(blobs, manifest, "template")),
        system=_last(_texts(blobs, manifest, "system")),
        licenses=_texts(blobs, manifest, "license"),
        params=params,
        messages=tuple(messages),
    )


def _texts(blobs: BlobFolder, manifest: Manifest, kind: LayerKind) -> tuple[str, ...]:
    texts: list[str] = []
    left = _MAX_TEXT_BYTES
    for layer in manifest.of_kind(kind):
        raw = _read(blobs, layer)
        if raw is None:
            continue
        left -= len(raw)
        if left < 0:  # ten thousand layers may name one large blob
            log.warning("layers_left_out kind=%s reason=too many bytes", kind)
            break
        texts.append(raw.decode("utf-8", errors="replace"))
    return tuple(texts)


def _last(texts: tuple[str, ...]) -> str | None:
    return texts[-1] if texts else None


def _read(blobs: BlobFolder, layer: Layer) -> bytes | None:
    try:
        return blobs.read_small(layer.digest)
    except (BlobNotFoundError, LibraryError) as error:
        log.warning("layer_unreadable kind=%s reason=%s", layer.kind, error)
        return None


def _json(blobs: BlobFolder, layer: Layer) -> object:
    try:
        return blobs.read_json(layer.digest)
    except (BlobNotFoundError, LibraryError) as error:
        log.warning("layer_unreadable kind=%s reason=%s", layer.kind, error)
        return None


def _object(blobs: BlobFolder, layer: Layer) -> dict[str, object]:
    value = _json(blobs, layer)
    return value if isinstance(value, dict) else {}


def _messages(value: object) -> list[Message]:
    found = [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []
    return [Message(str(each.get("role", "")), str(each.get("content", ""))) for each in found]
