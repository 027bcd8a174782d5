"""An HTML page in, its readable text with headings, lists, tables out; pure but for lexbor."""

from __future__ import annotations

import re

from selectolax.lexbor import LexborHTMLParser, LexborNode

from ingest.errors import BrokenFileError
from ingest.load.build import TextBuilder
from ingest.load.cjk import clean, one_line
from ingest.load.decode import decode
from ingest.types import Loaded

MAX_DEPTH = 3000  # open elements; lexbor takes minutes for 200,000 of them
MAX_CELL = 4000  # characters; a "table" with longer cells lays out a page

_NEVER = "script, style, template, noscript, svg, math annotation, iframe, object, rp, rt, head"
_FURNITURE = (
    "nav, footer, aside, dialog, button, select, textarea, input, [hidden], [role=navigation],"
    " [role=contentinfo], [role=search], [role=complementary], [role=menu], [role=menubar]"
)
_INVISIBLE = re.compile(r"display\s*:\s*none|visibility\s*:\s*hidden", re.IGNORECASE)
_CHARSET = re.compile(rb"<meta[^>]{0,200}?charset\s*=\s*[\"']?\s*([\w.:-]+)", re.IGNORECASE)
_XML_ENCODING = re.compile(rb"^\s*<\?xml[^>]{0,100}?encoding\s*=\s*[\"']([\w.:-]+)", re.IGNORECASE)
# Elements that nest for real. p, li, td, tr close one another and may stay open without harm.
_NESTING = re.compile(
    r"<(/?)(?:div|span|section|article|main|ul|ol|dl|table|blockquote|font|b|i|u|em|strong|a|center"
    r"|form|details|fieldset|figure|sub|sup|small|big|code|tt|ins|del|q|cite|label)\b[^>]{0,400}>",
    re.IGNORECASE,
)
_HEADINGS = {"h1": 1, "h2": 2, "h3": 3, "h4": 4, "h5": 5, "h6": 6}
_BLOCKS = frozenset(
    [
        "address",
        "article",
        "blockquote",
        "body",
        "center",
        "dd",
        "details",
        "div",
        "dl",
        "dt",
        "fieldset",
        "figcaption",
        "figure",
        "form",
        "header",
        "hgroup",
        "hr",
        "li",
        "main",
        "ol",
        "p",
        "section",
        "summary",
        "table",
        "tbody",
        "td",
        "tfoot",
        "th",
        "thead",
        "tr",
        "ul",
    ]
)
_LISTS = ("ul", "ol", "menu")


def load(data: bytes, name: str) -> Loaded:
    """Load an HTML page without its scripts, navigation, footers.

    Raises:
        EmptyFileError: nothing readable stands in it.
        BrokenFileError: no text at all, or nested deeper than any page is.
    """
    head = data[:4096]
    found = _XML_ENCODING.search(head) or _CHARSET.search(head)
    builder = TextBuilder()
    metadata = feed(builder, decode(data, found.group(1).decode("ascii") if found else None))
    title = metadata.pop("title", "")
    nothing = "the page holds no readable text; it may be drawn by scripts, which are not run"
    return builder.finish("text/html", title=title, metadata=metadata, nothing=nothing)


def feed(builder: TextBuilder, html: str) -> dict[str, str]:
    """Add a page's text to a builder and give back what its head tells: title, language, author.

    Raises:
        BrokenFileError: nested deeper than any page is.
    """
    _check_depth(html)
    tree = LexborHTMLParser(html)
    metadata = _head(tree)
    body = tree.body
    if body is None:
        return metadata
    tree.strip_tags([tag.strip() for tag in _NEVER.split(",")])
    n_before = len(builder.blocks)
    _Reader(builder, is_trimming=True).read(body)
    if len(builder.blocks) == n_before:  # a page that is all "furniture" is better than none
        _Reader(builder, is_trimming=False).read(body)
    return metadata


