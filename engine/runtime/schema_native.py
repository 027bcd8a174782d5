"""A JSON schema's text in, a GBNF grammar out, by llama-cpp-python's own converter."""

from __future__ import annotations

from llama_cpp.llama_grammar import json_schema_to_gbnf


def gbnf_from_schema(schema: str) -> str:
    """Convert a schema; raises whatever the converter raises for what it cannot express."""
    return str(json_schema_to_gbnf(schema))
