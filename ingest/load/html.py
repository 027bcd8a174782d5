"""An HTML page in, its readable text with headings, lists, tables out; pure but for lexbor."""

from __future__ import annotations

import re
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from selectolax.lexbor import LexborHTMLParser, LexborNode

from ingest.errors import BrokenFileError
from ingest.load.build import TextBuilder
from ingest.load.cjk import clean, one_line
from ingest.load.decode import decode
from ingest.load.hidden import strip_zero_width, warning_of_zero_width, warnings_of
from ingest.load.html_limits import limited
from ingest.load.html_unseen import strip_unseen
from ingest.types import Loaded

MAX_DEPTH = 3000  # open elements; lexbor takes minutes for 200,000 of them
MAX_CELL = 4000  # characters; a "table" with longer cells lays out a page

_NEVER = "script, style, template, noscript, svg, math annotation, iframe, object, rp, rt, head"
_FURNITURE = (
    "nav, footer, aside, dialog, button, select, textarea, input, [role=navigation],"
    " [role=contentinfo], [role=search], [role=complementary], [role=menu], [role=menubar]"
)
_CHARSET = re.compile(rb"<meta[^>]{0,200}?charset\s*=\s*[\"']?\s*([\w.:-]+)", re.IGNORECASE)
_XML_ENCODING = re.compile(rb"^\s*<\?xml[^>]{0,100}?encoding\s*=\s*[\"']([\w.:-]+)", re.IGNORECASE)
# Elements that nest for real, by their first three characters. p, li, td, tr close one another and
# may stay open without harm.
_NESTING = (
    "div spa sec art mai ul  ol  dl  tab blo fon b   i   u   em  str a   cen for det fie fig "
    "sub sup sma big cod tt  ins del q   cit lab"
)
_INLINE = (  # what they mean is nothing that is kept
    "b i u em strong span a font small big cite ins sub sup code kbd samp var abbr time mark tt s"
    " strike bdi dfn label wbr"
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
        BrokenFileError: nested deeper than any page is, or with attributes without end.
    """
    html = limited(html)
    shown, n_invisible = strip_zero_width(html)
    encoded = shown.encode("utf-8", "replace")
    codes, is_end = _tag_codes(encoded)
    _check_depth(codes, is_end)
    tree = LexborHTMLParser(encoded)
    metadata = _head(tree)
    body = tree.body
    if body is None:
        return metadata
    builder.warnings += warnings_of(strip_unseen(tree, html))
    if n_invisible:
        builder.warnings.append(warning_of_zero_width(n_invisible))
    tree.strip_tags([tag.strip() for tag in _NEVER.split(",")])
    _unwrap_inline(tree, codes)
    n_before = len(builder.blocks)
    _Reader(builder, is_trimming=True).read(body)
    if len(builder.blocks) == n_before:  # a page that is all "furniture" is better than none
        _Reader(builder, is_trimming=False).read(body)
    return metadata


def _unwrap_inline(tree: LexborHTMLParser, codes: NDArray[np.int32]) -> None:
    """Make one text of what emphasis and links cut up: most nodes of a page are gone then."""
    is_there = np.isin(_codes(" ".join(f"{tag:<3.3}" for tag in _INLINE.split())), codes)
    tags = [tag for tag, found in zip(_INLINE.split(), is_there, strict=True) if found]
    if tags:
        tree.unwrap_tags(tags)
        tree.merge_text_nodes()


def _tag_codes(encoded: bytes) -> tuple[NDArray[np.int32], NDArray[np.bool_]]:
    """Find the tags of a page: the first three letters of each, whether it is an end tag."""
    octets = np.frombuffer(encoded + b"    ", dtype=np.uint8)
    opened = np.flatnonzero(octets[:-4] == ord("<"))
    is_end = octets[opened + 1] == ord("/")
    first = opened + 1 + is_end
    codes = np.zeros(len(opened), dtype=np.int32)
    is_over = np.zeros(len(opened), dtype=np.bool_)
    for at in range(3):
        letters = octets[first + at]
        is_over |= (letters <= ord(" ")) | (letters == ord(">")) | (letters == ord("/"))
        codes = (codes << 8) + np.where(is_over, ord(" "), letters | 0x20)
    return codes, is_end


def _check_depth(codes: NDArray[np.int32], is_end: NDArray[np.bool_]) -> None:
    steps = np.where(is_end, -1, 1)[np.isin(codes, _codes(_NESTING))]
    depths = np.cumsum(steps)
    if not len(depths):
        return
    floor = np.minimum.accumulate(np.minimum(depths, 0))  # more ends than starts count as none
    if int((depths - floor).max()) > MAX_DEPTH:
        raise BrokenFileError(f"elements are nested deeper than {MAX_DEPTH}: not a page")


def _codes(names: str) -> list[int]:
    letters = names.encode("ascii")
    return [int.from_bytes(letters[at : at + 3], "big") for at in range(0, len(letters), 4)]


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
        above: list[tuple[LexborNode, str | None]] = []
        node: LexborNode | None = root
        while node is not None:
            tag = node.tag
            if tag == "-text":
                self.lines[-1].append(node.text_content or "")
            elif self.enter(node, tag) and (child := node.child) is not None:
                above.append((node, tag))
                node = child
                continue
            else:
                self.leave(tag)
            while above and (following := node.next) is None:
                node, tag = above.pop()
                self.leave(tag)
            node = following if above else None
        self.flush()
        self.flush_items()

    def enter(self, node: LexborNode, tag: str | None) -> bool:
        """Open a node that is no text; say whether to go into it."""
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

    def leave(self, tag: str | None) -> None:
        """Close a node."""
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
        lines = self.lines
        if len(lines) == 1 and not lines[0]:
            return
        self.lines = [[]]
        text = "\n".join(filter(None, [one_line("".join(line)) for line in lines]))
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
        self.builder.table(rows, has_header=has_header, is_clean=True)
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
    n_head = 0
    grid = _Grid() if table.css_first("[colspan], [rowspan]") is not None else None
    is_plain = table.css_first("td *, th *") is None  # no element in any cell, as mostly
    has_others = table.css_first("tr > :not(td):not(th)") is not None
    rows: list[list[str]] = []
    for row in table.css("tr"):
        cells = list(row.iter())
        if has_others:
            cells = [cell for cell in cells if cell.tag in ("td", "th")]
        if is_plain:
            texts = [one_line(cell.text(deep=False)) for cell in cells]
        else:
            texts = [inline_text(cell) for cell in cells]
        if max(map(len, texts), default=0) > MAX_CELL:
            return [], False
        if n_head == len(rows):  # none but heads so far
            n_head += bool(cells) and all(cell.tag == "th" for cell in cells)
        rows.append(texts if grid is None else grid.place(cells, texts))
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
        told = [cell.attributes for cell in cells]
        if not self.taken and not any(told):
            return texts  # as most rows are
        row: list[str] = []
        covered, self.taken = self.taken, {at: n - 1 for at, n in self.taken.items() if n > 1}
        for attributes, text in zip(told, texts, strict=True):
            while len(row) in covered:
                row.append("")
            n_columns, n_rows = _span(attributes, "colspan"), _span(attributes, "rowspan")
            if n_rows > 1:
                self.taken |= {len(row) + at: n_rows - 1 for at in range(n_columns)}
            row += [text] + [""] * (n_columns - 1)
        return row


def _span(attributes: Mapping[str, str | None], name: str) -> int:
    value = (attributes.get(name) or "1").strip()
    return min(max(int(value), 1), 100) if value.isascii() and value.isdigit() else 1


def inline_text(root: LexborNode) -> str:
    """Read everything below a node as one line."""
    only = root.child
    if only is not None and only.next is None and only.tag == "-text":
        return one_line(only.text_content or "")
    parts: list[str] = []
    for node in root.traverse(include_text=True):
        if node.tag == "-text":
            parts.append(node.text_content or "")
        elif node.tag == "br" or node.tag in _BLOCKS:
            parts.append("\n")
        elif node.tag == "img" and not parts:
            parts.append(clean(node.attributes.get("alt") or ""))
    return one_line("".join(parts))
