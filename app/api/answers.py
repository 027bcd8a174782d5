"""A description of the API in, the same with every answer that it gives out; pure, by rule.

Errors come from many places in front of and behind a route; what a client has to reckon with
follows from the method, the path and what the route takes.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

_METHODS = frozenset({"get", "head", "post", "put", "patch", "delete"})
_MEANING = {
    400: "What was sent cannot be understood; the message says what would do",
    401: "No key, or one that opens nothing",
    403: "Not allowed: the key, the page or the name of the server that it was called by",
    404: "There is no such thing, or not for this key",
    408: "The body came too slowly",
    409: "It does not fit what is there",
    413: "Larger than is taken",
    429: "Too many requests; Retry-After says when to ask again",
    500: "A defect here, or a model that failed",
    501: "Not offered here",
    502: "A registry did not answer as it should",
    503: "Not now: too much waits, something is missing, or the server stops",
    507: "No room on the disk",
}
_TEXT = {"type": "string"}
_KIND = {"type": "object", "required": ["message", "type"], "properties": {"message": _TEXT}}
_OURS = {"type": "object", "required": ["error"], "properties": {"error": _TEXT}}
_OPENAI = {"type": "object", "required": ["error"], "properties": {"error": _KIND}}
_ANTHROPIC = {
    "type": "object",
    "required": ["type", "error"],
    "properties": {"type": {"const": "error"}, "error": _KIND},
}
SHAPES = {"Failure": _OURS, "OpenAIFailure": _OPENAI, "AnthropicFailure": _ANTHROPIC}

_LINES = "application/x-ndjson"
_EVENTS = "text/event-stream"
# What a route gives beside JSON, if it was asked for.
_ALSO: dict[str, tuple[str, ...]] = {
    "/api/chat": (_LINES,),
    "/api/generate": (_LINES,),
    "/api/pull": (_LINES,),
    "/api/push": (_LINES,),
    "/api/create": (_LINES,),
    "/v1/chat/completions": (_EVENTS,),
    "/v1/completions": (_EVENTS,),
    "/v1/responses": (_EVENTS,),
    "/v1/messages": (_EVENTS,),
    "/v1/audio/transcriptions": ("text/plain",),
    "/kb/query": (_EVENTS,),
    "/kb/conversations/{conversation_id}/export": ("text/markdown",),
}
_NO_BODY = frozenset({"/api/blobs/{digest}", "/api/copy", "/api/delete"})
_MADE = {("post", "/api/blobs/{digest}"): "201"}


def describe_answers(description: dict[str, Any]) -> dict[str, Any]:
    """Write the answers of every operation into a description, in place; twice is as once."""
    description.setdefault("components", {}).setdefault("schemas", {}).update(SHAPES)
    for path, operations in description["paths"].items():
        for method, operation in operations.items():
            if method in _METHODS:
                _describe(operation, method, path)
    return description


def failure_of(path: str) -> str:
    """Name the shape that errors below a path have."""
    if path == "/v1/messages" or path.startswith("/v1/messages/"):
        return "AnthropicFailure"
    return "OpenAIFailure" if path.startswith("/v1/") else "Failure"


def errors_of(operation: dict[str, Any], method: str, path: str) -> Iterator[int]:
    """List the errors that an operation can give."""
    is_engine, has_body = path.startswith(("/api/", "/v1/")), "requestBody" in operation
    yield from (403, 429, 503)
    if operation.get("security") or is_engine:  # what only a cloud has asks for its own keys
        yield 401
    if has_body or operation.get("parameters"):
        yield from (400, 404)
    if method not in ("get", "head"):
        yield from (400, 408, 409, 413, 507)
    if is_engine:
        yield from (400, 404, 500, 501, 502)


def _describe(operation: dict[str, Any], method: str, path: str) -> None:
    answers = operation.setdefault("responses", {})
    answers.pop("422", None)  # the framework's own; ours is 400
    if path in _NO_BODY and "200" in answers:
        answers["200"].pop("content", None)
    made = _MADE.get((method, path))
    if made is not None:
        answers.setdefault(made, {"description": "Made"})
    for kind in _ALSO.get(path, ()):
        answers["200"].setdefault("content", {}).setdefault(kind, {})
    failure = {"schema": {"$ref": f"#/components/schemas/{failure_of(path)}"}}
    for status in sorted(set(errors_of(operation, method, path))):
        told = answers.setdefault(str(status), {"description": _MEANING[status]})
        if method != "head" and "content" not in told:
            told["content"] = {"application/json": failure}
