"""The name of a step in, nothing out: where tests let a crash or a full disk happen.

Nothing happens here unless a test installs a callback. A fault point lies at each boundary between
two steps, so that every state that a crash can leave is tried by name.
"""

from __future__ import annotations

from collections.abc import Callable

POINTS = (
    "files staged",
    "job queued",
    "task taken",
    "folder listed",
    "steps queued",
    "file read",
    "file loaded",
    "text cut",
    "vectors computed",
    "vectors kept",
    "document kept",
    "vectors indexed",
    "index followed",
    "original kept",
    "space begun",
    "document carried",
    "space filled",
    "space switched",
    "place moved",
    "place removed",
    "document deleted",
    "collection deleted",
    "index built",
    "index switched",
    "task done",
    "task noted",
    "task settled",
)

_callbacks: list[Callable[[str], None]] = []


def reach(name: str) -> None:
    """Pass a fault point."""
    for callback in _callbacks:
        callback(name)


def install(callback: Callable[[str], None]) -> Callable[[], None]:
    """Have a function called at every point; return what takes it out again."""
    _callbacks.append(callback)
    return lambda: _callbacks.remove(callback)
