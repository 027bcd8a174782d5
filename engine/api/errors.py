"""Engine errors in, HTTP answers out, each in the shape that /api or /v1 gives it."""

from __future__ import annotations

import json
import logging
import secrets
from collections.abc import Callable

from fastapi import FastAPI, Request, Response
from fastapi.exception_handlers import http_exception_handler
from fastapi.responses import PlainTextResponse
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from engine.api.frames import json_response
from engine.errors import (
    BlobNotFoundError,
    BusyError,
    CancelledError,
    DeadlineError,
    EngineError,
    FormatError,
    ModelfileError,
    ModelNotFoundError,
    OptionError,
    RequestError,
)

logger = logging.getLogger(__name__)

CLIENT_CLOSED_REQUEST = 499
RETRY_AFTER_S = 1  # what a client that finds the queue full is told to wait

_OPENAI_TYPE = {400: "invalid_request_error", 404: "not_found_error"}
_ANTHROPIC_TYPE = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    413: "invalid_request_error",
    429: "rate_limit_error",
    503: "overloaded_error",
}
_PLAIN = {404: "404 page not found", 405: "405 method not allowed"}


class UnknownFormatError(FormatError):
    """The `format` of a request is neither "json" nor a schema; 500, as in Ollama.

    A schema that no grammar can express is the plain FormatError: 400.
    """

    def __init__(self, shown: str) -> None:
        quoted = json.dumps(shown)
        super().__init__(f'invalid format: {quoted}; expected "json" or a valid JSON Schema object')


class BodyTooLargeError(RequestError):
    """The request body is larger than any sensible request."""

    def __init__(self, limit_bytes: int) -> None:
        super().__init__(f"request body too large: at most {limit_bytes:,} bytes are read")


# The first class that fits decides; everything else is 500, as in Ollama. A wrong option or
# `format` is found there only when the model runs, hence their 500.
_STATUS: tuple[tuple[type[EngineError], int], ...] = (
    (OptionError, 500),
    (UnknownFormatError, 500),
    (RequestError, 400),
    (ModelfileError, 400),
    (ModelNotFoundError, 404),
    (BlobNotFoundError, 404),
    (BusyError, 503),
    (DeadlineError, 504),
    (CancelledError, CLIENT_CLOSED_REQUEST),
)


def status_of(error: Exception) -> int:
    """Choose the HTTP status of an error."""
    if isinstance(error, BodyTooLargeError):
        return 413
    return next((status for kind, status in _STATUS if isinstance(error, kind)), 500)


def text_of(error: Exception) -> str:
    """Say what went wrong; an error without words is named by its class."""
    return str(error) or type(error).__name__


def openai_error(error: Exception) -> dict[str, object]:
    """Build the error body of the /v1 routes."""
    kind = _OPENAI_TYPE.get(status_of(error), "api_error")
    return {"error": {"message": text_of(error), "type": kind, "param": None, "code": None}}


def anthropic_error(error: Exception) -> dict[str, object]:
    """Build the error body of /v1/messages."""
    kind = _ANTHROPIC_TYPE.get(status_of(error), "api_error")
    return {
        "type": "error",
        "error": {"type": kind, "message": text_of(error)},
        "request_id": f"req_{secrets.token_hex(12)}",
    }


def error_response(path: str, error: Exception) -> Response:
    """Answer a failed request in the shape that its path promises."""
    answer = json_response(_shape_of(path)(error), status_of(error))
    if answer.status_code == 503:
        answer.headers["retry-after"] = str(RETRY_AFTER_S)
    return answer


def _shape_of(path: str) -> Callable[[Exception], dict[str, object]]:
    if path == "/v1/messages" or path.startswith("/v1/messages/"):
        return anthropic_error
    return openai_error if path.startswith("/v1/") else _native_error


def _native_error(error: Exception) -> dict[str, object]:
    return {"error": text_of(error)}


def install_engine_errors(app: FastAPI) -> None:
    """Let `app` answer engine errors, unknown paths and wrong methods as Ollama does."""
    app.add_exception_handler(EngineError, _refuse)
    app.add_exception_handler(ClientDisconnect, _gone)
    app.add_exception_handler(HTTPException, _no_route)
    app.add_exception_handler(Exception, _fail)


async def _refuse(request: Request, error: Exception) -> Response:
    return error_response(request.url.path, error)


async def _gone(_: Request, __: Exception) -> Response:
    return Response(status_code=CLIENT_CLOSED_REQUEST)


async def _no_route(request: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        raise TypeError(f"expected an HTTPException, got {error!r}")
    if _is_ours(request) and error.status_code in _PLAIN:
        return PlainTextResponse(_PLAIN[error.status_code], error.status_code, error.headers)
    return await http_exception_handler(request, error)


async def _fail(request: Request, error: Exception) -> Response:
    logger.error("request_failed path=%s", request.url.path, exc_info=error)
    if _is_ours(request):
        return error_response(request.url.path, error)
    return PlainTextResponse("Internal Server Error", 500)


def _is_ours(request: Request) -> bool:
    return request.url.path.startswith(("/api/", "/v1/"))
