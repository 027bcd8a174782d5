"""A checked request and the library in, an installed model out; the steps of create in order."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

from engine.errors import BlobNotFoundError, LibraryError, ModelNotFoundError, RequestError
from engine.library.create.checks import Wanted, check
from engine.library.create.layers import config_json, messages_json, ordered, params_json
from engine.library.create.sources import Converters, Part, Workshop
from engine.library.facts import header_facts, model_config
from engine.library.manifest import CONFIG_TYPE, Layer, LayerKind, layer_type
from engine.library.registry import pull
from engine.library.store import Library
from engine.types import CreateRequest, Json, Progress


@dataclass(frozen=True, slots=True)
class _Base:
    """What the texts of the request are laid over."""

    config: Json = field(default_factory=dict)
    layers: tuple[Layer, ...] = ()  # of the model that the new one is made from
    parts: tuple[Part, ...] = ()  # files that are new to it


def create(
    library: Library, request: CreateRequest, *, converters: Converters | None = None
) -> Iterator[Progress]:
    """Install a model made from an installed one, from GGUF files or from safetensors.

    From a model, what the request does not name stays: parameters merge key by key, licences
    add up. From files everything starts anew. A source that is not installed is pulled.

    Args:
        converters: of safetensors; None takes the library's own.

    Raises:
        RequestError: a field is wrong (name, digest, option, role, path, template).
        BlobNotFoundError: a file was not uploaded.
        GgufError: a file is not a usable GGUF file.
        EngineError: it cannot be quantized as wanted.
        RegistryError: the source is not installed and cannot be pulled.
        LibraryError: the models folder cannot be written.
    """
    wanted = check(request)
    uploaded = {*wanted.files.values(), *wanted.adapters.values(), *wanted.drafts.values()}
    for digest in uploaded:
        if not library.has_blob(digest):
            raise BlobNotFoundError(digest)
    with ExitStack() as stack:
        shop = Workshop(library, converters or _own_converters(), stack)
        shop.keep(uploaded)
        base = yield from _base(library, shop, wanted)
        files = [shop.settle(part) for part in base.parts]
        yield from _install(shop, wanted, base, files)
    yield Progress("success")


def _own_converters() -> Converters:
    # Imported here: numpy and gguf take long to load, and few models are converted.
    from engine.library.convert import FILE_TYPES, FileType, convert, convert_adapter

    def convert_model(folder: Path, target: Path, wanted: str) -> None:
        file_type: FileType = next((one for one in FILE_TYPES if one == wanted.lower()), "f16")
        convert(folder, target, file_type=file_type)

    return Converters(convert_model, convert_adapter)


def _base(library: Library, shop: Workshop, wanted: Wanted) -> Generator[Progress, None, _Base]:
    config: Json = {}
    layers: list[Layer] = []
    if wanted.request.from_model:
        config, layers = yield from _from_model(library, wanted.request.from_model)
        shop.keep(layer.digest for layer in layers)  # it may be deleted before we are ready
    parts = (yield from shop.models(wanted.files, wanted.quantize)) if wanted.files else []
    old_models = [layer for layer in layers if layer.kind == "model"]
    if old_models and any(part.kind == "model" for part in parts):
        raise RequestError("'from' and a model among 'files' contradict each other; name one")
    main = next((part for part in parts if part.kind == "model"), None)
    if main is None and old_models and (wanted.quantize or wanted.adapters):
        main = shop.stored(old_models[0], "model")
    if main is None and not old_models:
        raise RequestError("the files hold no model, only adapters or projectors")
    if wanted.adapters and main is not None:
        parts += yield from shop.adapters(wanted.adapters, main)
    if wanted.drafts:
        parts += yield from _drafts(shop, wanted)
    if wanted.quantize and main is not None:
        new = yield from shop.quantized(main, wanted.quantize)
        parts = [new, *(part for part in parts if part is not main)]
        config = config | {"file_type": new.header.file_type_name}
        layers = [layer for layer in layers if layer not in old_models]
    return _Base(_described(config, parts), tuple(layers), tuple(parts))


def _drafts(shop: Workshop, wanted: Wanted) -> Generator[Progress, None, list[Part]]:
    parts = yield from shop.drafts(wanted.drafts, wanted.draft_quantize)
    if not wanted.draft_quantize:
        return parts
    return [(yield from shop.quantized(parts[0], wanted.draft_quantize))]


def _described(config: Json, parts: Sequence[Part]) -> Json:
    """Fill what the config does not say from the headers of the files."""
    model = next((part for part in parts if part.kind == "model"), None)
    if model is None:
        return config
    found = model_config(header_facts(model.header))
    families = [part.header.architecture for part in parts if part.kind != "draft"]
    found["model_families"] = list(dict.fromkeys(families))
    return found | config


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
        config = library.blobs.read_json(manifest.config.digest)
    except LibraryError as error:
        raise LibraryError(f"config of {source} cannot be read: {error}") from error
    return (config if isinstance(config, dict) else {}), list(manifest.layers)


def _install(
    shop: Workshop, wanted: Wanted, base: _Base, files: Sequence[Layer]
) -> Iterator[Progress]:
    shelf = _Shelf(shop)
    texts = _text_layers(shelf, wanted, base.layers)
    replaced = {layer.kind for layer in (*texts, *files)} - {"license", "projector"}
    replaced |= {"prompt"} if "system" in replaced else set()
    kept = [layer for layer in base.layers if layer.kind not in replaced]
    layers = ordered([*kept, *files, *texts])
    (config,) = shelf.put([(CONFIG_TYPE, config_json(_config(wanted, base), layers))])
    stored = {part.digest for part in base.parts} | {layer.digest for layer in kept}
    for layer in (*layers, config):
        is_old = layer.digest in stored | shelf.found
        word = "using existing" if is_old else "creating new"
        yield Progress(f"{word} layer {layer.digest}")
    yield Progress("writing manifest")
    shop.library.write_manifest(wanted.request.model, config, layers)


class _Shelf:
    """Stores small layers; remembers which of them were there before."""

    def __init__(self, shop: Workshop) -> None:
        self.library, self._shop = shop.library, shop
        self.found: set[str] = set()

    def put(self, texts: Sequence[tuple[str, bytes]]) -> list[Layer]:
        """Store (media type, bytes) as layers."""
        layers = [
            Layer(media_type, f"sha256:{sha256(data).hexdigest()}", len(data))
            for media_type, data in texts
        ]
        # First of all: another model with such a layer may be deleted right now.
        self._shop.keep(layer.digest for layer in layers)
        for layer, (_, data) in zip(layers, texts, strict=True):
            if self.library.has_blob(layer.digest):
                self.found.add(layer.digest)
            self.library.add_blob([data], layer.digest)
        return layers


def _config(wanted: Wanted, base: _Base) -> Json:
    config = base.config | wanted.config
    listed = config.get("capabilities")
    before = [str(one) for one in listed] if isinstance(listed, list) else []
    if wanted.capabilities:
        config["capabilities"] = list(dict.fromkeys((*before, *wanted.capabilities)))
    return config


def _text_layers(shelf: _Shelf, wanted: Wanted, old: Sequence[Layer]) -> list[Layer]:
    request = wanted.request
    texts: list[tuple[LayerKind, bytes]] = []
    if request.template:
        texts.append(("template", request.template.encode()))
    if request.system:
        texts.append(("system", request.system.encode()))
    texts += [("license", text.encode()) for text in request.licenses if text]
    if wanted.parameters:
        before: Json = {}
        for layer in old:
            if layer.kind == "params":
                before |= _object(shelf.library, layer)
        texts.append(("params", params_json(before | wanted.parameters)))
    if request.messages:
        texts.append(("messages", messages_json(request.messages)))
    return shelf.put([(layer_type(kind), data) for kind, data in texts]) if texts else []


def _object(library: Library, layer: Layer) -> Json:
    value = library.blobs.read_json(layer.digest)
    return value if isinstance(value, dict) else {}
