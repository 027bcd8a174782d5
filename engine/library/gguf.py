"""A GGUF file's path in, what its header says out; reads the head of the file, never trusts it."""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from engine.errors import GgufError
from engine.library.gguf_types import FILE_TYPES, SCALARS, TENSOR_TYPES

_MAX_HEADER_BYTES = 128 * 1024 * 1024
_MAX_ITEMS = 4_194_304  # of one array; the largest vocabularies have 300,000
_MAX_KEYS = 65_536
_MAX_TENSORS = 1_048_576
_MAX_KEY_BYTES = 65_535  # by the specification
_MAX_TENSOR_NAME_BYTES = 1024
_MAX_DIMENSIONS = 4
_STRING, _ARRAY, _BOOL = 8, 9, 7
_FIRST_READ_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class TensorInfo:
    """One tensor as the header describes it."""

    name: str
    shape: tuple[int, ...]  # as GGUF orders it: fastest running dimension first
    type_name: str  # e.g. Q4_K
    n_elements: int


@dataclass(frozen=True, slots=True)
class Header:
    """What a GGUF file says about itself.

    Invariant: every tensor lies inside the file, so a truncated file has no Header.
    """

    version: int
    metadata: Mapping[str, object]  # int, float, bool, str or list of one of these
    tensors: tuple[TensorInfo, ...]

    @property
    def n_parameters(self) -> int:
        """Count the elements of all tensors."""
        return sum(tensor.n_elements for tensor in self.tensors)

    @property
    def architecture(self) -> str:
        """Give `general.architecture`, or an empty text."""
        value = self.metadata.get("general.architecture")
        return value if isinstance(value, str) else ""

    @property
    def file_type_name(self) -> str:
        """Name the quantization of the whole file, in Ollama's words (Q4_K_M, F16, ...)."""
        value = self.metadata.get("general.file_type")
        if isinstance(value, int) and value in FILE_TYPES:
            return FILE_TYPES[value]
        matrices = [tensor for tensor in self.tensors if len(tensor.shape) > 1]
        n_by_type: dict[str, int] = {}
        for tensor in matrices:
            n_by_type[tensor.type_name] = n_by_type.get(tensor.type_name, 0) + tensor.n_elements
        return max(n_by_type, key=lambda name: n_by_type[name]) if n_by_type else "unknown"


def read_header(path: Path, *, max_items: int | None = None) -> Header:
    """Read metadata and tensor list of a GGUF file.

    Args:
        max_items: arrays longer than this are passed over and stand in `metadata` as None;
            vocabularies are long, and most readers do not want them.

    Raises:
        GgufError: not a GGUF file, damaged, truncated, or of a kind that cannot be loaded.
    """
    try:
        with path.open("rb") as file:
            return _read(_Cursor(file, path.stat().st_size), max_items)
    except OSError as error:
        raise GgufError(f"cannot read {path.name}: {error.strerror or error}") from error


class _Cursor:
    """A place in the file's head; every step is checked against the file's size."""

    def __init__(self, file: BinaryIO, size: int) -> None:
        self.file, self.size = file, size
        self.data = file.read(min(size, _FIRST_READ_BYTES))
        self.at = 0

    def need(self, n_bytes: int) -> None:
        """Have the next bytes in memory."""
        end = self.at + n_bytes
        if end <= len(self.data):
            return
        if end > self.size:
            raise GgufError(f"file ends at byte {self.size:,}, its header goes on to {end:,}")
        if end > _MAX_HEADER_BYTES:
            raise GgufError(f"header is longer than {_MAX_HEADER_BYTES:,} bytes")
        self.data += self.file.read(max(end, 2 * len(self.data)) - len(self.data))
        if end > len(self.data):
            raise GgufError("file became shorter while it was read")

    def number(self, code: str) -> int | float | bool:
        """Take one number, little-endian, of a struct code."""
        n_bytes = struct.calcsize("<" + code)
        self.need(n_bytes)
        (value,) = struct.unpack_from("<" + code, self.data, self.at)
        self.at += n_bytes
        return bool(value) if code == "?" else value

    def count(self, code: str, limit: int, what: str) -> int:
        """Take an unsigned number that must not pass a limit."""
        value = int(self.number(code))
        if value > limit:
            raise GgufError(f"{what} is {value:,}; at most {limit:,} can be right")
        return value

    def text(self, limit: int, what: str) -> str:
        """Take a string of at most `limit` bytes."""
        n_bytes = self.count("Q", min(limit, self.size), f"length of {what}")
        self.need(n_bytes)
        raw = self.data[self.at : self.at + n_bytes]
        self.at += n_bytes
        return raw.decode("utf-8", errors="replace")


