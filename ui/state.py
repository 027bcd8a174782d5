"""What one browser session remembers: language, look, collection, uploads on their way."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import streamlit as st

from ui.shapes import Job
from ui.words import LANGUAGES, Language, Words, language_for

COOKIE = "quire_session"  # that the login sets; app/access/login.py knows it by the same name
LANGUAGE_COOKIE, THEME_COOKIE = "quire_language", "quire_theme"  # as assets/quire.js sets them
Theme = Literal["system", "light", "dark"]
THEMES: tuple[Theme, ...] = ("system", "light", "dark")


@dataclass(slots=True)
class Session:
    """Everything that is remembered between two runs of the script."""

    language: Language
    theme: Theme = "system"
    is_chosen: bool = False  # the language was chosen here, not by the browser
    is_here: bool = False  # the browser runs on the server's own machine
    collection: str = "default"
    job_ids: list[str] = field(default_factory=list)  # uploads that are still followed
    finished: list[Job] = field(default_factory=list)  # uploads whose outcome is shown
    active: tuple[str, ...] = ()  # jobs that ran when the page was drawn last
    n_uploads: int = 0  # names the file field, so that it is empty after each upload

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
