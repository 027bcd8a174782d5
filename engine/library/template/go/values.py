"""Values as Go's templates see them in, their truth, kind, order and text out; pure.

Go's types stand as Python's: int, float, bool, str, list (slice), dict (map with text keys),
bytes (slice of uint8), `Record` (struct), None (nil). Texts count in bytes, as Go's do.

Source: Go, fmt/print.go, encoding/json/encode.go, text/template/funcs.go.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from engine.library.template.bounds import MAX_WEIGHT

Kind = Literal["bool", "int", "float", "string", "none"]  # none: has no order and no `==`
NO_VALUE = "<no value>"
_LARGE_EXPONENT = 6  # from 1e+06 on, Go writes floats with an exponent


class FunctionError(Exception):
    """A function or a comparison refuses its arguments."""


class TooLargeError(FunctionError):
    """A value would be longer than anything in a prompt needs to be."""

    def __init__(self) -> None:
        super().__init__(f"a value has more than {MAX_WEIGHT:,} characters")


@dataclass(frozen=True, slots=True)
class RecordType:
    """A struct's name, and what its fields are called in JSON."""

    name: str
    json_names: Mapping[str, str]  # field → key; all fields, in Go's order
    omitted_if_empty: frozenset[str] = frozenset()  # fields
    prints_as_json: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Record:
    """A struct: its fields are known, others are an error."""

    type: RecordType
    fields: Mapping[str, object]  # exactly those of the type


class JsonList(list[object]):
    """A slice that prints as JSON."""


class JsonMap(dict[str, object]):
    """A map that prints as JSON; as part of other JSON it may keep its order, or be a nil one."""

    def __init__(
        self, members: Mapping[str, object], *, is_sorted: bool = True, is_nil: bool = False
    ) -> None:
        super().__init__(members)
        self.is_sorted, self.is_nil = is_sorted, is_nil


class SchemaType(list[object]):
    """The type of a property: one prints bare, several as a slice; JSON likewise."""


def utf8(text: str) -> bytes:
    """Encode; lone halves of a pair, which JSON can bring, stay."""
    return text.encode("utf-8", "surrogatepass")


def from_utf8(data: bytes) -> str:
    """Decode; what is no character (a slice may cut one) is replaced."""
    return data.decode("utf-8", "replace")


def is_true(value: object) -> bool:
    """Tell whether a value is not the zero of its type and not empty."""
    if isinstance(value, Record):
        return True
    return bool(value)


def length(value: object) -> int:
    """Count what `len` counts.

    Raises:
        FunctionError: it has no length.
    """
    if isinstance(value, str):
        return len(value) if value.isascii() else len(utf8(value))
    if isinstance(value, (list, dict, bytes)):
        return len(value)
    if value is None:
        raise FunctionError("len of nil pointer")
    raise FunctionError(f"len of type {type_name(value)}")


def type_name(value: object) -> str:
    """Name a value's type as Go's `%T` does."""
    if isinstance(value, Record):
        return value.type.name
    for kind, name in _TYPE_NAMES:
        if isinstance(value, kind):
            return name
    return "<nil>"


_TYPE_NAMES: tuple[tuple[type, str], ...] = (
    (bool, "bool"),
    (int, "int"),
    (float, "float64"),
    (str, "string"),
    (bytes, "[]uint8"),
    (SchemaType, "api.PropertyType"),
    (JsonList, "template.templateTools"),
    (list, "[]interface {}"),
    (dict, "map[string]interface {}"),
)


def kind_of(value: object) -> Kind:
    """Sort a value into the kinds that can be compared."""
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, int):
        return "int"
    if isinstance(value, float):
        return "float"
    return "string" if isinstance(value, str) else "none"


