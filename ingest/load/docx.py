"""Bytes of a Word document in, its text in body order with headings, lists, tables out.

python-docx opens it; the body is walked element by element: `document.paragraphs` would lose
tables, text boxes and content controls, and unstructured takes Chinese paragraphs for titles.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from io import BytesIO

from ingest.errors import BrokenFileError
from ingest.load.archive import check_office
from ingest.load.build import TextBuilder
from ingest.load.cjk import one_line
from ingest.load.docx_unseen import Element, hiding_styles, strip_unseen
from ingest.load.hidden import (
    Hidden,
    smuggled,
    strip_zero_width,
    warning_of_zero_width,
    warnings_of,
)
from ingest.types import Loaded

_W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_FALLBACK = "{http://schemas.openxmlformats.org/markup-compatibility/2006}Fallback"
_MEDIA_TYPE = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
_HEADING = re.compile(
    r"(?:heading|标题|標題|見出し|überschrift|titre|título|titolo|заголовок)\s*(\d)"
)
_TITLES = ("title", "标题", "標題", "文档标题", "titel", "titre")
# Deleted text, field codes, and copies for old programs are not what a reader sees.
_UNSEEN = frozenset(
    _W + tag for tag in ("delText", "instrText", "del", "moveFrom", "rPr", "pPr")
) | {_FALLBACK}
_BREAKS = {_W + "br": "\n", _W + "cr": "\n", _W + "tab": "\t", _W + "noBreakHyphen": "-"}
_MAX_LEVEL = 9
_FOOTNOTES = ("footnotes", "endnotes")


def load(data: bytes, name: str) -> Loaded:
    """Load a Word document.

    Raises:
        BrokenFileError: damaged, cut off or not a Word document.
        EmptyFileError: it holds no text.
        TooLargeError: it unpacks to more than a document ever does.
    """
    import docx  # reads its templates at import
    from docx.opc.exceptions import OpcError

    check_office(data)
    try:
        document = docx.Document(BytesIO(data))
        body = document.element.body
        styles = {style.style_id: style for style in document.styles}
        core = document.core_properties
        title, author = core.title or "", core.author or ""
    except (OpcError, KeyError, ValueError, SyntaxError, AttributeError, IndexError) as error:
        raise BrokenFileError(f"not a readable Word document: {error}") from error
    builder = TextBuilder()
    notes = _notes(document)
    builder.warnings += _strip_unseen([body, *notes.values()], styles)
    levels = {style_id: _level_of_style(style) for style_id, style in styles.items()}
    _Reader(builder, levels, notes).read(body)
    return builder.finish(
        _MEDIA_TYPE,
        title="" if title == "Word Document" else title,
        metadata={"author": "" if author == "python-docx" else author},
        nothing="the document holds no text; pictures in it are not read",
    )


def _strip_unseen(roots: Sequence[Element], styles: Mapping[str, object]) -> list[str]:
    elements = {style_id: getattr(style, "element", None) for style_id, style in styles.items()}
    hiding = hiding_styles(elements)
    hidden = [one for root in roots for one in strip_unseen(root, hiding)]
    shown = "".join(node.text or "" for root in roots for node in root.iter(_W + "t"))
    if spelled := smuggled(shown):
        hidden.append(Hidden("tag characters", spelled))
    _, n_invisible = strip_zero_width(shown)
    return warnings_of(hidden) + ([warning_of_zero_width(n_invisible)] if n_invisible else [])


def _level_of_style(style: object) -> int:
    """Find the heading level of a paragraph style: 0 = running text; a document's title has 1."""
    seen = 0
    while style is not None and seen < 10:
        name = (getattr(style, "name", "") or "").casefold().strip()
        if found := _HEADING.match(name):
            return min(max(int(found.group(1)), 1), _MAX_LEVEL)
        if name in _TITLES:
            return 1
        outline = _outline(getattr(style, "element", None))
        if outline:
            return outline
        style, seen = getattr(style, "base_style", None), seen + 1
    return 0


def _outline(element: Element | None) -> int:
    mark = element.find(f"{_W}pPr/{_W}outlineLvl") if element is not None else None
    value = (mark.get(_W + "val") or "9") if mark is not None else "9"
    return int(value) + 1 if value.isdigit() and int(value) < _MAX_LEVEL else 0


def _notes(document: object) -> dict[str, Element]:
    """Find footnotes and endnotes: kind and number → element."""
    from docx.oxml.parser import parse_xml  # its parser resolves no entities and no references

    notes: dict[str, Element] = {}
    part = document.part  # type: ignore[attr-defined]  # of python-docx, untyped here
    for relation in part.rels.values():
        kind = relation.reltype.rpartition("/")[2]
        if kind not in _FOOTNOTES or relation.is_external:
            continue
        try:
            root = parse_xml(relation.target_part.blob)
        except SyntaxError:  # what lxml's errors are
            continue  # the text proper is worth more than its notes
        for note in root:
            number = note.get(_W + "id") or ""
            if note.get(_W + "type") is None:  # others are the rule between text and notes
                notes[f"{kind}:{number}"] = note
    return notes


