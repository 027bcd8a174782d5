"""Placed characters of a page in, lines in reading order out: segments, columns, rows; pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import NamedTuple

from ingest.load.cjk import is_wide

MIN_COLUMN_EM = 9.0  # a narrower column is a column of a table
MIN_COLUMN_LINES = 3
MAX_DEPTH = 4  # columns within columns


class Word(NamedTuple):
    """Characters of a line that stand together; y grows downwards, unit points.

    A tuple, because a book has a million of them: made in a third of a dataclass's time.
    """

    text: str
    before: str  # what stands before it: a line break, a blank or nothing
    left: float
    top: float
    right: float
    bottom: float
    size: float
    first_width: float  # of its first word


@dataclass(frozen=True, slots=True)
class Segment:
    """Characters of one line without a wide gap."""

    text: str
    left: float
    top: float
    right: float
    bottom: float
    size: float
    first_word: float  # width of the first word: would it have fitted on the line before?

    @property
    def width(self) -> float:
        """Width in points."""
        return self.right - self.left


@dataclass(frozen=True, slots=True)
class Line:
    """One line of one column; more than one cell where gaps part it."""

    cells: tuple[Segment, ...]
    column: tuple[float, float]  # left and right edge of the column

    @property
    def text(self) -> str:
        """Read the cells as one text."""
        if len(self.cells) == 1:
            return self.cells[0].text
        return " ".join(cell.text for cell in self.cells)

    @property
    def left(self) -> float:
        """Left edge."""
        return self.cells[0].left

    @property
    def right(self) -> float:
        """Right edge."""
        return self.cells[-1].right

    @property
    def top(self) -> float:
        """Upper edge."""
        return min(cell.top for cell in self.cells)

    @property
    def bottom(self) -> float:
        """Lower edge."""
        return max(cell.bottom for cell in self.cells)

    @property
    def size(self) -> float:
        """Size of the largest characters."""
        if len(self.cells) == 1:
            return self.cells[0].size
        return max(cell.size for cell in self.cells)


def segments(words: Sequence[Word]) -> list[Segment]:
    """Cut the words of a page, in the file's order, into runs that stand together."""
    runs: list[list[Word]] = []
    last: Word | None = None
    for word in words:
        if last is None or word.before == "\n" or not _stands_beside(last, word):
            runs.append([])
        runs[-1].append(word)
        last = word
    return [_segment(run) for run in runs]


def _stands_beside(before: Word, after: Word) -> bool:
    size = max(before.size, after.size, 1.0)
    if not -0.8 * size < after.left - before.right < 1.35 * size:
        return False
    if abs(before.bottom - after.bottom) < 0.55 * size:
        return True
    overlap = min(before.bottom, after.bottom) - max(before.top, after.top)
    return overlap > 0.3 * max(min(before.bottom - before.top, after.bottom - after.top), 0.1)


def _segment(run: Sequence[Word]) -> Segment:
    first = run[0]
    if len(run) == 1 and not is_wide(first.text[0]):
        text, _, left, top, right, bottom, size, first_width = first
        return Segment(text, left, top, right, bottom, size, first_width)
    text = first.text + "".join([word.before + word.text for word in run[1:]])
    size = first.size
    if any(word.size != size for word in run):
        sizes = sorted((word.size, len(word.text)) for word in run)
        half = sum(length for _, length in sizes) / 2
        passed = accumulate(length for _, length in sizes)
        size = next(one for (one, _), n in zip(sizes, passed, strict=True) if n >= half)
    return Segment(
        text,
        min(word.left for word in run),
        min(word.top for word in run),
        max(word.right for word in run),
        max(word.bottom for word in run),
        size,
        min(size, first.first_width) if is_wide(first.text[0]) else first.first_width,
    )


def lines(pieces: Sequence[Segment], depth: int = 0) -> list[Line]:
    """Bring segments into reading order: column by column, spanning lines where they stand."""
    if not pieces:
        return []
    gutter = _gutter(pieces) if depth < MAX_DEPTH else None
    if gutter is None:
        return _rows(pieces)
    ordered: list[Line] = []
    band: list[Segment] = []
    for piece in sorted(pieces, key=lambda one: (one.top, one.left)):
        if piece.left < gutter - 1 and piece.right > gutter + 1:  # a title over both columns
            ordered += _columns(band, gutter, depth)
            band = []
            ordered += _spanning(piece, pieces)
        else:
            band.append(piece)
    return ordered + _columns(band, gutter, depth)


def _spanning(piece: Segment, pieces: Sequence[Segment]) -> list[Line]:
    edges = (min(one.left for one in pieces), max(one.right for one in pieces))
    return [Line((piece,), edges)]


