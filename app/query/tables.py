"""A place in a loaded text → the header row of the table that it is in; pure.

Rows are lines whose cells are parted by bars; a table begins behind a blank line.
"""

from __future__ import annotations

import re

MAX_HEADER = 300  # characters
_BAR = re.compile(r"(?<!\\)\|")
_RULE = re.compile(r"[\s|:=+-]+")  # below the header of a Markdown table


def header_of(text: str, at: int) -> str:
    """Give the header row above a place inside a table.

    Returns:
        The row in one line; empty outside tables and in the header itself.
    """
    begin = text.rfind("\n", 0, at) + 1
    n_cells = _n_cells(text[begin : _end_of_line(text, begin)])
    if n_cells < 2:
        return ""
    first = text.rfind("\n\n", 0, begin)
    first = 0 if first < 0 else first + 2
    while first < begin:
        end = _end_of_line(text, first)
        row = text[first:end]
        if _n_cells(row) == n_cells and not _RULE.fullmatch(row):
            return " ".join(row.strip().strip("|").split())[:MAX_HEADER]
        if _n_cells(row) > 1:
            return ""  # another table's rows: no header that fits
        first = end + 1
    return ""


def _n_cells(row: str) -> int:
    inner = row.strip().removeprefix("|").removesuffix("|")
    return len(_BAR.findall(inner)) + 1 if "|" in row else 0


def _end_of_line(text: str, at: int) -> int:
    end = text.find("\n", at)
    return len(text) if end < 0 else end
