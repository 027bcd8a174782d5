"""A manifest's bytes in, its layers out, and back; pure."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Literal

from engine.errors import DigestError, LibraryError
from engine.types import Json

MANIFEST_TYPE = "application/vnd.docker.distribution.manifest.v2+json"
CONFIG_TYPE = "application/vnd.docker.container.image.v1+json"
LAYER_PREFIX = "application/vnd.ollama.image."
LayerKind = Literal[
    "model", "projector", "adapter", "draft", "template", "system", "license", "params", "messages"
]
LAYER_ORDER: tuple[LayerKind, ...] = (
    "model",
    "projector",
    "adapter",
    "draft",
    "template",
    "system",
    "license",
    "params",
    "messages",
)

_MAX_LAYERS = 10_000
_MAX_SIZE_BYTES = 2**50  # no disk holds more; a promise of more is a mistake or an attack
_DIGEST = re.compile(r"sha256[:-]([0-9a-fA-F]{64})")
_DIGEST_BYTES = re.compile(rb"sha256[:-]([0-9a-fA-F]{64})")


@dataclass(frozen=True, slots=True)
class Layer:
    """One blob of a model and what it is for.

    Invariant: `digest` is `sha256:` and 64 lower-case hex digits.
    """

    media_type: str
    digest: str
    size_bytes: int
    origin: str = field(default="", compare=False)  # the model that the layer was taken from

    @property
    def kind(self) -> str:
        """Give the last word of the media type: model, template, params, ..."""
        return self.media_type.removeprefix(LAYER_PREFIX)


@dataclass(frozen=True, slots=True)
class Manifest:
    """The list of blobs that make one model."""

    config: Layer
    layers: tuple[Layer, ...]

    @property
    def all_layers(self) -> tuple[Layer, ...]:
        """Give the layers and the config after them."""
        return (*self.layers, self.config)

    @property
    def size_bytes(self) -> int:
        """Add up all layers and the config."""
        return sum(layer.size_bytes for layer in self.all_layers)

    def of_kind(self, kind: LayerKind) -> tuple[Layer, ...]:
        """Give the layers of one kind, in their order."""
        aliases = {kind, "prompt"} if kind == "system" else {kind}
        return tuple(layer for layer in self.layers if layer.kind in aliases)


def layer_type(kind: LayerKind) -> str:
    """Give the media type of a kind of layer."""
    return LAYER_PREFIX + kind


def parse_digest(text: str) -> str:
    """Read `sha256:<hex>` or `sha256-<hex>` as `sha256:<lower-case hex>`.

    Raises:
        DigestError: anything else; so a digest can never lead out of the blobs folder.
    """
    match = _DIGEST.fullmatch(text)
    if match is None:
        raise DigestError("invalid digest format")
    return "sha256:" + match.group(1).lower()


def parse_manifest(raw: bytes) -> Manifest:
    """Read a manifest.

    Raises:
        LibraryError: not a manifest; the message says what is wrong.
    """
    try:
        return _manifest(json.loads(raw))
    except (ValueError, TypeError, RecursionError, DigestError) as error:
        raise LibraryError(f"manifest cannot be read: {error}") from error


def render_manifest(config: Layer, layers: Sequence[Layer]) -> bytes:
    """Write a manifest as `create` does: compact JSON and a newline."""
    data = {
        "schemaVersion": 2,
        "mediaType": MANIFEST_TYPE,
        "config": _layer_json(config),
        "layers": [_layer_json(layer) for layer in layers],
    }
    return json.dumps(data, separators=(",", ":")).encode() + b"\n"


def manifest_digest(raw: bytes) -> str:
    """Give the digest of a manifest's bytes: hex only, as clients see it."""
    return sha256(raw).hexdigest()


def mentioned_digests(raw: bytes) -> frozenset[str]:
    """Give every digest that stands in the bytes, even of a manifest too broken to be parsed."""
    return frozenset("sha256:" + found.decode().lower() for found in _DIGEST_BYTES.findall(raw))


def _manifest(data: object) -> Manifest:
    if not isinstance(data, dict):
        raise TypeError("it is not a JSON object")
    layers = data.get("layers") or []
    if not isinstance(layers, list) or len(layers) > _MAX_LAYERS:
        raise TypeError(f"layers is not a list of at most {_MAX_LAYERS:,}")
    return Manifest(_layer(data.get("config")), tuple(_layer(layer) for layer in layers))


def _layer(data: object) -> Layer:
    if not isinstance(data, Mapping):
        raise TypeError("a layer is not an object")
    media_type, digest, size = data.get("mediaType"), data.get("digest"), data.get("size", 0)
    if not isinstance(media_type, str) or not isinstance(digest, str):
        raise TypeError("a layer has no mediaType or no digest")
    if not isinstance(size, int) or isinstance(size, bool) or not 0 <= size <= _MAX_SIZE_BYTES:
        raise TypeError(f"a layer has the size {size!r}")
    origin = data.get("from")
    return Layer(media_type, parse_digest(digest), size, origin if isinstance(origin, str) else "")


def _layer_json(layer: Layer) -> Json:
    found: Json = {
        "mediaType": layer.media_type,
        "digest": layer.digest,
        "size": layer.size_bytes,
    }
    return found | {"from": layer.origin} if layer.origin else found
