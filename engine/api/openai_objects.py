"""Vectors and installed models in, OpenAI's objects out; pure."""

from __future__ import annotations

import base64

import numpy as np

from engine.api.frames import compact, vector_texts
from engine.errors import RequestError
from engine.library.names import parse
from engine.types import Embedded, Json, ModelEntry
from engine.virtual import VirtualEntry


def embeddings_body(model: str, embedded: Embedded, encoding: str) -> bytes:
    """Write the answer of /v1/embeddings.

    Raises:
        RequestError: a vector holds NaN or infinity.
    """
    texts = vector_texts(embedded.vectors)
    if encoding == "base64":
        little = np.ascontiguousarray(embedded.vectors, dtype="<f4")
        texts = [f'"{base64.b64encode(row.tobytes()).decode()}"' for row in little]
    rows = ",".join(
        f'{{"object":"embedding","embedding":{text},"index":{index}}}'
        for index, text in enumerate(texts)
    )
    counts = {"prompt_tokens": embedded.n_tokens, "total_tokens": embedded.n_tokens}
    tail = compact({"model": model, "usage": counts})[1:]
    return f'{{"object":"list","data":[{rows}],{tail}'.encode()


def encoding_of(wanted: str) -> str:
    """Read `encoding_format`, whatever its case.

    Raises:
        RequestError: neither float nor base64.
    """
    encoding = wanted.lower() or "float"
    if encoding not in ("float", "base64"):
        raise RequestError(
            f"Invalid value for 'encoding_format' = {wanted}. "
            "Supported values: ['float', 'base64']."
        )
    return encoding


def model_object(entry: ModelEntry) -> Json:
    """Write one model for /v1/models."""
    return {
        "id": entry.name,
        "object": "model",
        "created": int(entry.modified_at.timestamp()),
        "owned_by": parse(entry.name).namespace,
    }


def virtual_object(entry: VirtualEntry) -> Json:
    """Write one virtual model for /v1/models."""
    return {
        "id": entry.name,
        "object": "model",
        "created": int(entry.modified_at.timestamp()),
        "owned_by": entry.name.partition("/")[0],
    }
