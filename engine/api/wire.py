"""Shapes of the native requests: what strangers send to /api; pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Annotated

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    WithJsonSchema,
    model_validator,
)

from engine import types
from engine.api.errors import UnknownFormatError
from engine.api.media import decode
from engine.api.schemas import check_schema
from engine.config import parse_duration
from engine.errors import RequestError
from engine.types import Format, Json, Message, ThinkLevel, ToolCall

_FOREVER_S = 2.0**63 / 1e9  # what Go's durations, in nanoseconds, cannot hold
_LEVELS: tuple[ThinkLevel, ...] = ("high", "medium", "low", "max")


class Wire(BaseModel):
    """A request body: strict types, unknown fields ignored, null the same as absent."""

    model_config = ConfigDict(strict=True, extra="ignore", frozen=True, validate_by_name=True)

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
        # Compared before it is turned into a float, which a long integer cannot be.
        seconds = float(value) if abs(value) < _FOREVER_S else _FOREVER_S
    else:
        shown = json.dumps(value)
        raise ValueError(f"invalid keep_alive {shown}: send seconds or a duration such as 10m")  # noqa: TRY004
    return -1.0 if seconds < 0 or seconds >= _FOREVER_S else seconds


def _think(value: object) -> types.Think:
    if isinstance(value, bool):
        return value
    for level in _LEVELS:
        if value == level:
            return level
    shown = json.dumps(value)
    allowed = ", ".join(f'"{level}"' for level in _LEVELS)
    raise ValueError(f"invalid think value: {shown} (must be {allowed}, true, or false)")


_KEEP_ALIVE_SCHEMA = {"anyOf": [{"type": "number"}, {"type": "string"}]}
_THINK_SCHEMA = {"anyOf": [{"type": "boolean"}, {"enum": list(_LEVELS)}]}

KeepAlive = Annotated[
    float | None, BeforeValidator(_keep_alive_s), WithJsonSchema(_KEEP_ALIVE_SCHEMA)
]
Think = Annotated[types.Think, BeforeValidator(_think), WithJsonSchema(_THINK_SCHEMA)]


def format_of(value: object) -> Format:
    """Turn the `format` field into what the engine takes.

    Raises:
        UnknownFormatError: neither "json" nor a schema.
        FormatError: a schema that no grammar can express.
    """
    if value is None or value == "":
        return None
    if value == "json":
        return "json"
    if isinstance(value, Mapping):
        return check_schema(value)
    raise UnknownFormatError(json.dumps(value))


def constraint_of(wire: SamplingWire) -> tuple[Format, str | None]:
    """Read what the answer must look like: a format, or (our extension) a grammar in GBNF.

    Raises:
        FormatError: an unknown format.
        RequestError: two constraints, or a grammar that is no text.
    """
    wanted = wire.format
    if not isinstance(wanted, Mapping) or wanted.get("type") != "gbnf":
        chosen = format_of(wanted)
        if chosen is not None and wire.grammar:
            raise RequestError("format and grammar exclude each other: send one of them")
        return chosen, wire.grammar or None
    grammar = wanted.get("grammar")
    if not isinstance(grammar, str) or not grammar:
        raise RequestError('format {"type": "gbnf"} needs a "grammar": text with a rule named root')
    if wire.grammar:
        raise RequestError("format and grammar exclude each other: send one of them")
    return None, grammar


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
    shift: bool = True
    logprobs: bool = False
    top_logprobs: int = 0
    debug_render_only: bool = Field(default=False, validation_alias="_debug_render_only")
    grammar: str = ""  # GBNF with a rule named root; our extension

    @property
    def n_top_logprobs(self) -> int | None:
        """How many alternatives to name beside each token; None if no logprobs are wanted."""
        return self.top_logprobs if self.logprobs else None


class GenerateWire(SamplingWire):
    """Body of POST /api/generate."""

    prompt: str = ""
    suffix: str = ""
    system: str | None = None
    template: str = ""
    context: list[int] = []
    raw: bool = False
    images: list[str] = []


class FunctionCallWire(Wire):
    """What was called, and with what."""

    index: int = 0
    name: str = ""
    arguments: Json = {}


class ToolCallWire(Wire):
    """One call of an earlier turn."""

    id: str = ""
    function: FunctionCallWire = FunctionCallWire()

    @property
    def call(self) -> ToolCall:
        """The call in the engine's terms."""
        one = self.function
        return ToolCall(one.name, one.arguments, id=self.id, index=one.index)


class MessageWire(Wire):
    """One message of a native conversation."""

    role: str = ""
    content: str = ""
    thinking: str = ""
    images: list[str] = []
    tool_calls: list[ToolCallWire] = []
    tool_name: str = ""
    tool_call_id: str = ""

    @property
    def message(self) -> Message:
        """The message in the engine's terms.

        Raises:
            RequestError: an image is not base64.
        """
        return Message(
            role=self.role.lower(),
            content=self.content,
            thinking=self.thinking,
            images=decode(self.images, "images"),
            tool_calls=tuple(one.call for one in self.tool_calls),
            tool_name=self.tool_name,
            tool_call_id=self.tool_call_id,
        )


class ChatWire(SamplingWire):
    """Body of POST /api/chat."""

    messages: list[MessageWire] = []
    tools: list[Json] = []
    tool_choice: object = None  # as OpenAI's; our extension


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
    files: dict[str, str] | None = None  # empty is not the same as absent
    system: str | None = None
    template: str | None = None
    license: Annotated[list[str], BeforeValidator(_as_list)] = []
    parameters: dict[str, object] | None = None
    messages: list[MessageWire] = []
    stream: bool = True
    adapters: dict[str, str] = {}
    draft_files: dict[str, str] = {}
    quantize: str = ""
    quantization: str = ""  # what older clients call it
    draft_quantize: str = ""
    renderer: str = ""
    parser: str = ""
    requires: str = ""
    info: dict[str, object] = {}
    remote_host: str = ""

    @model_validator(mode="before")
    @classmethod
    def _rename_from(cls, value: object) -> object:
        # `from` is a keyword of Python.
        if isinstance(value, Mapping) and "from" in value:
            return {**value, "from_model": value["from"]}
        return value
