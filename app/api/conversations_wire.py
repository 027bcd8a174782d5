"""The JSON shapes of /kb/conversations; pydantic; the server writes them, the client reads them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, RootModel

from app.conversations.types import Conversation, Page, Summary

_STRICT = ConfigDict(extra="forbid")  # a misspelled field is told, not ignored
_READ = ConfigDict(from_attributes=True)


class ConversationIn(BaseModel):
    """What `POST /kb/conversations` takes."""

    model_config = _STRICT

    title: str = ""  # empty: the first question will name it
    collection: Annotated[str, Field(min_length=1, max_length=512)] | None = None


class TitleIn(BaseModel):
    """What `PATCH /kb/conversations/{id}` takes."""

    model_config = _STRICT

    title: str


class ExportIn(RootModel[dict[str, object]]):
    """What `POST /kb/conversations/import` takes: an export as JSON."""


class SummaryOut(BaseModel):
    """A conversation without what was said."""

    model_config = _READ

    id: str
    title: str
    collection: str
    created_at: str
    updated_at: str
    n_messages: int

    @classmethod
    def of(cls, summary: Summary) -> SummaryOut:
        """Convert from the store's noun."""
        return cls.model_validate(summary)


class ConversationsOut(BaseModel):
    """One page of conversations, last used first."""

    conversations: list[SummaryOut]
    next: str = ""  # what `before` is for the next page; empty at the end

    @classmethod
    def of(cls, page: Page) -> ConversationsOut:
        """Convert from the store's noun."""
        return cls(conversations=[SummaryOut.of(one) for one in page.summaries], next=page.next)


class SaidSentenceOut(BaseModel):
    """One sentence of an answer with the numbers of its citations."""

    model_config = _READ

    text: str
    citations: list[int]
    support: str
    reason: str = ""


class CitedOut(BaseModel):
    """The span that bore out a sentence, as it was; `is_current` says whether it still is there."""

    model_config = _READ

    n: int
    document_id: str
    digest: str
    path: str
    title: str
    page: int | None
    start: int
    end: int
    text: str
    page_label: str = ""
    warnings: list[str] = []
    is_current: bool | None = None


class MessageOut(BaseModel):
    """One question or one answer."""

    model_config = _READ

    role: str
    text: str
    created_at: str
    mode: str = ""  # generated, extractive, refused, broken_off, pending; empty for questions
    sentences: list[SaidSentenceOut] = []
    citations: list[CitedOut] = []
    trace: Mapping[str, object] | None = None


class ConversationOut(SummaryOut):
    """A conversation with all that was said, oldest first."""

    messages: list[MessageOut]

    @classmethod
    def whole(cls, one: Conversation) -> ConversationOut:
        """Convert from the store's noun."""
        return cls(
            id=one.id,
            title=one.title,
            collection=one.collection,
            created_at=one.created_at,
            updated_at=one.updated_at,
            n_messages=len(one.messages),
            messages=[MessageOut.model_validate(message) for message in one.messages],
        )
