"""The route that turns speech into text, by a chat model that hears."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fastapi import APIRouter, Request, Response
from fastapi.responses import PlainTextResponse
from starlette.datastructures import FormData, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser

from engine.api.bridge import Bridge, quick
from engine.api.checks import find, require_audio
from engine.api.describe import takes_form
from engine.api.errors import BodyTooLargeError
from engine.api.frames import json_response
from engine.api.media import is_audio
from engine.api.pieces import join_pieces, split_pieces
from engine.api.stream import gather
from engine.errors import ModelRequiredError, RequestError
from engine.types import ChatRequest, Message

if TYPE_CHECKING:
    from engine.engine import Engine

MAX_FILE_BYTES = 25 << 20  # OpenAI's limit, and Ollama's
_MAX_FORM_BYTES = MAX_FILE_BYTES + (1 << 20)  # the other fields are short
_MAX_FIELDS = 16
_ASKED = "Transcribe the spoken words of this recording. Write the words alone, nothing else."
_FORMATS = ("json", "text")
_FORM = takes_form(
    {
        "model": {"type": "string"},
        "file": {"type": "string", "format": "binary"},
        "language": {"type": "string"},
        "prompt": {"type": "string"},
        "response_format": {"enum": list(_FORMATS)},
    },
    ["model", "file"],
)


@dataclass(frozen=True, slots=True)
class Recording:
    """What is to be written down."""

    model: str
    sound: bytes  # an encoded file: WAV or MP3
    language: str
    prompt: str  # names and words that may occur
    format: str  # json or text


class AudioRoutes:
    """The endpoints below /v1/audio."""

    def __init__(self, engine: Engine, bridge: Bridge) -> None:
        self._engine, self._bridge = engine, bridge

    def router(self) -> APIRouter:
        """Bind paths to methods."""
        router = APIRouter(tags=["openai"])
        router.add_api_route(
            "/v1/audio/transcriptions", self.transcribe, methods=["POST"], openapi_extra=_FORM
        )
        return router

    async def transcribe(self, request: Request) -> Response:
        """Write down what is said in a recording."""
        recording = await read_recording(request)
        entry = await quick(lambda: find(self._engine, recording.model))
        require_audio(entry)
        wanted = chat_about(recording)
        pieces, _ = split_pieces(
            await gather(self._bridge, request, lambda: self._engine.chat(wanted))
        )
        text = join_pieces(pieces).text.strip() if pieces else ""
        if recording.format == "text":
            return PlainTextResponse(f"{text}\n")
        return json_response({"text": text})


async def read_recording(request: Request) -> Recording:
    """Read the form of a request.

    Raises:
        RequestError: no form, or a field is missing or wrong.
        BodyTooLargeError: more than a recording may have.
    """
    kind = request.headers.get("content-type", "")
    if not kind.lower().startswith("multipart/form-data"):
        raise RequestError(
            f"send multipart/form-data with the fields model and file, got {kind!r:.80}"
        )
    parser = MultiPartParser(
        request.headers, _bounded(request), max_files=1, max_fields=_MAX_FIELDS
    )
    try:
        form = await parser.parse()
    except (MultiPartException, UnicodeDecodeError, LookupError) as error:
        reason = getattr(error, "message", str(error))
        raise RequestError(f"the multipart body is malformed: {reason}") from error
    try:
        return await _recording(form)
    finally:
        await form.close()


def chat_about(recording: Recording) -> ChatRequest:
    """Ask a model to write a recording down."""
    asked = [_ASKED]
    if recording.language:
        asked.append(f"The language is {recording.language}.")
    if recording.prompt:
        asked.append(f"Words that may occur: {recording.prompt}")
    message = Message("user", " ".join(asked), images=(recording.sound,))
    return ChatRequest(
        model=recording.model, messages=(message,), think=None, options={"temperature": 0}
    )


async def _recording(form: FormData) -> Recording:
    model, file = _field(form, "model"), form.get("file")
    if not model:
        raise ModelRequiredError
    if not isinstance(file, UploadFile):
        raise RequestError("file is required: send the recording as a file, WAV or MP3")
    chosen = _field(form, "response_format") or "json"
    if chosen not in _FORMATS:
        raise RequestError(f"response_format must be json or text, got {chosen!r:.40}")
    sound = await file.read()
    if len(sound) > MAX_FILE_BYTES:
        raise BodyTooLargeError(MAX_FILE_BYTES)
    if not is_audio(sound):
        raise RequestError("file is no recording that can be read: send WAV or MP3")
    return Recording(model, sound, _field(form, "language"), _field(form, "prompt"), chosen)


def _field(form: FormData, name: str) -> str:
    value = form.get(name)
    return value if isinstance(value, str) else ""


async def _bounded(request: Request) -> AsyncGenerator[bytes, None]:
    n_bytes = 0
    async for chunk in request.stream():
        n_bytes += len(chunk)
        if n_bytes > _MAX_FORM_BYTES:
            raise BodyTooLargeError(_MAX_FORM_BYTES)
        yield chunk
