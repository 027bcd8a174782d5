"""Messages and titles in, the same in a storable form out, or an error that says which limit; pure.

A store without limits is filled by the first loop that forgets to end.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace

from app.conversations.errors import ConversationFullError, TitleError, TooLongError
from app.conversations.titles import one_line
from app.conversations.types import Cited, Message
from app.query.types import Sentence

MAX_CONVERSATIONS = 100_000
MAX_MESSAGES = 2_000  # of one conversation: a thousand questions
MAX_TEXT = 100_000  # characters of a message
MAX_PARTS = 1_000  # sentences of an answer, and citations
MAX_QUOTE = 50_000  # characters of a quoted span, and of a sentence
MAX_NAME = 4_096  # characters of a path, a title of a document, a number of a page
MAX_GIVEN_TITLE = 200  # characters of a title that somebody chose
MAX_TRACE = 200_000  # characters of JSON


def checked_title(title: str) -> str:
    """Put a title that somebody chose on one line.

    Raises:
        TooLongError: it is over the limit.
        TitleError: nothing of it can be seen.
    """
    if len(title) > MAX_GIVEN_TITLE:
        raise TooLongError("title", len(title), MAX_GIVEN_TITLE)
    line = one_line(title)
    if not line.strip("\u200c\u200d"):
        raise TitleError
    return line


def check_room(n_there: int, n_new: int) -> None:
    """Refuse messages that a conversation has no room for.

    Raises:
        ConversationFullError: there are too many.
    """
    if n_there + n_new > MAX_MESSAGES:
        raise ConversationFullError(
            f"the conversation holds {n_there:,} messages and at most {MAX_MESSAGES:,} fit: "
            "begin a new one"
        )


def checked(message: Message) -> Message:
    """Give a message as it can be stored: halves of characters mended, nothing over a limit.

    Raises:
        TooLongError: something is over its limit.
    """
    _limit("message", message.text, MAX_TEXT)
    for what, parts in (("sentences", message.sentences), ("citations", message.citations)):
        if len(parts) > MAX_PARTS:
            raise TooLongError("answer", len(parts), MAX_PARTS, what)
    trace = None if message.trace is None else _trace(message.trace)
    return replace(
        message,
        text=_mended(message.text),
        created_at=_name("time", message.created_at),
        mode="broken_off" if message.mode == "pending" else message.mode,  # nobody goes on with it
        sentences=tuple(_sentence(one) for one in message.sentences),
        citations=tuple(_citation(one) for one in message.citations),
        trace=trace,
    )


def _trace(trace: Mapping[str, object]) -> Mapping[str, object]:
    found: Mapping[str, object] = json.loads(
        _limit("trace", json.dumps(dict(trace), ensure_ascii=False), MAX_TRACE)
    )
    return found


def _sentence(one: Sentence) -> Sentence:
    return replace(one, text=_quote(one.text), reason=_quote(one.reason))


def _citation(one: Cited) -> Cited:
    if len(one.warnings) > MAX_PARTS:
        raise TooLongError("citation", len(one.warnings), MAX_PARTS, "warnings")
    return replace(
        one,
        document_id=_name("id of a document", one.document_id),
        digest=_name("digest of a document", one.digest),
        path=_name("path", one.path),
        title=_name("title of a document", one.title),
        text=_quote(one.text),
        page_label=_name("label of a page", one.page_label),
        warnings=tuple(_name("warning", warning) for warning in one.warnings),
        is_current=None,  # is told when it is read
    )


def _quote(text: str) -> str:
    return _limit("quotation", text, MAX_QUOTE)


def _name(what: str, text: str) -> str:
    return _limit(what, text, MAX_NAME)


def _limit(what: str, text: str, limit: int) -> str:
    if len(text) > limit:
        raise TooLongError(what, len(text), limit)
    return _mended(text)


def _mended(text: str) -> str:
    """Replace halves of surrogate pairs, which no file can hold."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
