"""Pieces of an answer in, the same out as soon as nothing that draws itself can begin in them.

An image fetches its address when it is drawn, also in an answer that is still being written, and
so could carry words out: whoever shows the pieces as Markdown must never get one.
"""

from __future__ import annotations

import re

from app.query.verify import ACTIVE, inert

MAX_HELD = 3_000  # characters; no image, link or tag that `inert` knows is longer
# What may still become an image, a link or a tag when more has come.
_OPEN = re.compile(
    r"!?(?:\[[^\[\]\n]{0,200}(?:\](?:[(\[][^()\[\]\n]{0,500})?)?|!)$"
    rf"|</?(?:[a-z]{{0,8}}|(?:{ACTIVE})\b[^<>\n]{{0,500}})$"
    r"|<(?:script|style)\b[^<\n]{0,2300}(?:<[/a-z]{0,8}\s*)?$",
    re.IGNORECASE,
)


class Drawn:
    """Holds back what is not settled yet."""

    def __init__(self) -> None:
        self._held = ""

    def push(self, piece: str) -> str:
        """Take a piece; give what can be shown by now, perhaps nothing."""
        held = self._held + piece
        found = _OPEN.search(held)
        end = found.start() if found is not None and len(held) <= MAX_HELD else len(held)
        self._held = held[end:]
        return inert(held[:end])

    def finish(self) -> str:
        """Give what is left."""
        held, self._held = self._held, ""
        return inert(held)
