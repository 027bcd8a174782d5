"""Shapes of the /v1 requests in, native requests out; pure."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Annotated

from pydantic import BeforeValidator

from engine.api.wire import ChatWire, GenerateWire, MessageWire, Wire
from engine.errors import RequestError

_EFFORTS: dict[str, bool | str] = {
    "none": False,
    "minimal": "low",
    "low": "low",
    "medium": "medium",
    "high": "high",
    "max": "max",
    "xhigh": "max",
    "ultra": "max",
}
_ROLES = {"developer": "system"}  # OpenAI's newer word; no chat template knows it
_GO_TYPES = {dict: "map[string]interface {}", bool: "bool", int: "float64", float: "float64"}


def _stops(value: object) -> object:
    return [value] if isinstance(value, str) else value


class StreamOptionsWire(Wire):
    """What a stream should hold beyond its text."""

    include_usage: bool = False


class SamplingWireV1(Wire):
    """What both completions have in common."""

    model: str = ""
    stream: bool = False
    stream_options: StreamOptionsWire = StreamOptionsWire()
    max_tokens: int | None = None
    max_completion_tokens: int | None = None
    # These two defaults are OpenAI's and go before the model's own parameters.
    temperature: float = 1.0
    top_p: float = 1.0
    seed: int | None = None
    stop: Annotated[list[str], BeforeValidator(_stops)] = []
    frequency_penalty: float | None = None
    presence_penalty: float | None = None

    @property
    def sampling(self) -> dict[str, object]:
        """The request's sampling options under their native names."""
        limit = self.max_completion_tokens
        options: dict[str, object] = {
            "temperature": self.temperature,
            "top_p": self.top_p,
            "num_predict": self.max_tokens if limit is None else limit,
            "seed": self.seed,
            "stop": list(self.stop) or None,
            "frequency_penalty": self.frequency_penalty,
            "presence_penalty": self.presence_penalty,
        }
        return {name: value for name, value in options.items() if value is not None}


class CompletionWire(SamplingWireV1):
    """Body of POST /v1/completions."""

    prompt: str = ""
    suffix: str = ""
    logprobs: int | None = None

    def native(self) -> GenerateWire:
        """Translate into a native request."""
        return GenerateWire(
            model=self.model,
            prompt=self.prompt,
            suffix=self.suffix,
            options=self.sampling,
            logprobs=bool(self.logprobs),
        )


class FunctionWire(Wire):
    """A function that the model called earlier."""

    name: str = ""
    arguments: str = ""


class ToolCallWire(Wire):
    """One earlier tool call."""

    function: FunctionWire = FunctionWire()


class MessageWireV1(Wire):
    """One message, text or parts."""

    role: str = ""
    content: object = None
    tool_calls: list[ToolCallWire] = []


class ReasoningWire(Wire):
    """How hard the model should think, in the newer form."""

    effort: str = ""


class ResponseFormatWire(Wire):
    """What the answer should look like."""

    type: str = "text"
    json_schema: dict[str, object] | None = None

    @property
    def native(self) -> object:
        """The same as a native `format`."""
        if self.type == "json_object":
            return "json"
        if self.type == "json_schema" and self.json_schema is not None:
            return self.json_schema.get("schema")
        return None


class ChatCompletionWire(SamplingWireV1):
    """Body of POST /v1/chat/completions."""

    messages: list[MessageWireV1] = []
    response_format: ResponseFormatWire = ResponseFormatWire()
    tools: list[object] = []
    reasoning_effort: str = ""
    reasoning: ReasoningWire = ReasoningWire()
    logprobs: bool = False
    top_logprobs: int = 0

    def native(self) -> ChatWire:
        """Translate into a native request.

        Raises:
            RequestError: no messages, or one that cannot be read.
        """
        if not self.messages:
            raise RequestError("[] is too short - 'messages'")
        return ChatWire(
            model=self.model,
            messages=[native_message(message) for message in self.messages],
            tools=self.tools,
            format=self.response_format.native,
            options=self.sampling,
            think=_think(self.reasoning_effort or self.reasoning.effort),
            logprobs=self.logprobs,
            top_logprobs=self.top_logprobs,
        )


class EmbeddingsWireV1(Wire):
    """Body of POST /v1/embeddings."""

    model: str = ""
    input: object = None
    dimensions: int = 0
    encoding_format: str = "float"


def native_message(message: MessageWireV1) -> MessageWire:
    """Translate one message; the parts of a list are joined by a blank line.

    Raises:
        RequestError: content of an unknown kind, or tool arguments that are not JSON.
    """
    role = _ROLES.get(message.role, message.role)
    for call in message.tool_calls:
        _check_arguments(call.function.arguments)
    if isinstance(message.content, str):
        return MessageWire(role=role, content=message.content)
    if isinstance(message.content, list):
        texts, images = _parts(message.content)
        return MessageWire(role=role, content="\n\n".join(texts), images=images)
    if message.content is None and message.tool_calls:
        return MessageWire(role=role)
    kind = _GO_TYPES.get(type(message.content), "<nil>")
    raise RequestError(f"invalid message content type: {kind}")


def _parts(parts: Sequence[object]) -> tuple[list[str], list[str]]:
    texts, images = [], []
    for part in parts:
        fields = part if isinstance(part, dict) else {}
        kind, text = fields.get("type"), fields.get("text")
        if kind == "text" and isinstance(text, str):
            texts.append(text)
        elif kind == "image_url":
            images.append(_image(fields.get("image_url")))
        elif kind == "input_audio":
            raise RequestError("audio input is not supported")
        else:
            raise RequestError("invalid message format")
    return texts, images


def _image(value: object) -> str:
    url = value.get("url") if isinstance(value, dict) else value
    if not isinstance(url, str):
        raise RequestError("invalid message format")
    if url.startswith(("http://", "https://")):
        raise RequestError(
            "image URLs are not currently supported, please use base64 encoded data instead"
        )
    if not url.startswith("data:"):
        raise RequestError("invalid image input")
    return url.partition(",")[2]


def _check_arguments(text: str) -> None:
    try:
        json.loads(text)
    except ValueError as error:
        raise RequestError("invalid tool call arguments") from error


def _think(effort: str) -> bool | str | None:
    if not effort:
        return None
    if effort not in _EFFORTS:
        raise RequestError(
            f"invalid reasoning value: '{effort}' "
            '(must be "high", "medium", "low", "max", or "none")'
        )
    return _EFFORTS[effort]
