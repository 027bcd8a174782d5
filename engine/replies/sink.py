"""Parts of a reply in, one piece of it out."""

from __future__ import annotations

import secrets
import string
from collections.abc import Mapping, Sequence

from engine.replies.values import Found
from engine.types import Piece, ToolCall

_ALPHABET = string.ascii_lowercase + string.digits


class Sink:
    """Gather what one push yields; number the calls through the whole reply."""

    def __init__(self) -> None:
        self._text: list[str] = []
        self._thinking: list[str] = []
        self._calls: list[ToolCall] = []
        self._n_calls = 0

    def say(self, text: str) -> None:
        """Add to the answer."""
        self._text.append(text)

    def think(self, text: str) -> None:
        """Add to the thought."""
        self._thinking.append(text)

    def call(self, found: Sequence[Found]) -> None:
        """Add calls."""
        for name, arguments in found:
            self._calls.append(_tool_call(name, arguments, self._n_calls))
            self._n_calls += 1

    def take(self) -> Piece:
        """Return what was gathered and begin anew."""
        piece = Piece("".join(self._text), "".join(self._thinking), tuple(self._calls))
        self._text, self._thinking, self._calls = [], [], []
        return piece


def _tool_call(name: str, arguments: Mapping[str, object], index: int) -> ToolCall:
    mark = "".join(secrets.choice(_ALPHABET) for _ in range(8))
    return ToolCall(name, arguments, id=f"call_{mark}", index=index)
