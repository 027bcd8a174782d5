"""Rules of Ollama's contract about the store, downloads and Modelfiles that no other test holds."""

from __future__ import annotations

import os
import re
import time

import pytest

from engine.library.blobs import file_chunks
from engine.library.create import create
from engine.library.download import Patience
from engine.library.manifest import CONFIG_TYPE, Layer, layer_type
from engine.library.modelfile import parse_modelfile
from engine.types import CreateRequest


@pytest.fixture
def digest(library, make_gguf):
    return library.add_blob(file_chunks(make_gguf()))[0]


def make(library, model, **fields):
    return list(create(library, CreateRequest(model, **fields)))


def layer(library, kind, text):
    found = library.add_blob([text.encode()])
    return Layer(layer_type(kind), *found)


def test_a_system_text_may_lie_under_its_old_name(library, digest):
    config, size = library.add_blob([b"{}"])
    model = Layer(layer_type("model"), digest, library.blob_path(digest).stat().st_size)
    library.write_manifest(
        "old", Layer(CONFIG_TYPE, config, size), [model, layer(library, "prompt", "Be kind.")]
    )

    assert library.find("old").system == "Be kind."


def test_layers_of_an_unknown_kind_are_passed_over(library, digest):
    config, size = library.add_blob([b"{}"])
    model = Layer(layer_type("model"), digest, library.blob_path(digest).stat().st_size)
    library.write_manifest(
        "odd", Layer(CONFIG_TYPE, config, size), [model, layer(library, "embed", "dead")]
    )

    assert library.find("odd").is_readable


def test_the_manifest_of_a_parent_or_copy_is_not_written_anew(library, digest):
    make(library, "base", files={"a.gguf": digest})
    before = library.manifest_bytes("base")

    make(library, "child", from_model="base", system="new")
    library.copy("base", "copy")

    assert library.manifest_bytes("base") == before == library.manifest_bytes("copy")


def test_deleting_a_model_leaves_no_empty_folder(library, digest):
    make(library, "me/far:v1", files={"a.gguf": digest})
    make(
        library,
        "near",
        files={"a.gguf": library.add_blob([library_bytes(library, "me/far:v1")])[0]},
    )

    library.delete("me/far:v1")

    folders = {path.name for path in (library.root / "manifests").rglob("*") if path.is_dir()}
    assert folders == {"registry.ollama.ai", "library", "near"}


def library_bytes(library, model):
    return library.find(model).model_path.read_bytes()


def test_a_blob_that_is_used_again_is_young_again(library):
    digest, _ = library.add_blob([b"text"])
    path = library.blob_path(digest)
    os.utime(path, (1_000_000, 1_000_000))

    library.add_blob([b"text"])

    assert time.time() - path.stat().st_mtime < 60


def test_a_part_is_tried_six_times():
    assert Patience().n_tries == 6


@pytest.mark.parametrize(
    "name", ["mirostat 2", "tfs_z 1.0", "low_vram true", "penalize_newline true", "f16_kv true"]
)
def test_old_parameters_of_a_modelfile_are_no_errors(name):
    assert parse_modelfile(f"FROM a\nPARAMETER {name}").sources == ("a",)


def test_nothing_but_blobs_lies_among_the_blobs(library, digest):
    make(library, "m", files={"a.gguf": digest}, system="x")

    names = [path.name for path in library.blobs.folder.iterdir()]
    assert names
    assert all(re.fullmatch("sha256-[0-9a-f]{64}", name) for name in names)
