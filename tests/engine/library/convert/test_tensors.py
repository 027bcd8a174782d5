"""Safetensors files are read as the reference reads them, and damaged ones are refused."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import save_file

from engine.errors import RequestError
from engine.library.convert import tensors
from engine.library.convert.tensors import open_tensors, read_file

ONE = {"a": {"dtype": "F32", "shape": [2, 2], "data_offsets": [0, 16]}}


def write(path, header, data=bytes(16)):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + data)
    return path


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_numbers_come_out_as_they_went_in(dtype, tmp_path):
    values = np.linspace(-3, 3, 12).astype(dtype).reshape(3, 4)
    save_file({"a": values, "b": values[0]}, tmp_path / "model.safetensors")

    found = open_tensors(tmp_path)

    assert found["a"].shape == (3, 4)
    assert np.array_equal(found["a"].read(), values.astype(np.float32))
    assert np.array_equal(found["b"].read(), values[0].astype(np.float32))


def test_bf16_is_the_upper_half_of_a_float(tmp_path):
    import torch
    from safetensors.torch import save_file as save_torch

    values = torch.randn(5, 7).bfloat16()
    save_torch({"a": values}, tmp_path / "model.safetensors")

    found = open_tensors(tmp_path)["a"].read()

    assert np.array_equal(found, values.float().numpy())


def test_an_index_joins_several_files(tmp_path):
    save_file({"a": np.ones(3, np.float32)}, tmp_path / "one.safetensors")
    save_file({"b": np.ones(4, np.float32)}, tmp_path / "two.safetensors")
    index = {"weight_map": {"a": "one.safetensors", "b": "two.safetensors"}}
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps(index))

    assert {name: one.shape for name, one in open_tensors(tmp_path).items()} == {
        "a": (3,),
        "b": (4,),
    }


@pytest.mark.parametrize(
    ("index", "message"),
    [
        ({"weight_map": {"a": "../secret.safetensors"}}, "leads out of the model's folder"),
        ({"weight_map": {"a": "/etc/passwd"}}, "leads out of the model's folder"),
        ({"weight_map": {"a": "..\\secret"}}, "leads out of the model's folder"),
        ({"weight_map": {"a": "C:\\secret"}}, "leads out of the model's folder"),
        ({"weight_map": {"a": "gone.safetensors"}}, "names gone.safetensors, which is not there"),
        ({"weight_map": {}}, "weight_map is missing or empty"),
        ([], "is not a JSON object"),
    ],
)
def test_an_index_names_only_files_beside_it(index, message, tmp_path):
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps(index))

    with pytest.raises(RequestError, match=message.replace("\\", "\\\\")):
        open_tensors(tmp_path)


def test_a_tensor_that_two_files_hold_is_refused(tmp_path):
    for name in ("one", "two"):
        save_file({"a": np.ones(3, np.float32)}, tmp_path / f"{name}.safetensors")
    index = {"weight_map": {"a": "one.safetensors", "b": "two.safetensors"}}
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps(index))

    with pytest.raises(RequestError, match=r"a is in one.safetensors and in two.safetensors"):
        open_tensors(tmp_path)


@pytest.mark.parametrize("name", ["pytorch_model.bin", "pytorch_model-00001-of-00002.bin"])
def test_a_pickle_is_not_opened_and_the_way_out_is_named(name, tmp_path):
    (tmp_path / name).write_bytes(b"\x80\x02never read")

    with pytest.raises(RequestError, match=r"pickle.*save the model as safetensors first"):
        open_tensors(tmp_path)


def test_a_folder_without_weights_says_what_is_missing(tmp_path):
    with pytest.raises(RequestError, match="model.safetensors is missing"):
        open_tensors(tmp_path)


@pytest.mark.parametrize(
    ("header", "message"),
    [
        (b"no json", "its header is not JSON"),
        (b"[]" + b" " * 8, "not a JSON object"),
        (b'{"a": {}, "a": {}}', "a name stands in it twice"),
        (b'{"a":' * 20_000, "its header is not JSON"),
        ({"a": []}, "its entry is not a JSON object"),
        ({"a": {**ONE["a"], "dtype": "F33"}}, "unknown dtype 'F33'"),
        ({"a": {**ONE["a"], "dtype": ["F32"]}}, "unknown dtype"),
        ({"a": {**ONE["a"], "shape": [-2, -2]}}, "is not a shape"),
        ({"a": {**ONE["a"], "shape": [2.0, 2]}}, "is not a shape"),
        ({"a": {**ONE["a"], "shape": [1] * 9}}, "is not a shape"),
        ({"a": {**ONE["a"], "shape": [2, 3]}}, "does not fill 16 bytes"),
        ({"a": {**ONE["a"], "shape": [1 << 62, 1 << 62]}}, "does not fill 16 bytes"),
        ({"a": {**ONE["a"], "data_offsets": [0]}}, "are not data_offsets"),
        ({"a": {**ONE["a"], "data_offsets": [16, 0]}}, "lie outside"),
        ({"a": {**ONE["a"], "data_offsets": [8, 24]}}, "lie outside of 16 bytes"),
        ({**ONE, "b": ONE["a"]}, "the tensors a and b overlap"),
    ],
)
def test_a_damaged_header_is_refused(header, message, tmp_path):
    path = write(tmp_path / "model.safetensors", header)

    with pytest.raises(RequestError, match=message):
        list(read_file(path))


@pytest.mark.parametrize("data", [b"", b"\x05", (1 << 40).to_bytes(8, "little") + b"{}"])
def test_a_length_that_the_file_does_not_have_is_refused(data, tmp_path):
    path = tmp_path / "model.safetensors"
    path.write_bytes(data)

    with pytest.raises(RequestError, match="is damaged: its header says"):
        list(read_file(path))


def test_a_file_that_shrinks_while_it_is_read_is_refused(tmp_path):
    path = write(tmp_path / "model.safetensors", ONE)
    (tensor,) = read_file(path)
    path.write_bytes(path.read_bytes()[:-4])

    with pytest.raises(RequestError, match="ends inside of a"):
        tensor.read()


def test_whole_numbers_are_no_weights(tmp_path):
    save_file({"a": np.ones(3, np.int64)}, tmp_path / "model.safetensors")

    with pytest.raises(RequestError, match="a is stored as I64; F64, F32, F16, BF16 can"):
        open_tensors(tmp_path)["a"].read()


@given(data=st.data())
@settings(max_examples=200, deadline=None)
def test_any_change_of_a_byte_is_refused_or_harmless(data, tmp_path_factory):
    path = tmp_path_factory.mktemp("fuzz") / "model.safetensors"
    write(path, {**ONE, "__metadata__": {"format": "pt"}})
    raw = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 3))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(bytes(raw))

    try:
        found = list(read_file(path))
    except RequestError:
        return
    for tensor in found:
        assert tensor.start + math.prod(tensor.shape) <= len(raw)


@pytest.mark.parametrize("skips", [0, 2])
def test_a_large_tensor_comes_in_blocks_of_rows(skips, tmp_path, monkeypatch):
    values = np.arange(7 * 3, dtype=np.float32).reshape(7, 3)
    save_file({"a": values}, tmp_path / "model.safetensors")
    monkeypatch.setattr(tensors, "_BLOCK_VALUES", 7)

    blocks = list(open_tensors(tmp_path)["a"].blocks(skips))

    assert [len(block) for block in blocks[:2]] == [2, 2]
    assert np.array_equal(np.concatenate(blocks), values[skips:])
