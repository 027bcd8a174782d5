"""The events of an answer in, the same out; the question is kept first, the answer when it ends.

What is kept of an answer that is broken off, by whoever asked or by an error: the question and the
sentences that were checked by then, marked as broken off; words that nobody checked are not kept.
If the process dies, the question is there with nothing behind it, marked in the same way.
An error that comes before anything was shown keeps nothing: it has no answer to be broken off.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields, is_dataclass, replace
from datetime import UTC, datetime

from app.conversations.errors import ConversationError
from app.conversations.limits import MAX_NAME, MAX_PARTS, MAX_TEXT, MAX_TRACE
from app.conversations.store import Begun, Conversations
from app.conversations.types import Cited, Message, Shelf
from app.query.types import (
    Answer,
    AnswerEvent,
    Ask,
    Checked,
    Citation,
    Done,
    Found,
    Passage,
    Token,
)
from ingest.errors import DocumentNotFoundError, IngestError

_log = logging.getLogger(__name__)


def remembered(
    conversations: Conversations,
    ask: Ask,
    conversation_id: str,
    *,
    is_collection_named: bool = True,
) -> Ask:
    """Give a question the history of its conversation, unless it brings its own.

    Args:
        is_collection_named: whether who asks chose the collection; else it is the conversation's.
    Raises:
        ConversationNotFoundError: there is no such conversation.
        ConversationFullError: it has no room for another answer.
    """
    conversations.check_room(conversation_id)
    history = ask.history or conversations.history(conversation_id)
    collection = conversations.summary(conversation_id).collection
    return replace(
        ask, history=history, collection=ask.collection if is_collection_named else collection
    )


def recorded(
    conversations: Conversations, ask: Ask, events: Iterator[AnswerEvent], conversation_id: str
) -> Iterator[AnswerEvent]:
    """Pass the events of an answer on, the question on the disk; `Done` comes when the answer is.

    Raises:
        ConversationNotFoundError: there is no such conversation; raised before the first event.
        ConversationFullError: it has no room for another answer; likewise.
    """
    conversations.check_room(conversation_id)
    return _recorded(conversations, ask, events, conversation_id)


def message_of(answer: Answer, shelf: Shelf, created_at: str) -> Message:
    """Turn an answer into a message that needs no document to be read."""
    return Message(
        "assistant",
        answer.text[:MAX_TEXT],
        created_at,
        answer.mode,
        answer.sentences[:MAX_PARTS],
        copies_of(answer.citations, answer.passages, shelf),
        trace_of(answer),
    )


def copies_of(
    citations: Iterable[Citation], passages: Iterable[Passage], shelf: Shelf
) -> tuple[Cited, ...]:
    """Copy into citations what a reader needs when the document has changed or is gone."""
    titles = {one.document_id: one.title for one in passages}
    there = tuple(citations)[:MAX_PARTS]
    digests = {one: _digest(shelf, one) for one in {one.document_id for one in there}}
    return tuple(
        Cited(
            one.n,
            one.document_id,
            digests[one.document_id],
            one.path,
            titles.get(one.document_id, "")[:MAX_NAME],
            one.page,
            one.start,
            one.end,
            one.text,
            one.page_label,
            one.warnings,
        )
        for one in there
    )


def trace_of(answer: Answer) -> Mapping[str, object] | None:
    """Tell how an answer came about, as JSON; without its longest part if that is too long."""
    told: dict[str, object] = {
        "rewritten": answer.rewritten,
        "timings": answer.timings,
        "models": answer.models,
        "notices": answer.notices,
    }
    for trace in ({**told, "trace": answer.trace}, told):
        text = json.dumps(trace, default=_plain)
        if len(text) <= MAX_TRACE:
            found: dict[str, object] = json.loads(text)
            return found
    return None


def _plain(value: object) -> object:
    """Give what JSON knows for what it does not know."""
    if is_dataclass(value) and not isinstance(value, type):
        return {one.name: getattr(value, one.name) for one in fields(value)}
    if isinstance(value, Mapping):
        return dict(value)
    return list(value) if isinstance(value, set | frozenset) else str(value)


@dataclass
class _Shown:
    """What who asked has seen of an answer."""

    is_any: bool = False
    passages: tuple[Passage, ...] = ()
    checked: dict[int, Checked] = field(default_factory=dict)

    def see(self, event: AnswerEvent) -> None:
        """Take note of one event."""
        if isinstance(event, Found):
            self.passages = event.passages
        elif isinstance(event, Checked):
            self.checked[event.index] = event
        is_text = isinstance(event, Token) and bool(event.text)  # an empty one is a sign of life
        self.is_any = self.is_any or is_text or isinstance(event, Checked)

    def message(self, shelf: Shelf) -> Message:
        """Make a message of the sentences that were checked."""
        checked = [self.checked[index] for index in sorted(self.checked)]
        citations = dict.fromkeys(cited for one in checked for cited in one.citations)
        text = " ".join(
            one.sentence.text + "".join(f" [{n}]" for n in one.sentence.citations)
            for one in checked
        )
        return Message(
            "assistant",
            text[:MAX_TEXT],
            _now(),
            "broken_off",
            tuple(one.sentence for one in checked[:MAX_PARTS]),
            copies_of(citations, self.passages, shelf),
        )


def _recorded(
    conversations: Conversations, ask: Ask, events: Iterator[AnswerEvent], conversation_id: str
) -> Iterator[AnswerEvent]:
    shown = _Shown()
    is_done = False
    begun: Begun | None = None
    try:
        begun = conversations.begin(conversation_id, Message("user", ask.question, _now()))
        for event in events:
            shown.see(event)
            if isinstance(event, Done):
                is_done = True  # what fails from here on is not the answer
                # One that was deleted meanwhile was meant to be.
                answer = message_of(event.answer, conversations.shelf, _now())
                conversations.finish(begun, answer)
            yield event
    except GeneratorExit:
        shown.is_any = True  # who left, or lost the page, shall find the question again
        raise
    finally:
        close = getattr(events, "close", None)
        if callable(close):
            close()
        if begun is not None and not is_done:
            _end(conversations, begun, shown)


def _end(conversations: Conversations, begun: Begun, shown: _Shown) -> None:
    """Keep what was checked of an answer that has no end; of nothing, nothing."""
    try:
        told = shown.message(conversations.shelf) if shown.is_any else None
        conversations.finish(begun, told)
    except (ConversationError, IngestError) as error:
        # Whoever broke it off does not listen any more, and an error on its way goes first.
        _log.warning("broken_off_answer_not_kept error=%s", error)


def _digest(shelf: Shelf, document_id: str) -> str:
    try:
        return shelf.digest(document_id)
    except DocumentNotFoundError:
        return ""


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
