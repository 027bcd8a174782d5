"""An answer's text in, words and calls out, by the rule that Ollama derives from a template; pure.

Source: Ollama's tools/tools.go: a tag, then a tool's name, then a JSON object.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal

from engine.replies.scan import NotACallError, Search, Trail, ValueEnd
from engine.replies.sink import Sink
from engine.replies.syntax import Syntax
from engine.types import Json

_WITHOUT_END = 1 << 62
_CLOSER = re.compile(r"[\s\]]*(?:</[^<>\n]{1,40}>|\[/[A-Z_]{1,40}\])")
_CLOSERS = re.compile(r"(?:[\s\],;`]|<[^<>\n]{1,40}>|\[/?[A-Z_]{1,40}\])*")


class LooseReader:
    """Look for a tag, then hold everything and look for calls in it, until the reply ends."""

    def __init__(self, syntax: Syntax, tools: Sequence[Json], sink: Sink) -> None:
        self._syntax, self._tools, self._sink = syntax, tools, sink
        self._search = Search([opener for opener, _ in syntax.tags])
        self._trail = Trail()
        self._state: Literal["text", "calls", "done"] = "text"
        self._held: list[str] = []
        self._body: list[str] = []
        self._end = ValueEnd(n_header=_WITHOUT_END)
        self._has_called = False

    def push(self, text: str) -> None:
        """Take the next piece of the answer."""
        if self._state == "text":
            text = self._read_bare(text) if self._syntax.bare else self._read_text(text)
        while text and self._state == "calls":
            text = self._read_calls(text)
        if text:
            self._sink.say(text)

    def finish(self) -> None:
        """Give what was held back; the reply is over."""
        self._sink.say(self._trail.finish() + self._search.finish())
        rest = "".join((*self._held, *self._body))
        if self._has_called:
            closer = _CLOSER.match(rest)
            rest = "" if _CLOSERS.fullmatch(rest) else rest[closer.end() if closer else 0 :]
        self._sink.say(rest)

    def _read_bare(self, text: str) -> str:
        visible = text.lstrip()
        self._held.append(text[: len(text) - len(visible)])
        if visible.startswith(self._syntax.bare):
            self._state = "calls"
        elif visible:
            self._stop()
        return visible

    def _read_text(self, text: str) -> str:
        before, found, after = self._search.push(text)
        self._sink.say(self._trail.push(before))
        if found:
            self._held = [self._trail.finish() + found]
            self._state = "calls"
        return after

    def _read_calls(self, text: str) -> str:
        try:
            at = self._end.push(text)
        except NotACallError as error:
            self._body.append(text[: error.at])
            self._stop()
            return text[error.at :]
        if at < 0:
            self._body.append(text)
            return ""
        body = "".join((*self._body, text[:at]))
        self._body, self._end = [], ValueEnd(n_header=_WITHOUT_END)
        found = self._syntax.read(body, self._tools)
        if found:
            self._held, self._has_called = [], True
            self._sink.call(found)
        else:
            self._held.append(body)
            if self._syntax.bare:
                self._stop()
        return text[at:]

    def _stop(self) -> None:
        """Let everything be text from here on."""
        self._sink.say("".join((*self._held, *self._body)))
        self._held, self._body, self._state = [], [], "done"
