"""The values of config.json in, numbers that were checked out; pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from engine.errors import RequestError

MAX_LAYERS = 1024
MAX_VOCAB = 1 << 22  # sixteen times Gemma's
_LEAST, _MOST = 1e-30, 1e30  # float32 holds what is between
_MAX_WHOLE = 1 << 27  # more than any length or width that exists


@dataclass(frozen=True, slots=True)
class Settings:
    """One JSON object with the name that error texts use for it."""

    values: Mapping[str, object]
    file: str = "config.json"

    def has(self, key: str) -> bool:
        """Whether the key is there and not null."""
        return self.values.get(key) is not None

    def whole(self, key: str, default: int | None = None, *, most: int = _MAX_WHOLE) -> int:
        """Give a positive whole number.

        Args:
            default: stands in for a key that is missing or null; None: it must be there.

        Raises:
            RequestError: no such number.
        """
        value = self.values.get(key)
        if value is None:
            value = default
        if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= most:
            raise RequestError(
                f"{self.file}: {key} is {value!r}; a whole number from 1 to {most:,} is needed"
            )
        return value

    def number(self, key: str, default: float | None = None) -> float:
        """Give a positive number.

        Raises:
            RequestError: no such number.
        """
        value = self.values.get(key)
        if value is None:
            value = default
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise RequestError(f"{self.file}: {key} is {value!r}; a number is needed")
        if not _LEAST <= value <= _MOST:  # also refuses NaN
            raise RequestError(
                f"{self.file}: {key} is {value!r}; it must be above 0 and below {_MOST:g}"
            )
        return float(value)

    def one_of(self, key: str, allowed: tuple[str, ...], default: str) -> str:
        """Give a text that is one of a few.

        Raises:
            RequestError: another one.
        """
        value = self.values.get(key)
        text = default if value is None else value
        if not isinstance(text, str) or text not in allowed:
            raise RequestError(f"{self.file}: {key} is {value!r}; supported: {', '.join(allowed)}")
        return text

    def section(self, key: str) -> Settings:
        """Give an object inside; an empty one where there is none."""
        value = self.values.get(key)
        return Settings(value if isinstance(value, dict) else {}, f"{self.file}: {key}")