def equal(left: object, right: object) -> bool:
    """Compare as `eq` does.

    Raises:
        FunctionError: of different kinds, or of one that has no `==`.
    """
    kind = kind_of(left)
    if kind != kind_of(right):
        if left is None or right is None:
            return False
        raise FunctionError("incompatible types for comparison")
    if kind != "none":
        return left == right
    if left is None or right is None:
        # An empty slice or map is a nil one here: nothing that a prompt sees tells them apart.
        return not is_true(left) and not is_true(right)
    raise FunctionError(f"non-comparable types {type_name(left)} and {type_name(right)}")


def less(left: object, right: object) -> bool:
    """Compare as `lt` does.

    Raises:
        FunctionError: of different kinds, or of one that has no order.
    """
    kind = kind_of(left)
    if "none" in {kind, kind_of(right)}:
        raise FunctionError("invalid type for comparison")
    if kind != kind_of(right):
        raise FunctionError("incompatible types for comparison")
    if isinstance(left, str) and isinstance(right, str):
        return left < right
    if isinstance(left, bool) or not isinstance(left, (int, float)):
        raise FunctionError("invalid type for comparison")
    return isinstance(right, (int, float)) and left < right


def entries(value: dict[str, object]) -> list[tuple[str, object]]:
    """Give a map's entries in the order in which Go walks them."""
    return sorted(value.items(), key=lambda entry: entry[0])


def text_of(value: object, *, with_names: bool = False) -> str:
    """Write a value as Go's `%v` does (`%+v` with the names of fields).

    Raises:
        TooLargeError: the text would be too long.
    """
    return value if isinstance(value, str) else join_bounded(_pieces(value, with_names))


def join_bounded(pieces: Iterator[str]) -> str:
    """Join, unless it becomes too long.

    Raises:
        TooLargeError: it would.
    """
    kept: list[str] = []
    n_characters = 0
    for piece in pieces:
        n_characters += len(piece)
        if n_characters > MAX_WEIGHT:
            raise TooLargeError
        kept.append(piece)
    return "".join(kept)


def own_text(value: object) -> str | None:
    """Give the text that a value writes itself as (Go's `String` method); None if it does not."""
    if isinstance(value, JsonMap) and value.is_nil:
        return "{}"
    if isinstance(value, (JsonList, JsonMap)) or (
        isinstance(value, Record) and value.type.prints_as_json
    ):
        return json_text(value)
    if isinstance(value, SchemaType) and len(value) < 2:
        return "".join(str(each) for each in value)
    return None


def _pieces(value: object, with_names: bool) -> Iterator[str]:
    own = own_text(value)
    if own is not None:
        yield own
    elif isinstance(value, Record):
        yield "{"
        for i, (name, field) in enumerate(value.fields.items()):
            yield " " * (i > 0) + (f"{name}:" if with_names else "")
            yield from _pieces(field, with_names)
        yield "}"
    elif isinstance(value, dict):
        yield "map["
        for i, (key, each) in enumerate(entries(value)):
            yield " " * (i > 0) + f"{key}:"
            yield from _pieces(each, with_names)
        yield "]"
    elif isinstance(value, (list, bytes)):
        yield "["
        for i, each in enumerate(value):
            yield " " * (i > 0)
            yield from _pieces(each, with_names)
        yield "]"
    else:
        yield scalar_text(value)


def scalar_text(value: object) -> str:
    """Write what is neither slice nor map nor struct."""
    if value is None:
        return "<nil>"
    if isinstance(value, bool):
        return "true" if value else "false"
    return float_text(value) if isinstance(value, float) else str(value)


def float_text(value: float) -> str:
    """Write a float with the fewest digits that tell it from all others (`%v`, `%g`)."""
    if value != value or value in (float("inf"), float("-inf")):
        return {"inf": "+Inf", "-inf": "-Inf"}.get(repr(value), "NaN")
    sign, digits, point = decimal_parts(value)
    exponent = point - 1
    if exponent < -4 or exponent >= _LARGE_EXPONENT:
        fraction = f".{digits[1:]}" if len(digits) > 1 else ""
        return f"{sign}{digits[0]}{fraction}e{'-' if exponent < 0 else '+'}{abs(exponent):02d}"
    return sign + _plain(digits, point)


