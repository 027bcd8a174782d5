"""A template's text in, its tokens out; pure.

Source: Go, text/template/parse/lex.go (which tokens there are, how markers trim).
"""

from __future__ import annotations

import re
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from typing import Literal

from engine.library.template.go.nodes import refusal

Kind = Literal[
    "text", "open", "close", "space", "declare", "assign", "pipe", "left", "right", "string",
    "char", "number", "field", "dot", "variable", "word", "keyword", "punctuation", "end",
]  # fmt: skip

KEYWORDS = frozenset(
    "block break continue define else end if nil range template with".split()  # noqa: SIM905
)
_BLANKS = " \t\r\n"
_OPEN, _CLOSE = "{{", "}}"
_TRIMMED_CLOSE = re.compile(r"[ \t\r\n]-\}\}")
_SPACE = re.compile(r"[ \t\r\n]+")
_WORD = re.compile(r"\w+")
_STRING = re.compile(r'"(?:[^"\\\n]|\\[^\n])*"')
_RAW_STRING = re.compile(r"`[^`]*`")
_CHAR = re.compile(r"'(?:[^'\\\n]|\\[^\n])*'")
_NUMBER = re.compile(
    r"[+-]?(?:0[xX][0-9a-fA-F_]*(?:\.[0-9a-fA-F_]*)?(?:[pP][+-]?[0-9_]*)?"
    r"|0[bB][01_]*|0[oO][0-7_]*|[0-9_]*(?:\.[0-9_]*)?(?:[eE][+-]?[0-9_]*)?)i?"
)
_SIGNS: dict[str, Kind] = {"=": "assign", "|": "pipe"}
_AFTER_WORD = " \t\r\n.,|:)("


@dataclass(frozen=True, slots=True)
class Token:
    """One word of a template; `text` is as written."""

    kind: Kind
    text: str
    line: int  # counted from 1


def tokens_of(text: str) -> list[Token]:
    """Cut a template into tokens, spaces inside actions among them, an `end` last.

    Raises:
        ChatTemplateError: an action, comment, string or number that cannot be read.
    """
    return list(_Lexer(text).tokens())


