"""The shape of POST /v1/responses in, the engine's chat request out; pure.

Source: OpenAI's Responses API reference; Ollama's openai/responses.go for what is accepted.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence

from engine.api.choices import tool_choice_of
from engine.api.media import audio_text, decode, picture_text
from engine.api.openai_wire import ReasoningWire, think_of
from engine.api.schemas import check_schema
from engine.api.wire import Wire
from engine.errors import RequestError
from engine.types import ChatRequest, Format, Json, Message, ToolCall

_log = logging.getLogger(__name__)

_ROLES = {"developer": "system"}
Item = Mapping[str, object]


class TextWire(Wire):
    """In which format the answer comes."""

    format: dict[str, object] = {}


class ResponsesWire(Wire):
    """Body of POST /v1/responses."""

    model: str = ""
    input: object = None
    instructions: str = ""
    tools: list[dict[str, object]] = []
    tool_choice: object = "auto"
    parallel_tool_calls: bool = True
    stream: bool = False
    # These two defaults are OpenAI's and go before the model's own parameters.
    temperature: float = 1.0
    top_p: float = 1.0
    max_output_tokens: int | None = None
    reasoning: ReasoningWire = ReasoningWire()
    text: TextWire = TextWire()
    truncation: str = "auto"
    metadata: dict[str, object] = {}
    previous_response_id: str = ""
    conversation: object = None

    def request(self) -> ChatRequest:
        """Translate.

        Raises:
            RequestError: a field is missing or wrong, or asks for a conversation kept here.
        """
        if self.previous_response_id or self.conversation:
            raise RequestError(
                "previous_response_id and conversation are not supported: answers are not kept; "
                "send the whole conversation as input"
            )
        tools = tuple(functions(self.tools))
        system = (Message("system", self.instructions),) if self.instructions else ()
        options: Json = {"temperature": self.temperature, "top_p": self.top_p}
        if self.max_output_tokens is not None:
            options["num_predict"] = self.max_output_tokens
        return ChatRequest(
            model=self.model,
            messages=(*system, *_messages(self.input)),
            tools=tools,
            tool_choice=tool_choice_of(_nested(self.tool_choice), tools),
            think=think_of(self.reasoning.effort),
            format=_format(self.text.format),
            options=options,
            is_truncating=self.truncation != "disabled",
        )


def functions(tools: Sequence[Item]) -> Iterator[Json]:
    """Give the functions among the tools in the native form; what runs elsewhere is left out."""
    for tool in tools:
        kind = tool.get("type")
        if kind == "function":
            own = {"name": tool.get("name"), "description": tool.get("description")}
            parameters = tool.get("parameters") or {"type": "object", "properties": {}}
            named: Json = {name: value for name, value in own.items() if value is not None}
            yield {"type": "function", "function": named | {"parameters": parameters}}
        elif kind == "namespace":
            inner = tool.get("tools")
            yield from functions([one for one in _list(inner) if isinstance(one, Mapping)])
        else:
            # A search on somebody's server: a model that is not told of it does not ask for it.
            _log.warning("tool_left_out type=%s", kind)


def _nested(choice: object) -> object:
    if isinstance(choice, Mapping) and choice.get("type") == "function" and "name" in choice:
        return {"type": "function", "function": {"name": choice["name"]}}
    return choice


def _messages(value: object) -> tuple[Message, ...]:
    if isinstance(value, str) and value:
        return (Message("user", value),)
    if not isinstance(value, list) or not value:
        raise RequestError("input is required: a text or a list of items")
    names: dict[str, str] = {}
    found: list[Message] = []
    for at, item in enumerate(value):
        if not isinstance(item, Mapping):
            raise RequestError(f"input[{at}]: must be an object")
        kind = item.get("type") or "message"
        reader = _READERS.get(str(kind))
        if reader is None:
            raise RequestError(f"input[{at}]: an item of type {kind!r} cannot be read here")
        found += reader(item, f"input[{at}]", names)
    return _joined(found)


def _message(item: Item, place: str, _: dict[str, str]) -> list[Message]:
    role = _string(item, "role", place)
    text, images = _parts(item.get("content"), place)
    return [Message(_ROLES.get(role, role), text, images=images)]


def _call(item: Item, place: str, names: dict[str, str]) -> list[Message]:
    name, id_ = _string(item, "name", place), _string(item, "call_id", place)
    names[id_] = name
    try:
        arguments = json.loads(_string(item, "arguments", place) or "{}")
    except (ValueError, RecursionError) as error:
        raise RequestError(f"{place}.arguments: invalid tool call arguments: {error}") from error
    if not isinstance(arguments, dict):
        raise RequestError(f"{place}.arguments: must be an object")
    return [Message("assistant", "", tool_calls=(ToolCall(name, arguments, id_),))]


def _output(item: Item, place: str, names: dict[str, str]) -> list[Message]:
    id_ = _string(item, "call_id", place)
    text, images = _parts(item.get("output"), place)
    return [Message("tool", text, images=images, tool_name=names.get(id_, ""), tool_call_id=id_)]


def _reasoning(item: Item, place: str, _: dict[str, str]) -> list[Message]:
    # Our own answers carry the thought in both places; others' encrypted ones cannot be read.
    parts = [*_list(item.get("content")), *_list(item.get("summary"))]
    texts = [one.get("text") for one in parts if isinstance(one, Mapping)]
    thought = "\n\n".join(text for text in texts if isinstance(text, str))
    return [Message("assistant", "", thinking=thought)] if thought else []


def _nothing(_: Item, __: str, ___: dict[str, str]) -> list[Message]:
    return []


_READERS: Mapping[str, Callable[[Item, str, dict[str, str]], list[Message]]] = {
    "message": _message,
    "function_call": _call,
    "function_call_output": _output,
    "reasoning": _reasoning,
    "web_search_call": _nothing,  # its findings stand in the text that follows
}


def _joined(messages: Sequence[Message]) -> tuple[Message, ...]:
    """Make one turn of the thought, the words and the calls that the model gave together."""
    found: list[Message] = []
    for one in messages:
        last = found[-1] if found else None
        is_same = last is not None and last.role == one.role == "assistant"
        if last is None or not is_same or (last.content and one.content):
            found.append(one)
            continue
        calls = (*last.tool_calls, *one.tool_calls)
        found[-1] = Message(
            "assistant",
            last.content or one.content,
            thinking=last.thinking or one.thinking,
            tool_calls=tuple(
                ToolCall(call.name, call.arguments, call.id, at) for at, call in enumerate(calls)
            ),
        )
    return tuple(found)


def _parts(content: object, place: str) -> tuple[str, tuple[bytes, ...]]:
    if isinstance(content, str):
        return content, ()
    if not isinstance(content, list):
        raise RequestError(f"{place}: content must be a string or a list of parts")
    texts: list[str] = []
    images: list[bytes] = []
    for at, part in enumerate(content):
        fields = part if isinstance(part, Mapping) else {}
        kind, here = fields.get("type"), f"{place}.content[{at}]"
        if kind in ("input_text", "output_text", "text"):
            texts.append(_string(fields, "text", here))
        elif kind == "refusal":
            texts.append(_string(fields, "refusal", here))
        elif kind == "input_image":
            images += decode([picture_text(fields.get("image_url"))], here)
        elif kind == "input_audio":
            images += decode([audio_text(fields.get("input_audio"))], here)
        else:
            raise RequestError(f"{here}: a part of type {kind!r} cannot be read here")
    return "\n\n".join(texts), tuple(images)


def _format(value: Mapping[str, object]) -> Format:
    if value.get("type") == "json_object":
        return "json"
    schema = value.get("schema")
    if value.get("type") == "json_schema" and isinstance(schema, Mapping):
        return check_schema(schema)
    return None


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else []


def _string(item: Item, name: str, place: str) -> str:
    value = item.get(name)
    if not isinstance(value, str):
        raise RequestError(f"{place}.{name}: must be a string")
    return value
