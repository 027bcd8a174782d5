"""An answer's text in, words and calls out, for families whose calls stand between tags; pure."""

from __future__ import annotations

from collections.abc import Sequence

from engine.replies.scan import NotACallError, Search, Skip, TextEnd, Trail, ValueEnd
from engine.replies.sink import Sink
from engine.replies.syntax import N_HEADER, Syntax
from engine.replies.values import Found
from engine.types import Json

_End = ValueEnd | TextEnd


class CallReader:
    """Take calls out of the text; what looks like one and is none stays text."""

    def __init__(self, syntax: Syntax, tools: Sequence[Json], sink: Sink) -> None:
        self._syntax, self._tools, self._sink = syntax, tools, sink
        self._closers = dict(syntax.tags)
        self._search = Search((*self._closers, *syntax.noise))
        self._trail = Trail()
        self._skip: Skip | None = None  # set directly behind a call
        self._end: _End | None = None  # set within a section
        self._opener = ""
        self._body: list[str] = []
        self._is_first = True  # nothing visible stands before

    def push(self, text: str) -> None:
        """Take the next piece of the answer."""
        while text:
            if self._end is not None:
                text = self._read_section(self._end, text)
            elif self._skip is not None:
                text = self._read_behind(self._skip, text)
            else:
                text = self._read_text(text)

    def finish(self) -> None:
        """Give what was held back; the reply is over."""
        if self._end is not None:
            body = "".join(self._body)
            self._end = None
            self._close(body, is_cut=True)
        if self._skip is not None:
            self._say(self._skip.finish())
        self._say(self._search.finish())
        self._sink.say(self._trail.finish())

    def _read_text(self, text: str) -> str:
        if self._is_first and self._syntax.bare and not self._search.held:
            visible = text.lstrip()
            if visible.startswith(self._syntax.bare):
                self._trail.push(text[: len(text) - len(visible)])
                self._open("")
                return visible
        before, found, after = self._search.push(text)
        self._say(before)
        if found in self._closers:
            self._open(found)
        return after

    def _say(self, text: str) -> None:
        if text and not text.isspace():
            self._is_first = False
        self._sink.say(self._trail.push(text))

    def _open(self, opener: str) -> None:
        """Begin a section."""
        self._opener, self._body = opener, []
        closer = self._closers.get(opener, "")
        if self._syntax.extent == "text" and closer:
            self._end = TextEnd(closer)
        elif self._syntax.extent == "python":
            self._end = ValueEnd(starts="[", quotes="\"'")
        else:
            n_header = N_HEADER if self._syntax.extent == "named" else 0
            self._end = ValueEnd(n_header=n_header)

    def _read_section(self, end: _End, text: str) -> str:
        try:
            at = end.push(text)
        except NotACallError as error:
            return self._give_up(end, text, error.at)
        if at < 0:
            self._body.append(text)
            return ""
        self._body.append(text[:at])
        self._end = None
        self._close("".join(self._body))
        return text[at:]

    def _give_up(self, end: _End, text: str, at: int) -> str:
        """Make what was held text; return what is still to be read."""
        held = "".join(self._body)
        self._end = None
        self._say(self._opener)
        if isinstance(end, ValueEnd) and end.is_inside:  # a bomb is not read a second time
            self._say(held + text[:at])
            return text[at:]
        return held + text

    def _close(self, body: str, *, is_cut: bool = False) -> None:
        """Read a whole section, or what came of it before the reply ended."""
        closer = self._closers.get(self._opener, "")
        found: list[Found] = []
        if self._syntax.extent != "text":
            found = self._syntax.read(body, self._tools)
        elif not is_cut or body.rstrip().endswith(self._syntax.ends):
            # A tag such as <function= is part of what is read.
            lead = self._opener if self._opener.endswith("=") else ""
            found = self._syntax.read(lead + body.removesuffix(closer), self._tools)
        if not found:
            self._say(self._opener + body)
            return
        self._trail.drop()
        self._sink.call(found)
        self._skip = Skip((closer, *self._syntax.noise, *self._syntax.filler))

    def _read_behind(self, skip: Skip, text: str) -> str:
        rest = skip.push(text)
        if rest:
            self._skip, self._is_first = None, True
        return rest
