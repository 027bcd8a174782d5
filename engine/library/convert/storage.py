"""A tensor's name and shape in, how it is stored out, and the values so stored; pure."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from engine.errors import RequestError
from engine.library.convert.tensors import Floats

if TYPE_CHECKING:
    import gguf

FileType = Literal["f32", "f16", "bf16", "q8_0"]
FILE_TYPES: tuple[FileType, ...] = ("f32", "f16", "bf16", "q8_0")
Bytes = NDArray[np.generic]

_BLOCK = 32  # values that share a scale in q8_0
# llama.cpp adds the first two to activations row by row and ends the process if they are not f32;
# the others are small and decide alone over a score or a rotation.
_ALWAYS_F32 = ("position_embd.", "token_types.", "cls.", "rope_freqs.")


def stored_type(
    name: str, shape: tuple[int, ...], wanted: FileType, *, precise: tuple[str, ...] = ()
) -> FileType:
    """Choose how to store a tensor: matrices as wanted, the rest in full.

    Args:
        precise: parts of the names of matrices that eight bits are too few for.
    """
    if len(shape) < 2 or name.startswith(_ALWAYS_F32):
        return "f32"
    if wanted == "q8_0" and (shape[-1] % _BLOCK or any(one in name for one in precise)):
        return "f16"
    return wanted


def n_bytes(shape: tuple[int, ...], kind: FileType) -> int:
    """Tell how many bytes a tensor takes."""
    count = math.prod(shape)
    return {"f32": 4 * count, "f16": 2 * count, "bf16": 2 * count, "q8_0": count // 32 * 34}[kind]


def gguf_type(kind: FileType) -> gguf.GGMLQuantizationType:
    """Give the number that GGUF has for a type."""
    import gguf

    types: dict[FileType, gguf.GGMLQuantizationType] = {
        "f32": gguf.GGMLQuantizationType.F32,
        "f16": gguf.GGMLQuantizationType.F16,
        "bf16": gguf.GGMLQuantizationType.BF16,
        "q8_0": gguf.GGMLQuantizationType.Q8_0,
    }
    return types[kind]


def file_type_number(wanted: FileType) -> int:
    """Give the number of a whole file's type (`general.file_type`)."""
    import gguf

    types = {
        "f32": gguf.LlamaFileType.ALL_F32,
        "f16": gguf.LlamaFileType.MOSTLY_F16,
        "bf16": gguf.LlamaFileType.MOSTLY_BF16,
        "q8_0": gguf.LlamaFileType.MOSTLY_Q8_0,
    }
    return int(types[wanted])


def stored(values: Floats, kind: FileType, name: str) -> Bytes:
    """Turn values into what the file holds.

    Raises:
        RequestError: a value is too large for f16.
    """
    import gguf

    if kind == "f32":
        return np.ascontiguousarray(values, dtype=np.float32)
    if kind == "f16":
        with np.errstate(over="ignore"):
            half = values.astype(np.float16)
        if np.isinf(half).any() and not np.isinf(values).any():
            raise RequestError(f"{name} has values that f16 cannot hold; convert to bf16 or f32")
        return half
    quantized: Bytes = gguf.quants.quantize(values, gguf_type(kind))
    return quantized
