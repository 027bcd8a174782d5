"""The messages of a conversation as rows; touches SQLite, inside of somebody's transaction."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, cast

from app.conversations.schema import add_words
from app.conversations.types import Cited, Message, Role, Spoken
from app.query.types import Sentence

if TYPE_CHECKING:
    from pydantic import TypeAdapter


def add_messages(connection: sqlite3.Connection, number: int, messages: Sequence[Message]) -> int:
    """Add messages to a conversation; gives the id of the last one."""
    last = 0
    for one in messages:
        cursor = connection.execute(
            "INSERT INTO messages (conversation, role, mode, text, rest, created_at)"
            " VALUES (?,?,?,?,?,?)",
            (number, one.role, one.mode, one.text, _rest_of(one), one.created_at),
        )
        last = int(cursor.lastrowid or 0)
        add_words(connection, last, one.text)
    return last


def put_message(connection: sqlite3.Connection, message_id: int, message: Message) -> bool:
    """Put a message in the place of another; tells whether that was still there."""
    cursor = connection.execute(
        "UPDATE messages SET mode=?, text=?, rest=?, created_at=? WHERE id=?",
        (message.mode, message.text, _rest_of(message), message.created_at, message_id),
    )
    if cursor.rowcount:
        add_words(connection, message_id, message.text)
    return bool(cursor.rowcount)


def drop_messages(connection: sqlite3.Connection, ids: Collection[int]) -> None:
    """Remove messages, and what they are found by."""
    for one in ids:
        connection.execute("DELETE FROM words WHERE rowid=?", (one,))
        connection.execute("DELETE FROM messages WHERE id=?", (one,))


def drop_broken_off(
    connection: sqlite3.Connection, number: int, asked: str, before: int, under_way: Collection[int]
) -> None:
    """Remove answers that were broken off, with their question, where the same is asked again.

    Args:
        before: id of the message that asks again; only what stands right before it goes.
        under_way: ids of answers that are being written; they are not broken off yet.
    """
    rows = connection.execute(
        "SELECT id, role, mode, text FROM messages WHERE conversation=? AND id<? ORDER BY id DESC",
        (number, before),
    )
    gone: list[int] = []
    for (answer, _, mode, _), (question, role, _, text) in zip(rows, rows, strict=False):
        if (role, mode, text) != ("user", "broken_off", asked) or answer in under_way:
            break
        gone += (answer, question)
    drop_messages(connection, gone)


def message_from(role: str, mode: str, text: str, rest: str, created_at: str) -> Message:
    """Read a message out of its row."""
    kept = _rest().validate_json(rest)
    return Message(
        cast(Role, role),
        text,
        created_at,
        cast(Spoken, mode),
        kept.sentences,
        kept.citations,
        kept.trace,
    )


@dataclass(frozen=True, slots=True)
class _Rest:
    """Of a message, what is only ever read whole."""

    sentences: tuple[Sentence, ...] = ()
    citations: tuple[Cited, ...] = ()
    trace: dict[str, object] | None = None


@lru_cache(maxsize=1)
def _rest() -> TypeAdapter[_Rest]:
    from pydantic import TypeAdapter

    return TypeAdapter(_Rest)


def _rest_of(message: Message) -> str:
    trace = None if message.trace is None else dict(message.trace)
    rest = _Rest(message.sentences, message.citations, trace)
    return _rest().dump_json(rest, exclude_defaults=True).decode("utf-8")
