"""The page where documents are added, found, looked at and deleted."""

from __future__ import annotations

from math import ceil
from typing import BinaryIO, cast

import streamlit as st

from ui.client import Client
from ui.errors import UiError
from ui.format import (
    clip,
    error_text,
    file_name,
    plain_html,
    plain_markdown,
    size_text,
    when_text,
)
from ui.marks import chunks_html, windows
from ui.shapes import Collection, Document, Status
from ui.state import api_url, session, token
from ui.views.folders import show_folders, warn_of_held
from ui.views.jobs import show_earlier, show_jobs
from ui.views.upkeep import show_upkeep
from ui.widgets import nothing, pick_collection, show_error
from ui.words import Words

_ROWS = 20  # documents on one page
_WINDOW = 20_000  # characters of a preview shown at once
_SHOWN_WARNINGS = 3


def show() -> None:
    """Draw the page."""
    words = session().words
    st.title(words("documents_title"), anchor=False)
    try:
        with Client(api_url(), token()) as client:
            status, collections = client.status(), client.collections()
    except UiError as error:
        show_error(error, words, key="retry_status", retry=nothing)
        return
    _add(collections, words)
    # In a box of their own: what comes and goes here would make the tabs below start anew.
    with st.container():
        show_jobs(words)
        warn_of_held(words)
    listed, folders, upkeep = st.tabs(
        [
            f":material/description: {words('tab_documents')}",
            f":material/folder_eye: {words('tab_folders')}",
            f":material/database: {words('tab_upkeep')}",
        ]
    )
    with listed:
        _list(status, collections, words)
        show_earlier(words)
    with folders:
        show_folders(collections, words)
    with upkeep:
        show_upkeep(words)


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


def _list(status: Status, collections: list[Collection], words: Words) -> None:
    picker, search = st.columns(2, vertical_alignment="bottom")
    with picker:
        collection = pick_collection(collections, words, key="documents_collection")
    query = search.text_input(
        words("search_documents"),
        placeholder=words("search_placeholder"),
        icon=":material/search:",
        label_visibility="collapsed",
        key="documents_query",
    )
    page = int(st.session_state.get("documents_page_number", 1))
    try:
        with Client(api_url(), token()) as client:
            found, total = _fetch(client, collection, query or "", page)
            if total and not found:  # the list has become shorter than the page chosen
                page = st.session_state["documents_page_number"] = 1
                found, total = _fetch(client, collection, query or "", page)
    except UiError as error:
        show_error(error, words, key="retry_list", retry=nothing)
        return
    if not total:
        _empty(status, query or "", words)
        return
    _rows(found, words)
    _pages(total, page, words)


def _fetch(client: Client, collection: str, query: str, page: int) -> tuple[list[Document], int]:
    return client.documents(collection, query=query, limit=_ROWS, offset=(page - 1) * _ROWS)


def _empty(status: Status, query: str, words: Words) -> None:
    if query:
        st.info(words("no_match", query=plain_markdown(query, 80)))
    elif status.home:
        inbox = f"{status.home.rstrip('/')}/inbox".replace("`", "")
        st.info(words("no_documents", inbox=f"`{inbox}`"), icon=":material/folder_open:")
    else:
        st.info(words("no_documents_short"), icon=":material/folder_open:")


def _rows(found: list[Document], words: Words) -> None:
    for document in found:
        told, actions = st.columns([5, 2], vertical_alignment="center")
        with told:
            st.html(_row_html(document, words))
            _warnings(document, words)
        with actions.container(horizontal=True, gap="small", horizontal_alignment="right"):
            _actions(document, words)


def _warnings(document: Document, words: Words, limit: int = _SHOWN_WARNINGS) -> None:
    """Show what a reader of the document should know, e.g. that some of its text is hidden."""
    lines = [f":orange[:material/warning:] {plain_markdown(one, 300)}" for one in document.warnings]
    if len(lines) > limit:
        lines[limit:] = [words("more_warnings", n=len(lines) - limit)]
    if lines:
        st.caption("  \n".join(lines))


def _row_html(document: Document, words: Words) -> str:
    title = document.title or file_name(document.path)
    facts = [
        size_text(document.size_bytes),
        words("n_chunks", n=document.n_chunks),
        when_text(document.added_at),
        clip(document.path, 120) if document.path != title else "",
    ]
    return (
        f'<div class="q-text"><strong>{plain_html(title, 120)}</strong>'
        f'<div class="q-muted">{plain_html(" · ".join(fact for fact in facts if fact))}</div></div>'
    )


def _actions(document: Document, words: Words) -> None:
    if st.button(
        words("preview"),
        key=f"preview_{document.id}",
        icon=":material/visibility:",
        type="tertiary",
    ):
        _preview(document, words)
    if st.button(
        words("delete"),
        key=f"delete_{document.id}",
        icon=":material/delete:",
        type="tertiary",
    ):
        _delete(document, words)


def _pages(total: int, page: int, words: Words) -> None:
    n_pages = ceil(total / _ROWS)
    first = (page - 1) * _ROWS + 1
    st.caption(words("showing", first=first, last=min(total, page * _ROWS), total=total))
    if n_pages > 1:
        st.pagination(n_pages, key="documents_page_number")


def _preview(document: Document, words: Words) -> None:
    title = document.title or file_name(document.path)

    @st.dialog(plain_markdown(title, 80), width="medium")
    def dialog() -> None:
        try:
            with Client(api_url(), token()) as client:
                found = client.text(document.id)
        except UiError as error:
            st.error(error_text(error, words))
            return
        _warnings(document, words, limit=len(document.warnings))
        if not found.text.strip():
            st.info(words("preview_empty"))
            return
        parts = windows(len(found.text), _WINDOW)
        at = st.pagination(len(parts), key=f"part_{document.id}") if len(parts) > 1 else 1
        st.caption(words("preview_legend", n=len(found.chunks)))
        st.html(chunks_html(found.text, found.chunks, parts[at - 1], words))

    dialog()


def _delete(document: Document, words: Words) -> None:
    title = document.title or file_name(document.path)

    @st.dialog(words("delete_title"))
    def dialog() -> None:
        st.html(f"<strong>{plain_html(title, 200)}</strong>")
        st.write(words("delete_explained"))
        with st.container(horizontal=True, horizontal_alignment="right"):
            if st.button(words("cancel"), key="delete_no"):
                st.rerun()
            sure = st.button(words("delete"), key="delete_yes", type="primary")
        if not sure:
            return
        try:
            with Client(api_url(), token()) as client:
                client.delete(document.id)
        except UiError as error:
            st.error(error_text(error, words))
            return
        st.toast(words("deleted", title=plain_markdown(title, 80)))
        st.rerun()

    dialog()
