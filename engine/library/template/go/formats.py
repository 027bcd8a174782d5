"""A format and its arguments in, the text that Go's `fmt.Sprintf` makes out; pure.

Source: Go, fmt/print.go, fmt/format.go.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from engine.library.template.go.values import (
    FunctionError,
    Record,
    entries,
    float_text,
    join_bounded,
    own_text,
    text_of,
    type_name,
    utf8,
)

_MAX_WIDTH = 100_000  # columns, digits
_VERB = re.compile(
    r"(?P<flags>[-+# 0]*)(?P<width>\*|\d*)(?:\.(?P<precision>\*|\d*))?(?P<verb>.)?", re.DOTALL
)


@dataclass(frozen=True, slots=True)
class _Directive:
    """What stands between a `%` and its verb, and the verb."""

    verb: str
    flags: str
    width: int
    precision: int | None

    def padded(self, text: str, *, is_number: bool = False) -> str:
        n_missing = self.width - len(text)
        if n_missing <= 0:
            return text
        if "-" in self.flags:
            return text + " " * n_missing
        if "0" not in self.flags:
            return " " * n_missing + text
        signed = is_number and text[:1] in {"+", "-", " "}
        return text[:1] * signed + "0" * n_missing + text[signed:]

    def signed(self, text: str) -> str:
        if text.startswith(("-", "+")):
            return text if text[0] == "-" or "+" in self.flags else text[1:]
        return "+" + text if "+" in self.flags else " " * (" " in self.flags) + text


class _Arguments:
    """The arguments, and which of them comes next."""

    def __init__(self, values: Sequence[object]) -> None:
        self._values = values
        self._at = 0

    def take(self) -> tuple[object, bool]:
        """Give the next argument and whether there was one."""
        if self._at >= len(self._values):
            return None, False
        self._at += 1
        return self._values[self._at - 1], True

    def rest(self) -> Sequence[object]:
        return self._values[self._at :]


def sprintf(pattern: str, values: Sequence[object]) -> str:
    """Write values as a format says; what does not fit is told in the text, as Go does.

    Raises:
        FunctionError: a width beyond what a prompt needs, an indexed argument, or too long a text.
    """
    return join_bounded(_pieces(pattern, _Arguments(values)))


def _pieces(pattern: str, arguments: _Arguments) -> Iterator[str]:
    at = 0
    while (start := pattern.find("%", at)) >= 0:
        yield pattern[at:start]
        match = _VERB.match(pattern, start + 1)
        if match is None or not match["verb"]:
            yield "%!(NOVERB)"
            at = len(pattern)
            break
        at = match.end()
        yield _directive(match, arguments)
    yield pattern[at:]
    extra = arguments.rest()
    if extra:
        yield "%!(EXTRA " + ", ".join(_typed(value) for value in extra) + ")"


def _directive(match: re.Match[str], arguments: _Arguments) -> str:
    verb, flags = match["verb"], match["flags"]
    if verb == "[":
        raise FunctionError("a format with indexed arguments has no place in a template here")
    width = _measure(match["width"], arguments)
    precision = _measure(match["precision"], arguments)
    if width is not None and width < 0:
        flags, width = flags + "-", -width
    if verb == "%":
        return "%"
    value, is_given = arguments.take()
    if not is_given:
        return f"%!{verb}(MISSING)"
    return _formatted(value, _Directive(verb, flags, width or 0, precision))


def _measure(text: str | None, arguments: _Arguments) -> int | None:
    """Read a width or precision; None if there is none."""
    if text is None:
        return None
    if text == "*":
        value, _ = arguments.take()
        if isinstance(value, bool) or not isinstance(value, int):
            raise FunctionError("the width of a format is no number")
        number = value
    else:
        number = int(text[:9] or 0)
    if abs(number) > _MAX_WIDTH or len(text) > 9:
        raise FunctionError(f"a format asks for more than {_MAX_WIDTH:,} columns")
    return number


def _typed(value: object) -> str:
    return "<nil>" if value is None else f"{type_name(value)}={text_of(value)}"


def _bad(value: object, directive: _Directive) -> str:
    return f"%!{directive.verb}({_typed(value)})"


def _formatted(value: object, directive: _Directive) -> str:
    if directive.verb == "T":
        return directive.padded(type_name(value))
    if directive.verb in {"s", "v", "q", "x", "X"}:
        own = own_text(value)
        if own is not None:
            return _string(own, directive)
    if isinstance(value, bytes) and directive.verb in {"s", "q", "x", "X"}:
        return _string(value.decode("utf-8", "replace"), directive)
    if isinstance(value, (list, bytes, dict, Record)):
        return _composite(value, directive)
    if value is None:
        return directive.padded("<nil>") if directive.verb == "v" else _bad(value, directive)
    return _scalar(value, directive)


def _scalar(value: object, directive: _Directive) -> str:
    if isinstance(value, str):
        return _string(value, directive)
    if isinstance(value, bool):
        fits = directive.verb in {"v", "t"}
        return directive.padded(text_of(value)) if fits else _bad(value, directive)
    if isinstance(value, int):
        return _integer(value, directive)
    return _float(value, directive) if isinstance(value, float) else _bad(value, directive)


def _composite(value: list[object] | bytes | dict[str, object] | Record, d: _Directive) -> str:
    with_names = "+" in d.flags
    if d.verb == "v" and not d.width and d.precision is None:
        return text_of(value, with_names=with_names)
    if isinstance(value, Record):
        parts = [
            (f"{name}:" if with_names and d.verb == "v" else "") + _formatted(each, d)
            for name, each in value.fields.items()
        ]
        return "{" + join_bounded(_spaced(parts)) + "}"
    if isinstance(value, dict):
        key_directive = replace(d, flags=d.flags.replace("+", ""))
        parts = [
            f"{_formatted(key, key_directive)}:{_formatted(each, d)}"
            for key, each in entries(value)
        ]
        return "map[" + join_bounded(_spaced(parts)) + "]"
    return "[" + join_bounded(_spaced(_formatted(each, d) for each in value)) + "]"


def _spaced(parts: Sequence[str] | Iterator[str]) -> Iterator[str]:
    for i, part in enumerate(parts):
        yield " " * (i > 0) + part


def _string(text: str, directive: _Directive) -> str:
    verb = directive.verb
    if verb not in {"s", "v", "q", "x", "X"}:
        return _bad(text, directive)
    if verb == "v" and "#" in directive.flags:
        return directive.padded(quoted(text))
    cut = text if directive.precision is None else text[: directive.precision]
    if verb == "q":
        if "#" in directive.flags and "`" not in cut and cut.replace("\t", "").isprintable():
            return directive.padded(f"`{cut}`")
        return directive.padded(quoted(cut, is_ascii="+" in directive.flags))
    if verb in {"x", "X"}:
        digits = utf8(text).hex()
        return directive.padded(digits.upper() if verb == "X" else digits)
    return directive.padded(cut)


_BASES: dict[str, tuple[str, str]] = {
    "d": ("d", ""), "v": ("d", ""), "b": ("b", "0b"), "o": ("o", "0"), "O": ("o", "0o"),
    "x": ("x", "0x"), "X": ("X", "0X"),
}  # fmt: skip


def _integer(value: int, directive: _Directive) -> str:
    verb = directive.verb
    if verb in _BASES:
        form, prefix = _BASES[verb]
        digits = format(abs(value), form)
        if directive.precision is not None:
            digits = digits.rjust(directive.precision, "0")
        if verb == "O" or "#" in directive.flags:
            digits = prefix + digits
        text = directive.signed("-" + digits if value < 0 else digits)
        return directive.padded(text, is_number=True)
    if verb in {"c", "q", "U"}:
        is_character = 0 <= value <= 0x10FFFF and not 0xD800 <= value <= 0xDFFF
        character = chr(value) if is_character else "\ufffd"
        if verb == "U":
            return directive.padded(f"U+{value:04X}")
        return directive.padded(character if verb == "c" else _quoted(character, "'"))
    return _bad(value, directive)


def _float(value: float, directive: _Directive) -> str:
    shapes: dict[str, Callable[[float, int | None], str]] = {
        "v": _general, "g": _general, "G": _general, "f": _fixed, "F": _fixed,
        "e": _scientific, "E": _scientific,
    }  # fmt: skip
    if directive.verb not in shapes:
        return _bad(value, directive)
    text = shapes[directive.verb](value, directive.precision)
    if directive.verb in {"G", "E"}:
        text = text.upper()
    return directive.padded(directive.signed(text), is_number=True)


def _general(value: float, precision: int | None) -> str:
    return float_text(value) if precision is None else f"{value:.{precision or 1}g}"


def _fixed(value: float, precision: int | None) -> str:
    return f"{value:.{6 if precision is None else precision}f}"


def _scientific(value: float, precision: int | None) -> str:
    return f"{value:.{6 if precision is None else precision}e}"


_QUOTED_NAMES = {
    "\a": "\\a", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t", "\v": "\\v",
    "\\": "\\\\",
}  # fmt: skip


def quoted(text: str, *, is_ascii: bool = False) -> str:
    """Write a text as a constant of Go's, in double quotes."""
    return _quoted(text, '"', is_ascii=is_ascii)


def _quoted(text: str, quote: str, *, is_ascii: bool = False) -> str:
    is_plain = text.isprintable() and quote not in text and "\\" not in text
    if is_plain and (text.isascii() or not is_ascii):
        return quote + text + quote
    return quote + join_bounded(_escaped(each, quote, is_ascii) for each in text) + quote


def _escaped(character: str, quote: str, is_ascii: bool) -> str:
    if character == quote:
        return "\\" + quote
    if character in _QUOTED_NAMES:
        return _QUOTED_NAMES[character]
    if character.isprintable() and (character.isascii() or not is_ascii):
        return character
    code = ord(character)
    if code < 0x80:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
