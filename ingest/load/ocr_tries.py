"""A picture and a way to read it in, the surest of a few readings out; no program is run in here.

Most pages are read once. A page that is read with doubt may stand on its head or be full of
specks: it is turned, dusted and read again, and the reading that is surest of most is kept.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from ingest.load.picture import Picture

SURE = 90.0  # of 100; clean scans reach 92 and more, noisy ones 50 to 88
ASTRAY = 60.0  # of 100; a page that lies on its side or its head reaches 10 to 50


@dataclass(frozen=True, slots=True)
class Reading:
    """What was read of one picture."""

    paragraphs: tuple[str, ...]
    n_characters: int = 0  # also of words too unsure to keep
    confidence: float = 0.0  # of 100, the mean over the characters

    @property
    def weight(self) -> float:
        """Tell how much was read how surely."""
        return self.n_characters * self.confidence


Read = Callable[[Picture], Reading | None]  # None: that try failed
Turn = Callable[[Picture], int]  # degrees clockwise that set it upright, as far as can be told


def surest(picture: Picture, first: Reading, read: Read, turn: Turn) -> Reading:
    """Read again what was read with doubt; give the surest reading.

    Args:
        first: the picture as it was read.
    """
    best = first
    for other in _others(picture, first, turn):
        if best.confidence >= SURE:
            break
        found = read(other)
        if found is not None and found.weight > best.weight:
            best = found
    return best


def _others(picture: Picture, first: Reading, turn: Turn) -> Iterator[Picture]:
    upright = picture
    if first.confidence < ASTRAY:
        upright = picture.turned(turn(picture))
        if upright is not picture:
            yield upright
    yield upright.dusted()
