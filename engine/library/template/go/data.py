"""A conversation in, the values that Ollama gives its templates out; pure.

Source: Ollama, template/template.go (templateMessage, templateTool …), api/types.go (ToolProperty).
"""

from __future__ import annotations

from collections.abc import Mapping

from engine.errors import ChatTemplateError
from engine.library.template.go.values import JsonList, JsonMap, Record, RecordType, SchemaType
from engine.types import Json, Message, Think, ToolCall

_MAX_DEPTH = 100  # of JSON; the client's, but it meets Python's stack
_MAX_EXACT = 2**53  # JSON's numbers are floats in Go; a larger integer would lose digits


def _same(*names: str) -> dict[str, str]:
    return {name: name for name in names}


_CALL_FUNCTION = RecordType(
    "template.templateToolCallFunction", _same("Index", "Name", "Arguments")
)
_CALL = RecordType("template.templateToolCall", _same("ID", "Function"))
_MESSAGE = RecordType(
    "template.templateMessage",
    _same("Role", "Content", "Thinking", "Images", "ToolCalls", "ToolName", "ToolCallID"),
)
_PROPERTY = RecordType(
    "api.ToolProperty",
    {
        "AnyOf": "anyOf", "Type": "type", "Items": "items", "Description": "description",
        "Enum": "enum", "Properties": "properties", "Required": "required",
    },
    frozenset({"AnyOf", "Type", "Items", "Description", "Enum", "Properties", "Required"}),
)  # fmt: skip
_PARAMETERS = RecordType(
    "template.templateToolFunctionParameters",
    {
        "Type": "type", "Defs": "$defs", "Items": "items", "Required": "required",
        "Properties": "properties",
    },
    frozenset({"Defs", "Items", "Required"}),
    prints_as_json=True,
)  # fmt: skip
_FUNCTION = RecordType(
    "template.templateToolFunction",
    {"Name": "name", "Description": "description", "Parameters": "parameters"},
    prints_as_json=True,
)
_TOOL = RecordType(
    "template.templateTool",
    {"Type": "type", "Items": "items", "Function": "function"},
    frozenset({"Items"}),
    prints_as_json=True,
)


def think_values(think: Think) -> dict[str, object]:
    """Give `.Think`, `.ThinkLevel` and `.IsThinkSet`; the level of plain true is medium."""
    level = "medium" if think is True else think or ""
    return {"Think": bool(think), "ThinkLevel": level, "IsThinkSet": think is not None}


def message_value(message: Message) -> Record:
    """Give a turn as `.Messages` holds it."""
    fields: dict[str, object] = {
        "Role": message.role,
        "Content": message.content,
        "Thinking": message.thinking,
        "Images": list(message.images),
        "ToolCalls": [_call_value(call) for call in message.tool_calls],
        "ToolName": message.tool_name,
        "ToolCallID": message.tool_call_id,
    }
    return Record(_MESSAGE, fields)


def _call_value(call: ToolCall) -> Record:
    arguments = JsonMap({str(key): json_value(each) for key, each in call.arguments.items()})
    function: dict[str, object] = {
        "Index": call.index, "Name": call.name, "Arguments": arguments,
    }  # fmt: skip
    return Record(_CALL, {"ID": call.id, "Function": Record(_CALL_FUNCTION, function)})


def tools_value(tools: tuple[Json, ...]) -> JsonList:
    """Give the tools as `.Tools` holds them; what Ollama's API does not know of is left out."""
    return JsonList(_tool_value(tool) for tool in tools)


def _tool_value(tool: Json) -> Record:
    function = _mapping(tool.get("function"))
    parameters = _mapping(function.get("parameters"))
    properties = parameters.get("properties")
    parameter_fields: dict[str, object] = {
        "Type": _text(parameters.get("type")),
        "Defs": json_value(parameters.get("$defs")),
        "Items": json_value(parameters.get("items")),
        "Required": _texts(parameters.get("required")),
        "Properties": _properties(properties, depth=0)
        if isinstance(properties, Mapping)
        else JsonMap({}, is_nil=True),
    }
    function_fields: dict[str, object] = {
        "Name": _text(function.get("name")),
        "Description": _text(function.get("description")),
        "Parameters": Record(_PARAMETERS, parameter_fields),
    }
    fields: dict[str, object] = {
        "Type": _text(tool.get("type")),
        "Items": json_value(tool.get("items")),
        "Function": Record(_FUNCTION, function_fields),
    }
    return Record(_TOOL, fields)


def _properties(members: Mapping[object, object], *, depth: int) -> JsonMap:
    # Ollama turns the outermost properties into a plain map, those within keep their order.
    return JsonMap(
        {str(name): _property(_mapping(each), depth + 1) for name, each in members.items()},
        is_sorted=depth == 0,
    )


def _property(schema: Mapping[str, object], depth: int) -> Record:
    _check_depth(depth)
    any_of, kind, enum = schema.get("anyOf"), schema.get("type"), schema.get("enum")
    members = schema.get("properties")
    fields: dict[str, object] = {
        "AnyOf": [_property(_mapping(each), depth + 1) for each in any_of]
        if isinstance(any_of, (list, tuple))
        else [],
        "Type": SchemaType([kind] if isinstance(kind, str) else _texts(kind)),
        "Items": json_value(schema.get("items"), depth),
        "Description": _text(schema.get("description")),
        "Enum": json_value(enum, depth) if isinstance(enum, (list, tuple)) else [],
        "Properties": _properties(members, depth=depth) if isinstance(members, Mapping) else None,
        "Required": _texts(schema.get("required")),
    }
    return Record(_PROPERTY, fields)


def json_value(value: object, depth: int = 0) -> object:
    """Give JSON as Go reads it: every number is a float (unless that would lose digits).

    Raises:
        ChatTemplateError: nested too deeply.
    """
    _check_depth(depth)
    if isinstance(value, Mapping):
        return {str(key): json_value(each, depth + 1) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [json_value(each, depth + 1) for each in value]
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) <= _MAX_EXACT:
        return float(value)
    return value


def _check_depth(depth: int) -> None:
    if depth > _MAX_DEPTH:
        raise ChatTemplateError(
            f"template error: a tool or its arguments are nested more than {_MAX_DEPTH} deep"
        )


def _mapping(value: object) -> Mapping[str, object]:
    return value if isinstance(value, Mapping) else {}


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _texts(value: object) -> list[object]:
    return (
        [each for each in value if isinstance(each, str)]
        if isinstance(value, (list, tuple))
        else []
    )
