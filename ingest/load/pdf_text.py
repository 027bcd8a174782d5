"""Ordered lines of pages in, headings, paragraphs, lists, tables out; pure."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from ingest.load.build import TextBuilder
from ingest.load.cjk import glue, is_wide, one_line
from ingest.load.pdf_layout import Line

HYPHENS = (
    "-",
    "\u2010",
    "\ufffe",
    "\x02",
)  # the last two: how pdfium marks a hyphen at a line's end
_ITEM = re.compile(
    r"(?:[•‣◦▪●○■□➢✓]\s*(?=\S)|[·–—*-]\s+(?=\S)|\(?\d{1,3}[.)、]\s*(?=\D)|[（(][一二三四五六七八九十\d]{1,3}[）)]|[一二三四五六七八九十]{1,3}、)"
)
_BULLET = re.compile(r"[•‣◦▪●○■□➢✓]\s*")
_SENTENCE_END = re.compile(r"[.!?:;。！？：；…][\"'”’」』）)\]]*$")
_PAGE_NUMBER = re.compile(
    r"(?:page|p\.|seite|第)?\s*[-–—]?\s*(?:\d{1,4}|[ivxlc]{1,6})\s*[-–—]?\s*(?:页|頁)?"
    r"(?:\s*(?:/|of|共)\s*\d{1,4}\s*(?:页|頁)?)?",
    re.IGNORECASE,
)
_DIGITS = re.compile(r"\d+")
_WORD = re.compile(r"[^\W\d_]+(?:-[^\W\d_]+)*")
_EDGE = 3  # lines at the top and bottom of a page that may be furniture


@dataclass(frozen=True, slots=True)
class Page:
    """One page's lines in reading order, or its paragraphs if it was read from a picture."""

    number: int
    height: float
    lines: tuple[Line, ...]
    paragraphs: tuple[str, ...] = ()


def write(builder: TextBuilder, pages: Sequence[Page]) -> None:
    """Write all pages into the builder."""
    pages = [replace(page, lines=tuple(kept)) for page, kept in _without_furniture(pages)]
    style = _Style.of(pages)
    is_open = False  # does the last paragraph of the page before go on?
    for page in pages:
        builder.page = page.number
        is_open = _write_page(builder, page, style, goes_on=is_open)


def _without_furniture(pages: Sequence[Page]) -> list[tuple[Page, list[Line]]]:
    """Drop page numbers and what stands at the edge of most pages: running heads and feet."""
    seen = Counter(key for page in pages for key in {_key(line) for line in _edge_lines(page)})
    often = {key for key, n in seen.items() if n >= max(2, 0.5 * len(pages))}
    result = []
    for page in pages:
        edge = {id(line) for line in _edge_lines(page)}
        kept = [
            line
            for line in page.lines
            if id(line) not in edge
            or not (
                _key(line) in often
                or (len(pages) > 1 and _PAGE_NUMBER.fullmatch(line.text.strip()))
            )
        ]
        result.append((page, kept))
    return result


def _edge_lines(page: Page) -> list[Line]:
    """Find the outermost lines of a page within its upper and lower eighth."""
    by_height = sorted(page.lines, key=lambda line: line.top)
    top = [line for line in by_height[:_EDGE] if line.bottom < page.height / 8]
    bottom = [line for line in by_height[-_EDGE:] if line.top > page.height * 7 / 8]
    return top + bottom


def _key(line: Line) -> str:
    return _DIGITS.sub("#", line.text.strip())


@dataclass(frozen=True, slots=True)
class _Style:
    """What is usual in this file."""

    body: float  # size of running text
    levels: tuple[float, ...]  # sizes of headings, largest first
    words: frozenset[str]  # every word that stands within a line, folded

    @classmethod
    def of(cls, pages: Sequence[Page]) -> _Style:
        sizes: Counter[float] = Counter()
        words: set[str] = set()
        for page in pages:
            for line in page.lines:
                sizes[_rounded(line.size)] += len(line.text)
                found = _WORD.findall(line.text)
                is_cut = line.text.rstrip().endswith(HYPHENS)
                words.update(word.casefold() for word in found[: -1 if is_cut else None])
        body = sizes.most_common(1)[0][0] if sizes else 10.0
        larger = sorted((size for size in sizes if size >= 1.12 * body), reverse=True)
        return cls(body, tuple(larger), frozenset(words))

    def level(self, size: float) -> int:
        """Rank a heading by its size, 1 the largest; sizes next to one another share a rank."""
        return min(self.levels.index(_rounded(size)) + 1 if _rounded(size) in self.levels else 6, 6)


def _rounded(size: float) -> float:
    return round(size * 2) / 2


def _write_page(builder: TextBuilder, page: Page, style: _Style, *, goes_on: bool) -> bool:
    """Write one page; say whether its last paragraph ends open."""
    for paragraph in page.paragraphs:
        builder.paragraph(paragraph)
        goes_on = False
    groups = _groups(page.lines, style)
    for number, group in enumerate(groups):
        first = group[0]
        if _is_table(group):
            builder.table([[cell.text for cell in line.cells] for line in group], has_header=True)
            goes_on = False
        elif _is_heading(group, style):
            builder.heading(_joined(group, style), style.level(first.size))
            goes_on = False
        elif _ITEM.match(first.text) and len(first.text) > 2:
            builder.items([_BULLET.sub("- ", _joined(group, style), count=1)])
            goes_on = False
        else:
            text = _joined(group, style)
            builder.paragraph(
                text, glue=_glue(builder, text) if goes_on and number == 0 else "\n\n"
            )
            goes_on = len(group) > 1 and not _SENTENCE_END.search(text)
    return goes_on


