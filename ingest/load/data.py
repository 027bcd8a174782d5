"""Bytes of a JSON, JSON Lines, YAML, TOML, INI or XML file in, exactly its text by entries out.

The text is never interpreted, only looked through: no alias, entity or include is expanded, and a
file with mistakes is still read. Headings are the keys above an entry.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from xml.parsers import expat

from ingest.errors import BrokenFileError, EmptyFileError
from ingest.load.archive import refuse_entities
from ingest.load.decode import decode
from ingest.load.outline import MAX_DEPTH, PIECE, Cut, Offsets, Outline, blocks_of
from ingest.load.text import paragraphs
from ingest.load.yaml_outline import check_aliases, yaml_cuts
from ingest.types import Block, Loaded

MEDIA_TYPES = {
    "json": "application/json",
    "jsonl": "application/x-ndjson",
    "yaml": "application/yaml",
    "toml": "application/toml",
    "ini": "text/plain",
    "xml": "application/xml",
}
_JSON_TOKEN = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"|//[^\n]*|/\*.*?\*/|[\[\]{},:]', re.DOTALL)
_XML_ENCODING = re.compile(rb"^\s*<\?xml[^>]{0,100}?encoding\s*=\s*[\"']([\w.:-]+)")
_SECTION = re.compile(r"\[\[?\s*([^\[\]\n]{1,200}?)\s*\]\]?\s*(?:[#;].*)?$")
_SECTION_NAME = re.compile(r"\"([^\"]*)\"|'([^']*)'|([^.\s\"']+)")
_NAMES = ("name", "id", "key", "title")  # attributes that tell elements of one kind apart


class _MalformedError(Exception):
    """The text is not what its name says; it is read as plain text then."""


def load(data: bytes, name: str, kind: str) -> Loaded:
    """Load structured data; the text is exactly the decoded file.

    Args:
        kind: one of MEDIA_TYPES.
    Raises:
        EmptyFileError: there are only blanks.
        BrokenFileError: the bytes are no text, or a bomb: nested, aliased or with entities.
    """
    found = _XML_ENCODING.search(data[:200]) if kind == "xml" else None
    text = decode(data, found.group(1).decode("ascii") if found else None)
    if not text or text.isspace():
        raise EmptyFileError("the file holds no text, only blanks")
    warnings: tuple[str, ...] = ()
    try:
        cuts = _READERS[kind](text)
        blocks = tuple(blocks_of(text, cuts))
    except _MalformedError as error:
        warnings = (f"not valid {kind.upper()}, read as plain text: {error}",)
        blocks = tuple(Block(start, end, "code") for start, end in paragraphs(text))
    return Loaded(text, blocks, "", MEDIA_TYPES[kind], {}, warnings)


def _json_cuts(text: str, at: int = 0, end: int | None = None) -> list[Cut]:
    """Look through brackets, keys and commas between two places."""
    end = len(text) if end is None else end
    outline = Outline(n_wrappers=1)
    closers: list[str] = []
    value = at  # where the value in hand began; what is before a bracket belongs to it
    key = ""
    token = ""
    for found in _JSON_TOKEN.finditer(text, at, end):
        mark = text[found.start()]
        if mark == '"':
            token = found.group()
        elif mark == ":" and closers and closers[-1] == "}":
            key = token[1:-1]
        elif mark in "[{":
            outline.open(_first(text, value, found.start()), key)
            closers.append("]" if mark == "[" else "}")
            value, key = found.end(), ""
        elif mark in "]}":
            if not closers or closers.pop() != mark:
                raise _MalformedError(f"“{mark}” at character {found.start():,} closes nothing")
            _leaf(outline, text, value, found.start())
            outline.close(found.end())
            value, key = found.end(), ""
        elif mark == ",":
            _leaf(outline, text, value, found.start())
            value, key = found.end(), ""
    if closers:
        raise _MalformedError(f"{len(closers)} brackets are never closed")
    _leaf(outline, text, value, end)
    return outline.cuts(end)


def _first(text: str, start: int, end: int) -> int:
    while start < end and text[start].isspace():
        start += 1
    return start


def _leaf(outline: Outline, text: str, start: int, end: int) -> None:
    start = _first(text, start, end)
    if start < end:
        outline.leaf(start, end)


def _jsonl_cuts(text: str) -> list[Cut]:
    """Cut before every record; a long one also at its entries."""
    cuts: list[Cut] = []
    at = 0
    while at < len(text):
        end = text.find("\n", at) + 1 or len(text)
        if end - at > PIECE:
            try:
                inner = _json_cuts(text, at, end)
            except _MalformedError:
                inner = []
            cuts += [Cut(at, inner[0].path if inner else ()), *inner[1:]]
        elif text[at:end].strip():
            cuts.append(Cut(at, ()))
        at = end
    return cuts


def _toml_cuts(text: str) -> list[Cut]:
    """Cut before every table or section, comments kept with what follows."""
    outline = Outline(n_wrappers=MAX_DEPTH)
    quote = ""  # of a string over many lines
    comment = -1
    at = 0
    for line in text.splitlines(keepends=True):
        start, at = at, at + len(line)
        bare = line.strip()
        if quote:
            quote = "" if quote in line else quote
            continue
        quote = next((mark for mark in ('"""', "'''") if line.count(mark) == 1), "")
        if not bare or bare[0] in "#;":
            comment = start if bare and comment < 0 else comment
            continue
        first, comment = (start if comment < 0 else comment), -1
        section = _SECTION.match(bare)
        if section is not None and not line[0].isspace():
            while outline.depth:
                outline.close(first)
            for name in _section_names(section.group(1)):
                outline.open(first, name)
        elif not line[0].isspace():
            outline.leaf(first, at)
    return outline.cuts(len(text))


def _section_names(dotted: str) -> Iterator[str]:
    for found in _SECTION_NAME.finditer(dotted):
        yield next(filter(None, found.groups()), "")


def _xml_cuts(text: str) -> list[Cut]:
    """Follow the elements; entities that it declares itself are refused, none is ever fetched."""
    encoded = text.encode("utf-8", "replace")
    refuse_entities(encoded, "the file")
    offset = Offsets(encoded)
    outline = Outline(n_wrappers=1)
    parser = expat.ParserCreate("utf-8")

    def opened(tag: str, attributes: dict[str, str]) -> None:
        told = next((attributes[one] for one in _NAMES if attributes.get(one)), "")
        name = tag.rpartition(":")[2]
        outline.open(offset(parser.CurrentByteIndex), f"{name} {told}".strip())

    def closed(_: str) -> None:
        end = encoded.find(b">", parser.CurrentByteIndex) + 1
        outline.close(offset(end))

    def declared(*_: object) -> None:
        raise BrokenFileError("the file declares XML entities, which no document needs; not read")

    parser.StartElementHandler, parser.EndElementHandler = opened, closed
    parser.EntityDeclHandler = declared
    try:
        parser.Parse(encoded, True)
    except expat.ExpatError as error:
        raise _MalformedError(str(error)) from error
    return outline.cuts(len(text))


def _yaml_cuts(text: str) -> list[Cut]:
    check_aliases(text)
    return yaml_cuts(text)


_READERS: dict[str, Callable[[str], list[Cut]]] = {
    "json": _json_cuts,
    "jsonl": _jsonl_cuts,
    "yaml": _yaml_cuts,
    "toml": _toml_cuts,
    "ini": _toml_cuts,
    "xml": _xml_cuts,
}
