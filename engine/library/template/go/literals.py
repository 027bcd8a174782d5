"""A constant as a template writes it in, its value out; pure.

Source: Go, strconv.Unquote and text/template/parse/node.go (newNumber).
"""

from __future__ import annotations

import re

_ESCAPE = re.compile(
    r"\\(?:([abfnrtv\\'\"])|x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([0-7]{3}))|(\\)"
)
_NAMED = {"a": 7, "b": 8, "f": 12, "n": 10, "r": 13, "t": 9, "v": 11}
_HEX_INTEGER = re.compile(r"[+-]?0[xX][^pP.]*")
_MAX_DIGITS = 400  # none of Go's numbers has more; conversion of long ones takes long
_MIN_INT, _MAX_INT = -(2**63), 2**63 - 1


def unquote(text: str) -> str:
    """Read a string between double quotes or backquotes.

    Raises:
        ValueError: an escape that Go does not have.
    """
    if text.startswith("`"):
        return text[1:-1].replace("\r", "")
    return _unescape(text[1:-1], '"').decode("utf-8", errors="replace")


def character_code(text: str) -> int:
    """Read one character between single quotes.

    Raises:
        ValueError: none or several, or an escape that Go does not have.
    """
    inner = text[1:-1]
    match = _ESCAPE.fullmatch(inner)
    if match is None:
        if len(inner) != 1:
            raise ValueError(f"malformed character constant: {text[:60]}")
        return ord(inner)
    return _escaped(match, "'")[0]


def number(text: str) -> int | float:
    """Read a number; a point or an exponent makes it a float.

    Raises:
        ValueError: not a number, one beyond 64 bits, or a complex one.
    """
    if len(text) > _MAX_DIGITS:
        raise ValueError(f"bad number syntax: {text[:60]!r} …")
    if text.endswith("i"):
        raise ValueError(f"complex numbers have no place in a prompt: {text!r}")
    try:
        if _HEX_INTEGER.fullmatch(text) is None and re.search("[.eEpP]", text):
            return _float(text)
        value = _integer(text)
    except (ValueError, OverflowError) as error:
        raise ValueError(f"bad number syntax: {text!r}") from error
    if not _MIN_INT <= value <= _MAX_INT:
        raise ValueError(f"{text} overflows int")
    return value


def _float(text: str) -> float:
    if "x" not in text.lower():
        return float(text)
    if "p" not in text.lower():
        raise ValueError("a hexadecimal float needs an exponent")
    return float.fromhex(text.replace("_", ""))


def _integer(text: str) -> int:
    digits = text.lstrip("+-")
    # An octal number of old, which Python does not read with base 0.
    if len(digits) > 1 and digits[0] == "0" and digits[1] in "01234567_":
        return int(text.replace(digits, "0o" + digits[1:]), 0)
    return int(text, 0)


def _unescape(text: str, quote: str) -> bytes:
    pieces: list[bytes] = []
    at = 0
    for match in _ESCAPE.finditer(text):
        pieces.append(text[at : match.start()].encode("utf-8", "surrogatepass"))
        code, is_byte = _escaped(match, quote)
        # \xff and \377 are bytes, all others characters.
        pieces.append(bytes([code]) if is_byte else chr(code).encode("utf-8", "surrogatepass"))
        at = match.end()
    pieces.append(text[at:].encode("utf-8", "surrogatepass"))
    return b"".join(pieces)


def _escaped(match: re.Match[str], quote: str) -> tuple[int, bool]:
    named, two, four, eight, octal, lone = match.groups()
    if lone or named in ("'", '"') and named != quote:
        raise ValueError(f"invalid escape in {match.string[:60]!r}")
    if named:
        return _NAMED.get(named, ord(named)), False
    code = int(octal, 8) if octal else int(two or four or eight, 16)
    is_byte = bool(two or octal)
    if code > (255 if is_byte else 0x10FFFF) or 0xD800 <= code <= 0xDFFF:
        raise ValueError(f"invalid escape in {match.string[:60]!r}")
    return code, is_byte
