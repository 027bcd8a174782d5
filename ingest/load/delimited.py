"""Bytes of a CSV or TSV file in, its rows as one table with header out; pure."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterator

from ingest.load.build import TextBuilder
from ingest.load.cjk import clean
from ingest.load.decode import decode
from ingest.types import Loaded

_DELIMITERS = (",", ";", "\t", "|", "，")
_SAMPLE_ROWS = 100
_MAX_LINES_IN_CELL = 60  # more: a stray quote has swallowed rows


def load(data: bytes, name: str) -> Loaded:
    """Load a table of separated values, whatever separates them.

    Raises:
        EmptyFileError: there is no value.
        BrokenFileError: the bytes are no text.
    """
    text = clean(decode(data)).replace("\r\n", "\n").replace("\r", "\n")
    first, _, rest = text.partition("\n")
    delimiter = ""
    if first.casefold().startswith("sep=") and len(first) == 5:  # Excel's own mark
        text, delimiter = rest, first[4]
    delimiter = delimiter or _delimiter(text, name)
    builder = TextBuilder()
    rows = list(_rows(text, delimiter))
    used = [row for row in rows if any(cell.strip() for cell in row)]
    has_columns = max((len(row) for row in used), default=0) > 1
    if has_columns:
        n_titles = 0
        while n_titles < len(used) - 1 and sum(bool(cell.strip()) for cell in used[n_titles]) == 1:
            builder.paragraph("".join(used[n_titles]))  # a title above the table
            n_titles += 1
        builder.table(used[n_titles:], has_header=len(used) - n_titles > 1)
    else:
        builder.items([cell for row in used for cell in row])
    media_type = "text/tab-separated-values" if delimiter == "\t" else "text/csv"
    return builder.finish(media_type, nothing="the table holds no value")


def _rows(text: str, delimiter: str) -> Iterator[list[str]]:
    try:
        rows = list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter))
    except csv.Error:  # a field beyond all bounds: an open quote
        rows = []
    if rows and all(cell.count("\n") <= _MAX_LINES_IN_CELL for row in rows for cell in row):
        yield from rows
    else:
        for line in text.split("\n"):
            yield line.split(delimiter)


def _delimiter(text: str, name: str) -> str:
    """Choose the delimiter that cuts most rows into the same number of cells, more than one."""
    if name.casefold().endswith((".tsv", ".tab")) and "\t" in text:
        return "\t"
    sample = "\n".join(text[:200_000].split("\n")[:_SAMPLE_ROWS])
    best, score = ",", 0.0
    for delimiter in _DELIMITERS:
        widths = Counter(len(row) for row in _rows(sample, delimiter) if any(row))
        width, n = max(widths.items(), key=lambda one: (one[1], one[0]), default=(0, 0))
        mine = (n / max(widths.total(), 1)) if width > 1 else 0.0
        if mine > score + 0.01:
            best, score = delimiter, mine
    return best
