"""Passages → a grammar under which a model can cite nothing that is not there; pure."""

from __future__ import annotations

import re
from collections.abc import Sequence

from app.query.types import Passage

_INDEXED = re.compile(r"\w\[\d")


def marks_grammar(passages: Sequence[Passage]) -> str | None:
    """Write a GBNF grammar: any text, in which a bracket opens only the mark of a passage.

    None where there is nothing to cite, and where a passage indexes something, as code does: who
    must not write `a[0]` would write `a[1]`, and that is another statement.
    """
    if not passages or any(_INDEXED.search(one.text) for one in passages):
        return None
    marks = " | ".join(f'"{n}]"' for n in range(1, len(passages) + 1))
    # \u3010 is the bracket that models write in Chinese; marks have one form.
    return f'root ::= (text | "[" mark)*\ntext ::= [^\\[\\u3010]\nmark ::= {marks}\n'
