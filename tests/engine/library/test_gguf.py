"""A good GGUF header is read; a damaged one is an error, never a crash or a long wait."""

from __future__ import annotations

import struct

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.errors import GgufError
from engine.library.gguf import read_header


def text(value):
    raw = value.encode()
    return struct.pack("<Q", len(raw)) + raw


def pair(key, kind, value):
    return text(key) + struct.pack("<I", kind) + value


def build(pairs=(), tensors=(), *, version=3, n_pairs=None, n_tensors=None, data=b""):
    head = b"GGUF" + struct.pack(
        "<IQQ",
        version,
        len(tensors) if n_tensors is None else n_tensors,
        len(pairs) if n_pairs is None else n_pairs,
    )
    return head + b"".join(pairs) + b"".join(tensors) + data


def tensor(name="t", shape=(32,), kind=0, offset=0):
    dimensions = struct.pack(f"<I{len(shape)}Q", len(shape), *shape)
    return text(name) + dimensions + struct.pack("<IQ", kind, offset)


def test_metadata_and_tensors_are_read(make_gguf):
    header = read_header(make_gguf(general__name="a tiny one"))

    assert header.architecture == "llama"
    assert header.metadata["general.name"] == "a tiny one"
    assert header.metadata["tokenizer.ggml.tokens"] == [f"token{n}" for n in range(20)]
    assert [(t.name, t.shape, t.type_name) for t in header.tensors] == [
        ("token_embd.weight", (32, 20), "F16"),
        ("output_norm.weight", (32,), "F32"),
    ]
    assert (header.n_parameters, header.file_type_name) == (672, "F16")


def test_long_arrays_can_be_passed_over(make_gguf):
    header = read_header(make_gguf(general__name="x"), max_items=5)

    assert header.metadata["tokenizer.ggml.tokens"] is None
    assert header.metadata["general.name"] == "x"


def test_without_a_file_type_the_largest_share_names_it(tmp_path):
    path = tmp_path / "m.gguf"
    path.write_bytes(build(tensors=[tensor(shape=(32, 32), kind=8)], data=b"\0" * 2048))

    assert read_header(path).file_type_name == "Q8_0"


HUGE = 1 << 62
DAMAGED = {
    "empty": b"",
    "other file": b"PK\x03\x04" + b"\0" * 40,
    "version 1": build(version=1),
    "big-endian": build(version=3 << 24),
    "huge number of keys": build(n_pairs=HUGE),
    "huge number of tensors": build(n_tensors=HUGE),
    "keys missing": build(n_pairs=3),
    "huge key": build([struct.pack("<Q", HUGE)], n_pairs=1),
    "huge string": build([pair("k", 8, struct.pack("<Q", HUGE))]),
    "huge array": build([pair("k", 9, struct.pack("<IQ", 4, HUGE))]),
    "huge array of strings": build([pair("k", 9, struct.pack("<IQ", 8, HUGE))]),
    "huge string in an array": build([pair("k", 9, struct.pack("<IQQ", 8, 1, HUGE))]),
    "array of arrays": build([pair("k", 9, struct.pack("<IQ", 9, 1) + b"\0" * 64)]),
    "unknown type": build([pair("k", 77, b"\0" * 64)]),
    "key twice": build([pair("k", 4, b"\0" * 4)] * 2),
    "bad alignment": build([pair("general.alignment", 4, struct.pack("<I", 3))]),
    "zero alignment": build([pair("general.alignment", 4, struct.pack("<I", 0))]),
    "tensor twice": build(tensors=[tensor(), tensor()], data=b"\0" * 999),
    "tensor of unknown type": build(tensors=[tensor(kind=99)], data=b"\0" * 999),
    "tensor past the end": build(tensors=[tensor(offset=HUGE)], data=b"\0" * 999),
    "tensor too large": build(tensors=[tensor(shape=(HUGE, HUGE))], data=b"\0" * 999),
    "tensor of no size": build(tensors=[tensor(shape=(0,))], data=b"\0" * 999),
    "tensor of broken blocks": build(tensors=[tensor(shape=(31,), kind=8)], data=b"\0" * 999),
    "tensor of many dimensions": build(tensors=[tensor(shape=(1,) * 9)], data=b"\0" * 999),
    "truncated": build(tensors=[tensor(shape=(1024,))], data=b"\0" * 999),
}


@pytest.mark.parametrize("raw", DAMAGED.values(), ids=DAMAGED.keys())
def test_damage_is_an_error(tmp_path, raw):
    path = tmp_path / "damaged.gguf"
    path.write_bytes(raw)

    with pytest.raises(GgufError):
        read_header(path)


def test_a_missing_file_is_an_error(tmp_path):
    with pytest.raises(GgufError, match=r"cannot read none\.gguf"):
        read_header(tmp_path / "none.gguf")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.integers(0, 1400), st.binary(min_size=1, max_size=9))
def test_any_change_of_bytes_is_read_or_refused(make_gguf, at, change):
    path = make_gguf("fuzzed.gguf")
    raw = bytearray(path.read_bytes())
    raw[at : at + len(change)] = change
    path.write_bytes(raw)

    try:
        header = read_header(path)
    except GgufError:
        return
    assert header.n_parameters >= 0


def test_an_array_longer_than_any_vocabulary_is_refused(tmp_path):
    path = tmp_path / "long.gguf"
    path.write_bytes(build([pair("k", 9, struct.pack("<IQ", 0, 5_000_000))]))
    with path.open("r+b") as file:
        file.truncate(6_000_000)

    with pytest.raises(GgufError, match="length of k is 5,000,000"):
        read_header(path)
