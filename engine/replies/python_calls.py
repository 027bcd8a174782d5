"""Calls written as in Python in, names and arguments out; pure, bounded, nothing is evaluated."""

from __future__ import annotations

import re

from engine.replies.scan import MAX_DEPTH
from engine.replies.values import Found, parse_json

_TOKEN = re.compile(
    r"\s*(?:(?P<string>\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*')"
    r"|(?P<number>[-+]?(?:\d[\d_]*\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)"
    r"|(?P<word>[A-Za-z_][\w.\-]*)|(?P<mark>[\[\](){}=,:]))",
    re.DOTALL,
)
_WORDS: dict[str, object] = {
    "True": True, "true": True, "False": False, "false": False, "None": None, "null": None
}  # fmt: skip
_ESCAPE = re.compile(r"\\(u[0-9a-fA-F]{4}|x[0-9a-fA-F]{2}|\n|.)", re.DOTALL)
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f", "0": "\0", "\n": ""}


def parse_python_calls(text: str) -> list[Found]:
    """Read `[name(key=value), ...]`, brackets optional; values are literals.

    Raises:
        ValueError: it is something else.
    """
    reader = _Reader(text)
    has_brackets = reader.take("[")
    calls = [reader.call()]
    while reader.take(",") or (not has_brackets and not reader.is_over):
        calls.append(reader.call())
    if has_brackets:
        reader.need("]")
    if not reader.is_over:
        raise ValueError("more text behind the calls")
    return calls


class _Reader:
    """Walk over the tokens."""

    def __init__(self, text: str) -> None:
        self._text = text.rstrip()
        self._at = 0
        self._kind, self._token = "", ""
        self._step()

    @property
    def is_over(self) -> bool:
        return not self._kind

    def _step(self) -> tuple[str, str]:
        before = (self._kind, self._token)
        match = _TOKEN.match(self._text, self._at)
        if match:
            self._at = match.end()
            self._kind = match.lastgroup or ""
            self._token = match[self._kind]
        elif self._at < len(self._text):
            raise ValueError(f"no Python literal: {self._text[self._at : self._at + 20]!r}")
        else:
            self._kind, self._token = "", ""
        return before

    def take(self, mark: str) -> bool:
        """Pass over a mark if it comes next."""
        if self._kind != "mark" or self._token != mark:
            return False
        self._step()
        return True

    def need(self, mark: str) -> None:
        """Pass over a mark that must come next."""
        if not self.take(mark):
            raise ValueError(f"expected {mark!r}, got {self._token[:20]!r}")

    def _word(self) -> str:
        kind, word = self._step()
        if kind != "word":
            raise ValueError(f"expected a name, got {word[:20]!r}")
        return word

    def call(self) -> Found:
        """Read name(key=value, ...)."""
        name = self._word()
        self.need("(")
        arguments: dict[str, object] = {}
        while not self.take(")"):
            key = self._word()
            self.need("=")
            arguments[key] = self.value(0)
            if not self.take(","):
                self.need(")")
                break
        return name, arguments

    def value(self, depth: int) -> object:
        """Read one literal."""
        if depth > MAX_DEPTH:
            raise ValueError("nested too deeply")
        kind, token = self._step()
        if kind == "string":
            return _unquote(token)
        if kind == "number":
            return parse_json(token.replace("_", "").lstrip("+"))
        if kind == "word" and token in _WORDS:
            return _WORDS[token]
        if kind == "mark" and token in "[(":
            return self._items("]" if token == "[" else ")", depth)
        if kind == "mark" and token == "{":
            return self._pairs(depth)
        raise ValueError(f"no literal: {token[:20]!r}")

    def _items(self, closer: str, depth: int) -> list[object]:
        items: list[object] = []
        while not self.take(closer):
            items.append(self.value(depth + 1))
            if not self.take(","):
                self.need(closer)
                break
        return items

    def _pairs(self, depth: int) -> dict[str, object]:
        pairs: dict[str, object] = {}
        while not self.take("}"):
            key = self.value(depth + 1)
            self.need(":")
            pairs[str(key)] = self.value(depth + 1)
            if not self.take(","):
                self.need("}")
                break
        return pairs


def _unquote(token: str) -> object:
    """Turn a quoted string into its text; JSON's escapes and Python's commonest."""
    if token.startswith('"'):
        try:
            return parse_json(token)
        except ValueError:
            pass
    text = _ESCAPE.sub(_unescape, token[1:-1])
    return re.sub(r"[\ud800-\udfff]", "\ufffd", text)


def _unescape(match: re.Match[str]) -> str:
    said = match[1]
    if said[0] in "ux" and len(said) > 1:
        return chr(int(said[1:], 16))
    return _ESCAPES.get(said, said if said in "\"'\\/" else "\\" + said)
