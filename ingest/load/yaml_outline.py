"""A YAML text in, the places where its entries begin, or a refusal of a bomb, out; pure."""

from __future__ import annotations

import re

from ingest.errors import BrokenFileError
from ingest.load.outline import MAX_DEPTH, Cut, Outline

MAX_EXPANDED = 10_000_000  # values that aliases stand for
MAX_CHECKED = 16 * 1024**2  # characters; a larger file with aliases is refused
_ALIAS = re.compile(r"(?:^|[\s\[{,:-])\*[\w.-]+", re.MULTILINE)
_LINE = re.compile(r"[^\n]*\n?")
_ITEM = re.compile(r"- *(?=\S)|-$")
_KEY = re.compile(
    r"(?:\"([^\"]{1,200})\"|'([^']{1,200})'|([^\s#\[\]{},&*!|>%@`\"'-][^#\n]*?|-[^\s:]+))\s*:(?:\s|$)"
)
_LITERAL = re.compile(r".*[|>][+-]?\d?[+-]?\s*(?:#.*)?$")


def yaml_cuts(text: str) -> list[Cut]:
    """Cut before entries and items by how far their lines are indented."""
    reader = _Reader()
    for found in _LINE.finditer(text):
        if found.group():
            reader.line(found.group().rstrip(), found.start(), found.end())
    return reader.outline.cuts(len(text))


class _Reader:
    """Reads lines; knows what is open at which indentation, items half a step deeper than keys."""

    def __init__(self) -> None:
        self.outline = Outline()
        self.indents: list[float] = []
        self.literal = -1.0  # indentation of the key whose lines of text go on
        self.comment = -1  # where the comments before the next entry began

    def line(self, line: str, start: int, end: int) -> None:
        """Read one line."""
        bare = line.lstrip()
        indent = float(len(line) - len(bare))
        if not bare or (self.literal >= 0 and indent > self.literal):
            return
        self.literal = -1.0
        if bare.startswith("#"):
            self.comment = start if self.comment < 0 else self.comment
            return
        first, self.comment = (start if self.comment < 0 else self.comment), -1
        if bare.startswith(("---", "...")) and not indent:
            self._close(-1.0, first)
            return
        while item := _ITEM.match(bare):
            self._close(indent + 0.5, first)
            self._open(indent + 0.5, first, "")
            bare, indent = bare[item.end() :], indent + item.end()
            if not bare:
                break
        key = _KEY.match(bare)
        if key is not None:
            self._close(indent, first)
            self._open(indent, first, next(filter(None, key.groups()), ""))
        if _LITERAL.match(bare) and (key is not None or bare[0] in "|>"):
            self.literal = self.indents[-1] if self.indents else indent

    def _open(self, indent: float, start: int, name: str) -> None:
        self.outline.open(start, name)
        self.indents.append(indent)

    def _close(self, indent: float, end: int) -> None:
        while self.indents and self.indents[-1] >= indent:
            self.indents.pop()
            self.outline.close(end)


def check_aliases(text: str) -> None:
    """Refuse aliases that stand for aliases that stand for aliases; they are never followed here.

    Raises:
        BrokenFileError: they would expand to more than any document holds, or are nested deeper.
    """
    if "&" not in text or _ALIAS.search(text) is None:
        return
    import yaml  # type: ignore[import-untyped]  # its C reader gives events, builds nothing

    bomb = BrokenFileError(f"its YAML aliases expand to over {MAX_EXPANDED:,} values; not read")
    if len(text) > MAX_CHECKED:
        raise bomb
    sizes: dict[str, int] = {}
    held: list[tuple[str, int]] = [("", 0)]  # anchor, values so far, of what is open
    try:
        for event in yaml.parse(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
            n_values, anchor = 1, getattr(event, "anchor", None) or ""
            if isinstance(event, yaml.CollectionStartEvent):
                _open(held, anchor)
                continue
            if isinstance(event, yaml.CollectionEndEvent):
                anchor, n_values = held.pop()
            elif isinstance(event, yaml.AliasEvent):
                n_values, anchor = sizes.get(anchor, 1), ""
            if anchor:
                sizes[anchor] = n_values
            held[-1] = (held[-1][0], held[-1][1] + n_values)
            if held[-1][1] > MAX_EXPANDED:
                raise bomb
    except (yaml.YAMLError, RecursionError, IndexError):
        return  # not valid: nothing will follow its aliases


def _open(held: list[tuple[str, int]], anchor: str) -> None:
    if len(held) > MAX_DEPTH:  # libyaml's time grows with the square of the depth
        raise BrokenFileError(f"nested deeper than {MAX_DEPTH} levels: no document is")
    held.append((anchor, 1))