def _read(cursor: _Cursor, max_items: int | None) -> Header:
    if cursor.size < 24 or cursor.data[:4] != b"GGUF":
        raise GgufError("not a GGUF file: it does not begin with GGUF")
    cursor.at = 4
    version = int(cursor.number("I"))
    if version not in {2, 3}:
        hint = "big-endian" if version in {2 << 24, 3 << 24} else f"version {version}"
        raise GgufError(f"GGUF file is {hint}; only little-endian versions 2 and 3 can be used")
    n_tensors = cursor.count("Q", _MAX_TENSORS, "number of tensors")
    n_keys = cursor.count("Q", _MAX_KEYS, "number of metadata keys")
    metadata = _metadata(cursor, n_keys, max_items)
    tensors, end_bytes = _tensors(cursor, n_tensors)
    alignment = metadata.get("general.alignment", 32)
    if not isinstance(alignment, int) or alignment < 1 or alignment & (alignment - 1):
        raise GgufError(f"general.alignment is {alignment!r}; a power of two is needed")
    start = (cursor.at + alignment - 1) // alignment * alignment
    if tensors and start + end_bytes > cursor.size:
        raise GgufError(
            f"file is truncated: {cursor.size:,} bytes, its tensors need {start + end_bytes:,}"
        )
    return Header(version, metadata, tensors)


def _metadata(cursor: _Cursor, n_keys: int, max_items: int | None) -> dict[str, object]:
    metadata: dict[str, object] = {}
    for _ in range(n_keys):
        key = cursor.text(_MAX_KEY_BYTES, "a metadata key")
        if key in metadata:
            raise GgufError(f"metadata key {key!r} stands twice")
        metadata[key] = _value(cursor, key, max_items)
    return metadata


def _value(cursor: _Cursor, key: str, max_items: int | None) -> object:
    kind = int(cursor.number("I"))
    if kind == _STRING:
        return cursor.text(_MAX_HEADER_BYTES, key)
    if kind == _ARRAY:
        return _array(cursor, key, max_items)
    if kind not in SCALARS:
        raise GgufError(f"metadata key {key!r} has the unknown type {kind}")
    return cursor.number(SCALARS[kind])


def _array(cursor: _Cursor, key: str, max_items: int | None) -> list[object] | None:
    kind = int(cursor.number("I"))
    # A string needs 8 bytes for its length, anything else at least 1.
    limit = min(_MAX_ITEMS, cursor.size // (8 if kind == _STRING else 1))
    n_items = cursor.count("Q", limit, f"length of {key}")
    is_kept = max_items is None or n_items <= max_items
    if kind == _STRING:
        return _strings(cursor, n_items, key, is_kept=is_kept)
    if kind not in SCALARS:
        raise GgufError(f"metadata key {key!r} is an array of the unusable type {kind}")
    code = SCALARS[kind]
    n_bytes = n_items * struct.calcsize("<" + code)
    cursor.need(n_bytes)
    start, cursor.at = cursor.at, cursor.at + n_bytes
    if not is_kept:
        return None
    return list(struct.unpack_from(f"<{n_items}{code}", cursor.data, start))


def _strings(cursor: _Cursor, n_items: int, key: str, *, is_kept: bool) -> list[object] | None:
    # Vocabularies have up to 300,000 entries: this loop is written for speed.
    lengths = struct.Struct("<Q")
    items: list[object] = []
    for _ in range(n_items):
        if cursor.at + 8 > len(cursor.data):
            cursor.need(8)
        (n_bytes,) = lengths.unpack_from(cursor.data, cursor.at)
        start = cursor.at + 8
        end = start + n_bytes
        if end > len(cursor.data):
            cursor.need(8 + n_bytes)
        if is_kept:
            items.append(cursor.data[start:end].decode("utf-8", errors="replace"))
        cursor.at = end
    return items if is_kept else None


def _tensors(cursor: _Cursor, n_tensors: int) -> tuple[tuple[TensorInfo, ...], int]:
    """Take the tensor list; also give where the last one ends, from the start of the data."""
    tensors: dict[str, TensorInfo] = {}
    last_end = 0
    for _ in range(n_tensors):
        name = cursor.text(_MAX_TENSOR_NAME_BYTES, "a tensor name")
        if name in tensors:
            raise GgufError(f"tensor {name!r} stands twice")
        n_dimensions = cursor.count("I", _MAX_DIMENSIONS, f"dimensions of {name}")
        shape = tuple(int(cursor.number("Q")) for _ in range(n_dimensions))
        kind, offset = int(cursor.number("I")), int(cursor.number("Q"))
        if kind not in TENSOR_TYPES:
            raise GgufError(f"tensor {name!r} has the unknown type {kind}")
        type_name, block, block_bytes = TENSOR_TYPES[kind]
        n_elements = math.prod(shape)
        if not 0 < n_elements < 1 << 62 or shape[:1] and shape[0] % block:
            raise GgufError(f"tensor {name!r} of type {type_name} cannot have the shape {shape}")
        tensors[name] = TensorInfo(name, shape, type_name, n_elements)
        last_end = max(last_end, offset + n_elements // block * block_bytes)
    return tuple(tensors.values()), last_end
