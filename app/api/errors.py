"""Errors of every part in, HTTP answers out: one table of statuses, one shape `{"error": text}`."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from app.access.caller import caller
from app.models import ModelUnavailableError
from app.query.errors import (
    EmptyQuestionError,
    FilterError,
    NoRoomError,
    QueryError,
    QuestionTooLongError,
    RerankerError,
)
from engine.api.errors import install_engine_errors, status_of, text_of
from engine.errors import EngineError
from ingest.errors import (
    CollectionNameError,
    CollectionNotFoundError,
    DocumentNotFoundError,
    FileRefusedError,
    IngestError,
    JobNotFoundError,
    LibraryLockedError,
    ModelMissingError,
    NoPictureError,
    NothingToRevertError,
    QueueFullError,
    StorageFullError,
    TooLargeError,
)

logger = logging.getLogger(__name__)

Handler = Callable[[Request, Exception], Response | Awaitable[Response]]

_ENGINE_PATHS = ("/api/", "/v1/")

# The first class that fits decides; the rest of ours is 500.
_STATUS: tuple[tuple[type[Exception], int], ...] = (
    (ModelMissingError, 409),
    (NothingToRevertError, 409),
    (CollectionNotFoundError, 404),
    (DocumentNotFoundError, 404),
    (NoPictureError, 404),
    (JobNotFoundError, 404),
    (CollectionNameError, 400),
    (TooLargeError, 413),
    (FileRefusedError, 400),
    (QueueFullError, 503),
    (StorageFullError, 507),
    (LibraryLockedError, 503),
    (EmptyQuestionError, 400),
    (QuestionTooLongError, 400),
    (FilterError, 400),
    (NoRoomError, 400),
    (RerankerError, 503),
    (ModelUnavailableError, 503),
)


class UploadError(IngestError):
    """The body of an upload cannot be read; the message says why."""


def kb_status_of(error: Exception) -> int:
    """Choose the HTTP status of any error that a /kb route raises."""
    if isinstance(error, UploadError):
        return 400
    if isinstance(error, EngineError):
        return status_of(error)
    return next((status for kind, status in _STATUS if isinstance(error, kind)), 500)


def install_errors(app: FastAPI) -> None:
    """Let `app` answer errors of the engine as Ollama does, all others with `{"error": text}`."""
    install_engine_errors(app)
    for kind in (IngestError, QueryError, ModelUnavailableError):
        app.add_exception_handler(kind, _refuse)
    app.add_exception_handler(RequestValidationError, _refuse_fields)
    for general in (HTTPException, Exception):
        app.add_exception_handler(general, _ours_or(app.exception_handlers[general]))


async def _refuse(_: Request, error: Exception) -> Response:
    bound = caller().collections
    if isinstance(error, CollectionNotFoundError) and bound is not None:
        # Without the names of others.
        error = CollectionNotFoundError(error.name, tuple(sorted(bound - {error.name})))
    return _answer(text_of(error), kb_status_of(error))


async def _refuse_fields(_: Request, error: Exception) -> Response:
    if not isinstance(error, RequestValidationError):
        raise TypeError(f"expected a RequestValidationError, got {error!r}")
    return _answer("; ".join(_field(one) for one in error.errors()[:8]), 400)


def _field(problem: dict[str, object]) -> str:
    place = problem.get("loc")
    parts = [str(part) for part in place[1:]] if isinstance(place, tuple) else []
    name = ".".join(parts) or "request"
    given = problem.get("input")
    got = f", got {given!r:.80}" if isinstance(given, str | int | float) else ""
    return f"{name}: {problem.get('msg')}{got}"


def _ours_or(other: Handler) -> Handler:
    """Answer ourselves but for the engine's paths, whose clients know Ollama's words."""

    async def handle(request: Request, error: Exception) -> Response:
        if request.url.path.startswith(_ENGINE_PATHS):
            answered = other(request, error)
            return answered if isinstance(answered, Response) else await answered
        if isinstance(error, HTTPException):
            return _answer(_told(request, error), error.status_code, error.headers)
        logger.error("request_failed path=%s", request.url.path, exc_info=error)
        return _answer(f"internal error: {type(error).__name__}: {text_of(error)}", 500)

    return handle


def _told(request: Request, error: HTTPException) -> str:
    """Name the route where nobody found better words than the status has."""
    if error.detail != HTTPStatus(error.status_code).phrase:
        return error.detail
    return f"{error.detail}: {request.method} {request.url.path}; /docs lists what there is"


def _answer(text: str, status: int, headers: Mapping[str, str] | None = None) -> Response:
    return JSONResponse({"error": text}, status, headers)
