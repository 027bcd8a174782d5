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
    return parse(b"".join(parts), shape)


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
        # Half a surrogate pair is legal in JSON but cannot be encoded again.
        return _mend(value) if _SURROGATE.search(raw) else value
    except RecursionError as error:
        raise RequestError("invalid JSON: nested too deeply") from error
    except ValueError as error:
        raise RequestError(f"invalid JSON: {error}") from error


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
