"""Values of a template in, an error out if they grow too large or take too long; pure.

A chat template comes with a model from anywhere, and a few characters of it can ask for hours
or for all memory. No signal and no thread can stop such a computation inside the interpreter,
so every operation that can grow or repeat is measured before it is done.
"""

from __future__ import annotations

import re
import time
from collections.abc import Collection, Iterable, Iterator

from jinja2.exceptions import SecurityError
from jinja2.runtime import Undefined
from jinja2.utils import Namespace

MAX_WEIGHT = 4_000_000  # characters of one value
MAX_OUTPUT = 16_000_000  # characters of the prompt
_NODE_WEIGHT = 32  # an element costs more to visit than a character
_MAX_DEPTH = 64
_MAX_BITS = 4096
_MAX_COUNT = 100_000
_SCALARS = (bool, int, float, type(None), Undefined)
# A width of five digits or a width taken from the arguments can pad to any length.
_WIDE = re.compile(r"\d{5}")
_NESTED_FIELD = re.compile(r"\{[^{}]*\{")


class Clock:
    """The time that one rendering may take."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._end = time.monotonic() + seconds

    def tick(self) -> None:
        """Go on, unless time is up.

        Raises:
            SecurityError: it is.
        """
        if time.monotonic() > self._end:
            raise SecurityError(f"it takes more than {self.seconds:g} seconds")

    def ticking(self, items: Iterable[object]) -> Iterator[object]:
        """Give the items, looking at the time before each."""
        for item in items:
            self.tick()
            yield item


class TickingList(list[object]):
    """A list that looks at the time at each step of a loop over it."""

    def __init__(self, items: Iterable[object], clock: Clock) -> None:
        super().__init__(items)
        self._clock = clock

    def __iter__(self) -> Iterator[object]:
        return self._clock.ticking(super().__iter__())


def weigh(value: object, limit: int = MAX_WEIGHT) -> int:
    """Measure a value, about in characters; shared parts count as often as they are named.

    Raises:
        SecurityError: over the limit, nested too deeply, or of a kind whose text has no bound.
    """
    total, waiting = 0, [(value, 0)]
    while waiting:
        item, depth = waiting.pop()
        total += _NODE_WEIGHT
        if isinstance(item, str):
            total += len(item)
        elif isinstance(item, dict):
            waiting += [(key, depth + 1) for key in item]
            waiting += [(each, depth + 1) for each in item.values()]
        elif isinstance(item, Namespace):
            # Its text is that of its attributes; the name is Jinja's, mangled.
            waiting += [(each, depth + 1) for each in item._Namespace__attrs.values()]
        elif isinstance(item, Collection) and not isinstance(item, bytes):
            # Plain iteration: a TickingList would look at the clock for every element.
            waiting += [(each, depth + 1) for each in item]
        elif not isinstance(item, _SCALARS):
            raise SecurityError(f"a {type(item).__name__} has no place here")
        if total + _NODE_WEIGHT * len(waiting) > limit:
            raise SecurityError(f"a value has more than {limit:,} characters")
        if depth > _MAX_DEPTH:
            raise SecurityError(f"a value is nested more than {_MAX_DEPTH} deep")
    return total


def check_product(factor: object, weight: int) -> None:
    """Refuse to repeat something of a weight too many times.

    Raises:
        SecurityError: the result would be too large.
    """
    if isinstance(factor, int) and factor * weight > MAX_WEIGHT:
        raise SecurityError(f"a value has more than {MAX_WEIGHT:,} characters")


def check_count(value: object) -> None:
    """Refuse a number of items, columns or digits that nothing in a prompt needs.

    Raises:
        SecurityError: beyond 100,000.
    """
    if isinstance(value, int) and abs(value) > _MAX_COUNT:
        raise SecurityError(f"{value:,} is more than {_MAX_COUNT:,}")


def check_operation(operator: str, left: object, right: object) -> None:
    """Refuse an operation whose result would be too large.

    Raises:
        SecurityError: it would.
    """
    if isinstance(left, int) and isinstance(right, int):
        bits = left.bit_length() * (abs(right) if operator == "**" else 1) + right.bit_length()
        if bits > _MAX_BITS:
            raise SecurityError(f"a number has more than {_MAX_BITS:,} bits")
        return
    weight = weigh(left) + weigh(right)
    if operator == "*":
        check_product(left, weight)
        check_product(right, weight)
    elif operator == "+" and weight > MAX_WEIGHT:
        raise SecurityError(f"a value has more than {MAX_WEIGHT:,} characters")
    elif operator == "%" and isinstance(left, str):
        check_format(left, weight)


def check_format(text: str, weight: int) -> None:
    """Refuse a format that can pad to any length, or repeats its arguments too often.

    Args:
        weight: of the arguments.

    Raises:
        SecurityError: it can.
    """
    if _WIDE.search(text) or _NESTED_FIELD.search(text) or "*" in text:
        raise SecurityError("a format asks for a huge or a computed width")
    check_product(text.count("%") + text.count("{"), weight)


def check_replace(text: object, old: object, new: object) -> None:
    """Refuse a replacement whose result would be too large.

    Raises:
        SecurityError: it would.
    """
    source, pattern, replacement = str(text), str(old), str(new)
    check_product(source.count(pattern), len(replacement))


def check_join(items: object, separator: object) -> None:
    """Refuse a join whose result would be too large.

    Raises:
        SecurityError: it would.
    """
    weight = weigh(items)
    if isinstance(items, Collection):
        check_product(len(items), len(str(separator)) + weight // max(1, len(items)))


def concat(pieces: Iterable[str]) -> str:
    """Join output, unless it is too long.

    Raises:
        SecurityError: it is.
    """
    kept: list[str] = []
    n_characters = 0
    for piece in pieces:
        n_characters += len(piece)
        if n_characters > MAX_OUTPUT:
            raise SecurityError(f"the prompt has more than {MAX_OUTPUT:,} characters")
        kept.append(piece)
    return "".join(kept)
