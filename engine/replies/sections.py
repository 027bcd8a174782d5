"""The text of one call section in one family's syntax in, names and arguments out; pure."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence

from engine.replies.python_calls import parse_python_calls
from engine.replies.values import (
    Found,
    arguments_in,
    calls_in,
    known_name,
    names_of,
    parse_json,
    properties_of,
    typed_value,
    types_of,
)
from engine.types import Json

# Nothing is given back once it is taken: white space that several parts want would cost its cube.
_HEAD = re.compile(
    r"\s*+(?:function<｜tool▁sep｜>)?(?P<name>[^\s<>\[\]{}`]++)"  # and what stands behind the name:
    r"\s*+(?:\[CALL_ID\][^\[]*+)?(?:\[ARGS\])?(?:<[^>]*+>|>)?\s*+(?:```(?:json)?)?\s*+$"
)
# Every repetition is bounded or stops at the next tag: text from a model may be a bomb.
_FUNCTION = re.compile(r"<function=([^<>\n]{1,256})>")
_PARAMETER = re.compile(
    r"<parameter=([^<>\n]{1,256})>(.*?)(?:</parameter>|(?=<parameter=|</function>)|\Z)", re.DOTALL
)
_INVOKE = re.compile(r'<(?:｜DSML｜)?invoke name="([^"\n]{1,256})"\s{0,8}>')
_NAMED_PARAMETER = re.compile(
    r'<(?:｜DSML｜)?parameter name="([^"\n]{1,256})"[^>\n]{0,64}>(.*?)'
    r"(?:</(?:｜DSML｜)?parameter>|(?=<(?:｜DSML｜)?parameter name=|</(?:｜DSML｜)?invoke>)|\Z)",
    re.DOTALL,
)
_ARG = re.compile(
    r"<arg_key>([^<>]{1,256})</arg_key>\s{0,64}<arg_value>(.*?)(?:</arg_value>|(?=<arg_key>)|\Z)",
    re.DOTALL,
)
_BARE_KEY = re.compile(r"([{,]\s*)([A-Za-z_][\w.\-]*)\s*:")
_BRACED = re.compile(r"(?:call:)?([^\s{]{1,256})\s{0,64}(\{.*\})", re.DOTALL)
_QUOTES = ('<|"|>', "<escape>")

Read = Callable[[str, Sequence[Json]], list[Found]]


def read_json(text: str, tools: Sequence[Json]) -> list[Found]:
    """Read one JSON value that holds calls."""
    try:
        return calls_in(parse_json(text), names_of(tools))
    except ValueError:
        return []


def read_named(text: str, tools: Sequence[Json]) -> list[Found]:
    """Read a name, something between, and the arguments as a JSON object."""
    if text.lstrip().startswith("["):
        return read_json(text, tools)
    at = text.find("{")
    head = _HEAD.match(text[:at]) if at >= 0 else None
    name = known_name(head["name"], names_of(tools)) if head else ""
    if not name:
        return read_json(text, tools)
    try:
        value = parse_json(text[at:])
    except ValueError:
        return []
    return [(name, value)] if isinstance(value, dict) else []


def read_functions(text: str, tools: Sequence[Json]) -> list[Found]:
    """Read <function=name><parameter=key>value</parameter></function>."""
    return _read_tagged(text, tools, _FUNCTION, _PARAMETER)


def read_invokes(text: str, tools: Sequence[Json]) -> list[Found]:
    """Read <invoke name="..."><parameter name="...">value</parameter></invoke>."""
    return _read_tagged(text, tools, _INVOKE, _NAMED_PARAMETER)


def _read_tagged(
    text: str, tools: Sequence[Json], head: re.Pattern[str], item: re.Pattern[str]
) -> list[Found]:
    heads = list(head.finditer(text))
    ends = [each.start() for each in heads[1:]] + [len(text)]
    names = names_of(tools)
    found: list[Found] = []
    for each, end in zip(heads, ends, strict=False):
        name = known_name(each[1], names)
        if name:
            found.append((name, _typed(item.findall(text[each.end() : end]), name, tools)))
    return found


def _typed(pairs: Sequence[tuple[str, str]], name: str, tools: Sequence[Json]) -> dict[str, object]:
    tool = next(tool for tool, each in zip(tools, names_of(tools), strict=True) if each == name)
    schemas: Mapping[str, object] = properties_of(tool)
    return {
        key.strip(): typed_value(value, types_of(schemas.get(key.strip()))) for key, value in pairs
    }


def read_args(text: str, tools: Sequence[Json]) -> list[Found]:
    """Read a name, then <arg_key>key</arg_key><arg_value>value</arg_value>."""
    name = known_name(re.split(r"<arg_key>|\n", text.lstrip(), maxsplit=1)[0], names_of(tools))
    return [(name, _typed(_ARG.findall(text), name, tools))] if name else read_json(text, tools)


def read_braced(text: str, tools: Sequence[Json]) -> list[Found]:
    """Read call:name{key:<|"|>text<|"|>,other:1}."""
    match = _BRACED.match(text.strip())
    name = known_name(match[1], names_of(tools)) if match else ""
    if not match or not name:
        return []
    for form in (match[2], _with_quotes(match[2])):
        try:
            value = parse_json(form)
        except ValueError:
            continue
        return [(name, value)] if isinstance(value, dict) else []
    return []


def _with_quotes(text: str) -> str:
    """Turn the quotes of that syntax, and its bare keys, into JSON's."""
    mark = next((each for each in _QUOTES if each in text), _QUOTES[0])
    parts = text.split(mark)
    for at, part in enumerate(parts):
        if at % 2:
            parts[at] = json.dumps(part)
        else:
            parts[at] = _BARE_KEY.sub(r'\1"\2":', part)
    return "".join(parts)


def read_python(text: str, tools: Sequence[Json]) -> list[Found]:
    """Read [name(key=value), ...], or JSON in its place."""
    names = names_of(tools)
    try:
        calls = parse_python_calls(text)
    except ValueError:
        return read_json(text, tools)
    known = [(known_name(name, names), arguments) for name, arguments in calls]
    return [(name, arguments) for name, arguments in known if name]


def read_loose(text: str, tools: Sequence[Json]) -> list[Found]:
    """Read what Ollama's generic parser takes: a tool's name, then a JSON object behind it."""
    names = names_of(tools)
    at = text.find("{")
    start = text.find("[")
    if 0 <= start < at and not text[start + 1 : at].strip():
        at = start
    try:
        value = parse_json(text[at:]) if at >= 0 else None
    except ValueError:
        return []
    found = calls_in(value, names)
    name = "" if found else _longest_in(text[:at], names)
    if not name or not isinstance(value, dict):
        return found
    if "name" in value:
        return []  # the call names another function
    arguments = arguments_in(value) if {"arguments", "parameters"} & set(value) else value
    return [(name, arguments)] if arguments is not None else []


def _longest_in(text: str, names: Sequence[str]) -> str:
    """Return the longest tool name that stands in a text."""
    return next((n for n in sorted(names, key=len, reverse=True) if n and n in text), "")
