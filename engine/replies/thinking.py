"""A reply's text in, its thought apart from the rest; pure."""

from __future__ import annotations

from typing import Literal

from engine.replies.scan import Search, Trail


class ThoughtSplitter:
    """Take the thought at the beginning of a reply out of it.

    Source: Ollama's thinking/parser.go (white space dropped where it drops it).
    """

    def __init__(self, opener: str, closer: str, *, is_open: bool) -> None:
        """Take the tags.

        Args:
            is_open: the prompt ends with the opening tag already.
        """
        self._opener = opener
        self._is_open = is_open
        self._state: Literal["before", "eating", "inside", "behind", "done"] = "before"
        self._space: list[str] = []
        self._tag = ""
        self._closing = Search((closer,))
        self._trail = Trail()

    def push(self, text: str) -> tuple[str, str]:
        """Return the thought and the other text that may be shown now."""
        if self._state == "before":
            text = self._find_opening(text)
        thought = ""
        if self._state == "eating":
            text = text.lstrip()
            self._state = "inside" if text else "eating"
        if self._state == "inside":
            thought, text = self._think(text)
        if self._state == "behind":
            text = text.lstrip()
            self._state = "done" if text else "behind"
        return thought, text

    def finish(self) -> tuple[str, str]:
        """Return what was held back; the reply is over."""
        if self._state == "before":
            held = "".join(self._space) + self._tag
            return (held, "") if self._is_open else ("", held)
        if self._state in ("eating", "inside"):
            return self._trail.push(self._closing.finish()) + self._trail.finish(), ""
        return "", ""

    def _find_opening(self, text: str) -> str:
        """Decide whether a thought begins; return what is left to read."""
        if not self._tag:
            visible = text.lstrip()
            self._space.append(text[: len(text) - len(visible)])
            text = visible
        self._tag += text
        if self._tag.startswith(self._opener):
            # Some models repeat the tag that the prompt gave them.
            rest = self._tag[len(self._opener) :]
            self._state = "eating"
        elif self._opener.startswith(self._tag):
            return ""
        elif self._is_open:
            rest, self._state = self._tag, "inside"
        else:
            rest, self._state = "".join(self._space) + self._tag, "done"
        self._tag, self._space = "", []
        return rest

    def _think(self, text: str) -> tuple[str, str]:
        before, found, after = self._closing.push(text)
        thought = self._trail.push(before)
        if found:
            self._trail.drop()
            self._state = "behind"
        return thought, after
