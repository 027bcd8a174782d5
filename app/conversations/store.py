"""The file of conversations: written whole or not at all, searched, wiped; touches SQLite.

One connection, one thread at a time: what is done here takes milliseconds, but for the deletion,
which leaves none of the bytes behind.
"""

from __future__ import annotations

import json
import logging
import secrets
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from app.access.caller import caller
from app.conversations.errors import ConversationFullError, ConversationNotFoundError
from app.conversations.limits import MAX_CONVERSATIONS, check_room, checked, checked_title
from app.conversations.messages_store import (
    add_messages,
    drop_broken_off,
    drop_messages,
    message_from,
    put_message,
)
from app.conversations.schema import UNSWEPT, add_words, migrate, refresh_words
from app.conversations.titles import title_of
from app.conversations.types import Conversation, Message, Page, Shelf, Summary
from app.query.types import Turn
from ingest.errors import IngestError, StorageFullError
from ingest.lexical import match_expression
from ingest.store import translated

FILE = "conversations.sqlite3"
MAX_HISTORY = 40  # messages that a follow-up is given

_BUSY_S = 30.0
_MAX_TERMS = 16  # of what is searched for
_MAX_QUERY = 1_000  # characters

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Begun:
    """A question that is on the disk, and the place of its answer."""

    number: int  # of the conversation
    question_id: int
    answer_id: int
    asked: str
    is_named_by_it: bool  # the question gave the conversation its title


