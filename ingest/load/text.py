"""Bytes of a plain text in, exactly its text with paragraphs found out; pure."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ingest.errors import EmptyFileError
from ingest.load.decode import decode
from ingest.types import Block, Loaded

_BREAK = r"(?:\r\n|\r(?!\n)|(?<!\r)\n)"
_BLANK_LINE = re.compile(rf"{_BREAK}[^\S\r\n]*{_BREAK}\s*")
_LINE = re.compile(r"[^\r\n]+")
_CHAPTER = re.compile(
    r"第[〇零一二三四五六七八九十百千\d]{1,6}[章节節回卷篇部编編](?:[\s：:、].{0,40}|[^，。；]{0,20})"
    r"|(?:CHAPTER|Chapter|PART|Part|SECTION|Section|APPENDIX|Appendix)\s+[\dIVXLA-Z]{1,6}\b.{0,60}"
)
_CAPITALS = re.compile(r"[A-Z][A-Z0-9 ,&'’:/()-]{3,78}[A-Z0-9)]")
_LONG_LINE = 120  # characters; such lines are paragraphs themselves


def load(data: bytes, name: str) -> Loaded:
    """Load plain text; the text is exactly the decoded file.

    Raises:
        EmptyFileError: there are only blanks.
        BrokenFileError: the bytes are no text.
    """
    text = decode(data)
    del data  # of a large file it is as much as its text
    if not text or text.isspace():
        raise EmptyFileError("the file holds no text, only blanks")
    return Loaded(text, tuple(_with_chapters(text)), "", "text/plain")


def paragraphs(text: str, start: int = 0, end: int | None = None) -> Iterator[tuple[int, int]]:
    """Find the pieces between blank lines, blanks at their ends left out."""
    end = len(text) if end is None else end
    at = start
    for gap in _BLANK_LINE.finditer(text, start, end):
        if span := _trimmed(text, at, gap.start()):
            yield span
        at = gap.end()
    if span := _trimmed(text, at, end):
        yield span


def _with_chapters(text: str) -> Iterator[Block]:
    above: tuple[str, ...] = ()
    for start, end in paragraphs(text):
        for line_start, line_end in _split(text, start, end):
            length = line_end - line_start
            line = text[line_start:line_end] if length <= 80 else ""
            if line and "\n" not in line and _is_heading(line):
                above = (line,)
                yield Block(line_start, line_end, "heading", above)
            else:
                yield Block(line_start, line_end, "paragraph", above)


def _split(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Cut a piece into lines where the lines are paragraphs, or where the first is a heading."""
    first = _LINE.match(text, start, end)
    if first is None or first.end() >= end:
        yield start, end
        return
    # Never as a list: the lines of a long log take several times its text.
    n_lines = [0, 0]  # long ones, short ones
    for match in _LINE.finditer(text, start, end):
        n_lines[match.end() - match.start() < _LONG_LINE] += 1
    is_long = n_lines[1] <= sum(n_lines) // 2
    if is_long or (first.end() - start <= 80 and _CHAPTER.fullmatch(first.group().strip())):
        for match in _LINE.finditer(text, start, end):
            if span := _trimmed(text, *match.span()):
                yield span
    else:
        yield start, end


def _is_heading(line: str) -> bool:
    return bool(_CHAPTER.fullmatch(line) or _CAPITALS.fullmatch(line))


def _trimmed(text: str, start: int, end: int) -> tuple[int, int] | None:
    while start < end and text[start].isspace():
        start += 1
    while start < end and text[end - 1].isspace():
        end -= 1
    return (start, end) if start < end else None
