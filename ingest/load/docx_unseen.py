"""A Word document's body in, the same without text that nobody sees, and what that was, out."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Protocol

from ingest.load.hidden import Hidden

_W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_TINY = 4  # half points: two points are no longer read
_OFF = ("0", "false", "off", "none")
_PLAIN_GROUNDS = ("", "auto", "ffffff", "clear", "none")


class Element(Protocol):
    """What is used of an lxml element."""

    tag: str
    text: str | None

    def get(self, name: str) -> str | None:
        """Read an attribute."""

    def find(self, path: str) -> Element | None:
        """Find the first element at a path."""

    def iter(self, tag: str) -> Iterator[Element]:
        """Walk everything below that has a tag."""

    def getparent(self) -> Element | None:
        """Give the element above."""

    def remove(self, child: Element) -> None:
        """Take a child out."""

    def __iter__(self) -> Iterator[Element]: ...


def strip_unseen(body: Element, styles: Mapping[str, str]) -> list[Hidden]:
    """Take hidden, white and tiny runs out of a body.

    Args:
        styles: of the styles that hide text: id → how.
    """
    hidden: dict[str, str] = defaultdict(str)
    found: list[tuple[Element, str]] = []
    for marks in body.iter(_W + "rPr"):
        run = marks.getparent()
        if run is not None and run.tag == _W + "r" and (how := _hidden_by(run, marks, styles)):
            found.append((run, how))
    if styles:
        found += _in_hidden_paragraphs(body, styles, {id(run) for run, _ in found})
    for run, how in found:
        parent = run.getparent()
        hidden[how] += "".join(one.text or "" for one in run.iter(_W + "t"))
        if parent is not None:
            parent.remove(run)
    return [Hidden(how, text) for how, text in sorted(hidden.items()) if text.strip()]


def hiding_styles(elements: Mapping[str, object]) -> dict[str, str]:
    """Find the styles that hide text: id → how.

    Args:
        elements: id → the style's XML.
    """
    found: dict[str, str] = {}
    for style_id, element in elements.items():
        marks = element.find(_W + "rPr") if element is not None else None  # type: ignore[attr-defined]
        how = _marked(marks) if marks is not None else ""
        if how in ("hidden in Word", "tiny"):  # white may stand on a ground that the style sets
            found[style_id] = how
    return found


def _in_hidden_paragraphs(
    body: Element, styles: Mapping[str, str], seen: set[int]
) -> Iterator[tuple[Element, str]]:
    for mark in body.iter(_W + "pStyle"):
        how = styles.get(mark.get(_W + "val") or "")
        properties = mark.getparent()
        paragraph = properties.getparent() if properties is not None else None
        if how is None or paragraph is None:
            continue
        for run in paragraph.iter(_W + "r"):
            own = [run.find(f"{_W}rPr/{_W}{name}") for name in ("vanish", "sz")]
            if id(run) not in seen and own == [None, None]:
                yield run, how


def _hidden_by(run: Element, marks: Element, styles: Mapping[str, str]) -> str:
    how = _marked(marks)
    if how == "white":
        return "white on white" if _stands_on_white(run, marks) else ""
    if how:
        return how
    style = marks.find(_W + "rStyle")
    return styles.get(style.get(_W + "val") or "", "") if style is not None else ""


def _marked(marks: Element) -> str:
    mark = marks.find(_W + "vanish")
    if mark is not None and (mark.get(_W + "val") or "1") not in _OFF:
        return "hidden in Word"
    size = marks.find(_W + "sz")
    value = (size.get(_W + "val") or "") if size is not None else ""
    if value.isdigit() and int(value) <= _TINY:
        return "tiny"
    colour = marks.find(_W + "color")
    is_white = colour is not None and (colour.get(_W + "val") or "").casefold() == "ffffff"
    return "white" if is_white else ""


def _stands_on_white(run: Element, marks: Element) -> bool:
    """Tell whether nothing colours the ground: run, paragraph, cell, table, box or page."""
    if _is_coloured(marks):
        return False
    at = run.getparent()
    while at is not None:
        name = at.tag.rpartition("}")[2]
        if name == "txbxContent":
            return False  # a box's fill is drawn by other means
        if name == "tbl" and at.find(f"{_W}tblPr/{_W}tblStyle") is not None:
            return False  # its style may shade rows
        properties = at.find(f"{_W}{name}Pr")
        if properties is not None and _is_coloured(properties):
            return False
        if name == "document" and at.find(_W + "background") is not None:
            return False
        at = at.getparent()
    return True


def _is_coloured(properties: Element) -> bool:
    shade, marker = properties.find(_W + "shd"), properties.find(_W + "highlight")
    fill = (shade.get(_W + "fill") or "").casefold() if shade is not None else ""
    colour = (marker.get(_W + "val") or "").casefold() if marker is not None else ""
    return fill not in _PLAIN_GROUNDS or colour not in (*_PLAIN_GROUNDS, "white")
