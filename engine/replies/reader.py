"""A model's text in, pieces of its reply out: what it thinks, says and wants called; pure."""

from __future__ import annotations

from collections.abc import Iterator

from engine.replies.calls import CallReader
from engine.replies.channels import FUNCTIONARY, HARMONY, ChannelReader
from engine.replies.loose import LooseReader
from engine.replies.rules import ReplyRules
from engine.replies.sink import Sink
from engine.replies.thinking import ThoughtSplitter
from engine.types import Piece

_STEP = 1024  # characters read at once, which bounds what is copied for each tag in a long text


class ReplyReader:
    """Read one reply as it comes.

    Invariant: the pieces together are the same however the text is cut; a call comes whole, and
    no piece holds a part of a tag. Time and room grow linearly with the text.
    """

    def __init__(self, rules: ReplyRules) -> None:
        self._sink = Sink()
        self._calls = _call_reader(rules, self._sink)
        self._splitter: ThoughtSplitter | None = None
        if rules.closer:
            self._splitter = ThoughtSplitter(rules.opener, rules.closer, is_open=rules.is_open)

    def push(self, text: str) -> Piece:
        """Take the next text; return what may be shown now, maybe nothing."""
        for part in _parts(text):
            self._push(part)
        return self._sink.take()

    def finish(self) -> Piece:
        """Return what was held back; the reply is over."""
        if self._splitter:
            thought, rest = self._splitter.finish()
            self._sink.think(thought)
            self._read(rest)
        if self._calls:
            self._calls.finish()
        return self._sink.take()

    def _push(self, text: str) -> None:
        if self._splitter:
            thought, text = self._splitter.push(text)
            self._sink.think(thought)
        self._read(text)

    def _read(self, text: str) -> None:
        if self._calls:
            self._calls.push(text)
        else:
            self._sink.say(text)


def _parts(text: str) -> Iterator[str]:
    for at in range(0, len(text), _STEP):
        yield text[at : at + _STEP]


def _call_reader(rules: ReplyRules, sink: Sink) -> CallReader | LooseReader | ChannelReader | None:
    syntax = rules.syntax
    if syntax is None:
        return None
    if syntax.extent == "channels":
        marks = HARMONY if syntax.name == "harmony" else FUNCTIONARY
        return ChannelReader(marks, rules.tools, sink, head=rules.head)
    if syntax.extent == "loose":
        return LooseReader(syntax, rules.tools, sink)
    return CallReader(syntax, rules.tools, sink)