def _check_depth(html: str) -> None:
    depth = 0
    for tag in _NESTING.finditer(html):
        depth = max(0, depth - 1) if tag.group(1) else depth + 1
        if depth > MAX_DEPTH:
            raise BrokenFileError(f"elements are nested deeper than {MAX_DEPTH}: not a page")


def _head(tree: LexborHTMLParser) -> dict[str, str]:
    told: dict[str, str] = {}
    title = tree.css_first("head title")
    if title is not None:
        told["title"] = one_line(title.text())
    if tree.root is not None and tree.root.attributes.get("lang"):
        told["language"] = str(tree.root.attributes["lang"])
    for name in ("author", "description"):
        meta = tree.css_first(f"meta[name={name}]")
        if meta is not None and meta.attributes.get("content"):
            told[name] = str(meta.attributes["content"])[:1000]
    return {key: value for key, value in told.items() if value}


class _Reader:
    """Walks a tree without recursion and writes blocks as they close."""

    def __init__(self, builder: TextBuilder, *, is_trimming: bool) -> None:
        self.builder = builder
        self.is_trimming = is_trimming
        self.lines: list[list[str]] = [[]]  # the paragraph in hand, cut at <br>
        self.items: list[str] = []  # the list in hand
        self.counters: list[int] = []  # of open lists: the next number, 0 = bullets
        self.marker = ""  # of the item that was just opened
        self.skipped: set[int] = set()

    def read(self, root: LexborNode) -> None:
        """Read everything below a node."""
        if self.is_trimming:
            self.skipped = {found.mem_id for found in root.css(_FURNITURE)}
            for found in root.css("[style]"):
                if _INVISIBLE.search(found.attributes.get("style") or ""):
                    self.skipped.add(found.mem_id)
        node: LexborNode | None = root
        while node is not None:
            child = node.child if self.enter(node) else None
            if child is not None:
                node = child
                continue
            self.leave(node)
            while node is not None and node.mem_id != root.mem_id and node.next is None:
                node = node.parent
                if node is not None:
                    self.leave(node)
            if node is None or node.mem_id == root.mem_id:
                break
            node = node.next
        self.flush()
        self.flush_items()

    def enter(self, node: LexborNode) -> bool:
        """Open a node; say whether to go into it."""
        tag = node.tag
        if tag == "-text":
            self.lines[-1].append(node.text_content or "")
            return False
        if tag == "br":
            self.lines.append([])
            return False
        if not node.is_element_node or self._is_dropped(node, tag):
            return False
        if tag in _HEADINGS or tag in ("pre", "table"):
            return self._enter_piece(node, tag)
        if tag in _BLOCKS:
            self.flush()
        if tag in _LISTS:
            self.counters.append(1 if tag == "ol" else 0)
        elif tag == "li":
            self.marker = self._next_marker()
        return True

    def leave(self, node: LexborNode) -> None:
        """Close a node."""
        tag = node.tag
        if tag in _BLOCKS or tag == "menu":
            self.flush()
        elif tag in ("td", "th"):
            self.lines[-1].append(" ")
        if tag in _LISTS and self.counters:
            self.counters.pop()
            if not self.counters:
                self.flush_items()

    def flush(self) -> None:
        """Write the paragraph in hand."""
        if not any(self.lines) or self.lines == [[]]:
            return
        text = "\n".join(filter(None, (one_line("".join(line)) for line in self.lines)))
        self.lines = [[]]
        if not text:
            return
        if not self.counters:
            self.builder.paragraph(text)
            return
        indent = "  " * (len(self.counters) - 1)
        marker = self.marker or "  "
        self.marker = ""
        self.items.append(indent + marker + text.replace("\n", "\n" + indent + "  "))

    def flush_items(self) -> None:
        """Write the list in hand."""
        if self.items:
            self.builder.items(self.items)
            self.items = []

    def _next_marker(self) -> str:
        if not self.counters:
            return ""
        number = self.counters[-1]
        if not number:
            return "- "
        self.counters[-1] += 1
        return f"{number}. "

    def _is_dropped(self, node: LexborNode, tag: str | None) -> bool:
        if not self.is_trimming:
            return False
        if self.skipped and node.mem_id in self.skipped:
            return True
        # The header of a page holds its logo and menu; that of an article its title.
        return tag == "header" and _is_page_header(node)

    def _enter_piece(self, node: LexborNode, tag: str) -> bool:
        self.flush()
        if tag == "table":
            return self._enter_table(node)
        self.flush_items()
        if tag == "pre":
            self.builder.code(node.text(deep=True))
        elif not self._is_listed_heading():
            self.builder.heading(inline_text(node), _HEADINGS[tag])
        else:
            self.lines[-1].append(inline_text(node))
            self.flush()
        return False

    def _is_listed_heading(self) -> bool:
        return bool(self.counters)

    def _enter_table(self, node: LexborNode) -> bool:
        rows, has_header = table_rows(node)
        if not rows:
            return True  # lays out the page: its cells are read as paragraphs
        self.flush_items()
        caption = node.css_first("caption")
        if caption is not None:
            self.builder.paragraph(inline_text(caption))
        self.builder.table(rows, has_header=has_header)
        return False


