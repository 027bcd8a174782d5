"""Where the pieces of a text begin, under which names, in; blocks that cover the text out; pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ingest.errors import BrokenFileError
from ingest.types import Block

PIECE = 1500  # characters; what is longer is cut at the pieces within it
RUN = 400  # characters; small neighbours under the same names stand together up to here
MAX_DEPTH = 1000  # things within things
MAX_NAMES = 8  # of a path; what lies deeper keeps the names above
MAX_NAME = 100  # characters


@dataclass(frozen=True, slots=True)
class Cut:
    """A place where a piece begins; it ends where the next one does."""

    start: int  # in characters of the text
    path: tuple[str, ...]
    is_firm: bool = True  # else it joins the piece before, if that has the same path and room


def blocks_of(text: str, cuts: Iterable[Cut]) -> Iterator[Block]:
    """Give code blocks from cut to cut, blanks at their ends left out."""
    held, last = Cut(0, ()), -1  # the piece in hand, the last loose cut that it took in
    for at, cut in enumerate(cuts):
        if at == 0:  # what opens a text goes with the first thing in it
            held = Cut(0, cut.path)
        elif cut.is_firm or cut.path != held.path:
            yield from _pieces(text, held, last, cut.start)
            held, last = cut, -1
        else:
            if last >= 0 and cut.start - held.start > PIECE:
                yield from _block(text, held, last)
                held = Cut(last, held.path)
            last = cut.start
    yield from _pieces(text, held, last, len(text))


def _pieces(text: str, held: Cut, last: int, end: int) -> Iterator[Block]:
    """End the piece in hand, in two if it got too long."""
    if last >= 0 and end - held.start > PIECE:
        yield from _block(text, held, last)
        held = Cut(last, held.path)
    yield from _block(text, held, end)


def _block(text: str, cut: Cut, end: int) -> Iterator[Block]:
    start = cut.start
    while start < end and text[start].isspace():
        start += 1
    while start < end and text[end - 1].isspace():
        end -= 1
    if start < end:
        yield Block(start, end, "code", cut.path)


@dataclass(slots=True)
class _Frame:
    """Something open that holds other things."""

    start: int
    path: tuple[str, ...]
    is_named: bool
    cuts: list[Cut] = field(default_factory=list)
    run: int = -1  # where the run of small things in hand began


class Outline:
    """Takes things as they open and close, keeps the cuts that are worth making.

    What is small is one piece; what is long is cut at the things within it. What closes takes the
    cuts within it along, so memory goes with the pieces made, not with the things seen.
    """

    def __init__(self, *, n_wrappers: int = 0) -> None:
        """Begin with nothing open.

        Args:
            n_wrappers: levels of things that are always cut within, be they ever so small: the
                brackets around a whole file.
        """
        self.n_wrappers = n_wrappers
        self.frames = [_Frame(0, (), is_named=False)]

    @property
    def depth(self) -> int:
        """Count what is open."""
        return len(self.frames) - 1

    def open(self, start: int, name: str = "") -> None:
        """Begin something that may hold other things.

        Raises:
            BrokenFileError: nested deeper than any document is.
        """
        if len(self.frames) > MAX_DEPTH:
            raise BrokenFileError(f"nested deeper than {MAX_DEPTH} levels: no document is")
        above = self.frames[-1].path
        is_named = bool(name) and len(above) < MAX_NAMES
        path = (*above, name[:MAX_NAME]) if is_named else above
        self.frames.append(_Frame(start, path, is_named=is_named))

    def leaf(self, start: int, end: int) -> None:
        """Add something that holds nothing."""
        frame = self.frames[-1]
        if frame.run < 0 or end - frame.run > RUN:
            frame.cuts.append(Cut(start, frame.path))
            frame.run = start

    def close(self, end: int) -> None:
        """End what was opened last."""
        frame = self.frames.pop()
        above = self.frames[-1]
        is_small = end - frame.start <= (PIECE if frame.cuts else RUN)
        is_whole = not frame.cuts or (is_small and len(self.frames) > self.n_wrappers)
        if is_whole and (not frame.is_named or (is_small and not frame.cuts)):
            self.leaf(frame.start, end)
            return
        above.run = -1
        if is_whole:
            above.cuts.append(Cut(frame.start, frame.path))
            return
        first, *rest = frame.cuts  # what opens it goes with the first thing in it
        above.cuts += [Cut(frame.start, first.path), *rest]

    def cuts(self, end: int) -> list[Cut]:
        """Close what is still open; give all cuts."""
        while self.depth:
            self.close(end)
        return self.frames[0].cuts


class Offsets:
    """Turns places in a text's UTF-8 bytes into places in its characters."""

    def __init__(self, encoded: bytes) -> None:
        self._starts: NDArray[np.int64] | None = None
        if not encoded.isascii():
            octets = np.frombuffer(encoded, dtype=np.uint8)
            self._starts = np.flatnonzero((octets & 0xC0) != 0x80)

    def __call__(self, at: int) -> int:
        """Find the character that begins at a byte."""
        return at if self._starts is None else int(np.searchsorted(self._starts, at))
