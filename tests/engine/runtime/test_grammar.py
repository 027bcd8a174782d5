import re

import pytest

from engine.errors import FormatError
from engine.runtime.grammar import JSON_OBJECT, check_size, grammar_of

DEEP = "(" * 20_000


@pytest.mark.parametrize(
    ("grammar", "said"),
    [
        (f'root ::= {DEEP}"a"{")" * 20_000}', "nested deeper than 5,000"),  # ended the process
        (f"root ::= {DEEP}", "nested deeper than 5,000"),
        (f'root ::= "\\"" {DEEP}', "nested deeper than 5,000"),
        (f"root ::= [\\]] # (\n {DEEP}", "nested deeper than 5,000"),
        ("root ::= r\n" * 100_000, "it has 1,100,000 characters, 262,144 are allowed"),
    ],
)
def test_what_llama_cpp_does_not_survive_is_refused(grammar, said):
    with pytest.raises(FormatError, match=re.escape(said)):
        check_size(grammar)


@pytest.mark.parametrize(
    "grammar",
    [
        JSON_OBJECT,
        'root ::= ("a" | ("b" "c"))* ' * 1000,  # many, none deep
        f'root ::= "{DEEP}" [{DEEP}] # {DEEP}',  # text, not structure
    ],
)
def test_what_it_survives_is_not(grammar):
    check_size(grammar)


@pytest.mark.parametrize("name", ["minLength", "maxLength", "minItems", "maxItems"])
def test_a_length_that_would_fill_the_memory_is_refused(name):
    kind = "string" if "Length" in name else "array"
    deep = {"type": "object", "properties": {"a": {"anyOf": [{"type": kind, name: 10**9}]}}}

    with pytest.raises(FormatError, match=f"{name} is 1000000000, at most [14],000 can be kept"):
        grammar_of(deep)
