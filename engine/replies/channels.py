"""A reply made of headed messages in, thought, words and calls out; pure.

Source: OpenAI's harmony format (gpt-oss); functionary v3.2 writes `>>>recipient` in the same way.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from engine.replies.scan import Search, Trail
from engine.replies.sink import Sink
from engine.replies.values import known_name, names_of, parse_json
from engine.types import Json

N_HEADER = 512  # characters; a longer header is none
_RECIPIENT = re.compile(r"to=([^\s<]+)")
_CHANNEL = re.compile(r"<\|channel\|>\s*(\w+)")


@dataclass(frozen=True, slots=True)
class Marks:
    """What stands around headers and bodies."""

    header_end: str
    body_ends: tuple[str, ...]
    starts: tuple[str, ...]  # a header begins with one of these; none = any text
    kept: tuple[str, ...] = ()  # ends of a body that are the beginning of the next header


HARMONY = Marks(
    "<|message|>",
    ("<|end|>", "<|call|>", "<|return|>", "<|start|>", "<|channel|>"),
    ("<|channel|>", "<|start|>", "<|message|>", "to=", "assistant"),
    ("<|start|>", "<|channel|>"),
)
FUNCTIONARY = Marks("\n", (">>>",), ())


class ChannelReader:
    """Sort messages by their headers."""

    def __init__(self, marks: Marks, tools: Sequence[Json], sink: Sink, *, head: str = "") -> None:
        """Begin.

        Args:
            head: the part of the first header that the prompt holds already.
        """
        self._marks, self._names, self._sink = marks, names_of(tools), sink
        self._state: Literal["start", "header", "body"] = "start" if marks.starts else "header"
        self._header = ""
        self._kind: Literal["text", "thinking", "call"] = "text"
        self._name = ""
        self._body: list[str] = []
        self._ends = Search(marks.body_ends)
        self._trail = Trail()
        self._is_fresh = False  # nothing visible in this body yet
        self.push(head)
        # What the prompt holds was said already.
        self._sink.take()
        self._trail.drop()

    def push(self, text: str) -> None:
        """Take the next piece of the reply."""
        while text:
            if self._state == "start":
                text = self._read_start(text)
            elif self._state == "header":
                text = self._read_header(text)
            else:
                text = self._read_body(text)

    def finish(self) -> None:
        """Give what was held back; the reply is over."""
        if self._state == "body":
            self._give(self._ends.finish())
            self._close(is_last=True)
        elif not self._header.lstrip().startswith(("<|", *self._marks.body_ends)):
            self._sink.say(self._header)

    def _read_start(self, text: str) -> str:
        """Decide whether the reply has headers at all."""
        whole, self._header = self._header + text, ""
        visible = whole.lstrip()
        if visible.startswith(self._marks.starts):
            self._state = "header"
            return whole
        if not visible or any(each.startswith(visible) for each in self._marks.starts):
            self._header = whole
            return ""
        self._open("text")
        return whole

    def _read_header(self, text: str) -> str:
        room = N_HEADER - len(self._header)
        self._header += text[:room]
        at = self._header.find(self._marks.header_end)
        if at < 0:
            if len(self._header) < N_HEADER:
                return ""
            self._open("text")
            self._give(self._header)
            self._header = ""
            return text[room:]
        header, rest = self._header[:at], self._header[at + len(self._marks.header_end) :]
        self._header = ""
        self._sort(header)
        return rest + text[room:]

    def _sort(self, header: str) -> None:
        """Open the body that a header announces."""
        if not self._marks.starts:
            self._name = known_name(header, self._names)
            self._open("call" if self._name else "text")
            if not self._name and header.strip() != "all":
                self._give(header + self._marks.header_end)
            return
        recipient, channel = _RECIPIENT.search(header), _CHANNEL.search(header)
        self._name = known_name(recipient[1], self._names) if recipient else ""
        if self._name:
            self._open("call")
        elif channel and channel[1] == "analysis":
            self._open("thinking")
        else:
            self._open("text")

    def _open(self, kind: Literal["text", "thinking", "call"]) -> None:
        self._state, self._kind, self._is_fresh = "body", kind, True

    def _read_body(self, text: str) -> str:
        before, found, after = self._ends.push(text)
        self._give(before)
        if not found:
            return ""
        self._close(is_last=False)
        self._state = "header"
        self._header = found if found in self._marks.kept else ""
        return after

    def _give(self, text: str) -> None:
        if self._kind == "call":
            self._body.append(text)
            return
        if self._kind == "thinking" and self._is_fresh:
            text = text.lstrip()
        if text:
            self._is_fresh = False
            shown = self._trail.push(text)
            (self._sink.think if self._kind == "thinking" else self._sink.say)(shown)

    def _close(self, *, is_last: bool) -> None:
        """End a body."""
        if self._kind != "call":
            space = self._trail.finish() if is_last else ""
            self._trail.drop()
            (self._sink.think if self._kind == "thinking" else self._sink.say)(space)
            return
        body, self._body = "".join(self._body), []
        try:
            value = parse_json(body) if body.strip() or is_last else {}
        except ValueError:
            value = None
        if isinstance(value, dict):
            self._sink.call([(self._name, value)])
        else:
            self._sink.say(body)
