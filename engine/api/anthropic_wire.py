"""The shape of POST /v1/messages in, the engine's chat request out; pure.

Source: Anthropic's Messages API reference; Ollama's anthropic/anthropic.go for what is accepted.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence

from engine.api.media import decode
from engine.api.schemas import check_schema
from engine.api.wire import Wire
from engine.errors import RequestError
from engine.types import ChatRequest, Format, Json, Message, Think, ToolCall, ToolChoice

_EFFORTS: Mapping[str, Think] = {
    "low": "low",
    "medium": "medium",
    "high": "high",
    "xhigh": "high",
    "max": "max",
}


class AnthropicMessageWire(Wire):
    """One turn: a text or a list of blocks."""

    role: str = ""
    content: object = None


class ThinkingWire(Wire):
    """Whether the model should think first."""

    type: str = "disabled"


class OutputConfigWire(Wire):
    """How much effort, and in which format."""

    effort: str = ""
    format: dict[str, object] = {}


class MessagesWire(Wire):
    """Body of POST /v1/messages and of its count_tokens."""

    model: str = ""
    max_tokens: int = 0
    messages: list[AnthropicMessageWire] = []
    system: object = None
    stream: bool = False
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    stop_sequences: list[str] = []
    tools: list[dict[str, object]] = []
    tool_choice: dict[str, object] = {}
    thinking: ThinkingWire = ThinkingWire()
    output_config: OutputConfigWire = OutputConfigWire()

    @property
    def is_parallel(self) -> bool:
        """Whether more than one call may come at once."""
        return self.tool_choice.get("disable_parallel_tool_use") is not True

    def request(self, *, can_think: bool, needs_limit: bool = True) -> ChatRequest:
        """Translate.

        Args:
            can_think: whether the model thinks at all; a wish for it is dropped quietly if not.
            needs_limit: whether `max_tokens` must be there.
        Raises:
            RequestError: a field is missing or wrong.
        """
        if needs_limit and self.max_tokens <= 0:
            raise RequestError("max_tokens is required and must be positive")
        if not self.messages:
            raise RequestError("messages is required")
        return ChatRequest(
            model=self.model,
            messages=(*_system(self.system), *_turns(self.messages)),
            tools=tuple(_tool(one) for one in self.tools),
            tool_choice=_choice(self.tool_choice),
            think=self._think() if can_think else None,
            format=_format(self.output_config.format),
            options=self._options(),
        )

    def _think(self) -> Think:
        # Here, unlike in the native API, a model thinks only if it is asked to.
        if self.thinking.type not in ("enabled", "adaptive"):
            return False
        return _EFFORTS.get(self.output_config.effort, True)

    def _options(self) -> Json:
        options: dict[str, object] = {
            "num_predict": self.max_tokens or None,
            "temperature": self.temperature,
            "top_p": self.top_p,
            "top_k": self.top_k,
            "stop": list(self.stop_sequences) or None,
        }
        return {name: value for name, value in options.items() if value is not None}


def _system(value: object) -> tuple[Message, ...]:
    text = _text_of(value, "system")
    return (Message("system", text),) if text else ()


def _turns(messages: Sequence[AnthropicMessageWire]) -> Iterator[Message]:
    names: dict[str, str] = {}  # id of a call → the function's name
    for at, message in enumerate(messages):
        place = f"messages.{at}"
        if message.role not in ("user", "assistant", "system"):
            raise RequestError(f'{place}.role: "{message.role}" is not "user" or "assistant"')
        if isinstance(message.content, str):
            yield Message(message.role, message.content)
        elif message.role == "assistant":
            turn = _assistant(_blocks(message.content, place), place)
            names |= {call.id: call.name for call in turn.tool_calls}
            yield turn
        else:
            yield from _user(message.role, _blocks(message.content, place), place, names)


def _blocks(content: object, place: str) -> list[Mapping[str, object]]:
    if not isinstance(content, list):
        raise RequestError(f"{place}.content: must be a string or a list of blocks")
    strange = [at for at, block in enumerate(content) if not isinstance(block, Mapping)]
    if strange:
        raise RequestError(f"{place}.content.{strange[0]}: must be an object with a type")
    return content


def _assistant(blocks: Sequence[Mapping[str, object]], place: str) -> Message:
    texts: list[str] = []
    thoughts: list[str] = []
    calls: list[ToolCall] = []
    for at, block in enumerate(blocks):
        kind = block.get("type")
        if kind == "text":
            texts.append(_string(block, "text", f"{place}.content.{at}"))
        elif kind == "thinking":
            thoughts.append(_string(block, "thinking", f"{place}.content.{at}"))
        elif kind == "tool_use":
            calls.append(_call(block, len(calls), f"{place}.content.{at}"))
        elif kind != "redacted_thinking":  # which nobody but its maker can read
            raise _unknown(kind, f"{place}.content.{at}")
    return Message("assistant", "".join(texts), thinking="".join(thoughts), tool_calls=tuple(calls))


def _call(block: Mapping[str, object], index: int, place: str) -> ToolCall:
    arguments = block.get("input", {})
    if not isinstance(arguments, Mapping):
        raise RequestError(f"{place}.input: must be an object")
    name, id_ = _string(block, "name", place), _string(block, "id", place)
    return ToolCall(name, arguments, id_, index)


def _user(
    role: str, blocks: Sequence[Mapping[str, object]], place: str, names: Mapping[str, str]
) -> Iterator[Message]:
    """Split a turn into the answers of tools, which come first, and what the user says."""
    texts: list[str] = []
    images: list[bytes] = []
    for at, block in enumerate(blocks):
        kind, here = block.get("type"), f"{place}.content.{at}"
        if kind == "tool_result":
            yield _result(block, here, names)
        elif kind == "text":
            texts.append(_string(block, "text", here))
        elif kind == "image":
            images.append(_image(block, here))
        elif kind == "document":
            texts.append(_document(block, here))
        else:
            raise _unknown(kind, here)
    if texts or images:
        yield Message(role, "\n\n".join(texts), images=tuple(images))


def _result(block: Mapping[str, object], place: str, names: Mapping[str, str]) -> Message:
    id_ = _string(block, "tool_use_id", place)
    content = block.get("content", "")
    images: tuple[bytes, ...] = ()
    if isinstance(content, list):
        found = [one for one in _blocks(content, place) if one.get("type") == "image"]
        images = tuple(_image(one, f"{place}.content") for one in found)
        content = [one for one in content if one not in found]
    text = _text_of(content, f"{place}.content")
    if block.get("is_error") is True:
        text = f"Error: {text}"
    return Message("tool", text, images=images, tool_name=names.get(id_, ""), tool_call_id=id_)


def _image(block: Mapping[str, object], place: str) -> bytes:
    source = block.get("source")
    fields = source if isinstance(source, Mapping) else {}
    if fields.get("type") != "base64":
        raise RequestError(
            f"{place}.source: only base64 images can be read, got {fields.get('type')!r}; "
            "send the image's bytes"
        )
    data = _string(fields, "data", f"{place}.source")
    return decode([data], f"{place}.source.data")[0]


def _document(block: Mapping[str, object], place: str) -> str:
    source = block.get("source")
    fields = source if isinstance(source, Mapping) else {}
    if fields.get("type") != "text":
        raise RequestError(
            f"{place}.source: only plain text documents can be read, got {fields.get('type')!r}"
        )
    title = block.get("title")
    text = _string(fields, "data", f"{place}.source")
    return f"{title}\n\n{text}" if isinstance(title, str) and title else text


def _text_of(value: object, place: str) -> str:
    """Read a text or a list of text blocks."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    texts = []
    for at, block in enumerate(_blocks(value, place)):
        if block.get("type") != "text":
            raise _unknown(block.get("type"), f"{place}.{at}")
        texts.append(_string(block, "text", f"{place}.{at}"))
    return "\n\n".join(texts)


