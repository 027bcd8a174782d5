"""Token bytes in, text that may be shown out: whole characters, no stop strings; pure."""

from __future__ import annotations

import codecs
from collections.abc import Sequence

MAX_REPEATS = 30  # identical pieces in a row after which a generation is stuck (Ollama's limit)


class TextStream:
    """Turn one generation's token bytes into showable text.

    Invariant: what `push` returns never ends inside a character, and never holds a stop string
    nor the beginning of one that may still complete.
    """

    def __init__(self, stops: Sequence[str]) -> None:
        self._stops = [stop for stop in stops if stop]
        self._begins = frozenset(stop[0] for stop in self._stops)
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._held = ""
        self._last = ""
        self._n_repeats = 0
        self._n_decoded = 0
        self.stop_string = ""  # the one that ended the text
        self.n_shown = 0  # characters

    @property
    def is_stopped(self) -> bool:
        """Whether a stop string came."""
        return bool(self.stop_string)

    @property
    def n_characters(self) -> int:
        """Count the characters that came, shown or not; one that is not complete yet counts."""
        is_inside = bool(self._decoder.getstate()[0])
        return self._n_decoded + is_inside

    def push(self, piece: bytes) -> str:
        """Take one token's bytes; return what may be shown now, maybe nothing."""
        text = self._decoder.decode(piece)
        self._count_repeats(text)
        self._n_decoded += len(text)
        self._held += text
        return self._release()

    def finish(self) -> str:
        """Return what was held back; the generation is over."""
        if self.is_stopped:
            return ""
        rest, self._held = self._held + self._decoder.decode(b"", final=True), ""
        return self._show(self._cut(rest))

    @property
    def is_stuck(self) -> bool:
        """Whether the model repeats one piece without end."""
        return self._n_repeats > MAX_REPEATS

    def _count_repeats(self, text: str) -> None:
        if not text:  # part of a character; 🌛 takes several tokens
            return
        bare = text.strip()
        self._n_repeats = self._n_repeats + 1 if bare == self._last else 0
        self._last = bare

    def _release(self) -> str:
        if self._begins.isdisjoint(self._held):  # as nearly always
            shown, self._held = self._held, ""
            return self._show(shown)
        shown = self._cut(self._held)
        if self.is_stopped:
            self._held = ""
            return self._show(shown)
        keep = longest_open(self._held, self._stops)
        shown = self._held[: len(self._held) - keep]
        self._held = self._held[len(self._held) - keep :]
        return self._show(shown)

    def _cut(self, text: str) -> str:
        at, stop = first_stop(text, self._stops)
        if at < 0:
            return text
        self.stop_string = stop
        return text[:at]

    def _show(self, text: str) -> str:
        self.n_shown += len(text)
        return text


def first_stop(text: str, stops: Sequence[str]) -> tuple[int, str]:
    """Return where the earliest stop string begins and which it is, or (-1, "").

    Of several that begin there the first asked for is meant.
    """
    found = [(at, order) for order, stop in enumerate(stops) if (at := text.find(stop)) >= 0]
    at, order = min(found, default=(-1, -1))
    return (at, stops[order]) if found else (-1, "")


def longest_open(text: str, stops: Sequence[str]) -> int:
    """Return how many characters at the end may be the beginning of a stop string."""
    longest = 0
    for stop in stops:
        for size in range(min(len(stop) - 1, len(text)), longest, -1):
            if text.endswith(stop[:size]):
                longest = size
                break
    return longest
