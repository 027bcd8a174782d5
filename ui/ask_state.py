"""What one browser session remembers of the conversation that it shows."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import BinaryIO, Literal

import streamlit as st

from ui.ask_shapes import Kept, Opinion, Record, Said
from ui.errors import UiError
from ui.shapes import Job, Passage, Reply

Outcome = Literal["reading", "waiting", "done", "stopped", "failed"]
PAGE = 30  # conversations that the list shows more at a time


@dataclass(slots=True)
class Files:
    """Files that were dropped into the conversation, on their way into the library."""

    names: tuple[str, ...]
    collection: str
    content: tuple[BinaryIO, ...] = ()  # until it is sent
    job_id: str = ""
    job: Job | None = None
    error: UiError | None = None  # the upload itself broke off, or was refused
    is_left: bool = False  # nobody waits for it here any more


@dataclass(slots=True, eq=False)
class Turn:
    """One question with what became of it; changes while the answer streams."""

    question: str  # empty: only files were dropped
    outcome: Outcome = "waiting"
    text: str = ""  # of the answer, as far as it has come
    passages: tuple[Passage, ...] = ()
    reply: Reply | None = None
    error: UiError | None = None
    place: int = -1  # of the answer among the stored messages; not stored: -1
    files: Files | None = None


@dataclass(frozen=True, slots=True)
class Opened:
    """The source that lies open beside an answer."""

    turn: Turn
    kind: Literal["cited", "other"]
    n: int  # of the mark, or of the passage


@dataclass(slots=True)
class Chat:
    """The conversation that is shown, and how the list of all is shown."""

    id: str = ""  # empty: not begun on the server
    title: str = ""
    in_url: str = ""  # the id that the address named last
    turns: list[Turn] = field(default_factory=list)
    opinions: dict[int, Opinion] = field(default_factory=dict)
    opened: Opened | None = None
    model: str = ""  # empty: the server's own choice
    too_long: str = ""  # what was typed last, if it cannot be asked
    notice: str = ""  # a sentence to be shown once: its key
    failed: UiError | None = None  # what went wrong outside the page's own drawing; shown once
    n_listed: int = PAGE
    dialog: tuple[str, Said] | None = None  # what is being done with a conversation of the list

    def clear(self) -> None:
        """Begin anew: nothing is shown, and the next question begins a conversation."""
        self.id, self.title, self.opened = "", "", None
        self.turns, self.opinions = [], {}

    def take(self, record: Record) -> None:
        """Show what the server has; what only this browser knows of it stays."""
        is_other = self.id != record.said.id
        self.id, self.title = record.said.id, record.said.title
        self.turns = merged([] if is_other else self.turns, record.kept)
        if is_other:
            self.opened, self.opinions = None, {}
            self.turns = with_left(self.id, self.turns)


def chat() -> Chat:
    """Return this browser session's conversation."""
    if "ask_chat" not in st.session_state:
        st.session_state["ask_chat"] = Chat()
    found: Chat = st.session_state["ask_chat"]
    return found


def merged(local: Sequence[Turn], kept: Sequence[Kept]) -> list[Turn]:
    """Put what the server has stored and what this browser has seen into one order.

    A turn of this browser stands for the stored one with the same question and answer: it knows
    more. What the server has not stored (an upload, a failure) stays where it was; an answer that
    the server has stored no more is gone.
    """
    found: list[Turn] = []
    at = 0
    for one in kept:
        match = next((n for n in range(at, len(local)) if _is_same(local[n], one)), None)
        if match is None:
            found.append(_turn(one))
            continue
        found += [turn for turn in local[at:match] if _is_own(turn)]
        turn = local[match]
        turn.place = one.place
        found.append(turn)
        at = match + 1
    return found + [turn for turn in local[at:] if _is_own(turn)]


def _is_same(turn: Turn, kept: Kept) -> bool:
    if turn.question != kept.question:
        return False
    if kept.is_broken_off:
        return turn.outcome == "stopped"
    return turn.reply is not None and turn.reply.answer == kept.reply.answer


def _is_own(turn: Turn) -> bool:
    """Whether only this browser knows of a turn."""
    return turn.place < 0 and (turn.outcome != "done" or turn.files is not None)


def _turn(kept: Kept) -> Turn:
    return Turn(
        kept.question,
        "stopped" if kept.is_broken_off else "done",
        kept.reply.answer,
        kept.reply.passages,
        kept.reply,
        place=kept.place,
    )


# Which conversations are being answered right now, in any tab: a tab that is reloaded in the
# middle of an answer knows from here what was asked.
_lock = threading.Lock()
_asked: dict[str, list[str]] = {}
# What was asked last without an end: the server writes it down only when the model lets go of it,
# and a page that is reloaded does not wait for that.
_left: dict[str, str] = {}
_MAX_LEFT = 1_000


@contextmanager
def under_way(conversation_id: str, question: str) -> Iterator[None]:
    """Let all tabs know that a question is being answered while the context is open."""
    with _lock:
        _asked.setdefault(conversation_id, []).append(question)
        _left.pop(conversation_id, None)
        _left[conversation_id] = question
        if len(_left) > _MAX_LEFT:
            del _left[next(iter(_left))]
    try:
        yield
        _left.pop(conversation_id, None)
    finally:
        with _lock:
            _asked[conversation_id].remove(question)
            if not _asked[conversation_id]:
                del _asked[conversation_id]


def with_left(conversation_id: str, turns: list[Turn]) -> list[Turn]:
    """Add what was asked last without an end, unless the conversation holds it."""
    with _lock:
        question = _left.get(conversation_id, "")
        is_under_way = conversation_id in _asked
    if not question or is_under_way or any(one.question == question for one in turns):
        return turns
    return [*turns, Turn(question, "stopped")]


def question_under_way(conversation_id: str) -> str:
    """Tell what is being answered in a conversation; empty if nothing is."""
    with _lock:
        return next(iter(_asked.get(conversation_id, ())), "")
