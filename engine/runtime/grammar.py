"""A wanted output format in, a GBNF grammar out; pure."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

from engine.errors import FormatError
from engine.runtime.grammar_ways import check_ways
from engine.types import Format

# llama.cpp reads a grammar by recursion: 20,000 brackets, or 100,000 rules that only name the next,
# end the process.
_MAX_NESTING = 5000
_MAX_CHARACTERS = 1 << 18
# Every repetition is written out, those up to a most one bracket within the other; of those
# llama.cpp reads no more.
_COUNTS = {"minLength": 4000, "minItems": 4000, "maxLength": 1000, "maxItems": 1000}
# Literals, sets and comments hold brackets that open nothing.
_NOT_SYNTAX = re.compile(r'"(?:[^"\\]|\\.)*"?|\[(?:[^\]\\]|\\.)*\]?|#[^\n]*', re.DOTALL)

JSON_OBJECT = r"""
root ::= object
value ::= object | array | string | number | ("true" | "false" | "null")
object ::= "{" ws ( string ":" ws value ws ("," ws string ":" ws value ws)* )? "}"
array ::= "[" ws ( value ws ("," ws value ws)* )? "]"
string ::= "\"" ( [^"\\\x7F\x00-\x1F] | "\\" (["\\bfnrt/] | "u" [0-9a-fA-F]{4}) )* "\""
number ::= "-"? ([0-9] | [1-9] [0-9]{0,15}) ("." [0-9]{1,15})? ([eE] [-+]? [0-9]{1,3})?
ws ::= | " " | "\n" [ \t]{0,20}
"""


def grammar_of(wanted: Format) -> str | None:
    """Turn a format into a grammar; None where anything goes.

    Source: grammars/json.gbnf of llama.cpp; schemas by llama_cpp.llama_grammar.json_schema_to_gbnf.

    Raises:
        FormatError: the format is unknown or the schema cannot be expressed.
    """
    if wanted is None:
        return None
    if isinstance(wanted, str):
        if wanted == "json":
            return JSON_OBJECT
        raise FormatError(
            f'invalid format: "{wanted}"; expected "json" or a valid JSON Schema object'
        )
    return _from_schema(wanted)


def _from_schema(schema: Mapping[str, object]) -> str:
    _check_counts(schema)
    from engine.runtime.schema_native import gbnf_from_schema  # loads the native package

    try:
        return gbnf_from_schema(json.dumps(_without_ref_above(schema)))
    except (
        ValueError,
        KeyError,
        TypeError,
        AttributeError,
        RecursionError,
        AssertionError,
    ) as error:
        raise FormatError(
            f"invalid format: this JSON schema cannot be turned into a grammar: {error}"
        ) from error


def _without_ref_above(schema: Mapping[str, object]) -> Mapping[str, object]:
    """Put a reference that stands at the top one level down.

    Beside one the converter does not look for others, and a class that holds itself has one at the
    top and others below.
    """
    if "$ref" not in schema:
        return schema
    beside = {name: value for name, value in schema.items() if name != "$ref"}
    return {**beside, "oneOf": [{"$ref": schema["$ref"]}]}


def _check_counts(schema: Mapping[str, object]) -> None:
    """Refuse lengths that would fill the memory when written out."""
    waiting: list[object] = [schema]
    while waiting:
        one = waiting.pop()
        if isinstance(one, list):
            waiting += one
        if not isinstance(one, Mapping):
            continue
        waiting += one.values()
        for name, most in _COUNTS.items():
            count = one.get(name)
            if isinstance(count, int | float) and count > most:
                raise FormatError(
                    f"invalid format: {name} is {count}, at most {most:,} can be kept to; "
                    "lower it or leave it out"
                )


def check_size(grammar: str) -> int:
    """Refuse a grammar that is too large or too deep to be read, or has too many ways.

    Returns:
        the most ways that one rule leads on at once.
    Raises:
        FormatError: says which it is.
    """
    if len(grammar) > _MAX_CHARACTERS:
        raise FormatError(
            f"the grammar cannot be used: it has {len(grammar):,} characters, {_MAX_CHARACTERS:,} "
            "are allowed; write a smaller one, or a simpler schema"
        )
    depth = 0
    for bracket in re.findall(r"[()]", _NOT_SYNTAX.sub("", grammar)):
        depth += 1 if bracket == "(" else -1
        if depth > _MAX_NESTING:
            raise FormatError(
                "the grammar cannot be used: its brackets are nested deeper than "
                f"{_MAX_NESTING:,}; give the inner parts rules of their own"
            )
    return check_ways(grammar)
