"""Shapes of the native requests: what strangers send to /api; pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, model_validator

from engine.config import parse_duration
from engine.errors import FormatError
from engine.types import Format, Message

_LEVELS = ("high", "medium", "low", "max")


class Wire(BaseModel):
    """A request body: strict types, unknown fields ignored, null the same as absent."""

    model_config = ConfigDict(strict=True, extra="ignore", frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _drop_nulls(cls, value: object) -> object:
        if isinstance(value, Mapping):
            return {key: item for key, item in value.items() if item is not None}
        return value


def _keep_alive_s(value: object) -> float:
    if isinstance(value, str):
        seconds = parse_duration(value)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        seconds = float(value)
    else:
        shown = json.dumps(value)
        raise ValueError(f"invalid keep_alive {shown}: send seconds or a duration such as 10m")  # noqa: TRY004
    return -1.0 if seconds < 0 else seconds


def _think(value: object) -> bool | str:
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value in _LEVELS:
        return value
    shown = json.dumps(value)
    allowed = ", ".join(f'"{level}"' for level in _LEVELS)
    raise ValueError(f"invalid think value: {shown} (must be {allowed}, true, or false)")


KeepAlive = Annotated[float | None, BeforeValidator(_keep_alive_s)]
Think = Annotated[bool | str | None, BeforeValidator(_think)]


def format_of(value: object) -> Format:
    """Turn the `format` field into what the engine takes.

    Raises:
        FormatError: neither "json" nor a schema.
    """
    if value is None or value == "":
        return None
    if value == "json":
        return "json"
    if isinstance(value, Mapping):
        return dict(value)
    shown = json.dumps(json.dumps(value))
    raise FormatError(f'invalid format: {shown}; expected "json" or a valid JSON Schema object')


class NamedWire(Wire):
    """A request about one model, which older clients call `name`."""

    model: str = ""
    name: str = ""

    @property
    def named(self) -> str:
        """The model's name as the client wrote it."""
        return self.model or self.name


class SamplingWire(Wire):
    """What generate and chat have in common."""

    model: str = ""
    stream: bool = True
    format: object = None
    options: dict[str, object] | None = None
    keep_alive: KeepAlive = None
    think: Think = None
    truncate: bool = True
    logprobs: bool = False
    top_logprobs: int = 0


class GenerateWire(SamplingWire):
    """Body of POST /api/generate."""

    prompt: str = ""
    suffix: str = ""
    system: str | None = None
    template: str = ""
    context: list[int] = []
    raw: bool = False
    images: list[str] = []


class MessageWire(Wire):
    """One message of a native conversation."""

    role: str = ""
    content: str = ""
    images: list[str] = []

    @property
    def message(self) -> Message:
        """The message in the engine's terms."""
        return Message(self.role.lower(), self.content)


class ChatWire(SamplingWire):
    """Body of POST /api/chat."""

    messages: list[MessageWire] = []
    tools: list[object] = []


class EmbedWire(Wire):
    """Body of POST /api/embed."""

    model: str = ""
    input: object = None
    truncate: bool = True
    dimensions: int = 0
    keep_alive: KeepAlive = None
    options: dict[str, object] | None = None


class EmbeddingsWire(Wire):
    """Body of POST /api/embeddings, the old form."""

    model: str = ""
    prompt: str = ""
    keep_alive: KeepAlive = None
    options: dict[str, object] | None = None


class ShowWire(NamedWire):
    """Body of POST /api/show."""

    verbose: bool = False
    system: str = ""
    template: str = ""
    options: dict[str, object] = {}


class PullWire(NamedWire):
    """Body of POST /api/pull and /api/push."""

    insecure: bool = False
    stream: bool = True


class CopyWire(Wire):
    """Body of POST /api/copy."""

    source: str = ""
    destination: str = ""


def _as_list(value: object) -> object:
    return [value] if isinstance(value, str) else value


class CreateWire(NamedWire):
    """Body of POST /api/create."""

    from_model: str = ""
    files: dict[str, str] = {}
    system: str | None = None
    template: str | None = None
    license: Annotated[list[str], BeforeValidator(_as_list)] = []
    parameters: dict[str, object] | None = None
    messages: list[MessageWire] = []
    stream: bool = True
    # Known to Ollama, not to this engine: refused by name instead of being dropped in silence.
    adapters: object = None
    draft_files: object = None
    quantize: object = None
    quantization: object = None
    draft_quantize: object = None
    renderer: object = None
    parser: object = None
    requires: object = None
    info: object = None
    remote_host: object = None

    @model_validator(mode="before")
    @classmethod
    def _rename_from(cls, value: object) -> object:
        # `from` is a keyword of Python.
        if isinstance(value, Mapping) and "from" in value:
            return {**value, "from_model": value["from"]}
        return value