class _Lexer:
    """Where the reading stands."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._line = 1
        self._n_parentheses = 0

    def tokens(self) -> Iterator[Token]:
        is_trimming = False
        while True:
            start = self._text.find(_OPEN, self._at)
            piece = self._text[self._at :] if start < 0 else self._text[self._at : start]
            shown = piece.lstrip(_BLANKS) if is_trimming else piece
            has_marker = start >= 0 and self._is_trim_marker(start + 2)
            if has_marker:
                shown = shown.rstrip(_BLANKS)
            if shown:
                yield Token("text", shown, self._line)
            self._advance(len(piece))
            if start < 0:
                yield Token("end", "", self._line)
                return
            is_trimming = yield from self._action(has_marker)

    def _is_trim_marker(self, at: int) -> bool:
        return self._text[at : at + 1] == "-" and self._text[at + 1 : at + 2] in tuple(_BLANKS)

    def _advance(self, n: int) -> str:
        taken = self._text[self._at : self._at + n]
        self._line += taken.count("\n")
        self._at += n
        return taken

    def _action(self, has_marker: bool) -> Generator[Token, None, bool]:
        # Returns whether the text behind the action is trimmed.
        after_marker = self._at + 2 + (2 if has_marker else 0)
        if self._text.startswith("/*", after_marker):
            return self._skip_comment(after_marker)
        yield Token("open", self._advance(after_marker - self._at), self._line)
        self._n_parentheses = 0
        while True:
            is_trimmed = _TRIMMED_CLOSE.match(self._text, self._at) is not None
            if is_trimmed or self._text.startswith(_CLOSE, self._at):
                if self._n_parentheses:
                    raise refusal(self._line, "unclosed left parenthesis")
                yield Token("close", self._advance(4 if is_trimmed else 2), self._line)
                return is_trimmed
            yield self._token()

    def _skip_comment(self, start: int) -> bool:
        end = self._text.find("*/", start + 2)
        if end < 0:
            raise refusal(self._line, "unclosed comment")
        self._advance(end + 2 - self._at)
        is_trimmed = _TRIMMED_CLOSE.match(self._text, self._at) is not None
        if not is_trimmed and not self._text.startswith(_CLOSE, self._at):
            raise refusal(self._line, "comment ends before closing delimiter")
        self._advance(4 if is_trimmed else 2)
        return is_trimmed

    def _token(self) -> Token:
        character = self._text[self._at : self._at + 1]
        if not character:
            raise refusal(self._line, "unclosed action")
        if character in _BLANKS:
            return self._space()
        if character in _SIGNS:
            return self._take(_SIGNS[character], 1)
        if character in "()":
            return self._parenthesis(character)
        if character in "\"`'":
            return self._quoted(character)
        if character == ":":
            if not self._text.startswith(":=", self._at):
                raise refusal(self._line, "expected :=")
            return self._take("declare", 2)
        return self._word_or_number(character)

    def _take(self, kind: Kind, n: int) -> Token:
        line = self._line
        return Token(kind, self._advance(n), line)

    def _space(self) -> Token:
        match = _SPACE.match(self._text, self._at)
        n = len(match.group()) if match else 1
        # The last blank may belong to the marker of a closing delimiter.
        if n > 1 and self._text.startswith("-" + _CLOSE, self._at + n):
            n -= 1
        return self._take("space", n)

    def _parenthesis(self, character: str) -> Token:
        self._n_parentheses += 1 if character == "(" else -1
        if self._n_parentheses < 0:
            raise refusal(self._line, "unexpected right parenthesis")
        return self._take("left" if character == "(" else "right", 1)

    def _quoted(self, quote: str) -> Token:
        pattern, kind, what = _QUOTES[quote]
        match = pattern.match(self._text, self._at)
        if match is None:
            raise refusal(self._line, f"unterminated {what}")
        return self._take(kind, len(match.group()))

    def _word_or_number(self, character: str) -> Token:
        following = self._text[self._at + 1 : self._at + 2]
        if character == ".":
            if following.isdigit() and following.isascii():
                return self._number()
            return self._field()
        if character == "$":
            return self._name("variable")
        if character in "+-" or (character.isdigit() and character.isascii()):
            return self._number()
        if _WORD.match(character):
            token = self._name("word")
            return Token("keyword", token.text, token.line) if token.text in KEYWORDS else token
        if character.isascii() and character.isprintable():
            return self._take("punctuation", 1)
        raise refusal(self._line, f"unrecognized character in action: U+{ord(character):04X}")

    def _field(self) -> Token:
        match = _WORD.match(self._text, self._at + 1)
        return self._name("field") if match else self._name("dot")

    def _name(self, kind: Kind) -> Token:
        # A word, or a word behind one dollar or dot, or that sign alone.
        start = self._at if kind == "word" else self._at + 1
        match = _WORD.match(self._text, start)
        token = self._take(kind, (match.end() if match else start) - self._at)
        after = self._text[self._at : self._at + 1]
        if after and after not in _AFTER_WORD and not self._text.startswith(_CLOSE, self._at):
            raise refusal(self._line, f"bad character U+{ord(after):04X} {after!r}")
        return token

    def _number(self) -> Token:
        match = _NUMBER.match(self._text, self._at)
        n = len(match.group()) if match else 1
        rest = _WORD.match(self._text, self._at + n)
        if rest:
            wrong = self._text[self._at : rest.end()]
            raise refusal(self._line, f'bad number syntax: "{wrong[:60]}"')
        return self._take("number", n)


_QUOTES: dict[str, tuple[re.Pattern[str], Kind, str]] = {
    '"': (_STRING, "string", "quoted string"),
    "`": (_RAW_STRING, "string", "raw quoted string"),
    "'": (_CHAR, "char", "character constant"),
}