def _columns(band: Sequence[Segment], gutter: float, depth: int) -> list[Line]:
    left = [piece for piece in band if (piece.left + piece.right) / 2 < gutter]
    right = [piece for piece in band if (piece.left + piece.right) / 2 >= gutter]
    return lines(left, depth + 1) + lines(right, depth + 1)


def _gutter(pieces: Sequence[Segment]) -> float | None:
    """Find the blank strip between two columns of running text."""
    low, high = min(one.left for one in pieces), max(one.right for one in pieces)
    best: tuple[int, float] | None = None
    runs: list[tuple[int, float, float]] = []  # lines crossed, from, to
    step = max((high - low) / 160, 0.5)
    for number, n_crossing in enumerate(_crossings(pieces, low, step), 16):
        at = low + step * number
        if runs and runs[-1][0] == n_crossing and at - runs[-1][2] < 1.5 * step:
            runs[-1] = (n_crossing, runs[-1][1], at)
        else:
            runs.append((n_crossing, at, at))
    for n_crossing, start, end in sorted(runs, key=lambda run: (run[0], run[1] - run[2]))[:6]:
        middle = (start + end) / 2
        if n_crossing <= 0.25 * len(pieces) and _parts_columns(pieces, middle):
            best = best or (n_crossing, middle)
    return best[1] if best else None


def _crossings(pieces: Sequence[Segment], low: float, step: float) -> list[int]:
    """Count the pieces that each of the upright lines 16 to 144 would cut."""
    changes = [0] * 146
    for one in pieces:
        first = max(math.floor((one.left + 0.5 - low) / step) + 1, 16)
        last = min(math.ceil((one.right - 0.5 - low) / step) - 1, 144)
        if first <= last:
            changes[first] += 1
            changes[last + 1] -= 1
    return list(accumulate(changes))[16:145]


def _parts_columns(pieces: Sequence[Segment], at: float) -> bool:
    """Tell columns of text from columns of a table: the former are wide and their lines full."""
    left = [one for one in pieces if one.right <= at + 1]
    right = [one for one in pieces if one.left >= at - 1]
    return _is_text_column(left) and _is_text_column(right) and _overlap(left, right)


def _is_text_column(side: Sequence[Segment]) -> bool:
    if len(side) < MIN_COLUMN_LINES:
        return False
    width = max(one.right for one in side) - min(one.left for one in side)
    sizes = sorted(one.size for one in side)
    if width < MIN_COLUMN_EM * sizes[len(sizes) // 2]:
        return False
    fills = sorted(one.width / width for one in side)
    return fills[len(fills) // 2] > 0.55


def _overlap(left: Sequence[Segment], right: Sequence[Segment]) -> bool:
    """Tell whether two columns stand beside one another, not one below the other."""
    top = max(min(one.top for one in left), min(one.top for one in right))
    bottom = min(max(one.bottom for one in left), max(one.bottom for one in right))
    return bottom > top


def _rows(pieces: Sequence[Segment]) -> list[Line]:
    """Group segments of one column into lines."""
    edges = (min(one.left for one in pieces), max(one.right for one in pieces))
    rows: list[list[Segment]] = []
    bottom = top = 0.0
    for piece in sorted(pieces, key=lambda one: ((one.top + one.bottom) / 2, one.left)):
        height = min(piece.bottom - piece.top, bottom - top) if rows else 0.0
        overlap = min(piece.bottom, bottom) - max(piece.top, top)
        if rows and overlap > 0.5 * height > 0:
            rows[-1].append(piece)
            top, bottom = min(top, piece.top), max(bottom, piece.bottom)
        else:
            rows.append([piece])
            top, bottom = piece.top, piece.bottom
    return [_line(row, edges) for row in rows]


def _line(row: list[Segment], edges: tuple[float, float]) -> Line:
    """Order a row; segments that touch (a change of font, a raised number) become one."""
    merged: list[Segment] = []
    for piece in sorted(row, key=lambda one: one.left):
        last = merged[-1] if merged else None
        if last is not None and piece.left - last.right < 1.0 * max(last.size, piece.size):
            gap = piece.left - last.right
            blank = " " if gap > 0.15 * max(last.size, piece.size) else ""
            if blank and is_wide(last.text[-1]) and is_wide(piece.text[0]):
                blank = ""
            merged[-1] = Segment(
                last.text + blank + piece.text, last.left, min(last.top, piece.top),
                max(last.right, piece.right), max(last.bottom, piece.bottom),
                max(last.size, piece.size), last.first_word,
            )  # fmt: skip
        else:
            merged.append(piece)
    return Line(tuple(merged), edges)
