"""A JSON schema in, a refusal of what no grammar can express out; pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from engine.errors import FormatError
from engine.types import Json

# What the converter would pass over in silence, so that answers could break the schema. Keywords
# that only tighten a value (uniqueItems, multipleOf, propertyNames, minProperties, …) are passed
# over as in Ollama: widely used libraries write them into nearly every schema.
# Source: json_schema_to_grammar of llama.cpp (common/json-schema-to-grammar.cpp).
_INEXPRESSIBLE = (
    "not",
    "if",
    "then",
    "else",
    "contains",
    "patternProperties",
    "dependentSchemas",
    "dependentRequired",
    "dependencies",
    "$dynamicRef",
    "$recursiveRef",
)
_ONE = ("items", "additionalProperties", "additionalItems")
_LISTS = ("allOf", "anyOf", "oneOf", "prefixItems", "items")
_NAMED = ("properties", "$defs", "definitions")


def check_schema(schema: Mapping[str, object]) -> Json:
    """Let a schema pass that a grammar can express.

    Raises:
        FormatError: it cannot; the message names the keyword and its place.
    """
    waiting: list[tuple[str, Mapping[str, object]]] = [("", schema)]
    while waiting:
        place, one = waiting.pop()
        for keyword in _INEXPRESSIBLE:
            if keyword in one:
                raise FormatError(_refusal(keyword, place))
        reference = one.get("$ref")
        if isinstance(reference, str) and not reference.startswith("#"):
            raise FormatError(
                f'invalid format: "$ref" at "{place or "/"}" leads out of the schema, to '
                f"{reference!r:.80}; put what it means under $defs"
            )
        waiting += _inner(place, one)
    return dict(schema)


def _refusal(keyword: str, place: str) -> str:
    return (
        f'invalid format: no grammar can express the keyword "{keyword}" at "{place or "/"}" of '
        "the JSON schema; leave it out and check the answer yourself"
    )


def _inner(place: str, schema: Mapping[str, object]) -> Iterator[tuple[str, Mapping[str, object]]]:
    for name in _ONE:
        found = schema.get(name)
        if isinstance(found, Mapping):
            yield f"{place}/{name}", found
    for name in _LISTS:
        listed = schema.get(name)
        for index, found in enumerate(listed if isinstance(listed, list) else ()):
            if isinstance(found, Mapping):
                yield f"{place}/{name}/{index}", found
    for name in _NAMED:
        named = schema.get(name)
        for key, found in (named if isinstance(named, Mapping) else {}).items():
            if isinstance(found, Mapping):
                yield f"{place}/{name}/{key}", found
