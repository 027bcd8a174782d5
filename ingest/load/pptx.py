"""Bytes of a PowerPoint deck in, its text slide by slide with titles, lists, tables, notes out.

python-pptx directly: unstructured gives neither a table's header nor the order of shapes, and takes
Chinese bullets for titles.
"""

from __future__ import annotations

from collections.abc import Iterator
from io import BytesIO

from ingest.errors import BrokenFileError
from ingest.load.archive import check_office
from ingest.load.build import TextBuilder
from ingest.load.cjk import one_line
from ingest.types import Loaded

_MEDIA_TYPE = "application/vnd.openxmlformats-officedocument.presentationml.presentation"
_MAX_GROUPS = 8  # groups within groups
_TITLE, _CENTER_TITLE = 1, 3  # placeholder types


def load(data: bytes, name: str, *, tables_have_headers: bool = False) -> Loaded:
    """Load a deck.

    Args:
        tables_have_headers: whether tables that say nothing of a first row have one.
    Raises:
        BrokenFileError: damaged, cut off or not a deck.
        EmptyFileError: it holds no text.
        TooLargeError: it unpacks to more than a document ever does.
    """
    import pptx  # slow to import
    from pptx.exc import PythonPptxError

    check_office(data)
    builder = TextBuilder()
    silent: list[int] = []
    try:
        deck = pptx.Presentation(BytesIO(data))
        for number, slide in enumerate(deck.slides, start=1):
            builder.page = number
            n_before = len(builder.blocks)
            _read_slide(builder, slide, tables_have_headers)
            if len(builder.blocks) == n_before:
                silent.append(number)
        title, author = deck.core_properties.title or "", deck.core_properties.author or ""
    except (
        PythonPptxError,
        KeyError,
        ValueError,
        SyntaxError,
        AttributeError,
        IndexError,
    ) as error:
        raise BrokenFileError(f"not a readable deck: {error}") from error
    if silent:
        shown = ", ".join(str(number) for number in silent[:20])
        builder.warnings.append(f"no text on slide {shown}: empty or a picture")
    return builder.finish(
        _MEDIA_TYPE,
        title="" if title == "PowerPoint Presentation" else title,
        metadata={
            "author": author if author != "Steve Canny" else "",
            "slides": str(builder.page or 0),
        },
        nothing="no slide holds text; pictures are not read",
    )


def _read_slide(builder: TextBuilder, slide: object, tables_have_headers: bool) -> None:
    builder.close_sections(1)
    shapes = list(_flat(slide.shapes))  # type: ignore[attr-defined]  # of python-pptx, untyped here
    title = next((shape for shape in shapes if _is_title(shape)), None)
    if title is not None:
        builder.heading(title.text_frame.text.replace("\v", "\n"), 1)  # type: ignore[attr-defined]
    for shape in sorted((one for one in shapes if one is not title), key=_place):
        _read_shape(builder, shape, tables_have_headers)
    if slide.has_notes_slide:  # type: ignore[attr-defined]
        frame = slide.notes_slide.notes_text_frame  # type: ignore[attr-defined]
        if frame is not None:
            builder.paragraph(_frame_lines(frame.text))


def _flat(shapes: object, depth: int = 0) -> Iterator[object]:
    """Give all shapes, those in groups where their group stands."""
    for shape in shapes:  # type: ignore[attr-defined]
        if hasattr(shape, "shapes") and depth < _MAX_GROUPS:
            yield from sorted(_flat(shape.shapes, depth + 1), key=_place)
        else:
            yield shape


def _is_title(shape: object) -> bool:
    if not getattr(shape, "is_placeholder", False) or not getattr(shape, "has_text_frame", False):
        return False
    kind = shape.placeholder_format.type  # type: ignore[attr-defined]
    return kind is not None and int(kind) in (_TITLE, _CENTER_TITLE)


def _place(shape: object) -> tuple[int, int]:
    """Order shapes as they are read: rows of about a third of an inch, left to right."""
    top, left = getattr(shape, "top", None) or 0, getattr(shape, "left", None) or 0
    return int(top) // 300_000, int(left)


def _read_shape(builder: TextBuilder, shape: object, tables_have_headers: bool) -> None:
    if getattr(shape, "has_table", False):
        table = shape.table  # type: ignore[attr-defined]
        rows = [[_cell(cell) for cell in row.cells] for row in table.rows]
        has_header = bool(table.first_row) or tables_have_headers
        builder.table(rows, has_header=has_header and len(rows) > 1)
    elif getattr(shape, "has_chart", False):
        _read_chart(builder, shape.chart)  # type: ignore[attr-defined]
    elif getattr(shape, "has_text_frame", False):
        _read_text(builder, shape)


def _cell(cell: object) -> str:
    """Read a cell; a merged one only where it starts."""
    return "" if cell.is_spanned else cell.text_frame.text.replace("\v", "\n")  # type: ignore[attr-defined]


def _read_text(builder: TextBuilder, shape: object) -> None:
    paragraphs = shape.text_frame.paragraphs  # type: ignore[attr-defined]
    told = [(one.level, one_line(one.text.replace("\v", "\n"))) for one in paragraphs]
    told = [(level, text) for level, text in told if text]
    if len(told) > 1:
        builder.items([f"{'  ' * level}- {text}" for level, text in told])
    elif told:
        builder.paragraph(told[0][1])


def _read_chart(builder: TextBuilder, chart: object) -> None:
    """Write a chart's numbers as a table: they are nowhere else."""
    if chart.has_title and chart.chart_title.has_text_frame:  # type: ignore[attr-defined]
        builder.paragraph(chart.chart_title.text_frame.text)  # type: ignore[attr-defined]
    for plot in list(chart.plots)[:4]:  # type: ignore[attr-defined]
        series = list(plot.series)
        rows = [["", *(str(one.name) for one in series)]]
        for at, category in enumerate(plot.categories):
            values = [one.values[at] if at < len(one.values) else None for one in series]
            rows.append(
                [str(category), *("" if value is None else f"{value:g}" for value in values)]
            )
        builder.table(rows, has_header=True)


def _frame_lines(text: str) -> str:
    return "\n".join(
        filter(None, (one_line(line) for line in text.replace("\v", "\n").split("\n")))
    )