class _Reader:
    """Writes a body's elements into a builder."""

    def __init__(
        self, builder: TextBuilder, levels: dict[str, int], notes: dict[str, Element]
    ) -> None:
        self.builder = builder
        self.levels = levels
        self.notes = notes
        self.items: list[str] = []

    def read(self, body: Element) -> None:
        """Read a body, or a cell or content control."""
        for element in body:
            if element.tag == _W + "p":
                self._paragraph(element)
            elif element.tag == _W + "tbl":
                self._flush()
                self._table(element)
            elif element.tag in (
                _W + "sdt",
                _W + "sdtContent",
                _W + "ins",
                _W + "customXml",
                _W + "smartTag",
            ):
                self.read(element)
        self._flush()

    def _paragraph(self, element: Element) -> None:
        text = _text(element)
        level = self._level(element)
        if level and text.strip():
            self._flush()
            self.builder.heading(text, level)
        elif _is_item(element) and text.strip():
            self.items.append("- " + one_line(text))
        elif text.strip():
            self._flush()
            self.builder.paragraph(_lines(text))
        for box in _boxes(element):
            self._flush()
            self.read(box)
        for note in self._notes_of(element):
            self._flush()
            self.builder.paragraph(one_line(note))

    def _level(self, element: Element) -> int:
        if outline := _outline(element):
            return outline
        style = element.find(f"{_W}pPr/{_W}pStyle")
        return self.levels.get(style.get(_W + "val") or "", 0) if style is not None else 0

    def _notes_of(self, element: Element) -> Iterator[str]:
        """Give the notes that a paragraph refers to: they are read right behind it."""
        for node in _below(element):
            if node.tag in (_W + "footnoteReference", _W + "endnoteReference"):
                kind = "footnotes" if node.tag.endswith("footnoteReference") else "endnotes"
                note = self.notes.get(f"{kind}:{node.get(_W + 'id')}")
                if note is not None:
                    yield " ".join(_text(child) for child in note)

    def _table(self, element: Element) -> None:
        rows = [[_cell(cell) for cell in _cells(row)] for row in _rows(element)]
        rows = [row for row in rows if any(text for text, _ in row)]
        if max((len(row) for row in rows), default=0) < 2:  # a frame around text
            for row in _rows(element):
                for cell in _cells(row):
                    self.read(cell)
            return
        written = [
            [text for text, span in row for text in (text, *[""] * (span - 1))] for row in rows
        ]
        while len(written) > 1 and sum(bool(text) for text in written[0]) == 1:
            self.builder.paragraph(
                " ".join(filter(None, written.pop(0)))
            )  # a title over all columns
        self.builder.table(written, has_header=len(written) > 1)

    def _flush(self) -> None:
        if self.items:
            self.builder.items(self.items)
            self.items = []


def _below(element: Element) -> Iterator[Element]:
    """Walk what a reader sees below an element, in order, text boxes and tables inside left out."""
    stack = [iter(element)]
    while stack:
        node = next(stack[-1], None)
        if node is None:
            stack.pop()
        elif node.tag not in _UNSEEN and node.tag != _W + "txbxContent":
            yield node
            stack.append(iter(node))


def _text(element: Element) -> str:
    parts = []
    for node in _below(element):
        if node.tag == _W + "t":
            parts.append(node.text or "")
        elif node.tag in _BREAKS:
            parts.append(_BREAKS[node.tag])
    return "".join(parts)


def _lines(text: str) -> str:
    """Keep line breaks within a paragraph, blanks collapsed."""
    return "\n".join(filter(None, (one_line(line) for line in text.split("\n"))))


def _boxes(element: Element) -> Iterator[Element]:
    """Find text boxes anchored in a paragraph, each once."""
    stack = [iter(element)]
    while stack:
        node = next(stack[-1], None)
        if node is None:
            stack.pop()
        elif node.tag == _W + "txbxContent":
            yield node
        elif node.tag not in _UNSEEN:
            stack.append(iter(node))


def _is_item(element: Element) -> bool:
    number = element.find(f"{_W}pPr/{_W}numPr/{_W}numId")
    if number is not None:
        return number.get(_W + "val") != "0"
    style = element.find(f"{_W}pPr/{_W}pStyle")
    name = (style.get(_W + "val") or "").casefold() if style is not None else ""
    return name.startswith(("listbullet", "listnumber", "list bullet"))


def _rows(table: Element) -> Iterator[Element]:
    yield from _unwrapped(table, _W + "tr")


def _cells(row: Element) -> Iterator[Element]:
    yield from _unwrapped(row, _W + "tc")


def _unwrapped(parent: Element, tag: str) -> Iterator[Element]:
    """Find children with a tag, also inside content controls and insertions."""
    for child in parent:
        if child.tag == tag:
            yield child
        elif child.tag in (_W + "sdt", _W + "sdtContent", _W + "ins", _W + "customXml"):
            yield from _unwrapped(child, tag)


def _cell(cell: Element) -> tuple[str, int]:
    """Read a cell as one line, with the number of columns it spans; a merged rest is empty."""
    span = cell.find(f"{_W}tcPr/{_W}gridSpan")
    value = (span.get(_W + "val") or "1") if span is not None else "1"
    width = min(int(value), 100) if value.isdigit() and int(value) else 1
    merge = cell.find(f"{_W}tcPr/{_W}vMerge")
    if merge is not None and merge.get(_W + "val") != "restart":
        return "", width
    pieces = [piece for child in cell for piece in _pieces(child)]
    return one_line("\n".join(pieces)), width


def _pieces(element: Element) -> Iterator[str]:
    if element.tag == _W + "tbl":
        for row in _rows(element):
            yield ", ".join(filter(None, (_cell(cell)[0] for cell in _cells(row))))
    elif element.tag == _W + "p":
        yield _text(element)
        for box in _boxes(element):
            for child in box:
                yield from _pieces(child)
    elif element.tag in (_W + "sdt", _W + "sdtContent", _W + "ins"):
        for child in element:
            yield from _pieces(child)
