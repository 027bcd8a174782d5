"""A path, a status and a sentence in, the answer of a refusal out, in the shape of that path."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping

from fastapi import Response

_OPENAI_TYPE = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    408: "timeout_error",
    413: "invalid_request_error",
    429: "rate_limit_error",
}
_ANTHROPIC_TYPE = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    408: "timeout_error",
    413: "request_too_large",
    429: "rate_limit_error",
    503: "overloaded_error",
}


def refusal(
    path: str, status: int, text: str, headers: Mapping[str, str] | None = None
) -> Response:
    """Build the answer that a client of `path` can read: Anthropic's, OpenAI's or ours."""
    return Response(
        json.dumps(_body(path, status, text), ensure_ascii=False).encode(),
        status,
        dict(headers or {}),
        media_type="application/json; charset=utf-8",
    )


def _body(path: str, status: int, text: str) -> dict[str, object]:
    if path == "/v1/messages" or path.startswith("/v1/messages/"):
        kind = _ANTHROPIC_TYPE.get(status, "api_error")
        request_id = f"req_{secrets.token_hex(12)}"
        return {
            "type": "error",
            "error": {"type": kind, "message": text},
            "request_id": request_id,
        }
    if path.startswith("/v1/"):
        kind = _OPENAI_TYPE.get(status, "api_error")
        return {"error": {"message": text, "type": kind, "param": None, "code": None}}
    return {"error": text}
