"""Widgets that several pages share: error boxes, the collection picker, notices."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

import streamlit as st

from ui.client import Client
from ui.errors import RefusedError, ServerGoneError, UiError
from ui.format import clip, commands_markdown, error_text, plain_markdown
from ui.login import forget, show_form
from ui.shapes import Collection
from ui.state import Session, api_url, session, token
from ui.told import Notice, notice_text
from ui.words import Words

_PING_S = 3.0  # between two looks whether a server that is gone is back


def show_error(error: UiError, words: Words, *, key: str, retry: Callable[[], None]) -> None:
    """Say what went wrong and what to do, with a button that tries again.

    Where nobody answers, the page goes on by itself once somebody does; where a login has
    ended, the form asks for it.
    """
    if isinstance(error, RefusedError) and error.status == 401:
        forget()
        show_form(words, key=f"{key}_login", is_expired=True)
        return
    is_gone = isinstance(error, ServerGoneError)
    icon = ":material/cloud_off:" if is_gone else ":material/error:"
    st.error(error_text(error, words), icon=icon)
    st.button(words("retry"), key=key, icon=":material/refresh:", on_click=retry)
    if is_gone:
        _go_on(retry)


@st.fragment(run_every=_PING_S)
def _go_on(retry: Callable[[], None]) -> None:
    """Look every few seconds whether the server is back; then try again, unasked."""
    with Client(api_url(), token()) as client:
        if client.is_there():
            retry()
            st.rerun(scope="app")


def nothing() -> None:
    """Do nothing: the rerun that a button causes is the retry."""


def collection_label(collection: Collection, words: Words) -> str:
    """Name a collection with its size."""
    counts = words(
        "collection_counts", documents=collection.n_documents, chunks=collection.n_chunks
    )
    return f"{clip(collection.name, 60)} ({counts})"


def choose_collection(state: Session, collections: Sequence[Collection]) -> str:
    """Settle which collection is meant; the choice holds on all pages."""
    names = [collection.name for collection in collections]
    if names and state.collection not in names:
        state.collection = names[0]
    return state.collection


def pick_collection(collections: Sequence[Collection], words: Words, *, key: str) -> str:
    """Let the user choose the collection."""
    state = session()
    current = choose_collection(state, collections)
    by_name = {one.name: one for one in collections} or {current: Collection(current)}
    # The widget forgets while another page is shown; what is chosen is kept in the session.
    st.session_state[key] = current

    def change() -> None:
        state.collection = st.session_state[key]

    st.selectbox(
        words("collection"),
        list(by_name),
        key=key,
        format_func=lambda name: collection_label(by_name[name], words),
        on_change=change,
        label_visibility="collapsed",
    )
    return current


def show_notices(notices: Sequence[Notice], words: Words) -> None:
    """Show what the server wants its users to know: one line that opens."""
    if not notices:
        return
    texts = [notice_text(one, words) for one in notices]
    first = clip(re.split(r": |：", texts[0], maxsplit=1)[0], 90)
    with st.expander(plain_markdown(first, 100), icon=":material/info:"):
        for text in texts:
            st.caption(commands_markdown(text))
