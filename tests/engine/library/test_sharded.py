"""A model that hf.co has only in shards is pulled all the same, and is one file here."""

from __future__ import annotations

import json
from hashlib import sha256

import gguf
import numpy as np
import pytest

from engine.errors import GgufError, RegistryError
from engine.library.gguf import read_header
from engine.library.sharded import Shard, choose_shards, pull
from tests.engine.library.hub import QUICK, files_of

REFUSAL = b'{"error":"The specified tag is a sharded GGUF. Ollama does not support this yet."}'
NAME = "http://hf.co/user/repo:Q4_K_M"


@pytest.fixture
def shards(tmp_path):
    """Write a GGUF file in two shards; give their names and bytes."""
    writer = gguf.GGUFWriter(tmp_path / "tiny-Q4_K_M.gguf", "llama", split_max_tensors=1)
    writer.add_context_length(128)
    writer.add_token_list([f"token{number}" for number in range(20)])
    writer.add_tensor("token_embd.weight", np.ones((20, 32), dtype=np.float16))
    writer.add_tensor("output_norm.weight", np.ones(32, dtype=np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return {path.name: path.read_bytes() for path in sorted(tmp_path.glob("*-of-*.gguf"))}


@pytest.fixture
def repository(hub, shards, monkeypatch):
    """Let the hub stand in for hf.co."""
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{hub.port}")
    hub.refusal = REFUSAL
    listing = [{"type": "file", "path": "README.md", "size": 3, "oid": "x"}]
    for name, data in shards.items():
        hub.files[f"/user/repo/resolve/main/Q4_K_M/{name}"] = data
        lfs = {"oid": sha256(data).hexdigest(), "size": len(data)}
        listing.append({"path": f"Q4_K_M/{name}", "size": len(data), "lfs": lfs})
    hub.files["/api/models/user/repo/tree/main"] = json.dumps(listing).encode()
    return hub


def fetch(library):
    return [line.status for line in pull(library, NAME, insecure=True, patience=QUICK)]


def test_shards_are_fetched_and_put_together(library, repository):
    said = fetch(library)

    assert said[0] == "pulling manifest"
    assert said[-1] == "success"
    assert said.count("pulling manifest") == said.count("success") == 1
    entry = library.find("hf.co/user/repo:Q4_K_M")
    assert entry.is_readable
    header = read_header(entry.model_path, max_items=0)
    assert sorted(tensor.name for tensor in header.tensors) == [
        "output_norm.weight",
        "token_embd.weight",
    ]
    manifest = library.manifest(entry.name)
    kept = {layer.digest.replace(":", "-") for layer in manifest.all_layers}
    assert kept == {name for name in files_of(library) if name.startswith("sha256-")}


def test_damaged_shards_install_nothing(library, repository):
    path = next(path for path in repository.files if path.endswith("00002-of-00002.gguf"))
    repository.files[path] = bytes(len(repository.files[path]))

    with pytest.raises(RegistryError, match="digest mismatch"):
        fetch(library)

    assert library.entries() == []


def test_shards_of_different_files_are_refused(library, repository, shards):
    names = sorted(shards)
    listing = json.loads(repository.files["/api/models/user/repo/tree/main"])
    listing[2]["lfs"], listing[2]["size"] = listing[1]["lfs"], listing[1]["size"]
    repository.files["/api/models/user/repo/tree/main"] = json.dumps(listing).encode()
    first = repository.files[f"/user/repo/resolve/main/Q4_K_M/{names[0]}"]
    repository.files[f"/user/repo/resolve/main/Q4_K_M/{names[1]}"] = first

    with pytest.raises(GgufError):
        fetch(library)

    assert library.entries() == []


@pytest.mark.parametrize("listing", [b"", b"[]", b"{}", b'[{"path":3}]', b"[" * 90_000])
def test_without_a_list_of_shards_there_is_no_model(library, repository, listing):
    repository.files["/api/models/user/repo/tree/main"] = listing

    with pytest.raises(RegistryError, match=r"sharded GGUF|cannot be listed"):
        fetch(library)


def test_other_registries_are_believed(library, hub):
    hub.refusal = REFUSAL

    with pytest.raises(RegistryError, match="sharded GGUF"):
        list(pull(library, hub.name(), insecure=True, patience=QUICK))


def shard(path):
    return Shard(path, "sha256:" + "0" * 64, 1)


@pytest.mark.parametrize(
    ("tag", "expected"),
    [
        ("Q8_0", ["m-Q8_0-00001-of-00002.gguf", "m-Q8_0-00002-of-00002.gguf"]),
        ("q8_0", ["m-Q8_0-00001-of-00002.gguf", "m-Q8_0-00002-of-00002.gguf"]),
        ("latest", ["Q4_K_M/m-00001-of-00001.gguf"]),
        ("Q8", []),
        ("Q5_K_M", []),  # lacks a shard
        ("F16", []),  # a projector
        ("BF16", []),  # one file
    ],
)
def test_a_tag_names_the_shards_of_one_file(tag, expected):
    paths = [
        "m-Q8_0-00002-of-00002.gguf",
        "m-Q8_0-00001-of-00002.gguf",
        "m-UD-Q8_0-00001-of-00001.gguf",
        "Q4_K_M/m-00001-of-00001.gguf",
        "m-Q5_K_M-00002-of-00002.gguf",
        "mmproj-F16-00001-of-00001.gguf",
        "m-BF16.gguf",
    ]

    found = choose_shards([shard(path) for path in paths], tag)

    assert [one.path for one in found] == expected
