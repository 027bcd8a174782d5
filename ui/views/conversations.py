"""The conversations in the sidebar: found, opened, renamed, exported, deleted."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import streamlit as st

from ui.ask_client import AskClient
from ui.ask_shapes import Said, by_day
from ui.ask_state import PAGE, Chat, chat
from ui.errors import RefusedError, UiError
from ui.format import clip, error_text, plain_markdown
from ui.state import api_url, session, token
from ui.words import TABLE, Words

_MAX_TITLE = 200  # characters, as the server has it
_NOT_FOUND = 404
_ACTIONS = ("chat_rename", "chat_export", "chat_delete")


def show_conversations(words: Words) -> None:
    """Draw the list, in the sidebar."""
    state = chat()
    with st.sidebar, st.container(key="conversations", gap="xxsmall"):
        _title(words)
        query = st.text_input(
            words("search_conversations"),
            placeholder=words("search_conversations"),
            key="conversation_query",
            label_visibility="collapsed",
            max_chars=1_000,
        )
        try:
            with AskClient(api_url(), token()) as client:
                found, has_more = client.listed(query.strip(), min(state.n_listed, 1_000))
        except UiError as error:
            st.caption(error_text(error, words))
            return
        # One that was begun, but never answered, is nobody's to open.
        found = [one for one in found if one.n_messages or one.id == state.id]
        if not found:
            st.caption(words("no_conversation_found" if query.strip() else "no_conversations"))
        today = datetime.now(_zone()).date()
        for day, said in by_day(found, today, _zone()):
            st.caption(words(f"day_{day}") if f"day_{day}" in TABLE else day)
            for one in said:
                _row(one, state, words)
        _open_dialog(state, words)
        if has_more:
            st.button(
                words("more_conversations"),
                key="more_conversations",
                type="tertiary",
                icon=":material/expand_more:",
                on_click=_more,
            )


def _title(words: Words) -> None:
    st.button(
        words("new_chat"),
        key="new_chat",
        icon=":material/edit_square:",
        width="stretch",
        on_click=chat().clear,
    )


def _more() -> None:
    chat().n_listed += PAGE


def _row(one: Said, state: Chat, words: Words) -> None:
    title = _shown(one, words)
    is_open = one.id == state.id
    with st.container(horizontal=True, gap="xxsmall", vertical_alignment="center"):
        st.button(
            plain_markdown(title, 60),
            key=f"open_{one.id}",
            type="primary" if is_open else "tertiary",
            width="stretch",
            on_click=_open,
            args=(one.id,),
            help=plain_markdown(title, _MAX_TITLE) if len(title) > 28 else None,
            wrap=False,
        )
        chosen = st.menu_button(
            "\u22ee",
            _ACTIONS,
            key=f"menu_{one.id}",
            type="tertiary",
            format_func=words,
            help=words("chat_menu"),
        )
    if chosen:
        state.dialog = chosen, one


def _open_dialog(state: Chat, words: Words) -> None:
    """Draw the dialog that is open; it stays so until it is done with or dismissed."""
    if state.dialog is None:
        return
    chosen, one = state.dialog
    {"chat_rename": _rename, "chat_export": _export, "chat_delete": _delete}[chosen](one, words)


def _close() -> None:
    chat().dialog = None


def _open(conversation_id: str) -> None:
    try:
        open_conversation(conversation_id)
    except UiError as error:
        chat().failed = error


def open_conversation(conversation_id: str) -> None:
    """Show a conversation as the server has it; tell if it is gone.

    Raises:
        UiError: the server does not answer, or refuses.
    """
    state = chat()
    try:
        with AskClient(api_url(), token()) as client:
            record = client.record(conversation_id)
            state.take(record)
            state.opinions = client.opinions(conversation_id)
    except RefusedError as error:
        if error.status != _NOT_FOUND:
            raise
        if state.id == conversation_id:
            state.clear()
        state.notice = "chat_gone"
        return
    if record.said.collection:
        session().collection = record.said.collection


def _rename(one: Said, words: Words) -> None:
    @st.dialog(words("chat_rename"), on_dismiss=_close)
    def dialog() -> None:
        with st.form("rename", border=False):
            title = st.text_input(
                words("chat_title"), value=one.title, max_chars=_MAX_TITLE, key=f"title_{one.id}"
            )
            is_saved = st.form_submit_button(words("chat_save"), type="primary")
        if not is_saved:
            return
        if not title.strip():
            st.error(words("chat_title_needed"))
            return
        try:
            with AskClient(api_url(), token()) as client:
                client.rename_conversation(one.id, title.strip())
        except UiError as error:
            _tell(error, words)
            return
        if chat().id == one.id:
            chat().title = title.strip()
        _close()
        st.rerun()

    dialog()


def _export(one: Said, words: Words) -> None:
    @st.dialog(words("chat_export_title"), on_dismiss=_close)
    def dialog() -> None:
        st.caption(words("chat_export_explained"))
        try:
            with AskClient(api_url(), token()) as client:
                markdown = client.export_conversation(one.id)
                data = client.export_conversation(one.id, is_json=True)
        except UiError as error:
            _tell(error, words)
            return
        name = clip(one.title or one.id, 60).replace("/", " ")
        with st.container(horizontal=True):
            st.download_button(
                "Markdown", markdown, f"{name}.md", "text/markdown", on_click="ignore"
            )
            st.download_button("JSON", data, f"{name}.json", "application/json", on_click="ignore")

    dialog()


def _delete(one: Said, words: Words) -> None:
    @st.dialog(words("chat_delete_title"), on_dismiss=_close)
    def dialog() -> None:
        title = plain_markdown(_shown(one, words), 100)
        st.markdown(words("chat_delete_explained", title=title))
        with st.container(horizontal=True):
            is_sure = st.button(words("chat_delete"), type="primary", key="delete_conversation")
            if st.button(words("cancel"), key="keep_conversation"):
                _close()
                st.rerun()
        if not is_sure:
            return
        try:
            with AskClient(api_url(), token()) as client:
                client.delete_conversation(one.id)
        except RefusedError as error:
            if error.status != _NOT_FOUND:  # deleted in another tab: as it was meant to be
                _tell(error, words)
                return
        except UiError as error:
            _tell(error, words)
            return
        if chat().id == one.id:
            chat().clear()
        chat().notice = "chat_deleted"
        _close()
        st.rerun()

    dialog()


def _tell(error: UiError, words: Words) -> None:
    gone = isinstance(error, RefusedError) and error.status == _NOT_FOUND
    st.error(words("chat_gone") if gone else error_text(error, words))


def _shown(one: Said, words: Words) -> str:
    return " ".join(one.title.split()) or words("untitled")


def _zone() -> ZoneInfo | None:
    """Return the browser's own zone; None stands for the server's."""
    try:
        return ZoneInfo(st.context.timezone) if st.context.timezone else None
    except (ZoneInfoNotFoundError, ValueError):
        return None
