"""Bytes of a Markdown file in, exactly its text with its structure found out; pure."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from ingest.errors import EmptyFileError
from ingest.load.decode import decode
from ingest.types import Block, BlockKind, Loaded

_LINE = re.compile(r"[^\r\n]*(?:\r\n|\r|\n|$)")
_ATX = re.compile(r" {0,3}(#{1,6})(?:[ \t]+(.*?))??(?:[ \t]+#+)?[ \t]*$")
_TIGHT_ATX = re.compile(r"(#{1,6})([^#\s!\d].{0,80})$")  # "##标题": common in Chinese notes
_UNDERLINE = re.compile(r" {0,3}(=+|-{2,})[ \t]*$")
_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})")
_ITEM = re.compile(r"\s{0,12}(?:[-*+]|\d{1,9}[.)])(?:[ \t]+|$)")
_RULE = re.compile(r" {0,3}(?:(?:\*[ \t]*){3,}|(?:-[ \t]*){3,}|(?:_[ \t]*){3,})$")
_TABLE_RULE = re.compile(r"\s{0,3}\|?[ \t]*:?-+:?[ \t]*(?:\|[ \t]*:?-+:?[ \t]*)*\|?[ \t]*$")
_MARKUP = re.compile(r"[*_`]{1,3}(?=\S)|(?<=\S)[*_`]{1,3}|!?\[([^\]]*)\]\([^)]*\)")
_FRONT_TITLE = re.compile(r"^title\s*:\s*[\"']?(.+?)[\"']?\s*$", re.MULTILINE)
_STARTERS = frozenset("#`~-*+|=_0123456789 \t")  # lines that start otherwise are running text


def load(data: bytes, name: str) -> Loaded:
    """Load Markdown; the text is exactly the decoded file.

    Raises:
        EmptyFileError: there are only blanks.
        BrokenFileError: the bytes are no text.
    """
    text = decode(data)
    if not text or text.isspace():
        raise EmptyFileError("the file holds no text, only blanks")
    start, title = _front_matter(text)
    reader = _Reader(text)
    reader.read(start)
    title = title or next((path[-1] for level, path in reader.titles if level == 1), "")
    title = title or (reader.titles[0][1][-1] if reader.titles else "")
    return Loaded(text, tuple(reader.blocks), title, "text/markdown")


def structure(text: str) -> tuple[Block, ...]:
    """Find the blocks of a Markdown text."""
    reader = _Reader(text)
    reader.read(0)
    return tuple(reader.blocks)


def _front_matter(text: str) -> tuple[int, str]:
    """Find where the text proper starts, and the title that the lines before it name."""
    found = re.match(
        r"---[ \t]*\r?\n(.{0,20000}?)\r?\n(?:---|\.\.\.)[ \t]*(?:\r?\n|$)", text, re.DOTALL
    )
    if found is None or ":" not in found.group(1):
        return 0, ""
    title = _FRONT_TITLE.search(found.group(1))
    # Tags, dates, authors are worth finding: it stays text unless it holds a title only.
    return 0 if len(found.group(1).splitlines()) > 1 else found.end(), title.group(
        1
    ) if title else ""


def plain(line: str) -> str:
    """Take the markup out of a heading."""
    return _MARKUP.sub(lambda found: found.group(1) or "", line).strip()


@dataclass(slots=True)
class _Reader:
    """Reads lines; holds the block in hand."""

    text: str
    blocks: list[Block] = field(default_factory=list)
    titles: list[tuple[int, tuple[str, ...]]] = field(default_factory=list)
    above: list[tuple[int, str]] = field(default_factory=list)
    path: tuple[str, ...] = ()  # of `above`, the texts alone
    kind: BlockKind = "paragraph"
    start: int = -1  # of the block in hand, -1 = none
    end: int = -1  # behind its last character that is no blank
    header: tuple[int, int] | None = None
    fence: str = ""  # what closes the code in hand
    n_lines: int = 0

    def read(self, at: int) -> None:
        """Read all lines from a place on."""
        if (
            (
                front := re.match(
                    r"---[ \t]*\r?\n.{0,20000}?\n---[ \t]*(?=\r?\n|$)", self.text, re.DOTALL
                )
            )
            and at == 0
            and ":" in front.group()
        ):
            self.blocks.append(Block(0, front.end(), "code"))
            at = front.end()
        for found in _LINE.finditer(self.text, at):
            line = found.group().rstrip("\r\n")
            start = found.start()
            self._line(line, start, start + len(line.rstrip()))
        self._close()

    def _line(self, line: str, start: int, end: int) -> None:
        if self.fence:
            self._fenced(line, end)
        elif not line or line.isspace():
            if self.kind != "list" or self.start < 0:
                self._close()
            self.n_lines = 0
        elif line[0] not in _STARTERS:
            self._running(start, end, line)
        else:
            self._marked(line, start, end)

    def _fenced(self, line: str, end: int) -> None:
        self.end = max(end, self.end)
        bare = line.strip()
        if bare.startswith(self.fence) and not bare.strip(self.fence[0]):
            self.fence = ""
            self._close()

    def _marked(self, line: str, start: int, end: int) -> None:
        """Read a line whose first character may be markup."""
        heading = _ATX.match(line) or (_TIGHT_ATX.match(line) if line[0] == "#" else None)
        if heading is not None:
            self._heading(len(heading.group(1)), heading.group(2) or "", start, end)
        elif fence := _FENCE.match(line):
            self._close()
            self.kind, self.start, self.end, self.fence = "code", start, end, fence.group(1)
        elif self._is_table_rule(line):
            self._open_table(end)
        elif self._is_underline(line):
            self._underlined(line, end)
        elif _RULE.match(line):
            self._close()
        elif _ITEM.match(line):
            if self.kind != "list" or self.start < 0:
                self._close()
                self.kind, self.start = "list", start + len(line) - len(line.lstrip())
            self.end, self.n_lines = end, 1
        else:
            self._running(start, end, line)

    def _running(self, start: int, end: int, line: str) -> None:
        is_lazy = self.n_lines > 0 or line[0] in " \t"  # goes on in the item above
        if self.start >= 0 and self.kind == "list" and not is_lazy:
            self._close()
        if self.start >= 0 and self.kind == "table" and "|" not in line:
            self._close()
        if self.start < 0:
            self.kind, self.start = "paragraph", start + len(line) - len(line.lstrip())
        self.end = end
        self.n_lines += 1

    def _is_table_rule(self, line: str) -> bool:
        if self.start < 0 or self.kind != "paragraph" or "-" not in line or "|" not in line:
            return False
        return "|" in self._last_line()[1] and _TABLE_RULE.match(line) is not None

    def _is_underline(self, line: str) -> bool:
        is_one_line = self.start >= 0 and self.kind == "paragraph" and self.n_lines == 1
        return is_one_line and _UNDERLINE.match(line) is not None

    def _last_line(self) -> tuple[int, str]:
        at = max(
            self.text.rfind("\n", self.start, self.end), self.text.rfind("\r", self.start, self.end)
        )
        at = max(at + 1, self.start)
        return at, self.text[at : self.end]

    def _open_table(self, end: int) -> None:
        """Make the last line of the paragraph in hand the header of a table."""
        at, _ = self._last_line()
        header = (at, self.end)
        if at > self.start:
            self.end = at
            while self.text[self.end - 1].isspace():
                self.end -= 1
            self._close()
        self.kind, self.start, self.end, self.header = "table", at, end, header

    def _underlined(self, line: str, end: int) -> None:
        start, title = self.start, self.text[self.start : self.end]
        self.start = -1
        self._heading(1 if "=" in line else 2, title, start, end)

    def _heading(self, level: int, title: str, start: int, end: int) -> None:
        self._close()
        while self.above and self.above[-1][0] >= level:
            self.above.pop()
        name = plain(title)
        if name:
            self.above.append((level, name))
        self.path = tuple(text for _, text in self.above)
        if name:
            self.titles.append((level, self.path))
            self.blocks.append(Block(start, end, "heading", self.path))

    def _close(self) -> None:
        if self.start >= 0 and self.end > self.start:
            block = Block(self.start, self.end, self.kind, self.path, header=self.header)
            self.blocks.append(block)
        self.kind, self.start, self.end, self.header = "paragraph", -1, -1, None
        self.n_lines, self.fence = 0, ""