def _tool(tool: Mapping[str, object]) -> Json:
    kind = tool.get("type", "custom")
    if kind not in ("custom", None):
        raise RequestError(
            f'tools: "{kind}" runs on a server of its maker and is not available here; '
            "define a tool with name, description and input_schema"
        )
    function: Json = {"name": tool.get("name")}
    if tool.get("description"):
        function["description"] = tool["description"]
    function["parameters"] = tool.get("input_schema") or {"type": "object", "properties": {}}
    return {"type": "function", "function": function}


def _choice(value: Mapping[str, object]) -> ToolChoice:
    kind = value.get("type", "auto")
    if kind == "auto":
        return ToolChoice()
    if kind == "none":
        return ToolChoice("none")
    if kind == "any":
        return ToolChoice("required")
    name = value.get("name")
    if kind == "tool" and isinstance(name, str) and name:
        return ToolChoice("named", name)
    raise RequestError(
        f"tool_choice: {json.dumps(value, default=str)} is not auto, any, none or a named tool"
    )


def _format(value: Mapping[str, object]) -> Format:
    schema = value.get("schema")
    if value.get("type") == "json_schema" and isinstance(schema, Mapping):
        return check_schema(schema)
    return None


def _string(block: Mapping[str, object], name: str, place: str) -> str:
    value = block.get(name)
    if not isinstance(value, str):
        raise RequestError(f"{place}.{name}: must be a string")
    return value


def _unknown(kind: object, place: str) -> RequestError:
    return RequestError(f"{place}: a block of type {kind!r} cannot be read here")
