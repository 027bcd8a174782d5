"""A CreateRequest in, an installed model and lines of progress out; writes the models folder."""

from __future__ import annotations

import json
from collections.abc import Generator, Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath, PureWindowsPath

from engine.errors import GgufError, LibraryError, ModelNotFoundError, RequestError
from engine.library.facts import header_facts, model_config
from engine.library.gguf import Header, read_header
from engine.library.manifest import (
    CONFIG_TYPE,
    LAYER_ORDER,
    Layer,
    LayerKind,
    layer_type,
    parse_digest,
)
from engine.library.names import parse
from engine.library.registry import pull
from engine.library.store import Library, json_layer
from engine.options import merge_options
from engine.types import CreateRequest, Json, Options, Progress

_ROLES = frozenset({"system", "user", "assistant", "tool"})
_KIND_OF_GENERAL_TYPE: Mapping[str, LayerKind] = {
    "adapter": "adapter",
    "projector": "projector",
    "mmproj": "projector",
}


def create(library: Library, request: CreateRequest) -> Iterator[Progress]:
    """Install a model made from an installed one or from stored GGUF blobs.

    From a model, what the request does not name stays: parameters merge key by key, licences
    add up. From files everything starts anew. A source that is not installed is pulled.

    Raises:
        RequestError: a field is wrong (name, digest, option, role, path).
        BlobNotFoundError: a file was not uploaded.
        GgufError: a file is not a usable GGUF file.
        RegistryError: the source is not installed and cannot be pulled.
        LibraryError: the models folder cannot be written.
    """
    parse(request.model)
    parameters = _parameters(request)
    for turn in request.messages:
        if turn.role not in _ROLES:
            raise RequestError(f"invalid role: {turn.role}; one of {', '.join(sorted(_ROLES))}")
    if request.files is not None:
        config, layers = yield from _from_files(library, request.files)
    elif request.from_model:
        config, layers = yield from _from_model(library, request.from_model)
    else:
        raise RequestError("neither 'from' or 'files' was specified")
    with library.keeping(layer.digest for layer in layers):
        new = _text_layers(library, request) + _json_layers(library, request, parameters, layers)
        replaced = {layer.kind for layer in new} - {"license"}
        replaced |= {"prompt"} if "system" in replaced else set()
        layers = [layer for layer in layers if layer.kind not in replaced] + new
        layers = _ordered(layers)
        digest, size = library.add_blob([json.dumps(config, separators=(",", ":")).encode()])
        known = [*layers, Layer(CONFIG_TYPE, digest, size)]
        with library.keeping(layer.digest for layer in known):
            for layer in known:
                is_new = layer in new or layer.media_type == CONFIG_TYPE
                word = "creating new" if is_new else "using existing"
                yield Progress(f"{word} layer {layer.digest}")
            yield Progress("writing manifest")
            library.write_manifest(request.model, known[-1], layers)
    yield Progress("success")


def _from_model(
    library: Library, source: str
) -> Generator[Progress, None, tuple[Json, list[Layer]]]:
    try:
        manifest = library.manifest(source)
    except ModelNotFoundError:
        for line in pull(library, source):
            if line.status != "success":
                yield line
        manifest = library.manifest(source)
    try:
        config = json.loads(library.blobs.read_small(manifest.config.digest))
    except (ValueError, RecursionError) as error:
        raise LibraryError(f"config of {source} cannot be read: {error}") from error
    return (config if isinstance(config, dict) else {}), list(manifest.layers)


def _from_files(
    library: Library, files: Mapping[str, str]
) -> Generator[Progress, None, tuple[Json, list[Layer]]]:
    if not files:
        raise RequestError("no files provided to convert")
    config: Json | None = None
    layers: list[Layer] = []
    for name, text in files.items():
        _check_path(name)
        digest = parse_digest(text)
        path = library.blob_path(digest)
        yield Progress("parsing GGUF")
        header = _header(path, name)
        kind = _kind(header)
        layers.append(Layer(layer_type(kind), digest, path.stat().st_size))
        if kind == "model" and config is None:
            config = model_config(header_facts(header))
    if config is None:
        raise RequestError("the files hold no model, only adapters or projectors")
    return config, layers


def _header(path: Path, name: str) -> Header:
    with path.open("rb") as file:
        if file.read(4) != b"GGUF":
            raise GgufError(f"supplied file was not in GGUF format: {name}")
    header = read_header(path, max_items=0)
    n_parts = header.metadata.get("split.count", 1)
    if isinstance(n_parts, int) and n_parts > 1:
        raise GgufError(f"{name} is one of {n_parts} parts; merge them with llama-gguf-split first")
    return header


def _kind(header: Header) -> LayerKind:
    if header.architecture == "clip":
        return "projector"
    return _KIND_OF_GENERAL_TYPE.get(str(header.metadata.get("general.type")), "model")


def _check_path(name: str) -> None:
    places = (PurePosixPath(name), PureWindowsPath(name))
    if not name or any(place.is_absolute() or ".." in place.parts for place in places):
        raise RequestError("file path must be relative")


def _parameters(request: CreateRequest) -> Json:
    given = dict(request.parameters or {})
    merge_options(Options(), given)  # refuses what has the wrong type
    if isinstance(given.get("stop"), str):
        given["stop"] = [given["stop"]]
    return given


def _text_layers(library: Library, request: CreateRequest) -> list[Layer]:
    layers: list[Layer] = []
    if request.template:
        layers.append(library.add_layer("template", request.template.encode()))
    if request.system:
        layers.append(library.add_layer("system", request.system.encode()))
    return layers + [library.add_layer("license", text.encode()) for text in request.licenses]


def _json_layers(
    library: Library, request: CreateRequest, parameters: Json, old: Sequence[Layer]
) -> list[Layer]:
    layers: list[Layer] = []
    if parameters:
        before: Json = {}
        for layer in old:
            if layer.kind == "params":
                before |= _object(library, layer)
        layers.append(json_layer(library, "params", before | parameters))
    if request.messages:
        turns = [{"role": turn.role, "content": turn.content} for turn in request.messages]
        layers.append(json_layer(library, "messages", turns))
    return layers


def _object(library: Library, layer: Layer) -> Json:
    try:
        value = json.loads(library.blobs.read_small(layer.digest))
    except (ValueError, RecursionError) as error:
        raise LibraryError(f"layer {layer.digest} is not JSON: {error}") from error
    return value if isinstance(value, dict) else {}


def _ordered(layers: Sequence[Layer]) -> list[Layer]:
    """Sort by kind, keep the order within a kind, drop what stands twice."""
    order = {layer_type(kind): place for place, kind in enumerate(LAYER_ORDER)}
    unique = dict.fromkeys(layers)
    return sorted(unique, key=lambda layer: order.get(layer.media_type, len(order)))
