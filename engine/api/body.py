"""The bytes of a request in, checked pydantic shapes out; unknown fields are ignored."""

from __future__ import annotations

import json
import re
from typing import NoReturn, TypeVar

from fastapi import Request
from pydantic import BaseModel, ValidationError

from engine.api.errors import BodyTooLargeError
from engine.errors import RequestError

T = TypeVar("T", bound=BaseModel)

MAX_BODY_BYTES = 64 << 20  # a long conversation is a few MB; blobs do not come this way
MAX_UNPACKED_BYTES = 20 << 20
MAX_DEPTH = 200  # what is nested deeper would end our own recursions, not only that of the parser
_TOO_DEEP = f"invalid JSON: nested too deeply: at most {MAX_DEPTH} levels are read"
_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")


async def read_body(request: Request, shape: type[T]) -> T:
    """Read a JSON body, whatever its content type says, into `shape`.

    Raises:
        RequestError: the body is missing, not JSON or has a field of the wrong type.
        BodyTooLargeError: more than `MAX_BODY_BYTES`.
    """
    parts: list[bytes] = []
    n_bytes = 0
    async for part in request.stream():
        n_bytes += len(part)
        if n_bytes > MAX_BODY_BYTES:
            raise BodyTooLargeError(MAX_BODY_BYTES)
        parts.append(part)
    raw = b"".join(parts)
    if request.headers.get("content-encoding", "").strip().lower() == "zstd":
        raw = unpacked(raw)
    return parse(raw, shape)


def unpacked(raw: bytes) -> bytes:
    """Decompress a zstd body, as Codex sends it; never more than `MAX_UNPACKED_BYTES`.

    Raises:
        RequestError: not zstd.
        BodyTooLargeError: it unpacks to more.
    """
    import zstandard

    try:
        with zstandard.ZstdDecompressor().stream_reader(raw) as reader:
            data = reader.read(MAX_UNPACKED_BYTES + 1)
    except zstandard.ZstdError as error:
        raise RequestError(f"the request body is not zstd as its header says: {error}") from error
    if len(data) > MAX_UNPACKED_BYTES:
        raise BodyTooLargeError(MAX_UNPACKED_BYTES)
    return data


def parse(raw: bytes, shape: type[T]) -> T:
    """Turn the bytes of a body into `shape`; null counts as absent, as in Go."""
    if not raw:
        raise RequestError("missing request body")
    value = _loads(raw)
    if value is None:
        value = {}
    if not isinstance(value, dict):
        raise RequestError(f"the request body must be a JSON object, got {_kind(value)}")
    try:
        return shape.model_validate(value)
    except ValidationError as error:
        raise RequestError(_explain(error)) from error


def _loads(raw: bytes) -> object:
    try:
        value: object = json.loads(raw.decode("utf-8", "replace"), parse_constant=_refuse_constant)
        if raw.count(b"[") + raw.count(b"{") > MAX_DEPTH and _depth(value) > MAX_DEPTH:
            raise RequestError(_TOO_DEEP)
        # Half a surrogate pair is legal in JSON but cannot be encoded again.
        return _mend(value) if _SURROGATE.search(raw) else value
    except RecursionError as error:
        raise RequestError(_TOO_DEEP) from error
    except ValueError as error:
        raise RequestError(f"invalid JSON: {error}") from error


def _depth(value: object) -> int:
    depth, level = 0, [value]
    while level:
        depth += 1
        level = [
            inner
            for one in level
            if isinstance(one, dict | list)
            for inner in (one.values() if isinstance(one, dict) else one)
            if isinstance(inner, dict | list)
        ]
    return depth


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON value")


def _mend(value: object) -> object:
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, list):
        return [_mend(item) for item in value]
    if isinstance(value, dict):
        return {_mend(key): _mend(item) for key, item in value.items()}
    return value


def _explain(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_input=True)[0]
    if first["type"] == "value_error":
        # Our own validators word their messages for the client already.
        return str(first["ctx"]["error"])
    place = ".".join(str(part) for part in first["loc"])
    return f'invalid value for "{place}": {first["msg"]}, got {_kind(first["input"])}'


def _kind(value: object) -> str:
    names = {dict: "object", list: "array", str: "string", bool: "bool", int: "number"}
    names |= {float: "number", type(None): "null"}
    return names.get(type(value), type(value).__name__)
