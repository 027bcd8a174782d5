"""The starter models install without network, once, from files that are the known ones."""

from __future__ import annotations

import shutil
import time

import pytest

from engine.errors import LibraryError, RequestError
from engine.library.convert import convert
from engine.library.gguf import read_header
from engine.library.starters import (
    CHAT_NAME,
    EMBEDDING_NAME,
    StarterFiles,
    find_starter_files,
    install_starters,
)
from engine.library.store import Library


@pytest.fixture(scope="module")
def files():
    found = find_starter_files()
    if found is None:
        pytest.skip("the starter packages are not installed")
    return found


@pytest.fixture(scope="module")
def installed(files, tmp_path_factory):
    library = Library(tmp_path_factory.mktemp("starters") / "models")
    lines = list(install_starters(library, files))
    assert lines[-1].status == "success"
    return library


def test_both_models_are_there_and_readable(installed):
    chat, embedding = installed.find(CHAT_NAME), installed.find(EMBEDDING_NAME)

    assert (chat.is_readable, embedding.is_readable) == (True, True)
    assert (chat.capabilities, embedding.capabilities) == (("completion",), ("embedding",))
    assert chat.params["stop"] == ["<|im_start|>", "<|im_end|>"]
    assert all("Apache License" in entry.licenses[0] for entry in (chat, embedding))
    assert embedding.details.family == "bert"


def test_a_second_call_costs_next_to_nothing(installed):
    start = time.monotonic()

    lines = list(install_starters(installed))

    assert [line.status for line in lines] == ["success"]
    assert time.monotonic() - start < 0.5


def test_a_missing_blob_is_put_back(installed, files):
    installed.find(CHAT_NAME).model_path.unlink()

    list(install_starters(installed, files))

    assert installed.find(CHAT_NAME).is_readable


def test_a_changed_source_is_refused(files, tmp_path, library):
    changed = tmp_path / "chat.gguf"
    changed.write_bytes(b"GGUF but another one")

    with pytest.raises(LibraryError, match="not the file that was tested"):
        list(install_starters(library, StarterFiles(changed, files.embedding_folder)))

    assert library.entries() == []


def test_conversion_gives_the_same_bytes_each_time(files, tmp_path):
    for name in ("a", "b"):
        convert(files.embedding_folder, tmp_path / name, file_type="q8_0")

    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


@pytest.mark.parametrize(("dtype", "kind"), [("f32", "F32"), ("f16", "F16"), ("q8_0", "Q8_0")])
def test_only_matrices_take_the_wanted_type(files, tmp_path, dtype, kind):
    convert(files.embedding_folder, tmp_path / "m.gguf", file_type=dtype)

    header = read_header(tmp_path / "m.gguf", max_items=0)
    types = {tensor.name: tensor.type_name for tensor in header.tensors}
    assert types["token_embd.weight"] == types["blk.0.attn_q.weight"] == kind
    assert types["position_embd.weight"] == types["token_types.weight"] == "F32"
    assert types["blk.0.attn_q.bias"] == "F32"
    assert header.file_type_name == kind
    assert header.metadata["bert.context_length"] == 512
    assert header.metadata["bert.attention.causal"] is False


@pytest.mark.parametrize(
    ("file", "text", "message"),
    [
        ("config.json", '{"model_type": "gpt2"}', "model_type 'gpt2'"),
        ("config.json", "no json", "is not JSON"),
        ("1_Pooling/config.json", '{"pooling_mode_max_tokens": true}', "pooling"),
        ("model.safetensors", "no tensors", "safetensors"),
    ],
)
def test_a_folder_that_is_no_such_model_is_refused(files, tmp_path, file, text, message):
    folder = tmp_path / "model"
    folder.mkdir()
    for path in files.embedding_folder.rglob("*"):
        target = folder / path.relative_to(files.embedding_folder)
        if path.is_dir():
            target.mkdir()
        elif path.name == "model.safetensors":
            target.symlink_to(path)
        else:
            shutil.copy(path, target)
    (folder / file).unlink()
    (folder / file).write_text(text, encoding="utf-8")

    with pytest.raises(RequestError, match=message):
        convert(folder, tmp_path / "m.gguf")
