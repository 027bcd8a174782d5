"""Vectors in, their bytes in the catalogue out, and back; pure.

Half precision: a vector of 768 dimensions takes 1.5 KB, five of them fit into a page of 8 KB.
Cosines change by less than 2e-4. One more byte makes the length odd, which tells such a vector from
one of an older version, in single precision.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ingest.types import Vectors

_HALF = b"h"


def pack(vectors: Vectors) -> list[bytes]:
    """Write each row as little-endian half precision."""
    return [row.tobytes() + _HALF for row in vectors.astype("<f2")]


def unpack(rows: Sequence[bytes]) -> Vectors:
    """Read rows of one length of vector back, in either precision; their length is 1 again.

    Raises:
        ValueError: the rows have different numbers of dimensions.
    """
    if not rows:
        return np.zeros((0, 0), np.float32)
    vectors = [_row(one) for one in rows]
    sizes = {len(one) for one in vectors}
    if len(sizes) > 1:
        raise ValueError(f"stored vectors have {sorted(sizes)} dimensions: run `quire reindex`")
    found = np.stack(vectors)
    lengths = np.linalg.norm(found, axis=1, keepdims=True)
    return np.asarray(found / np.where(lengths > 0, lengths, 1), np.float32)


def _row(data: bytes) -> Vectors:
    if len(data) % 2:
        return np.frombuffer(data, "<f2", count=len(data) // 2).astype(np.float32)
    return np.frombuffer(data, "<f4").astype(np.float32, copy=False)
