"""A precompiled map of characters in, an error if llama.cpp could fail on it; pure.

llama.cpp walks the map while it tokenizes and throws where an index leads out of it, which ends the
process. So every place that can be reached is looked at here, once.

Source: `xcda_array_view` and `normalize_prefix` in llama.cpp's src/llama-vocab.cpp.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from engine.errors import RequestError

_LENGTH_BYTES = 4
_SLICE = 4096  # places looked at together
_Units = NDArray[np.uint32]


def check_charsmap(data: bytes) -> None:
    """Walk the whole map.

    Raises:
        RequestError: a step leads out of it, or a replacement has no end.
    """
    size = int.from_bytes(data[:_LENGTH_BYTES], "little")
    end = _LENGTH_BYTES + size
    if len(data) < _LENGTH_BYTES or size % 4 or size == 0 or end >= len(data):
        raise _refusal("its length is wrong")
    units = np.frombuffer(data[_LENGTH_BYTES:end], "<u4")
    last_end = data.rfind(b"\0") - end  # the last place at which a replacement ends
    seen = np.zeros(len(units), dtype=bool)
    bases = _base(units[:1])
    while bases.size:
        if int((bases | 255).max()) >= len(units):
            raise _refusal("a step leads out of it")
        slices = range(0, bases.size, _SLICE)
        nodes = np.unique(
            np.concatenate([_children(units, bases[at : at + _SLICE]) for at in slices])
        )
        nodes = nodes[~seen[nodes]]
        seen[nodes] = True
        found = units[nodes]
        bases = nodes ^ _base(found)
        leaves = bases[(found >> 8) & 1 == 1]
        if leaves.size:
            _check_leaves(units, leaves, last_end)


def _children(units: _Units, bases: _Units) -> _Units:
    byte = np.arange(1, 256, dtype=np.uint32)
    nodes = bases[:, None] ^ byte
    found: _Units = nodes[(units[nodes] & np.uint32(0x800000FF)) == byte]
    return found


def _check_leaves(units: _Units, places: _Units, last_end: int) -> None:
    if int(places.max()) >= len(units):
        raise _refusal("a step leads out of it")
    values = units[places] & np.uint32(0x7FFFFFFF)
    if int(values.max()) > last_end:
        raise _refusal("a replacement has no end")


def _base(units: _Units) -> _Units:
    return ((units >> 10) << ((units & np.uint32(1 << 9)) >> 6)).astype(np.uint32)


def _refusal(why: str) -> RequestError:
    return RequestError(f"the tokenizer's precompiled_charsmap is damaged: {why}")