def _glue(builder: TextBuilder, text: str) -> str:
    """Join a paragraph over the page break if it plainly goes on: its sentence stays whole."""
    last = builder.last_character()
    goes_on = text[0].islower() or (is_wide(text[0]) and is_wide(last))
    return glue(last, text) if goes_on and last else "\n\n"


def _groups(lines: Sequence[Line], style: _Style) -> list[list[Line]]:
    """Group lines into paragraphs, headings and tables."""
    groups: list[list[Line]] = []
    for line in lines:
        if groups and _belongs(groups[-1], line, style):
            groups[-1].append(line)
        else:
            groups.append([line])
    return _with_tables(groups)


def _belongs(group: Sequence[Line], line: Line, style: _Style) -> bool:
    """Tell whether a line goes on with the paragraph before it."""
    last = group[-1]
    if len(last.cells) > 1 or len(line.cells) > 1:
        return len(last.cells) == len(line.cells) and line.top > last.top and _gap(last, line) < 2.0
    if abs(last.size - line.size) > 0.105 * max(last.size, line.size):
        return False
    if line.column != last.column or line.top < last.top:  # the next column, or back up
        return _flows_over(group, line, style)
    if _gap(last, line) > _usual_gap(group) or _ITEM.match(line.text):
        return False
    if line.left - last.left > 1.2 * line.size and len(group) > 1:  # a new first line, indented
        return False
    return not _ended_early(last, line)


def _flows_over(group: Sequence[Line], line: Line, style: _Style) -> bool:
    """Tell whether a paragraph goes on at the top of the next column."""
    text = group[-1].text
    if _SENTENCE_END.search(text) or group[-1].size > 1.1 * style.body or _ITEM.match(line.text):
        return False
    if line.text[0].islower() or text.endswith(HYPHENS):
        return True
    return is_wide(line.text[0]) and is_wide(text[-1]) and not _is_short(group[-1])


def _gap(before: Line, after: Line) -> float:
    """Measure the blank between two lines in heights of a character."""
    return (after.bottom - before.bottom) / max(before.size, after.size, 1.0)


def _usual_gap(group: Sequence[Line]) -> float:
    if len(group) < 2:
        return 1.85
    pitch = _gap(group[-2], group[-1])
    return max(pitch * 1.25, pitch + 0.25)


def _ended_early(last: Line, line: Line) -> bool:
    """Tell whether the next line's first word would have fitted: then a paragraph had ended."""
    room = last.column[1] - last.right
    ended = _SENTENCE_END.search(last.text) is not None
    needed = line.cells[0].first_word + (1.0 if ended else 4.0) * line.size
    return room > needed and (ended or _is_short(last))


def _is_short(line: Line) -> bool:
    return line.column[1] - line.right > 0.35 * (line.column[1] - line.column[0])


def _is_heading(group: Sequence[Line], style: _Style) -> bool:
    size = group[0].size
    return (
        size >= 1.12 * style.body
        and len(group) <= 3
        and sum(len(line.text) for line in group) < 160
    )


def _is_table(group: Sequence[Line]) -> bool:
    return len(group) > 1 and all(len(line.cells) > 1 for line in group)


def _with_tables(groups: list[list[Line]]) -> list[list[Line]]:
    """Cut rows whose cells do not stand below one another back into lines of their own."""
    result: list[list[Line]] = []
    for group in groups:
        if len(group) > 1 and len(group[0].cells) > 1 and not _is_aligned(group):
            result += [[line] for line in group]
        else:
            result.append(group)
    return result


def _is_aligned(group: Sequence[Line]) -> bool:
    """Tell whether each column shares its left edge, its right edge or its middle."""
    for column in zip(*(line.cells for line in group), strict=True):
        lefts = [cell.left for cell in column]
        rights = [cell.right for cell in column]
        middles = [(cell.left + cell.right) / 2 for cell in column]
        if min(max(edge) - min(edge) for edge in (lefts, rights, middles)) > 1.5 * column[0].size:
            return False
    return True


def _joined(group: Sequence[Line], style: _Style) -> str:
    """Join lines to running text: no blank within Chinese, hyphens at line ends undone."""
    text = ""
    for line in group:
        piece = line.text.strip()
        if text.endswith(HYPHENS) and piece and len(text) > 1 and text[-2].isalpha():
            text = _unhyphenated(text, piece, style)
        else:
            text += glue(text, piece) + piece
    return one_line(text)


def _unhyphenated(text: str, piece: str, style: _Style) -> str:
    before = _WORD.findall(text[:-1])[-1:] or [""]
    after = (_WORD.findall(piece) or [""])[0]
    is_compound = f"{before[0]}-{after}".casefold() in style.words  # so written elsewhere
    if after[:1].islower() and not is_compound:
        return text[:-1] + piece
    return text[:-1] + "-" + piece
