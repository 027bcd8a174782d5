"""The text of one call in, names and arguments out; pure and bounded."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence

from engine.types import Json

Found = tuple[str, dict[str, object]]

_SURROGATE = re.compile(r"[\ud800-\udfff]")
_NAME_KEYS = ("name", "tool_name", "function")
_ARGUMENT_KEYS = ("arguments", "parameters", "args")
_NESTING = 3  # a list of objects that hold the call under "function"


def function_of(tool: Json) -> Mapping[str, object]:
    """Return what a tool's definition says of its function; empty if nothing."""
    function = tool.get("function")
    return function if isinstance(function, Mapping) else {}


def names_of(tools: Sequence[Json]) -> tuple[str, ...]:
    """Return the functions' names."""
    return tuple(str(function_of(tool).get("name", "")) for tool in tools)


def parse_json(text: str) -> object:
    """Read JSON as models write it: line breaks in strings pass, NaN and infinity do not.

    Raises:
        ValueError: not JSON, or nested too deeply.
    """
    try:
        value = json.loads(
            text, strict=False, parse_constant=_refuse_constant, parse_float=_parse_finite
        )
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    return _clean(value) if "\\u" in text else value


def _refuse_constant(text: str) -> float:
    raise ValueError(f"{text} is no JSON")


def _parse_finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text} is out of range")
    return value


def _clean(value: object) -> object:
    """Replace halves of characters, which no answer could be sent with."""
    if isinstance(value, str):
        return _SURROGATE.sub("\ufffd", value)
    if isinstance(value, list):
        return [_clean(each) for each in value]
    if isinstance(value, dict):
        return {_SURROGATE.sub("\ufffd", key): _clean(each) for key, each in value.items()}
    return value


def known_name(name: str, names: Sequence[str]) -> str:
    """Return the tool that a model means by a name, or nothing.

    Models put a namespace before it and a number behind it: functions.add:0 means add.
    """
    name = name.strip()
    if name in names:
        return name
    bare = re.sub(r":\d+$", "", name).removeprefix("functions.")
    return bare if bare in names else ""


def calls_in(value: object, names: Sequence[str], depth: int = _NESTING) -> list[Found]:
    """Find the calls in a JSON value, in any of the spellings that models use."""
    if depth < 0:
        return []
    if isinstance(value, list):
        return [call for each in value for call in calls_in(each, names, depth - 1)]
    if not isinstance(value, dict):
        return []
    for key in ("tool_calls", "function", "tool_call"):
        if isinstance(value.get(key), (dict, list)):
            return calls_in(value[key], names, depth - 1)
    said = next((value[key] for key in _NAME_KEYS if isinstance(value.get(key), str)), None)
    if said is None:
        return _keyed_call(value, names)
    name, arguments = known_name(said, names), arguments_in(value)
    return [(name, arguments)] if name and arguments is not None else []


def _keyed_call(value: dict[str, object], names: Sequence[str]) -> list[Found]:
    """Read {"name of the tool": {arguments}}."""
    found: list[Found] = []
    for key, arguments in value.items():
        name = known_name(key, names)
        if not name or not isinstance(arguments, dict):
            return []
        found.append((name, arguments))
    return found


def arguments_in(value: Mapping[str, object]) -> dict[str, object] | None:
    """Return a call's arguments, {} if it says none; None if they are not an object."""
    said = next((value[key] for key in _ARGUMENT_KEYS if key in value), None)
    if isinstance(said, str):
        try:
            said = parse_json(said) if said.strip() else {}
        except ValueError:
            return None
    if said is None:
        return {}
    return said if isinstance(said, dict) else None


def types_of(schema: object) -> tuple[str, ...]:
    """List the types that a property's schema allows; empty if it does not say."""
    if not isinstance(schema, Mapping):
        return ()
    said = schema.get("type")
    if isinstance(said, str):
        return (said,)
    if isinstance(said, list):
        return tuple(each for each in said if isinstance(each, str))
    options = schema.get("anyOf", schema.get("oneOf"))
    if isinstance(options, list):
        return tuple(kind for each in options for kind in types_of(each))
    values = schema.get("enum", [schema["const"]] if "const" in schema else None)
    if isinstance(values, list) and values and all(isinstance(each, str) for each in values):
        return ("string",)
    return ()


def properties_of(tool: Json) -> Mapping[str, object]:
    """Return the schemas of a function's parameters by name."""
    parameters = function_of(tool).get("parameters")
    properties = parameters.get("properties") if isinstance(parameters, Mapping) else None
    return properties if isinstance(properties, Mapping) else {}


def typed_value(text: str, types: Sequence[str]) -> object:
    """Read an argument that stands bare between tags, as its schema wants it.

    One line break on either side belongs to the tags.
    """
    text = text.removeprefix("\n").removesuffix("\n")
    if "string" in types:
        return None if text == "null" and "null" in types else text
    bare = text.strip()
    try:
        return parse_json({"True": "true", "False": "false", "None": "null"}.get(bare, bare))
    except ValueError:
        return text
