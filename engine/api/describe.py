"""Pydantic shapes of the bodies in, what the API's description says of them out; pure."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from pydantic import BaseModel

JSON_BODY = "application/json"


def takes(shape: type[BaseModel], *, kind: str = JSON_BODY) -> dict[str, object]:
    """Describe a body that a route reads by itself.

    References are written out: `#/$defs/…` would be looked up in the whole description.
    """
    schema = _schema_of(shape)
    itself = {key: value for key, value in schema.items() if key != "$defs"}
    body = {"schema": _written_out(itself, schema.get("$defs", {}))}
    return {"requestBody": {"required": True, "content": {kind: body}}}


def takes_form(properties: Mapping[str, object], required: list[str]) -> dict[str, object]:
    """Describe a body of form fields and files."""
    schema = {"type": "object", "properties": dict(properties), "required": required}
    content = {"multipart/form-data": {"schema": schema}}
    return {"requestBody": {"required": True, "content": content}}


@cache  # most of what building the routes costs; whoever asks gets a copy, written out
def _schema_of(shape: type[BaseModel]) -> dict[str, Any]:
    return shape.model_json_schema(by_alias=True)


def _written_out(node: object, definitions: Mapping[str, object]) -> object:
    if isinstance(node, list):
        return [_written_out(one, definitions) for one in node]
    if not isinstance(node, dict):
        return node
    reference = node.get("$ref")
    if isinstance(reference, str):
        found = definitions[reference.rpartition("/")[2]]
        rest = {key: value for key, value in node.items() if key != "$ref"}
        whole = _written_out(found, definitions)
        return {**whole, **rest} if isinstance(whole, dict) else whole
    return {key: _written_out(value, definitions) for key, value in node.items()}
