"""Traditional characters → simplified ones, one for one, so that a search finds either; pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from importlib.resources import files


def simplified(text: str) -> str:
    """Replace each traditional character by its simplified form; the length stays.

    Characters are folded one by one, without regard to words: as both sides of a comparison are
    folded, what matters is only that forms of one word meet.

    Source: the table of characters of OpenCC, github.com/BYVoid/OpenCC.
    """
    if text.isascii():
        return text
    traditional, table = _table()
    return traditional.sub(lambda found: table[found.group()], text)


@cache
def _table() -> tuple[re.Pattern[str], Mapping[str, str]]:
    file = files("opencc").joinpath("dictionary", "TSCharacters.txt")
    lines = file.read_text(encoding="utf-8").splitlines()
    pairs = (line.split() for line in lines if line.strip())
    # Without the rare ones above U+FFFF: with them the pattern would be fifty times as slow.
    table = {old: new for old, new, *_ in pairs if old != new and old <= "\uffff"}
    return re.compile(f"[{''.join(table)}]"), table