def _is_page_header(node: LexborNode) -> bool:
    if node.css_first("h1") is not None:
        return False
    parent = node.parent
    return parent is None or parent.tag not in ("article", "main", "section")


def table_rows(table: LexborNode) -> tuple[list[list[str]], bool]:
    """Read a table of data; no rows if it lays out a page instead.

    Returns:
        rows of cells and whether the first row names the columns.
    """
    role = table.attributes.get("role")
    if role in ("presentation", "none") or len(table.css("table")) > 1 or table.css_first("h1, h2"):
        return [], False
    n_head, grid = 0, _Grid()
    rows: list[list[str]] = []
    for row in table.css("tr"):
        cells = [cell for cell in row.iter() if cell.tag in ("td", "th")]
        texts = [inline_text(cell) for cell in cells]
        if any(len(text) > MAX_CELL for text in texts):
            return [], False
        is_head = bool(cells) and all(cell.tag == "th" for cell in cells)
        n_head += bool(is_head and n_head == len(rows))
        rows.append(grid.place(cells, texts))
    used = [row for row in rows if any(row)]
    if max((len(row) for row in used), default=0) < 2:
        return [], False
    has_stub = table.css_first("th") is not None  # <th> elsewhere: the first column names the rows
    has_header = n_head > 0 or (not has_stub and len(used) > 2)
    return used, has_header and len(used) > 1 and bool(rows and any(rows[0]))


class _Grid:
    """Knows which columns of the next rows a cell above reaches into."""

    def __init__(self) -> None:
        self.taken: dict[int, int] = {}  # column → rows that are still covered

    def place(self, cells: list[LexborNode], texts: list[str]) -> list[str]:
        """Write one row: covered and spanned places stay empty, nothing is repeated."""
        row: list[str] = []
        covered, self.taken = self.taken, {at: n - 1 for at, n in self.taken.items() if n > 1}
        for cell, text in zip(cells, texts, strict=True):
            while len(row) in covered:
                row.append("")
            n_columns, n_rows = _span(cell, "colspan"), _span(cell, "rowspan")
            if n_rows > 1:
                self.taken |= {len(row) + at: n_rows - 1 for at in range(n_columns)}
            row += [text] + [""] * (n_columns - 1)
        return row


def _span(cell: LexborNode, name: str) -> int:
    value = (cell.attributes.get(name) or "1").strip()
    return min(max(int(value), 1), 100) if value.isascii() and value.isdigit() else 1


def inline_text(root: LexborNode) -> str:
    """Read everything below a node as one line."""
    parts: list[str] = []
    for node in root.traverse(include_text=True):
        if node.tag == "-text":
            parts.append(node.text_content or "")
        elif node.tag == "br" or node.tag in _BLOCKS:
            parts.append("\n")
        elif node.tag == "img" and not parts:
            parts.append(clean(node.attributes.get("alt") or ""))
    return one_line("".join(parts))
