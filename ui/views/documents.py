"""The page where documents are added, found, looked at and deleted."""

from __future__ import annotations

from typing import BinaryIO, cast

import streamlit as st

from ui.client import Client
from ui.documents_marks import LIST_STYLE
from ui.errors import UiError
from ui.format import error_text
from ui.login import may, show_rights
from ui.shapes import Collection
from ui.state import api_url, session, token
from ui.views.documents_collections import show_collections
from ui.views.documents_figures import show_figures
from ui.views.documents_list import show_list
from ui.views.folders import show_folders, warn_of_held
from ui.views.jobs import show_earlier, show_jobs
from ui.views.upkeep import show_upkeep
from ui.widgets import nothing, show_error
from ui.words import Words

# Name, icon, and the scopes of which one opens it.
_TABS = (
    ("documents", "description", ("read",)),
    ("folders", "folder_eye", ("read", "ingest")),
    ("upkeep", "database", ("read",)),
    ("collections", "stacks", ("read", "ask", "ingest")),
    ("figures", "bar_chart", ("read",)),
)


def show() -> None:
    """Draw the page."""
    words = session().words
    st.html(LIST_STYLE)
    st.title(words("documents_title"), anchor=False)
    try:
        with Client(api_url(), token()) as client:
            status, collections = client.status(), client.collections()
    except UiError as error:
        show_error(error, words, key="retry_status", retry=nothing)
        return
    show_rights(words)
    # Boxes of their own: what comes and goes in one would make the tabs below start anew.
    with st.container():
        if may("ingest"):
            _add(collections, words)
    with st.container():
        if may("read") or may("ingest"):
            show_jobs(words)
            warn_of_held(words)
    shown = [one for one in _TABS if any(may(scope) for scope in one[2])]
    labels = [f":material/{icon}: {words(f'tab_{name}')}" for name, icon, _ in shown]
    tabs = st.tabs(labels, key="documents_tab", on_change="rerun")
    for (name, _, _), tab in zip(shown, tabs, strict=True):
        with tab:
            if name == "documents":
                with st.container():
                    show_list(status, collections, words)
                show_earlier(words)
            elif name == "folders":
                show_folders(collections, words)
            elif name == "upkeep":
                show_upkeep(words)
            elif name == "collections":
                show_collections(collections, words)
            elif tab.open:  # counting a large library takes a moment
                show_figures([one.name for one in collections], words)


def _add(collections: list[Collection], words: Words) -> None:
    state = session()
    # Streamlit knows the button's word in English only.
    st.html(
        "<style>.st-key-add_files [data-testid='stFileUploaderDropzone'] button p::after "
        f"{{ content: '{words('choose_files')}'; }}</style>"
    )
    with st.container(border=True, key="add_files"):
        files = st.file_uploader(
            words("add_label", mb=st.get_option("server.maxUploadSize")),
            accept_multiple_files=True,
            key=f"files_{state.n_uploads}",
        )
        if not files:
            return
        names = [one.name for one in collections] or [state.collection]
        into = st.selectbox(
            words("add_into"),
            names,
            index=names.index(state.collection) if state.collection in names else 0,
            accept_new_options=True,
            key="add_into",
        )
        label = words("add_button", n=len(files))
        if st.button(label, type="primary", icon=":material/upload:", key="add"):
            _send(into or names[0], [(one.name, cast("BinaryIO", one)) for one in files], words)


def _send(collection: str, files: list[tuple[str, BinaryIO]], words: Words) -> None:
    state = session()
    try:
        with st.spinner(words("sending")), Client(api_url(), token()) as client:
            job_id = client.upload(collection, files)
    except UiError as error:
        st.error(error_text(error, words))
        return
    state.job_ids.append(job_id)
    state.collection = collection
    state.n_uploads += 1
    st.rerun()
