"""The functions that a template may call: arguments in, a value out; pure but for the date.

`and` and `or` decide before all arguments are known; the evaluation has them.

Source: Go, text/template/funcs.go; Ollama, template/template.go and api/types.go (ToolProperty).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import quote_plus

from engine.library.template.bounds import MAX_WEIGHT
from engine.library.template.go.formats import sprintf
from engine.library.template.go.values import (
    NO_VALUE,
    FunctionError,
    JsonList,
    Record,
    SchemaType,
    TooLargeError,
    equal,
    from_utf8,
    is_true,
    join_bounded,
    json_text,
    length,
    less,
    text_of,
    type_name,
    utf8,
)

_Arguments = Sequence[object]


@dataclass(frozen=True, slots=True)
class Builtin:
    """A function and how many arguments it takes."""

    call: Callable[[_Arguments], object]
    n_least: int = 0
    n_most: int | None = None  # None = any number


def _eq(given: _Arguments) -> bool:
    if len(given) < 2:
        raise FunctionError("missing argument for comparison")
    return any(equal(given[0], other) for other in given[1:])


def _less_or_equal(given: _Arguments) -> bool:
    return less(given[0], given[1]) or equal(given[0], given[1])


def _position(value: object, n: int, *, is_end: bool = False) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise FunctionError(f"cannot index slice/array with type {type_name(value)}")
    if not 0 <= value < n + is_end:
        raise FunctionError(f"index out of range: {value}")
    return value


def _index(given: _Arguments) -> object:
    item = given[0]
    for each in given[1:]:
        if item is None:
            raise FunctionError("index of untyped nil")
        if isinstance(item, dict):
            if not isinstance(each, str):
                raise FunctionError(f"value has type {type_name(each)}; should be string")
            item = item.get(each)
        elif isinstance(item, (list, bytes)):
            item = item[_position(each, len(item))]
        elif isinstance(item, str):
            item = utf8(item)[_position(each, length(item))]
        else:
            raise FunctionError(f"can't index item of type {type_name(item)}")
    return item


def _slice(given: _Arguments) -> object:
    item, indices = given[0], given[1:]
    if item is None:
        raise FunctionError("slice of untyped nil")
    if len(indices) > 3:
        raise FunctionError(f"too many slice indexes: {len(indices)}")
    if not isinstance(item, (str, list, bytes)):
        raise FunctionError(f"can't slice item of type {type_name(item)}")
    if isinstance(item, str) and len(indices) == 3:
        raise FunctionError("cannot 3-index slice a string")
    n = length(item)
    bounds = [_position(each, n, is_end=True) for each in indices]
    for low, high in zip(bounds, bounds[1:], strict=False):
        if low > high:
            raise FunctionError(f"invalid slice index: {low} > {high}")
    start, end = (bounds[0] if bounds else 0), (bounds[1] if len(bounds) > 1 else n)
    if isinstance(item, str):
        return item[start:end] if item.isascii() else from_utf8(utf8(item)[start:end])
    # A part of what prints as JSON does so too.
    return JsonList(item[start:end]) if isinstance(item, JsonList) else item[start:end]


def _print(given: _Arguments) -> str:
    return join_bounded(_printed(given))


def _printed(given: _Arguments) -> Iterator[str]:
    # A space stands between two operands of which neither is a text.
    for i, each in enumerate(given):
        if i and not isinstance(each, str) and not isinstance(given[i - 1], str):
            yield " "
        yield text_of(each)


def _print_line(given: _Arguments) -> str:
    return join_bounded(" " * (i > 0) + text_of(each) for i, each in enumerate(given)) + "\n"


def _print_format(given: _Arguments) -> str:
    if not isinstance(given[0], str):
        raise FunctionError(f"wrong type for value; expected string; got {type_name(given[0])}")
    return sprintf(given[0], given[1:])


def _shown(given: _Arguments) -> str:
    return _print([NO_VALUE if each is None else each for each in given])


_HTML = {'"': "&#34;", "'": "&#39;", "&": "&amp;", "<": "&lt;", ">": "&gt;", "\0": "\ufffd"}
_HTML_SPECIAL = re.compile("[\"'&<>\0]")
_JS = {"\\": "\\\\", "'": "\\'", '"': '\\"'}
_JS_SPECIAL = re.compile("[\\\\'\"<>&=\x00-\x1f]|[^\x00-\x7f]")


def _bounded(text: str) -> str:
    if len(text) > MAX_WEIGHT:
        raise TooLargeError
    return text


def _html(given: _Arguments) -> str:
    return _bounded(_HTML_SPECIAL.sub(lambda match: _HTML[match.group()], _shown(given)))


def _js(given: _Arguments) -> str:
    return _bounded(_JS_SPECIAL.sub(_js_escape, _shown(given)))


def _js_escape(match: re.Match[str]) -> str:
    character = match.group()
    if character in _JS or (not character.isascii() and character.isprintable()):
        return _JS.get(character, character)
    return f"\\u{ord(character):04X}"


def _url_query(given: _Arguments) -> str:
    return _bounded(quote_plus(_shown(given), errors="replace"))


def _call(given: _Arguments) -> object:
    if given[0] is None:
        raise FunctionError("call of nil")
    raise FunctionError(f"non-function of type {type_name(given[0])}")


def _date(days_ago: int) -> Callable[[_Arguments], str]:
    def write(_: _Arguments) -> str:
        return f"{datetime.now().astimezone() - timedelta(days=days_ago):%Y-%m-%d}"

    return write


_TYPESCRIPT = {
    "string": "string", "number": "number", "integer": "number", "boolean": "boolean",
    "array": "any[]", "object": "Record<string, any>", "null": "null",
}  # fmt: skip


def _to_typescript(given: _Arguments) -> str:
    return _bounded(_typescript(given[0]))


def _typescript(value: object) -> str:
    if not isinstance(value, Record) or "AnyOf" not in value.fields:
        return "any"
    any_of, kinds = value.fields["AnyOf"], value.fields["Type"]
    if isinstance(any_of, list) and any_of:
        return " | ".join(_typescript(each) for each in any_of)
    if isinstance(kinds, SchemaType) and kinds:
        return " | ".join(_TYPESCRIPT.get(str(each), "any") for each in kinds)
    return "any"


FUNCTIONS: dict[str, Builtin] = {
    "and": Builtin(lambda given: given[-1], 1),
    "or": Builtin(lambda given: given[-1], 1),
    "not": Builtin(lambda given: not is_true(given[0]), 1, 1),
    "eq": Builtin(_eq, 1),
    "ne": Builtin(lambda given: not equal(given[0], given[1]), 2, 2),
    "lt": Builtin(lambda given: less(given[0], given[1]), 2, 2),
    "le": Builtin(_less_or_equal, 2, 2),
    "gt": Builtin(lambda given: not _less_or_equal(given), 2, 2),
    "ge": Builtin(lambda given: not less(given[0], given[1]), 2, 2),
    "len": Builtin(lambda given: length(given[0]), 1, 1),
    "index": Builtin(_index, 1),
    "slice": Builtin(_slice, 1),
    "print": Builtin(_print),
    "println": Builtin(_print_line),
    "printf": Builtin(_print_format, 1),
    "html": Builtin(_html),
    "js": Builtin(_js),
    "urlquery": Builtin(_url_query),
    "call": Builtin(_call, 1),
    "json": Builtin(lambda given: json_text(given[0]), 1, 1),
    "currentDate": Builtin(_date(0)),
    "yesterdayDate": Builtin(_date(1)),
    "toTypeScriptType": Builtin(_to_typescript, 1, 1),
}
