"""The parts of a split GGUF file become one whole file."""

from __future__ import annotations

import gguf
import numpy as np
import pytest

from engine.errors import GgufError
from engine.library.blobs import file_chunks
from engine.library.create import create
from engine.library.gguf import read_header
from engine.types import CreateRequest
from tests.engine.library.tiny_llama import tensors, write_split


def upload(library, paths):
    return {path.name: library.add_blob(file_chunks(path))[0] for path in paths}


def test_parts_are_merged_whatever_their_order(library, tmp_path):
    files = upload(library, reversed(write_split(tmp_path)))

    list(create(library, CreateRequest("m", files=files)))

    entry = library.find("m")
    header = read_header(entry.model_path)
    assert entry.is_readable
    assert not any(key.startswith("split.") for key in header.metadata)
    assert header.metadata["llama.context_length"] == 128
    assert len(header.metadata["tokenizer.ggml.tokens"]) == 261
    assert [layer.kind for layer in library.manifest_layers("m")] == ["model"]
    expected = dict(tensors())
    found = {one.name: one.data for one in gguf.GGUFReader(entry.model_path).tensors}
    assert found.keys() == expected.keys()
    assert all(np.array_equal(found[name], expected[name]) for name in expected)


def test_one_part_is_one_whole_file(library, tmp_path):
    files = upload(library, write_split(tmp_path, n_parts=1))

    list(create(library, CreateRequest("m", files=files)))

    assert library.find("m").model_digest == next(iter(files.values()))


def test_a_missing_part_is_named(library, tmp_path):
    first, _, third = write_split(tmp_path)

    with pytest.raises(GgufError, match="one of 3 parts; missing: part 2"):
        list(create(library, CreateRequest("m", files=upload(library, [first, third]))))


def test_parts_of_different_models_are_told_apart(library, tmp_path):
    (tmp_path / "other").mkdir()
    first, second, _ = write_split(tmp_path)
    files = upload(library, [first, second])
    files["model-00003-of-00003.gguf"] = files[second.name]

    with pytest.raises(GgufError, match="are not parts of one split model"):
        list(create(library, CreateRequest("m", files=files)))


def test_parts_must_hold_as_many_tensors_as_announced(library, tmp_path):
    files = upload(library, write_split(tmp_path, counts=99))

    with pytest.raises(GgufError, match="99 are announced"):
        list(create(library, CreateRequest("m", files=files)))


def write_counted(path, count):
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_uint64("split.count", count)
    writer.add_tensor("token_embd.weight", np.ones((4, 32), np.float16))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def test_a_file_that_llama_cpp_has_merged_is_whole(library, tmp_path):
    files = upload(library, [write_counted(tmp_path / "m.gguf", 0)])

    list(create(library, CreateRequest("m", files=files)))

    assert library.find("m").model_digest == next(iter(files.values()))


def test_an_absurd_count_of_parts_is_refused_at_once(library, tmp_path):
    files = upload(library, [write_counted(tmp_path / "m.gguf", 1 << 63)])

    with pytest.raises(GgufError, match="missing: part 2, 3, 4, 5, 6, 7, 8, 9, 10, 11$"):
        list(create(library, CreateRequest("m", files=files)))
