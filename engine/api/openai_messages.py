"""Messages as OpenAI's clients write them in, native ones out; pure.

Ollama makes a native message of every part of a content list. Here the parts stay one message:
texts are joined by a blank line, as its templates join neighbours of one role, and pictures and
sound go with them. Templates that count turns see one turn where the client wrote one.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from engine.api.media import audio_text, picture_text
from engine.api.wire import FunctionCallWire, MessageWire, ToolCallWire, Wire
from engine.errors import RequestError
from engine.types import Json

_ROLES = {"developer": "system"}  # OpenAI's newer word; no chat template knows it
_GO_TYPES = {dict: "map[string]interface {}", bool: "bool", int: "float64", float: "float64"}


class FunctionWireV1(Wire):
    """A function that the model called earlier."""

    name: str = ""
    arguments: str = ""  # JSON


class ToolCallWireV1(Wire):
    """One earlier tool call."""

    id: str = ""
    function: FunctionWireV1 = FunctionWireV1()


class MessageWireV1(Wire):
    """One message, text or parts."""

    role: str = ""
    content: object = None
    name: str = ""
    reasoning: str = ""
    reasoning_content: str = ""  # the same in the words of other servers
    tool_calls: list[ToolCallWireV1] = []
    tool_call_id: str = ""


def native_messages(messages: Sequence[MessageWireV1]) -> list[MessageWire]:
    """Translate a conversation; the answer of a tool gets the name that its call had.

    Raises:
        RequestError: content of an unknown kind, or tool arguments that are no JSON object.
    """
    called: dict[str, str] = {}
    translated: list[MessageWire] = []
    for message in messages:
        called |= {call.id: call.function.name for call in message.tool_calls if call.id}
        texts, images = _content(message)
        is_answer = message.role.lower() == "tool"
        translated.append(
            MessageWire(
                role=_ROLES.get(message.role, message.role),
                content="\n\n".join(texts),
                thinking=message.reasoning or message.reasoning_content,
                images=images,
                tool_calls=[_call(index, call) for index, call in enumerate(message.tool_calls)],
                tool_name=called.get(message.tool_call_id, message.name) if is_answer else "",
                tool_call_id=message.tool_call_id,
            )
        )
    return translated


def _content(message: MessageWireV1) -> tuple[list[str], list[str]]:
    content = message.content
    if isinstance(content, str):
        return [content], []
    if isinstance(content, list):
        return _parts(content)
    if content is None and message.tool_calls:
        return [], []
    kind = _GO_TYPES.get(type(content), "<nil>")
    raise RequestError(f"invalid message content type: {kind}")


def _parts(parts: Sequence[object]) -> tuple[list[str], list[str]]:
    texts: list[str] = []
    images: list[str] = []
    for part in parts:
        fields = part if isinstance(part, dict) else {}
        kind, text = fields.get("type"), fields.get("text")
        if kind == "text" and isinstance(text, str):
            texts.append(text)
        elif kind == "image_url":
            images.append(picture_text(fields.get("image_url")))
        elif kind == "input_audio":
            images.append(audio_text(fields.get("input_audio")))
        else:
            raise RequestError("invalid message format")
    return texts, images


def _call(index: int, call: ToolCallWireV1) -> ToolCallWire:
    function = FunctionCallWire(
        index=index, name=call.function.name, arguments=arguments_of(call.function.arguments)
    )
    return ToolCallWire(id=call.id, function=function)


def arguments_of(text: str) -> Json:
    """Read the arguments of a call; clients write nothing at all where there are none.

    Raises:
        RequestError: not a JSON object.
    """
    try:
        value = json.loads(text) if text.strip() else {}
    except (ValueError, RecursionError) as error:
        raise RequestError("invalid tool call arguments") from error
    if not isinstance(value, dict):
        raise RequestError("invalid tool call arguments")
    return value
