"""The search index: whether it is in order, a new embedding model on its way, what can be done."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from ui.client import Client
from ui.errors import UiError
from ui.format import duration_text, error_text, plain_markdown
from ui.login import may
from ui.shapes import Index, Migration
from ui.state import api_url, token
from ui.words import Words

_POLL_S = 3.0
_ASKED = "upkeep_asked"  # the migration whose dialog opens at the next run


def show_upkeep(words: Words) -> None:
    """Draw the index and the migrations."""
    st.fragment(run_every=_POLL_S)(_states)(words)
    asked = st.session_state.pop(_ASKED, None)
    if asked is not None:
        _ask_revert(asked, words)


def _states(words: Words) -> None:
    try:
        with Client(api_url(), token()) as client:
            index = client.index() if may("read", is_whole=True) else None
            migrations = client.migrations()
    except UiError as error:
        st.error(error_text(error, words))
        return
    if may("read", is_whole=True):
        st.markdown(f"**{words('index_title')}**")
        if index is None:
            st.caption(words("index_unknown"))
        else:
            _index(index, words)
    st.markdown(f"**{words('migrations_title')}**")
    for at, one in enumerate(migrations):
        with st.container(border=True, gap="xsmall", key=f"migration_{at}"):
            _migration(one, at, words)
    if not migrations:
        st.caption(words("no_migrations"))


def _index(index: Index, words: Words) -> None:
    with st.container(border=True, gap="xsmall", key="index"):
        if index.failed:
            reason = plain_markdown(index.failed.removesuffix("?"), 400)
            st.warning(f"{words('index_failed')} {reason}".strip(), icon=":material/warning:")
        elif index.is_done:
            st.markdown(f":green[:material/check_circle:] {words('index_done')}")
        else:
            st.markdown(f":orange[:material/cleaning_services:] {words('index_tidying')}")
        if index.n_index or index.n_texts:
            n_texts, n_index = f"{index.n_texts:,}", f"{index.n_index:,}"
            st.caption(words("index_counts", texts=n_texts, index=n_index))
        if not may("admin", is_whole=True):
            return
        with st.container(horizontal=True, horizontal_alignment="right"):
            if st.button(
                words("compact"),
                key="compact",
                icon=":material/cleaning_services:",
                type="tertiary",
                help=words("compact_explained"),
            ):
                _do(Client.compact, words("compact_begun"), words)
            if st.button(
                words("rebuild"),
                key="rebuild",
                icon=":material/build:",
                type="tertiary",
                help=words("rebuild_explained"),
            ):
                _do(Client.rebuild, words("rebuild_begun"), words)


def _do(what: Callable[[Client], None], said: str, words: Words) -> None:
    try:
        with Client(api_url(), token()) as client:
            what(client)
    except UiError as error:
        st.error(error_text(error, words))
        return
    st.toast(said)


def _migration(one: Migration, at: int, words: Words) -> None:
    st.markdown(
        f"{plain_markdown(one.collection, 60)}: {plain_markdown(one.from_model, 60)} → "
        f"**{plain_markdown(one.to_model, 60)}**"
    )
    if one.is_under_way:
        share = min(max(one.n_done / one.n_documents, 0.0), 1.0) if one.n_documents else 0.0
        st.progress(share, text=_progress_text(one, words))
        st.caption(words("migration_answers"))
    elif one.state == "done":
        st.markdown(f":green[:material/check_circle:] {words('migration_done')}")
    else:
        st.warning(words("migration_failed"), icon=":material/warning:")
    if one.message:
        st.caption(plain_markdown(one.message, 400))
    if one.can_revert and may("admin"):
        with st.container(horizontal=True, horizontal_alignment="right"):
            is_pressed = st.button(
                words("revert"), key=f"revert_{at}", icon=":material/undo:", type="tertiary"
            )
        if is_pressed:
            st.session_state[_ASKED] = one
            st.rerun(scope="app")


def _progress_text(one: Migration, words: Words) -> str:
    if one.state == "waiting":
        return words("migration_waiting", done=f"{one.n_done:,}", n=f"{one.n_documents:,}")
    parts = [words("migration_running", done=f"{one.n_done:,}", n=f"{one.n_documents:,}")]
    if one.eta_s is not None:
        parts.append(words("left", time=duration_text(one.eta_s, words)))
    return " · ".join(parts)


def _ask_revert(one: Migration, words: Words) -> None:
    @st.dialog(words("revert_title"))
    def dialog() -> None:
        st.write(
            words(
                "revert_explained",
                collection=plain_markdown(one.collection, 60),
                model=plain_markdown(one.from_model, 60),
            )
        )
        with st.container(horizontal=True, horizontal_alignment="right"):
            if st.button(words("cancel"), key="revert_no"):
                st.rerun()
            is_sure = st.button(words("revert"), key="revert_yes", type="primary")
        if not is_sure:
            return
        try:
            with Client(api_url(), token()) as client:
                client.revert(one.collection)
        except UiError as error:
            st.error(error_text(error, words))
            return
        st.toast(words("reverted"))
        st.rerun()

    dialog()
