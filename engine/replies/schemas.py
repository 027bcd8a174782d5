"""A tool's schema in, GBNF for its arguments out; lenient where the converter is strict; pure.

A forced call must not fail because a schema says more than a grammar can: what cannot be
expressed (patterns, huge bounds, unknown types) is left open.
"""

from __future__ import annotations

from collections.abc import Mapping

from engine.errors import FormatError, RequestError
from engine.runtime.grammar import grammar_of

_ANY: dict[str, object] = {"type": "value"}  # the converter's name for anything
_TYPES = frozenset({"string", "number", "integer", "boolean", "null", "object", "array"})
_MAX_NODES = 5000
_MAX_NESTED = 3  # times that one definition stands within itself
_MAX_ITEMS = 64
_MAX_LENGTH = 200
_COUNTS = {
    "minItems": _MAX_ITEMS,
    "maxItems": _MAX_ITEMS,
    "minLength": _MAX_LENGTH,
    "maxLength": _MAX_LENGTH,
}


def object_grammar(schema: object, name: str) -> str:
    """Write the grammar of a tool's arguments as one JSON object.

    Raises:
        RequestError: the schema cannot be turned into a grammar; `name` names the tool.
    """
    plain = _plain(schema, schema, name)
    if plain.get("type") != "object" and "properties" not in plain and "allOf" not in plain:
        plain = {"type": "object"} if schema else {"type": "object", "properties": {}}
    return _converted(plain, name)


def value_grammar(schema: object, root: object, name: str) -> str:
    """Write the grammar of one argument; `root` is the schema that references point into."""
    return _converted(_plain(schema, root, name), name)


def _plain(schema: object, root: object, name: str) -> dict[str, object]:
    try:
        return _Plainer(root).plain(schema, ())
    except RecursionError as error:
        raise RequestError(f"tool {name!r}: its parameters are nested too deeply") from error


def _converted(schema: Mapping[str, object], name: str) -> str:
    try:
        grammar = grammar_of(schema)
    except FormatError as error:
        raise RequestError(
            f"tool {name!r}: its parameters cannot be turned into a grammar, which "
            f"tool_choice needs: {error}"
        ) from error
    return grammar or ""


class _Plainer:
    """Rewrite a schema into the part of JSON schema that the converter reads right."""

    def __init__(self, root: object) -> None:
        self._root = root
        self._n_left = _MAX_NODES

    def plain(self, schema: object, within: tuple[str, ...]) -> dict[str, object]:
        """Return the plain form; `within` lists the references that led here."""
        self._n_left -= 1
        if self._n_left < 0 or len(within) > 8 or not isinstance(schema, Mapping):
            return _ANY
        reference = schema.get("$ref")
        if isinstance(reference, str):
            if within.count(reference) >= _MAX_NESTED:
                return _ANY
            return self.plain(self._find(reference), (*within, reference))
        for read in (self._union, self._values, self._all, self._object, self._array):
            found = read(schema, within)
            if found is not None:
                return found
        return _scalar(schema)

    def _find(self, reference: str) -> object:
        """Follow a reference within the schema; what is not there may be anything."""
        at = self._root
        for step in reference.removeprefix("#").split("/")[1:]:
            step = step.replace("~1", "/").replace("~0", "~")
            at = at.get(step) if isinstance(at, Mapping) else None
        return at

    def _union(
        self, schema: Mapping[str, object], within: tuple[str, ...]
    ) -> dict[str, object] | None:
        for key in ("anyOf", "oneOf"):
            options = schema.get(key)
            if isinstance(options, list) and options:
                return {"anyOf": [self.plain(each, within) for each in options]}
        kinds = schema.get("type")
        if isinstance(kinds, list) and "enum" not in schema and "const" not in schema:
            options = [self.plain({**schema, "type": each}, within) for each in kinds]
            return {"anyOf": options} if options else _ANY
        return None

    def _values(self, schema: Mapping[str, object], _: tuple[str, ...]) -> dict[str, object] | None:
        if "const" in schema:
            return {"const": _escaped(schema["const"])}
        values = schema.get("enum")
        if isinstance(values, list) and values:
            return {"enum": [_escaped(each) for each in values]}
        return None

    def _all(
        self, schema: Mapping[str, object], within: tuple[str, ...]
    ) -> dict[str, object] | None:
        parts = schema.get("allOf")
        if not isinstance(parts, list) or not parts or "properties" in schema:
            return None
        plain = [self.plain(each, within) for each in parts]
        if len(plain) == 1:
            return plain[0]
        if not all("properties" in each for each in plain):
            return _ANY
        merged: dict[str, object] = {}
        required: list[object] = []
        for each in plain:
            merged.update(_mapping(each["properties"]))
            required += _list(each.get("required"))
        return {"type": "object", "properties": merged, "required": required}

    def _object(
        self, schema: Mapping[str, object], within: tuple[str, ...]
    ) -> dict[str, object] | None:
        properties = schema.get("properties")
        kind = schema.get("type", "object")
        if kind != "object" or not isinstance(properties, Mapping):
            more = schema.get("additionalProperties")
            if kind == "object" and isinstance(more, Mapping) and more:
                return {"type": "object", "additionalProperties": self.plain(more, within)}
            return None
        required = _list(schema.get("required"))
        return {
            "type": "object",
            "properties": {
                _escaped(key): self.plain(each, within) for key, each in properties.items()
            },
            "required": [_escaped(key) for key in required if isinstance(key, str)],
        }

    def _array(
        self, schema: Mapping[str, object], within: tuple[str, ...]
    ) -> dict[str, object] | None:
        items = schema.get("items")
        if schema.get("type", "array") != "array" or not isinstance(items, Mapping):
            return None
        return {"type": "array", "items": self.plain(items, within), **_counts(schema)}


def _scalar(schema: Mapping[str, object]) -> dict[str, object]:
    kind = schema.get("type")
    if not isinstance(kind, str) or kind not in _TYPES:
        return _ANY
    if kind != "string":
        return {"type": kind}
    form = schema.get("format")
    if form in ("date", "time", "date-time", "uuid"):
        return {"type": "string", "format": form}
    return {"type": "string", **_counts(schema)}


def _counts(schema: Mapping[str, object]) -> dict[str, object]:
    """Keep bounds that a grammar can count to."""
    counts = {key: schema.get(key) for key in _COUNTS}
    is_sound = all(
        value is None or (type(value) is int and 0 <= value <= _COUNTS[key])
        for key, value in counts.items()
    )
    return {key: value for key, value in counts.items() if is_sound and value is not None}


def _escaped(value: object) -> object:
    """Write quotes, backslashes and control characters as JSON's escapes by number.

    The converter escapes them wrongly (_format_literal leaves backslashes alone).
    """
    if isinstance(value, str):
        return "".join(
            f"\\u{ord(each):04x}" if each in '"\\' or ord(each) < 0x20 else each for each in value
        )
    if isinstance(value, list):
        return [_escaped(each) for each in value]
    if isinstance(value, dict):
        return {_escaped(key): _escaped(each) for key, each in value.items()}
    return value


def _mapping(value: object) -> Mapping[str, object]:
    return value if isinstance(value, Mapping) else {}


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else []