class Conversations:
    """All conversations of one data directory."""

    def __init__(self, path: Path, shelf: Shelf) -> None:
        """Open or create the file and bring its tables to the newest version.

        Args:
            shelf: where the texts of documents are looked up.
        Raises:
            IngestError: the file is none of conversations, or of a newer version.
        """
        self.shelf = shelf
        self._lock = threading.RLock()
        self._under_way: set[int] = set()  # ids of the answers that this process is writing
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            self._connection = sqlite3.connect(
                path, timeout=_BUSY_S, isolation_level=None, check_same_thread=False
            )
        except sqlite3.DatabaseError as error:
            raise IngestError(f"{path}: {error}") from error
        try:
            self._prepare()
        except sqlite3.DatabaseError as error:
            self._connection.close()
            raise IngestError(f"{path}: {error}") from error
        except BaseException:
            self._connection.close()
            raise

    def _prepare(self) -> None:
        for pragma in (
            "journal_mode=WAL",
            "synchronous=FULL",
            "foreign_keys=ON",
            "secure_delete=ON",  # deleted text is gone in bytes too
            "temp_store=MEMORY",
        ):
            self._connection.execute(f"PRAGMA {pragma}")
        migrate(self._connection)
        with self._writing() as connection:
            refresh_words(connection)
        if self._meta(UNSWEPT):
            self._sweep()

    def close(self) -> None:
        """Close the file; what is written stays."""
        with self._lock:
            self._connection.close()

    # Reading

    def get(self, conversation_id: str) -> Conversation:
        """Read a conversation whole, as it was stored.

        Raises:
            ConversationNotFoundError: there is none.
        """
        with self._lock:
            number, found = self._find(conversation_id)
            rows = self._connection.execute(
                "SELECT id, role, mode, text, rest, created_at FROM messages WHERE conversation=?"
                " ORDER BY id",
                (number,),
            ).fetchall()
            pending = self._under_way.intersection(row[0] for row in rows)
        messages = tuple(
            replace(message_from(*row), mode="pending") if one in pending else message_from(*row)
            for one, *row in rows
        )
        return Conversation(
            found.id, found.title, found.collection, found.created_at, found.updated_at, messages
        )

    def summary(self, conversation_id: str) -> Summary:
        """Read what a list shows of one conversation.

        Raises:
            ConversationNotFoundError: there is none.
        """
        with self._lock:
            return self._find(conversation_id)[1]

    def page(self, query: str = "", limit: int = 50, before: str = "") -> Page:
        """List conversations, last used first.

        Args:
            query: words of titles and messages; those that hold all of them or, if there is none,
                any of them.
            before: the `next` of the page before.
        """
        with self._lock:
            where, values = self._matching(query)
            seen, whose = _seen()
            where, values = f"{where} AND {seen}", [*values, *whose]
            if before:
                where += " AND touched < ?"
                values = [*values, int(before) if before.isdecimal() and len(before) < 19 else 0]
            rows = self._connection.execute(
                f"{_SUMMARY}, touched FROM conversations WHERE {where}"
                " ORDER BY touched DESC LIMIT ?",
                (*values, limit + 1),
            ).fetchall()
        summaries = tuple(Summary(*row[:-1]) for row in rows[:limit])
        return Page(summaries, str(rows[limit - 1][-1]) if len(rows) > limit else "")

    def quoting(self, document_id: str, limit: int) -> tuple[tuple[Summary, ...], int]:
        """List conversations that keep words of a document, last used first; count them all."""
        seen, whose = _seen()
        where = f"number IN (SELECT conversation FROM messages WHERE instr(rest, ?) > 0) AND {seen}"
        values = [f'"document_id":{json.dumps(document_id)}', *whose]
        with self._lock:
            rows = self._connection.execute(
                f"{_SUMMARY} FROM conversations WHERE {where} ORDER BY touched DESC", values
            ).fetchall()
        return tuple(Summary(*row) for row in rows[:limit]), len(rows)

    def history(self, conversation_id: str) -> tuple[Turn, ...]:
        """Give the last turns, but for answers that were broken off before they said anything.

        Raises:
            ConversationNotFoundError: there is none.
        """
        with self._lock:
            number, _ = self._find(conversation_id)
            rows = self._connection.execute(
                "SELECT role, mode, text FROM messages WHERE conversation=? ORDER BY id DESC"
                " LIMIT ?",
                (number, MAX_HISTORY),
            ).fetchall()[::-1]
        return tuple(
            Turn(role, text)
            for (role, mode, text), following in zip(rows, [*rows, ("", "", "")][1:], strict=True)
            if ("broken_off", "") not in ((mode, text), following[1:])
        )

    def check_room(self, conversation_id: str) -> None:
        """Make sure that a question and its answer fit.

        Raises:
            ConversationNotFoundError: there is none.
            ConversationFullError: it is full.
        """
        check_room(self.summary(conversation_id).n_messages, 2)

    # Writing

    def create(self, title: str = "", collection: str = "default") -> Conversation:
        """Begin a conversation; without a title, its first question will name it.

        Raises:
            TooLongError: the title is over the limit.
            TitleError: nothing of the title can be seen.
            ConversationFullError: there are too many conversations.
        """
        time = _now()
        title = checked_title(title) if title else ""
        return self._insert(Conversation("", title, collection, time, time))

    def restore(self, conversation: Conversation) -> Conversation:
        """Store an exported conversation under a new id; everything else stays as it was.

        Raises:
            TooLongError: something of it is over a limit.
            ConversationFullError: it has too many messages, or there are too many conversations.
        """
        check_room(0, len(conversation.messages))
        title = checked_title(conversation.title) if conversation.title else ""
        messages = tuple(checked(one) for one in conversation.messages)
        # The header's texts go by the same limits as a message's.
        header = checked(Message("user", conversation.collection, conversation.created_at))
        updated = checked(Message("user", "", conversation.updated_at)).created_at
        return self._insert(
            Conversation("", title, header.text, header.created_at, updated, messages)
        )

    def rename(self, conversation_id: str, title: str) -> Summary:
        """Give a conversation another title.

        Raises:
            ConversationNotFoundError: there is none.
            TooLongError: the title is over the limit.
            TitleError: nothing of the title can be seen.
        """
        title = checked_title(title)
        with self._writing() as connection:
            number, _ = self._find(conversation_id)
            connection.execute("UPDATE conversations SET title=? WHERE number=?", (title, number))
            add_words(connection, -number, title)
            return self._find(conversation_id)[1]

    def append(self, conversation_id: str, messages: Sequence[Message]) -> None:
        """Add messages, all or none; when this returns, they outlive the process.

        A question that is asked again after its answer was broken off takes the place of both.

        Raises:
            ConversationNotFoundError: there is none.
            ConversationFullError: they do not fit.
            TooLongError: something of them is over a limit.
        """
        whole = [checked(one) for one in messages]
        asked = next((one.text for one in whole if one.role == "user"), "")
        with self._writing() as connection:
            number, found = self._find(conversation_id)
            check_room(found.n_messages, len(whole))
            drop_broken_off(connection, number, asked, _BEHIND_ALL, self._under_way)
            self._touch(connection, number)
            self._name(connection, number, found, asked)
            add_messages(connection, number, whole)

    def begin(self, conversation_id: str, question: Message) -> Begun:
        """Write a question down before it is answered; when this returns, it outlives the process.

        Until `finish` its answer is told as pending; if the process ends first, as broken off.

        Raises:
            ConversationNotFoundError: there is none.
            ConversationFullError: question and answer do not fit.
            TooLongError: the question is over the limit.
        """
        question = checked(question)
        unanswered = Message("assistant", "", question.created_at, "broken_off")
        with self._lock:
            with self._writing() as connection:
                number, found = self._find(conversation_id)
                check_room(found.n_messages, 2)
                self._touch(connection, number)
                is_named = self._name(connection, number, found, question.text)
                asked = add_messages(connection, number, [question])
                answer = add_messages(connection, number, [unanswered])
            self._under_way.add(answer)
        return Begun(number, asked, answer, question.text, is_named)

    def finish(self, begun: Begun, answer: Message | None) -> bool:
        """Put the answer of a question in its place; tells whether it was still there.

        A question that is asked again after its answer was broken off stands once from now on.

        Args:
            answer: None = there is none to be kept, and the question goes too.
        Raises:
            TooLongError: something of it is over a limit.
        """
        try:
            told = None if answer is None else checked(answer)
            with self._writing() as connection:
                if told is None:
                    self._take_back(connection, begun)
                    return True
                if not put_message(connection, begun.answer_id, told):
                    return False
                number, before = begun.number, begun.question_id
                drop_broken_off(connection, number, begun.asked, before, self._under_way)
                self._touch(connection, number)
                return True
        finally:
            with self._lock:
                self._under_way.discard(begun.answer_id)

    def delete(self, conversation_id: str) -> None:
        """Remove a conversation; when this returns, the file holds none of its bytes.

        On a full disk the bytes go with the next deletion or start.

        Raises:
            ConversationNotFoundError: there is none.
        """
        with self._lock:
            with self._writing() as connection:
                number, _ = self._find(conversation_id)
                connection.execute(
                    "DELETE FROM words WHERE rowid IN (SELECT id FROM messages"
                    " WHERE conversation=? UNION ALL SELECT ?)",
                    (number, -number),
                )
                connection.execute("DELETE FROM conversations WHERE number=?", (number,))
                # A crash from here on leaves a note for the next start.
                connection.execute("INSERT OR REPLACE INTO meta VALUES (?,'1')", (UNSWEPT,))
            self._sweep()

    def _sweep(self) -> None:
        """Take out of the file what was deleted from its tables.

        Words leave an index only when its pieces are merged, and SQLite moves rows within pages
        without zeroing where they were: so the file is written anew.
        """
        try:
            with self._writing() as connection:
                connection.execute("INSERT INTO words (words) VALUES ('optimize')")
            with translated("free some space and try again"):
                self._connection.execute("PRAGMA temp_store=FILE")  # memory would hold all of it
                self._connection.execute("VACUUM")
                self._connection.execute("PRAGMA temp_store=MEMORY")
                self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
            with self._writing() as connection:
                connection.execute("DELETE FROM meta WHERE key=?", (UNSWEPT,))
        except StorageFullError as error:
            # What was deleted is gone for everybody but who reads the disk; the note stays.
            _log.warning("conversations_not_swept error=%s", error)

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        """Give the connection for one transaction: all of it or nothing.

        Raises:
            StorageFullError: the disk is full; nothing was written.
        """
        with self._lock, translated("free some space and try again"):
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
                self._connection.execute("COMMIT")
            finally:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")

    def _touch(self, connection: sqlite3.Connection, number: int) -> None:
        connection.execute(
            f"UPDATE conversations SET updated_at=?, touched=({_TOUCH}) WHERE number=?",
            (_now(), number),
        )

    def _name(
        self, connection: sqlite3.Connection, number: int, found: Summary, asked: str
    ) -> bool:
        """Let its first question name a conversation; tells whether it did."""
        title = "" if found.title else title_of(asked)
        if title:
            connection.execute("UPDATE conversations SET title=? WHERE number=?", (title, number))
            add_words(connection, -number, title)
        return bool(title)

    def _take_back(self, connection: sqlite3.Connection, begun: Begun) -> None:
        drop_messages(connection, (begun.question_id, begun.answer_id))
        if begun.is_named_by_it:
            cursor = connection.execute(
                "UPDATE conversations SET title='' WHERE number=? AND title=? AND NOT EXISTS"
                " (SELECT 1 FROM messages WHERE conversation=number)",
                (begun.number, title_of(begun.asked)),
            )
            if cursor.rowcount:
                add_words(connection, -begun.number, "")

    def _insert(self, conversation: Conversation) -> Conversation:
        new = replace(conversation, id=secrets.token_hex(8))
        with self._writing() as connection:
            (n_there,) = connection.execute("SELECT count(*) FROM conversations").fetchone()
            if n_there >= MAX_CONVERSATIONS:
                raise ConversationFullError(
                    f"there are {n_there:,} conversations, the limit is {MAX_CONVERSATIONS:,}: "
                    "delete some"
                )
            cursor = connection.execute(
                "INSERT INTO conversations"
                " (id, title, collection, created_at, updated_at, owner, touched)"
                f" VALUES (?,?,?,?,?,?,({_TOUCH}))",
                (
                    *(new.id, new.title, new.collection, new.created_at, new.updated_at),
                    caller().key_id,
                ),
            )
            number = int(cursor.lastrowid or 0)
            add_words(connection, -number, new.title)
            add_messages(connection, number, new.messages)
        return new

    def _find(self, conversation_id: str) -> tuple[int, Summary]:
        seen, whose = _seen()
        row = self._connection.execute(
            f"{_SUMMARY}, number FROM conversations WHERE id=? AND {seen}",
            (conversation_id.encode("utf-8", "replace").decode("utf-8"), *whose),
        ).fetchone()
        if row is None:
            raise ConversationNotFoundError(conversation_id)
        return int(row[-1]), Summary(*row[:-1])

    def _matching(self, query: str) -> tuple[str, list[object]]:
        """Word a condition on conversations, with its values."""
        if not query.strip():
            return "1", []
        asked = query[:_MAX_QUERY].encode("utf-8", "replace").decode("utf-8")
        # Terms are quoted and hold no space.
        expressions = [one for one in match_expression(asked).split(" OR ") if one][:_MAX_TERMS]
        if not expressions:
            return "0", []
        every = " AND ".join([_HOLDS] * len(expressions))
        values: list[object] = [one for one in expressions for _ in range(2)]
        seen, whose = _seen()
        found = self._connection.execute(
            f"SELECT 1 FROM conversations WHERE {every} AND {seen} LIMIT 1", [*values, *whose]
        ).fetchone()
        if found is not None:
            return every, values
        return _HOLDS, [" OR ".join(expressions)] * 2

    def _meta(self, key: str) -> str | None:
        row = self._connection.execute("SELECT value FROM meta WHERE key=?", (key,)).fetchone()
        return None if row is None else str(row[0])


_SUMMARY = """
    SELECT id, title, collection, created_at, updated_at,
        (SELECT count(*) FROM messages WHERE conversation = conversations.number)
"""
_BEHIND_ALL = 2**63 - 1  # the largest id that SQLite has
_TOUCH = "SELECT coalesce(max(touched), 0) + 1 FROM conversations"
_HOLDS = """
    number IN (SELECT conversation FROM messages
            WHERE id IN (SELECT rowid FROM words WHERE words MATCH ?)
        UNION ALL SELECT -rowid FROM words WHERE words MATCH ? AND rowid < 0)
"""


def _seen() -> tuple[str, list[object]]:
    """Word the condition on conversations that whoever asks may see, with its values.

    Somebody else's does not exist for who holds no `admin`, nor does one of a collection that the
    key is not bound to.
    """
    who = caller()
    where, values = ["1"], list[object]()
    if not who.may("admin"):
        where.append("owner=?")
        values.append(who.key_id or None)  # who shows no key owns none
    if who.collections is not None:
        where.append("collection IN (SELECT value FROM json_each(?))")
        values.append(json.dumps(sorted(who.collections)))
    return " AND ".join(where), values


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
