"""Bytes of an Excel workbook in, its sheets as tables with header rows out; a sheet is a page."""

from __future__ import annotations

import datetime
import re
import zipfile
from collections.abc import Iterator, Sequence
from io import BytesIO
from itertools import islice

from ingest.errors import BrokenFileError
from ingest.load.archive import check_office, open_archive
from ingest.load.build import TextBuilder
from ingest.load.cjk import one_line
from ingest.types import Loaded

_MEDIA_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
_MAX_COLUMNS = 1000
_MAX_ROWS = 1_048_576  # of a sheet; no program writes more, but a file may claim them
# A cell with a formula and no value: written by a program that does not calculate.
_UNCALCULATED = re.compile(
    rb"<c\b[^>]*>\s*<f\b[^>]*(?:/>|>[^<]*</f>)\s*(?:<v\s*/>|<v>\s*</v>)?\s*</c>"
)
Row = list[str]


def load(data: bytes, name: str) -> Loaded:
    """Load a workbook: values as last calculated; formulas and macros are not run.

    Raises:
        BrokenFileError: damaged, cut off or not a workbook.
        EmptyFileError: no sheet holds a value; says so if formulas were never calculated.
        TooLargeError: it unpacks to more than a document ever does.
    """
    import openpyxl  # slow to import

    check_office(data)
    builder = TextBuilder()
    uncalculated = _count_uncalculated(data)
    if uncalculated:
        builder.warnings.append(uncalculated)
    try:
        book = openpyxl.load_workbook(
            BytesIO(data), read_only=True, data_only=True, keep_links=False
        )
        try:
            for number, sheet in enumerate(book.worksheets, start=1):
                builder.page = number
                sheet.reset_dimensions()  # what the file says about its size is often wrong
                _read_sheet(builder, str(sheet.title), _rows(builder, sheet))
            title, author = book.properties.title or "", book.properties.creator or ""
        finally:
            book.close()
    except (
        KeyError,
        ValueError,
        TypeError,
        SyntaxError,
        AttributeError,
        IndexError,
        zipfile.BadZipFile,
        OSError,
    ) as error:
        raise BrokenFileError(f"not a readable workbook: {error}") from error
    return builder.finish(
        _MEDIA_TYPE,
        title=title,
        metadata={
            "author": author if author != "openpyxl" else "",
            "sheets": str(builder.page or 0),
        },
        nothing="; ".join(filter(None, ["no sheet holds a value", uncalculated])),
    )


def _count_uncalculated(data: bytes) -> str:
    """Say how many formulas have no value, which only a spreadsheet program can calculate."""
    n_formulas = 0
    with open_archive(data) as archive:
        for name in archive.names():
            if name.startswith("xl/worksheets/") and name.endswith(".xml"):
                n_formulas += len(_UNCALCULATED.findall(archive.read(name)))
    if not n_formulas:
        return ""
    return (
        f"formulas without a value: {n_formulas:,}; a program wrote them that does not calculate: "
        "open the workbook in Excel or LibreOffice, save it there and add it again"
    )


def _rows(builder: TextBuilder, sheet: object) -> Iterator[Row]:
    """Give a sheet's rows, as far as they are read."""
    rows: Iterator[Sequence[object]] = sheet.iter_rows()  # type: ignore[attr-defined]  # untyped
    n_beyond = 0
    for cells in islice(rows, _MAX_ROWS):
        beyond = cells[_MAX_COLUMNS:]
        n_beyond += sum(getattr(cell, "value", None) is not None for cell in beyond)
        yield _row(cells)
    title = sheet.title  # type: ignore[attr-defined]
    if n_beyond:
        builder.warnings.append(
            f"sheet {title!r}: {n_beyond:,} cells beyond column {_MAX_COLUMNS:,} not read"
        )
    if next(rows, None) is not None:
        builder.warnings.append(f"sheet {title!r}: rows beyond {_MAX_ROWS:,} not read")


def _read_sheet(builder: TextBuilder, name: str, rows: Iterator[Row]) -> None:
    """Write one sheet: its name as heading, then its tables, parted by empty rows."""
    pieces = [piece for piece in _pieces(rows) if piece]
    if not pieces:
        return
    builder.heading(name, 1)
    header: Row | None = None
    for piece in pieces:
        while len(piece) > 1 and sum(map(bool, piece[0])) == 1 and _width(piece) > 1:
            builder.paragraph(next(filter(None, piece.pop(0))))  # a title above its table
        if _width(piece) == 1 and len(piece) < 4:
            for row in piece:
                builder.paragraph(next(filter(None, row)))
            continue
        if header is not None and not _looks_like_header(piece, header):
            builder.table([header, *piece], has_header=True)  # goes on below an empty row
            continue
        header = piece[0] if len(piece) > 1 else None
        builder.table(piece, has_header=len(piece) > 1 and _width(piece) > 1)


def _pieces(rows: Iterator[Row]) -> Iterator[list[Row]]:
    piece: list[Row] = []
    for row in rows:
        if any(row):
            piece.append(row)
        elif piece:
            yield piece
            piece = []
    yield piece


def _width(piece: Sequence[Row]) -> int:
    return max(sum(map(bool, row)) for row in piece)


def _looks_like_header(piece: Sequence[Row], before: Row) -> bool:
    """Tell a new table from one that goes on: it has other columns, or a row of words first."""
    first = [bool(cell) for cell in piece[0]]
    if first != [bool(cell) for cell in before]:
        return True
    return (
        len(piece) > 1
        and not any(_is_number(cell) for cell in piece[0])
        and any(_is_number(cell) for row in piece[1:] for cell in row)
    )


def _is_number(text: str) -> bool:
    return text.replace(",", "").replace(".", "").replace("-", "").rstrip("%").isdigit()


def _row(cells: Sequence[object]) -> Row:
    values = [_written(cell) for cell in cells[:_MAX_COLUMNS]]
    while values and not values[-1]:
        values.pop()
    return values


def _written(cell: object) -> str:
    """Write a value as a reader sees it."""
    value = getattr(cell, "value", None)
    if value is None:
        return ""
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, int | float):
        return _number(value, str(getattr(cell, "number_format", "") or ""))
    if isinstance(value, datetime.datetime):
        is_date = value.time() == datetime.time()
        return value.date().isoformat() if is_date else value.isoformat(" ", "seconds")
    if isinstance(value, datetime.date | datetime.time):
        return value.isoformat()
    return one_line(str(value))


def _number(value: float, style: str) -> str:
    if "%" in style:
        return f"{value * 100:.10g}%"
    if isinstance(value, float) and (value != value or abs(value) >= 1e15):
        return str(value)
    return str(int(value)) if value == int(value) else f"{value:.12g}"
