"""The description of the API in, the same with what each operation asks of a key out."""

from __future__ import annotations

from typing import Any

from app.access.routes import Need, need_of

_SCHEMES = {
    "bearer": {"type": "http", "scheme": "bearer"},
    "key": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
}
_METHODS = frozenset({"get", "head", "post", "put", "patch", "delete"})


def describe_keys(description: dict[str, Any]) -> dict[str, Any]:
    """Write into a description, in place, which operations ask for a key; twice is as once."""
    description.setdefault("components", {})["securitySchemes"] = _SCHEMES
    for path, operations in description["paths"].items():
        for method, operation in operations.items():
            if method in _METHODS:
                _describe(operation, need_of(method.upper(), path))
    return description


def _describe(operation: dict[str, Any], need: Need) -> None:
    if not need.scopes:
        operation["security"] = []
        return
    operation["security"] = [{name: []} for name in _SCHEMES]
    scopes = " or ".join(need.scopes)
    bound = "" if need.is_for_bound else "; not open to keys that are bound to collections"
    responses = operation.setdefault("responses", {})
    responses["401"] = {"description": "No key, or one that opens nothing"}
    responses["403"] = {"description": f"The key lacks what this needs: the scope {scopes}{bound}"}
