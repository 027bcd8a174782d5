"""The nouns of conversations: what was said, and the copies of the spans that bear it out; pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from app.query.types import Sentence

Role = Literal["user", "assistant"]
# As in an answer; empty for questions; broken_off: only the sentences checked by then, none if the
# server ended in the middle; pending: being written now, which only the store can tell.
Spoken = Literal["", "generated", "extractive", "refused", "broken_off", "pending"]


@dataclass(frozen=True, slots=True)
class Shelf:
    """What conversations ask of the library.

    Both raise DocumentNotFoundError.
    """

    text: Callable[[str], str]  # document id → loaded text
    digest: Callable[[str], str]  # document id → hash of its bytes


@dataclass(frozen=True, slots=True)
class Cited:
    """A citation with its own copy of all that a reader needs, should the document change or go.

    Invariant: `text` was the slice `start:end` of the text of document `document_id`.
    """

    n: int  # as in the answer's marks
    document_id: str
    digest: str  # of the document's bytes; empty if it was gone when the answer was done
    path: str
    title: str
    page: int | None
    start: int
    end: int
    text: str
    page_label: str = ""
    warnings: tuple[str, ...] = ()
    is_current: bool | None = None  # whether the document still holds it; None: nobody looked


@dataclass(frozen=True, slots=True)
class Message:
    """One question or one answer."""

    role: Role
    text: str  # of an answer with [n] marks
    created_at: str
    mode: Spoken = ""
    sentences: tuple[Sentence, ...] = ()
    citations: tuple[Cited, ...] = ()
    trace: Mapping[str, object] | None = None  # JSON: how the answer came about


@dataclass(frozen=True, slots=True)
class Summary:
    """A conversation as a list shows it."""

    id: str
    title: str  # empty until the first question, if nobody named it
    collection: str
    created_at: str
    updated_at: str
    n_messages: int


@dataclass(frozen=True, slots=True)
class Conversation:
    """A conversation with all that was said, oldest first."""

    id: str
    title: str
    collection: str
    created_at: str
    updated_at: str
    messages: tuple[Message, ...] = ()


@dataclass(frozen=True, slots=True)
class Page:
    """Some conversations, last used first, and where the next ones begin; empty at the end."""

    summaries: tuple[Summary, ...]
    next: str
