import re

import pytest

from engine.errors import FormatError
from engine.runtime.grammar import JSON_OBJECT, check_size

DEEP = "(" * 20_000


@pytest.mark.parametrize(
    ("grammar", "said"),
    [
        (f'root ::= {DEEP}"a"{")" * 20_000}', "nested deeper than 500"),  # ended the process
        (f"root ::= {DEEP}", "nested deeper than 500"),
        (f'root ::= "\\"" {DEEP}', "nested deeper than 500"),
        (f"root ::= [\\]] # (\n {DEEP}", "nested deeper than 500"),
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
