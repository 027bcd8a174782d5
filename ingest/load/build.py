"""Headings, paragraphs, lists, tables in, one Loaded text with exact blocks out; pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from ingest.errors import EmptyFileError
from ingest.load.cjk import clean, one_line
from ingest.types import Block, BlockKind, Loaded

MAX_WARNINGS = 50  # of one document; the rest is counted
MAX_HEADING = 300  # characters; a longer "heading" is a paragraph in heading style


class TextBuilder:
    """Puts a text together piece by piece and remembers where each piece stands."""

    def __init__(self) -> None:
        self.page: int | None = None  # of the pieces that come next
        self.title = ""
        self.warnings: list[str] = []
        self.blocks: list[Block] = []
        self._parts: list[str] = []
        self._length = 0
        self._above: list[tuple[int, str]] = []  # headings that are open: level, text
        self._path: tuple[str, ...] = ()  # their texts

    def heading(self, text: str, level: int = 1) -> None:
        """Open a section; headings of the same or a deeper level end."""
        line = one_line(text)
        if not line:
            return
        if len(line) > MAX_HEADING:
            self.paragraph(line)
            return
        self.close_sections(level)
        self._above.append((level, line))
        self._path = (*self._path, line)
        self._add("heading", line)

    def close_sections(self, level: int) -> None:
        """End the open headings of this level and deeper."""
        while self._above and self._above[-1][0] >= level:
            self._above.pop()
        self._path = self._path[: len(self._above)]

    def paragraph(self, text: str, *, glue: str = "\n\n") -> None:
        """Add running text.

        Args:
            glue: what stands before it; less than a blank line if it goes on from the block before.
        """
        self._add("paragraph", clean(text).strip(), glue=glue)

    def items(self, lines: Sequence[str]) -> None:
        """Add a list; each line carries its own marker."""
        self._add("list", "\n".join(clean(line).rstrip() for line in lines if line.strip()))

    def code(self, text: str) -> None:
        """Add text whose blanks matter."""
        self._add("code", clean(text).strip("\n").rstrip())

    def table(
        self, rows: Iterable[Sequence[str]], *, has_header: bool, is_clean: bool = False
    ) -> None:
        """Add a table, one line per row as `a | b | c`.

        Args:
            has_header: the first row names the columns.
            is_clean: each cell is one line already.
        """
        lines = _rendered(rows) if is_clean else render_rows(rows)
        if lines:
            self._add("table", "\n".join(lines), n_header=len(lines[0]) if has_header else 0)

    def drop_blocks(self, n_kept: int) -> None:
        """Forget the blocks behind the first ones, with the text that they stand in."""
        end = self.blocks[n_kept - 1].end if n_kept else 0
        del self.blocks[n_kept:]
        self._parts = ["".join(self._parts)[:end]] if end else []
        self._length = end

    def last_character(self) -> str:
        """Look at the end of the text so far."""
        return self._parts[-1][-1] if self._parts else ""

    def append(self, loaded: Loaded) -> None:
        """Add another loaded text as a part of this one, its headings under the open ones."""
        offset = self._length + 2 if self._length else 0
        above = self._path
        for block in loaded.blocks:
            header = (block.header[0] + offset, block.header[1] + offset) if block.header else None
            span = (block.start + offset, block.end + offset)
            headings = (*above, *block.headings)
            self.blocks.append(Block(*span, block.kind, headings, self.page, header))
        self._write(loaded.text, "\n\n")

    def finish(
        self,
        media_type: str,
        *,
        title: str = "",
        metadata: Mapping[str, str] | None = None,
        nothing: str = "the file holds no text",
    ) -> Loaded:
        """Close the text.

        Raises:
            EmptyFileError: nothing was added; the message is `nothing`.
        """
        if not self.blocks:
            raise EmptyFileError(nothing)
        told = {name: one_line(value) for name, value in (metadata or {}).items() if value.strip()}
        best = one_line(title) or self.title or self._first_heading()
        text = "".join(self._parts)
        warnings = list(dict.fromkeys(self.warnings))
        if (n_more := len(warnings) - MAX_WARNINGS) > 0:
            warnings[MAX_WARNINGS:] = [f"{n_more} further warnings"]
        return Loaded(text, tuple(self.blocks), best, media_type, told, tuple(warnings))

    def _first_heading(self) -> str:
        for block in self.blocks[:20]:
            if block.kind == "heading":
                return block.headings[-1]
        return ""

    def _add(self, kind: BlockKind, text: str, *, glue: str = "\n\n", n_header: int = 0) -> None:
        if not text or text.isspace():
            return
        self._write(text, glue)
        start = self._length - len(text)
        header = (start, start + n_header) if n_header else None
        self.blocks.append(Block(start, self._length, kind, self._path, self.page, header))

    def _write(self, text: str, glue: str) -> None:
        if self._length:
            self._parts.append(glue)
            self._length += len(glue)
        self._parts.append(text)
        self._length += len(text)


def render_rows(rows: Iterable[Sequence[str]]) -> list[str]:
    """Write table rows as lines, without empty rows and without empty cells at a row's end."""
    return _rendered([one_line(cell) for cell in row] for row in rows)


def _rendered(rows: Iterable[Sequence[str]]) -> list[str]:
    return [" | ".join(row[: _n_used(row)]) for row in rows if any(row)]


def _n_used(row: Sequence[str]) -> int:
    n_used = len(row)
    while n_used and not row[n_used - 1]:
        n_used -= 1
    return n_used
