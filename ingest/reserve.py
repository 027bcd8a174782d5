"""The folder of a vector index in, its unused rows zeroed; touches files.

When hnswlib makes its files it writes the room for rows to come as it got it from the allocator:
memory of this process, in which texts have lain. Later it writes nothing but rows in use, so that
zeros, once there, stay. Nobody may add, delete or search meanwhile.

Source: `initPersistentIndex` and `persistHeader` of https://github.com/chroma-core/hnswlib
"""

from __future__ import annotations

import os
import struct
from pathlib import Path

_HEADER = struct.Struct("<iQQQQ")  # version, first level's place, room, rows, bytes of a row
_VERSION = 1
_LENGTH_BYTES = 4  # of one row in length.bin


def clear_reserve(folder: Path) -> int:
    """Zero what lies behind the rows in use, in every index below a folder; count bytes."""
    n_cleared = 0
    for header in folder.rglob("header.bin"):
        data = header.read_bytes()
        if len(data) < _HEADER.size:
            continue
        version, _, room, rows, row_bytes = _HEADER.unpack_from(data)
        if version != _VERSION or rows > room:
            continue  # torn, or of another library: whoever opens it finds out
        for name, n_bytes in (("data_level0.bin", row_bytes), ("length.bin", _LENGTH_BYTES)):
            n_cleared += _clear(header.with_name(name), rows * n_bytes, room * n_bytes)
    return n_cleared


def _clear(path: Path, keep: int, whole: int) -> int:
    """Let a file end after so many bytes, then make it as long as it was: that part is zeros.

    A crash between the two leaves a file that ends after its rows: it gets its room back.
    """
    size = path.stat().st_size if path.is_file() else -1
    if size < keep or size == whole == keep:
        return 0
    with path.open("r+b") as file:
        file.truncate(keep)
        file.truncate(max(size, whole))
        os.fsync(file.fileno())
    return size - keep