def decimal_parts(value: float) -> tuple[str, str, int]:
    """Cut a finite float into sign, shortest digits, and where the point stands in them."""
    mantissa, _, exponent = repr(abs(value)).partition("e")
    whole, _, fraction = mantissa.partition(".")
    digits = (whole + fraction).lstrip("0")
    point = len(whole) + int(exponent or 0) - (len(whole + fraction) - len(digits))
    sign = "-" if repr(value).startswith("-") else ""
    digits = digits.rstrip("0")
    return (sign, digits, point) if digits else (sign, "0", 1)


def _plain(digits: str, point: int) -> str:
    if point <= 0:
        return "0." + "0" * -point + digits
    if point >= len(digits):
        return digits + "0" * (point - len(digits))
    return f"{digits[:point]}.{digits[point:]}"


def json_text(value: object) -> str:
    """Write a value as Go's `json.Marshal` does: compact, maps sorted, `<`, `>` and `&` escaped.

    Raises:
        TooLargeError: the text would be too long.
    """
    return join_bounded(_json_pieces(value))


def _json_pieces(value: object) -> Iterator[str]:
    if isinstance(value, Record):
        yield from _json_object(_json_fields(value))
    elif isinstance(value, JsonMap) and value.is_nil:
        yield "null"
    elif isinstance(value, dict):
        is_sorted = not isinstance(value, JsonMap) or value.is_sorted
        yield from _json_object(entries(value) if is_sorted else list(value.items()))
    elif isinstance(value, SchemaType) and len(value) == 1:
        yield from _json_pieces(value[0])
    elif isinstance(value, list):
        yield "["
        for i, each in enumerate(value):
            yield "," * (i > 0)
            yield from _json_pieces(each)
        yield "]"
    else:
        yield _json_scalar(value)


def _json_object(members: list[tuple[str, object]]) -> Iterator[str]:
    yield "{"
    for i, (key, each) in enumerate(members):
        yield "," * (i > 0) + _json_string(key) + ":"
        yield from _json_pieces(each)
    yield "}"


def _json_fields(record: Record) -> list[tuple[str, object]]:
    return [
        (key, record.fields[field])
        for field, key in record.type.json_names.items()
        if field not in record.type.omitted_if_empty or is_true(record.fields[field])
    ]


def _json_scalar(value: object) -> str:
    if value is None:
        return "null"
    if isinstance(value, str):
        return _json_string(value)
    if isinstance(value, bytes):
        return f'"{base64.b64encode(value).decode("ascii")}"'
    if isinstance(value, float):
        return _json_float(value)
    return scalar_text(value)


def _json_float(value: float) -> str:
    if value != value or abs(value) == float("inf"):
        return "null"  # Go refuses them; JSON has none
    if value and not 1e-6 <= abs(value) < 1e21:
        sign, digits, point = decimal_parts(value)
        fraction = f".{digits[1:]}" if len(digits) > 1 else ""
        return f"{sign}{digits[0]}{fraction}e{'-' if point < 1 else '+'}{abs(point - 1)}"
    sign, digits, point = decimal_parts(value)
    return sign + _plain(digits, point)


_JSON_SPECIAL = re.compile('[\x00-\x1f"\\\\<>&\u2028\u2029\ud800-\udfff]')
_JSON_NAMED = {
    '"': '\\"', "\\": "\\\\", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t",
}  # fmt: skip


def _json_string(text: str) -> str:
    return f'"{_JSON_SPECIAL.sub(_json_escape, text)}"'


def _json_escape(match: re.Match[str]) -> str:
    character = match.group()
    if "\ud800" <= character <= "\udfff":
        return "\\ufffd"
    return _JSON_NAMED.get(character, f"\\u{ord(character):04x}")
