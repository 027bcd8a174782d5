"""A stored conversation in, the same with each citation told whether it still holds; pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from app.conversations.types import Cited, Conversation
from ingest.errors import DocumentNotFoundError


def looked_up(conversation: Conversation, text: Callable[[str], str]) -> Conversation:
    """Compare every citation with the text that the library has now.

    Args:
        text: document id → loaded text; raises DocumentNotFoundError. Asked once per document.
    """
    wanted: dict[str, set[Cited]] = {}
    for message in conversation.messages:
        for one in message.citations:
            wanted.setdefault(one.document_id, set()).add(one)
    current = {
        one: is_current
        for document_id, cited in wanted.items()
        for one, is_current in _compared(cited, document_id, text)
    }
    messages = tuple(
        replace(
            message,
            citations=tuple(replace(one, is_current=current[one]) for one in message.citations),
        )
        for message in conversation.messages
    )
    return replace(conversation, messages=messages)


def _compared(
    cited: set[Cited], document_id: str, text: Callable[[str], str]
) -> list[tuple[Cited, bool]]:
    try:
        there = text(document_id)
    except DocumentNotFoundError:
        return [(one, False) for one in cited]
    return [(one, bool(one.text) and there[one.start : one.end] == one.text) for one in cited]
