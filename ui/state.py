"""What one browser session remembers: language, conversation, uploads on their way."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import streamlit as st

from ui.errors import UiError
from ui.marks import without_marks
from ui.shapes import Job, Passage, Reply
from ui.words import LANGUAGES, Language, Words, language_for

COOKIE = "quire_session"  # that the login sets; app/access/login.py knows it by the same name
N_HISTORY = 6  # earlier exchanges that go along with a question
MAX_HISTORY = 4_000  # characters of each message of them
MAX_TURNS = 100  # kept and shown
LANGUAGE_COOKIE, THEME_COOKIE = "quire_language", "quire_theme"  # as assets/quire.js sets them
Theme = Literal["system", "light", "dark"]
THEMES: tuple[Theme, ...] = ("system", "light", "dark")
Outcome = Literal["waiting", "done", "stopped", "failed"]


@dataclass(slots=True, eq=False)
class Turn:
    """One question with what became of it; changes while the answer streams."""

    question: str
    collection: str
    outcome: Outcome = "waiting"
    text: str = ""  # of the answer, as far as it has come
    passages: tuple[Passage, ...] = ()
    reply: Reply | None = None
    error: UiError | None = None


@dataclass(slots=True)
class Session:
    """Everything that is remembered between two runs of the script."""

    language: Language
    theme: Theme = "system"
    is_chosen: bool = False  # the language was chosen here, not by the browser
    is_here: bool = False  # the browser runs on the server's own machine
    turns: list[Turn] = field(default_factory=list)
    collection: str = "default"
    job_ids: list[str] = field(default_factory=list)  # uploads that are still followed
    finished: list[Job] = field(default_factory=list)  # uploads whose outcome is shown
    active: tuple[str, ...] = ()  # jobs that ran when the page was drawn last
    n_uploads: int = 0  # names the file field, so that it is empty after each upload

    def ask(self, question: str) -> None:
        """Add a question to the conversation; the oldest of very many is let go."""
        self.turns.append(Turn(question, self.collection))
        del self.turns[:-MAX_TURNS]

    @property
    def words(self) -> Words:
        """The sentences in the session's language."""
        return Words(self.language)


def session() -> Session:
    """Return this browser session's state; the browser's language to begin with."""
    if "quire" not in st.session_state:
        # Streamlit names no address for a browser that comes over the loopback.
        is_here = st.context.ip_address is None
        cookies = st.context.cookies
        language = kept_language(cookies.get(LANGUAGE_COOKIE, ""), st.context.locale)
        theme = kept_theme(cookies.get(THEME_COOKIE, ""))
        st.session_state["quire"] = Session(language, theme, is_here=is_here)
    found: Session = st.session_state["quire"]
    return found


def kept_language(cookie: str, locale: str | None) -> Language:
    """Settle the language to begin with: what was chosen before, else the browser's."""
    return next((one for one in LANGUAGES if one == cookie), language_for(locale))


def kept_theme(cookie: str) -> Theme:
    """Settle the look to begin with: what was chosen before, else the system's."""
    return next((one for one in THEMES if one == cookie), "system")


def api_url() -> str:
    """Return the address of the server, as `ui_app` was told."""
    return str(st.secrets["quire"]["api_url"])


def token() -> str:
    """Return what shows who asks: what was typed here, or the login's cookie; may be empty."""
    typed = st.session_state.get("token", "")
    return str(typed or st.context.cookies.get(COOKIE, ""))


def history(turns: Sequence[Turn]) -> list[dict[str, str]]:
    """Return the finished exchanges that go along with the next question, oldest first."""
    told = [turn for turn in turns if turn.outcome == "done" and turn.reply is not None]
    messages = []
    for turn in told[-N_HISTORY:]:
        answer = without_marks(turn.reply.answer if turn.reply else "")
        messages.append({"role": "user", "content": turn.question[:MAX_HISTORY]})
        messages.append({"role": "assistant", "content": answer[:MAX_HISTORY]})
    return messages
