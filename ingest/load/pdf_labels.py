"""Labels of pages ("iv", "A-1") in, a short text of ranges out, and back; pure.

The ranges are those of PDF 32000-1, 12.4.2: first page, style, prefix, first number.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

_NUMBER = re.compile(r"^(.*?)([1-9]\d{0,8}|[ivxlcdm]{1,15}|[IVXLCDM]{1,15}|[a-z]{1,2}|[A-Z]{1,2})$")
_ROMAN = (
    (1000, "m"), (900, "cm"), (500, "d"), (400, "cd"), (100, "c"), (90, "xc"), (50, "l"),
    (40, "xl"), (10, "x"), (9, "ix"), (5, "v"), (4, "iv"), (1, "i"),
)  # fmt: skip
_STYLES = "DrRaA"
Range = tuple[int, str, str, int]  # first page from 1, style ("" for prefix alone), prefix, number


def ranges_of(labels: Sequence[str]) -> str:
    """Write labels as ranges; nothing if each is just the page's number.

    Args:
        labels: of all pages in order; an empty one stands for none.
    """
    named = [label or str(page) for page, label in enumerate(labels, 1)]
    if all(label == str(page) for page, label in enumerate(named, 1)):
        return ""
    ranges: list[Range] = []
    at = 0
    while at < len(named):
        best, length = max(
            ((one, _reach(one, named, at)) for one in _readings(at + 1, named[at])),
            key=lambda pair: pair[1],
        )
        ranges.append(best)
        at += length
    return json.dumps(ranges, ensure_ascii=False, separators=(",", ":"))


def label_of(ranges: str, page: int) -> str:
    """Read the label of a page, counted from 1, out of `ranges_of`'s text."""
    if not ranges:
        return str(page)
    started = [one for one in json.loads(ranges) if one[0] <= page]
    return _written(started[-1], page) if started else str(page)


def _readings(page: int, label: str) -> list[Range]:
    """List the ways to read a label: "i" is a Roman one, or the ninth letter."""
    readings: list[Range] = []
    match = _NUMBER.match(label)
    if match:
        prefix, number = match.groups()
        for style in _STYLES:
            value = _value(number, style)
            if value:
                readings.append((page, style, prefix, value))
    return [*readings, (page, "", label, 1)]


def _reach(one: Range, labels: Sequence[str], at: int) -> int:
    end = at
    while end < len(labels) and _written(one, end + 1) == labels[end]:
        end += 1
    return end - at


def _written(one: Range, page: int) -> str:
    first, style, prefix, start = one
    return prefix + _number(start + page - first, style)


def _number(value: int, style: str) -> str:
    if not style:
        return ""
    if style == "D":
        return str(value)
    text = _roman(value) if style in "rR" else chr(97 + (value - 1) % 26) * ((value - 1) // 26 + 1)
    return text.upper() if style.isupper() else text


def _roman(value: int) -> str:
    text = ""
    for worth, letters in _ROMAN:
        count, value = divmod(value, worth)
        text += letters * count
    return text


def _value(number: str, style: str) -> int:
    """Read a number in a style; 0 if it is none."""
    if style == "D":
        return int(number) if number.isdigit() else 0
    if not number.isalpha() or number.isupper() != style.isupper():
        return 0
    folded = number.lower()
    if style in "rR":
        value = _roman_value(folded)
    else:
        value = (len(folded) - 1) * 26 + ord(folded[0]) - 96 if len(set(folded)) == 1 else 0
    return value if value and _number(value, style) == number else 0


def _roman_value(text: str) -> int:
    worth = {letters: value for value, letters in _ROMAN if len(letters) == 1}
    values = [worth.get(letter, 0) for letter in text]
    following = [*values[1:], 0]
    return sum(-one if one < after else one for one, after in zip(values, following, strict=True))
