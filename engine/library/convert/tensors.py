"""A folder with safetensors files in, float32 arrays by name out; reads disk, trusts no header.

Source: the format as huggingface/safetensors describes it (README, "Format").
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeGuard

import numpy as np
from numpy.typing import NDArray

from engine.errors import RequestError
from engine.library.convert.folder import inside, read_object
from engine.types import Json

Floats = NDArray[np.float32]

_LENGTH_BYTES = 8
_MAX_HEADER_BYTES = 100 * 1024 * 1024  # the limit of the reference implementation
_MAX_DIMENSIONS = 8
_MAX_FILES = 10_000
_BLOCK_VALUES = 1 << 22  # read at a time: 16 MB as float32
_ITEM_BYTES = {
    "F64": 8, "F32": 4, "F16": 2, "BF16": 2,
    "I64": 8, "I32": 4, "I16": 2, "I8": 1, "U64": 8, "U32": 4, "U16": 2, "U8": 1, "BOOL": 1,
    "F8_E4M3": 1, "F8_E5M2": 1, "C64": 8,
}  # fmt: skip
_READ_AS = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "<u2"}
_PICKLED = ("pytorch_model*.bin", "*.pt", "*.pth", "adapter_model.bin", "consolidated.*.pth")


@dataclass(frozen=True, slots=True)
class Stored:
    """Where one tensor lies.

    Invariant: it lies inside the file, overlaps no other and has the size its shape wants.
    """

    name: str
    path: Path
    kind: str  # F32, BF16, ...
    shape: tuple[int, ...]
    start: int  # in bytes of the file

    def read(self) -> Floats:
        """Read all values as float32; raises as `blocks` does."""
        return self._read(0, math.prod(self.shape)).reshape(self.shape)

    def blocks(self, skips: int = 0) -> Iterator[Floats]:
        """Read the values as float32, some rows at a time.

        Args:
            skips: leading rows that are left out.

        Raises:
            RequestError: the values are no floating-point numbers, or the file became shorter.
        """
        n_rows, width = (self.shape or (1,))[0], math.prod(self.shape[1:])
        step = max(1, _BLOCK_VALUES // max(1, width))
        for first in range(skips, n_rows, step):
            n_here = min(step, n_rows - first)
            values = self._read(first * width, n_here * width)
            yield values.reshape(n_here, *self.shape[1:])

    def _read(self, first: int, count: int) -> Floats:
        if self.kind not in _READ_AS:
            raise RequestError(
                f"{self.path.name}: {self.name} is stored as {self.kind}; "
                f"{', '.join(_READ_AS)} can be converted"
            )
        start = self.start + first * _ITEM_BYTES[self.kind]
        try:
            raw = np.fromfile(self.path, _READ_AS[self.kind], count, offset=start)
        except OSError as error:
            raise RequestError(f"cannot read {self.path.name}: {error}") from error
        if raw.size != count:
            raise RequestError(f"{self.path.name} ends inside of {self.name}")
        if self.kind == "BF16":  # the upper half of a float32
            return (raw.astype(np.uint32) << 16).view(np.float32)
        return raw.astype(np.float32, copy=False)


def open_tensors(folder: Path, stem: str = "model") -> Mapping[str, Stored]:
    """List the tensors of all safetensors files, without reading them.

    Args:
        stem: of the file's name, as in model.safetensors or model.safetensors.index.json.

    Raises:
        RequestError: no such files, a damaged one, or a name that leads out of the folder.
    """
    found: dict[str, Stored] = {}
    for path in _files(folder, stem):
        for tensor in read_file(path):
            if tensor.name in found:
                raise RequestError(
                    f"the tensor {tensor.name} is in {found[tensor.name].path.name} and in "
                    f"{path.name}; each must be there once"
                )
            found[tensor.name] = tensor
    return found


def _files(folder: Path, stem: str) -> list[Path]:
    index = folder / f"{stem}.safetensors.index.json"
    single = folder / f"{stem}.safetensors"
    if single.is_file():
        return [single]
    if not index.is_file():
        raise RequestError(_nothing_found(folder, single.name))
    places = read_object(index).get("weight_map")
    if not isinstance(places, dict) or not places:
        raise RequestError(f"{index.name}: weight_map is missing or empty")
    names = sorted({str(name) for name in places.values()})
    if len(names) > _MAX_FILES:
        raise RequestError(f"{index.name} names {len(names):,} files; at most {_MAX_FILES:,}")
    paths = [inside(folder, name) for name in names]
    for path in paths:
        if not path.is_file():
            raise RequestError(f"{index.name} names {path.name}, which is not there")
    return paths


def _nothing_found(folder: Path, wanted: str) -> str:
    for pattern in _PICKLED:
        for path in sorted(folder.glob(pattern)):
            return (
                f"{path.name} is a PyTorch pickle, which can run code when it is opened and is "
                "therefore not read; save the model as safetensors first "
                "(model.save_pretrained(folder, safe_serialization=True))"
            )
    return f"{wanted} is missing, and no {wanted}.index.json names other files"


def read_file(path: Path) -> Iterator[Stored]:
    """List the tensors of one file.

    Raises:
        RequestError: the file is damaged; the message says where.
    """
    header, start, size = _header(path)
    tensors = [
        _tensor(path, name, entry, (start, size))
        for name, entry in header.items()
        if name != "__metadata__"
    ]
    end, before = 0, ""
    for tensor, first, last in sorted(tensors, key=lambda one: (one[1], one[2])):
        if first < end:
            raise RequestError(f"{path.name}: the tensors {before} and {tensor.name} overlap")
        end, before = last, tensor.name
        yield tensor


def _header(path: Path) -> tuple[Json, int, int]:
    """Read the header; return it, where the data start and how long they are."""
    try:
        with path.open("rb") as file:
            size = path.stat().st_size
            length = int.from_bytes(file.read(_LENGTH_BYTES), "little")
            if size < _LENGTH_BYTES or not 2 <= length <= size - _LENGTH_BYTES:
                raise RequestError(
                    f"{path.name} is damaged: its header says {length:,} bytes, the file has "
                    f"{size:,}"
                )
            if length > _MAX_HEADER_BYTES:
                raise RequestError(
                    f"{path.name}: a header of {length:,} bytes; at most {_MAX_HEADER_BYTES:,}"
                )
            text = file.read(length)
    except OSError as error:
        raise RequestError(f"cannot read {path.name}: {error.strerror or error}") from error
    try:
        header = json.loads(text, object_pairs_hook=_no_repeats)
    except (ValueError, RecursionError) as error:
        raise RequestError(f"{path.name} is damaged: its header is not JSON: {error}") from error
    if not isinstance(header, dict):
        raise RequestError(f"{path.name} is damaged: its header is not a JSON object")
    start = _LENGTH_BYTES + length
    return header, start, size - start


def _no_repeats(pairs: list[tuple[str, object]]) -> Json:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name stands in it twice")
    return found


def _tensor(path: Path, name: str, entry: object, data: tuple[int, int]) -> tuple[Stored, int, int]:
    def refuse(why: str) -> RequestError:
        return RequestError(f"{path.name}: tensor {name!r}: {why}")

    if not isinstance(entry, dict):
        raise refuse("its entry is not a JSON object")
    kind, shape, offsets = (entry.get(key) for key in ("dtype", "shape", "data_offsets"))
    if not isinstance(kind, str) or kind not in _ITEM_BYTES:
        raise refuse(f"unknown dtype {kind!r}")
    if not _are_sizes(shape) or len(shape) > _MAX_DIMENSIONS:
        raise refuse(f"{shape!r} is not a shape")
    if not _are_sizes(offsets) or len(offsets) != 2:
        raise refuse(f"{offsets!r} are not data_offsets")
    first, last = offsets
    start, size = data
    if not first <= last <= size:
        raise refuse(f"data_offsets {first:,} to {last:,} lie outside of {size:,} bytes of data")
    if math.prod(shape) * _ITEM_BYTES[kind] != last - first:
        raise refuse(f"{kind} of shape {shape} does not fill {last - first:,} bytes")
    return Stored(name, path, kind, tuple(shape), start + first), first, last


def _are_sizes(value: object) -> TypeGuard[list[int]]:
    return isinstance(value, list) and all(
        isinstance(one, int) and not isinstance(one, bool) and one >= 0 for one in value
    )
