"""The folders that are kept indexed: how each stands, one more, no more."""

from __future__ import annotations

import streamlit as st

from ui.client import Client
from ui.errors import UiError
from ui.format import error_text, plain_html, plain_markdown, when_text
from ui.login import may
from ui.shapes import Collection, Watched
from ui.state import api_url, session, token
from ui.words import Words

_POLL_S = 3.0
_ASKED = "folder_asked"  # which dialog opens at the next run: what, folder, collection
_ADDED = "folder_added"  # the field is emptied at the next run
_ICONS = {
    "starting": ":material/hourglass_top:",
    "watching": ":material/visibility:",
    "needs confirmation": ":material/help:",
    "missing": ":material/folder_off:",
    "unreadable": ":material/lock:",
    "stopped": ":material/pause_circle:",
}
_COLORS = {"watching": "green", "starting": "blue", "stopped": "gray"}


def warn_of_held(words: Words) -> None:
    """Say that deletions wait for a word, whatever else is looked at."""
    try:
        with Client(api_url(), token()) as client:
            asking = [one for one in client.watched() if one.is_asking]
    except UiError:
        return  # said where the folders are listed
    for one in asking:
        name = plain_markdown(one.folder, 120)
        st.warning(words("folder_asks", folder=name, n=f"{one.n_held:,}"), icon=":material/help:")


def show_folders(collections: list[Collection], words: Words) -> None:
    """Draw the folders, and the field that adds one."""
    st.fragment(run_every=_POLL_S)(_list)(words)
    if may("admin"):  # whoever names a folder could have everything in it read out
        _add(collections, words)
    _open_asked(words)


def _list(words: Words) -> None:
    try:
        with Client(api_url(), token()) as client:
            watched = client.watched()
    except UiError as error:
        st.error(error_text(error, words))
        return
    if not watched:
        told = words("no_folders" if may("admin") else "no_folders_bare")
        st.info(told, icon=":material/folder_eye:")
    for at, one in enumerate(watched):
        with st.container(border=True, gap="xsmall", key=f"folder_{at}"):
            _row(one, at, words)


def _row(one: Watched, at: int, words: Words) -> None:
    with st.container(
        horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"
    ):
        st.html(
            f'<div class="q-text"><strong>{plain_html(one.folder, 200)}</strong>'
            f'<div class="q-muted">{plain_html(_facts(one, words))}</div></div>'
        )
        with st.container(horizontal=True, vertical_alignment="center", width="content"):
            _badge(one, words)
            if may("ingest"):
                _asking_button("unwatch", one, at, words)
    if one.is_polling and one.state in ("watching", "starting"):
        st.caption(words("polling_explained"))
    if one.is_asking:
        st.warning(words("held_explained", n=f"{one.n_held:,}"), icon=":material/help:")
    elif one.state in ("missing", "unreadable", "stopped"):
        st.warning(words(f"folder_{one.state}_explained"), icon=_ICONS[one.state])
    if one.reason and not one.is_asking:
        st.caption(plain_markdown(one.reason, 400))
    if one.is_asking and may("ingest"):
        _asking_button("confirm", one, at, words)


def _facts(one: Watched, words: Words) -> str:
    parts = [words("into_collection", collection=one.collection)]
    if one.synced_at:
        parts.append(words("synced", when=when_text(one.synced_at)))
    return " · ".join(parts)


def _badge(one: Watched, words: Words) -> None:
    state = "needs confirmation" if one.is_asking else one.state
    key = "folder_polling" if state == "watching" and one.is_polling else f"folder_{state}"
    label = words(key.replace(" ", "_")) if state in _ICONS else plain_markdown(state)
    icon = _ICONS.get(state, ":material/info:")
    color = _COLORS.get(state, "orange")
    st.markdown(f":{color}-badge[{icon} {label}]", width="content")


def _asking_button(what: str, one: Watched, at: int, words: Words) -> None:
    is_pressed = st.button(
        words(what),
        key=f"{what}_{at}",
        icon=":material/check:" if what == "confirm" else ":material/visibility_off:",
        type="secondary" if what == "confirm" else "tertiary",
    )
    if is_pressed:
        # The dialog belongs to the page: in here it would close at the next drawing.
        st.session_state[_ASKED] = (what, one)
        st.rerun(scope="app")


def _open_asked(words: Words) -> None:
    if _ASKED not in st.session_state:
        return
    what, one = st.session_state.pop(_ASKED)
    (_ask_confirm if what == "confirm" else _ask_unwatch)(one, words)


def _ask_confirm(one: Watched, words: Words) -> None:
    @st.dialog(words("confirm_title"))
    def dialog() -> None:
        st.html(f"<strong>{plain_html(one.folder, 300)}</strong>")
        st.write(words("confirm_explained", n=f"{one.n_held:,}"))
        if not _sure(words("confirm_yes"), words):
            return
        try:
            with Client(api_url(), token()) as client:
                client.confirm(one.folder, one.collection)
        except UiError as error:
            st.error(error_text(error, words))
            return
        st.toast(words("confirmed"))
        st.rerun()

    dialog()


def _ask_unwatch(one: Watched, words: Words) -> None:
    @st.dialog(words("unwatch_title"))
    def dialog() -> None:
        st.html(f"<strong>{plain_html(one.folder, 300)}</strong>")
        st.write(words("unwatch_explained"))
        is_forgotten = st.checkbox(words("unwatch_forget"), key="unwatch_forget")
        if not _sure(words("unwatch"), words):
            return
        try:
            with Client(api_url(), token()) as client:
                client.unwatch(one.folder, one.collection, is_forgotten=is_forgotten)
        except UiError as error:
            st.error(error_text(error, words))
            return
        st.toast(words("unwatched"))
        st.rerun()

    dialog()


def _sure(yes: str, words: Words) -> bool:
    with st.container(horizontal=True, horizontal_alignment="right"):
        if st.button(words("cancel"), key="sure_no"):
            st.rerun()
        return st.button(yes, key="sure_yes", type="primary")


def _add(collections: list[Collection], words: Words) -> None:
    state = session()
    if not state.is_here:
        # The server takes folders from its own machine only, and would take this page for that.
        st.caption(words("folders_local_only"))
        return
    if st.session_state.pop(_ADDED, False):
        st.session_state["folder"] = ""
    names = [one.name for one in collections] or [state.collection]
    with st.form("add_folder"):
        folder = st.text_input(
            words("folder_label"), placeholder=words("folder_placeholder"), key="folder"
        )
        into = st.selectbox(
            words("add_into"),
            names,
            index=names.index(state.collection) if state.collection in names else 0,
            accept_new_options=True,
            key="folder_into",
        )
        is_sent = st.form_submit_button(
            words("watch"), type="primary", icon=":material/create_new_folder:"
        )
    if is_sent:
        _watch((folder or "").strip(), into or names[0], words)


def _watch(folder: str, collection: str, words: Words) -> None:
    if not folder:
        st.warning(words("folder_needed"))
        return
    try:
        with Client(api_url(), token()) as client:
            client.watch(folder, collection)
    except UiError as error:
        st.error(error_text(error, words))
        return
    st.session_state[_ADDED] = True
    st.toast(words("watched"))
    st.rerun()
