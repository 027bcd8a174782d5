"""A conversation in, Markdown or JSON out; the JSON reads back as what it was; pure.

Markdown is for people: numbered footnotes hold path, page and quotation. Text of people, models
and documents cannot pass for a heading, a footnote or HTML in it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Literal

from app.conversations.errors import NotAnExportError
from app.conversations.titles import one_line
from app.conversations.types import Cited, Conversation, Message

if TYPE_CHECKING:
    from pydantic import TypeAdapter

_SPECIAL = re.compile(r"([\\`*_\[\]<>])")
_MARK = re.compile(r"[ \t]?\[(\d+)\]")
_FENCE = re.compile(r" {0,3}(`{3,}(?=[^`]*$)|~{3,})")
_HEADING = re.compile(r"(\s*)(#{1,6}(?:\s|$)|=+\s*$|-+\s*$)")  # also what underlines one
_UNSEEN = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")  # would steer a terminal
# Told when a conversation is read: it depends on the library.
_LOOKED_UP = {"messages": {"__all__": {"citations": {"__all__": {"is_current"}}}}}
_NOTES = {
    "extractive": "Quoted from the documents word for word; no model wrote this.",
    "refused": "Not answered: the documents do not hold it.",
    "broken_off": "Broken off: what was checked by then is above.",
    "pending": "Being answered.",
}
_NOTHING = "Broken off before anything was checked."
_SUPPORT = {"partly": "Only partly in the documents", "not_found": "Not found in the documents"}


@dataclass(frozen=True, slots=True)
class _Export:
    format: Literal["quire-conversation"]
    version: Literal[1]
    conversation: Conversation


def to_json(conversation: Conversation) -> str:
    """Write everything that is stored; `from_json` reads it back."""
    export = _Export("quire-conversation", 1, conversation)
    raw = _adapter().dump_json(export, indent=2, exclude={"conversation": _LOOKED_UP})
    return raw.decode("utf-8")


def from_json(text: str | bytes) -> Conversation:
    """Read an export; whether citations are current is not part of it.

    Raises:
        NotAnExportError: it is none, or one of a newer version.
    """
    from pydantic import ValidationError

    try:
        found = _adapter().validate_json(text, strict=True)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        raise NotAnExportError(
            f"not an exported conversation: {f'{place}: ' if place else ''}{first['msg']}"
        ) from error
    one = found.conversation
    for time in (one.created_at, one.updated_at, *(message.created_at for message in one.messages)):
        _check_time(time)
    return one


def _check_time(time: str) -> None:
    try:
        datetime.fromisoformat(time)
    except ValueError as error:
        raise NotAnExportError(f"not an exported conversation: {time[:40]!r} is no time") from error


@lru_cache(maxsize=1)
def _adapter() -> TypeAdapter[_Export]:
    from pydantic import TypeAdapter

    return TypeAdapter(_Export)


def to_markdown(conversation: Conversation) -> str:
    """Write a conversation for people, each citation a footnote."""
    notes = _Footnotes()
    parts = [f"# {_inline(conversation.title) or 'Conversation'}"]
    parts.append(f"Collection {_inline(conversation.collection)}, {conversation.created_at[:10]}")
    for message in conversation.messages:
        if message.role == "user":
            lines = _block(message.text).splitlines() or [""]
            parts.append("\n".join(f"> {line}".rstrip() for line in lines))
        else:
            parts += _told(message, notes)
    parts += notes.written
    return "\n\n".join(parts) + "\n"


@dataclass
class _Footnotes:
    """Numbers for cited spans, the same for the same span."""

    numbers: dict[tuple[str, int, int, str], int] = field(default_factory=dict)
    written: list[str] = field(default_factory=list)

    def number(self, one: Cited) -> int:
        key = (one.document_id, one.start, one.end, one.text)
        if key not in self.numbers:
            self.numbers[key] = len(self.numbers) + 1
            self.written.append(f"[^{self.numbers[key]}]: {_footnote(one)}")
        return self.numbers[key]


def _told(message: Message, notes: _Footnotes) -> list[str]:
    numbers: dict[int, list[int]] = {}
    for one in message.citations:
        numbers.setdefault(one.n, []).append(notes.number(one))

    def marked(found: re.Match[str]) -> str:
        cited = numbers.get(int(found[1][:9]))
        return "".join(f"[^{number}]" for number in cited) if cited else found[0]

    parts = [_block(message.text, marked)] if message.text.strip() else []
    doubts = [
        f"- {_SUPPORT[one.support]}: {_inline(one.text)}"
        + (f" ({_inline(one.reason)})" if one.reason else "")
        for one in message.sentences
        if one.support in _SUPPORT
    ]
    if doubts:
        parts.append("\n".join(doubts))
    if message.mode == "broken_off" and not parts:
        parts.append(f"*{_NOTHING}*")
    elif message.mode in _NOTES:
        parts.append(f"*{_NOTES[message.mode]}*")
    return parts


def _footnote(one: Cited) -> str:
    printed = f" (printed {_inline(one.page_label)})" if one.page_label else ""
    page = f", page {one.page}{printed}" if one.page is not None else ""
    gone = " (the document has changed since, or is gone)" if one.is_current is False else ""
    warned = f" ({'; '.join(map(_inline, one.warnings))})" if one.warnings else ""
    return f"{_inline(one.path)}{page}, characters {one.start}-{one.end}: " + (
        f"\u201c{_inline(one.text)}\u201d{gone}{warned}"
    )


def _inline(text: str) -> str:
    """Write a text so that it stays plain text on one line."""
    return _SPECIAL.sub(r"\\\1", one_line(text))


def _block(text: str, marked: Callable[[re.Match[str]], str] | None = None) -> str:
    """Write paragraphs, lists and code as they are, but no headings, footnotes or HTML."""
    lines: list[str] = []
    fence = ""
    for given in text.splitlines():
        line = _UNSEEN.sub("", given)
        found = _FENCE.match(line)
        if fence:
            lines.append(line)
            is_end = found and found[1].startswith(fence) and not line[found.end() :].strip()
            fence = "" if is_end else fence
            continue
        fence = found[1] if found else ""
        lines.append(line if found else _escaped(line, marked))
    if fence:
        lines.append(fence)  # or the rest of the file would be code
    return "\n".join(lines)


def _escaped(line: str, marked: Callable[[re.Match[str]], str] | None) -> str:
    written, at = "", 0
    for found in _MARK.finditer(line) if marked else ():
        written += _plain(line[at : found.start()]) + (marked(found) if marked else "")
        at = found.end()
    written += _plain(line[at:])
    heading = _HEADING.match(written)
    return f"{heading[1]}\\{written[heading.end(1) :]}" if heading else written


def _plain(text: str) -> str:
    # An image would be fetched from wherever a document says, by whoever opens the file.
    return text.replace("[^", "\\[^").replace("<", "\\<").replace("![", "!\\[")
