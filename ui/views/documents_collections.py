"""The collections: how large each is, one more, one less, one indexed anew."""

from __future__ import annotations

import streamlit as st

from ui.documents_client import DocumentsClient
from ui.errors import UiError
from ui.format import error_text, plain_html, plain_markdown
from ui.login import may
from ui.shapes import Collection
from ui.state import api_url, session, token
from ui.words import Words

_ADDED = "collection_added"  # the field is emptied at the next run
_MAX_NAME = 100


def show_collections(collections: list[Collection], words: Words) -> None:
    """Draw the collections, and the field that adds one."""
    for at, one in enumerate(collections):
        with st.container(border=True, gap="xsmall", key=f"collection_{at}"):
            _row(one, at, words)
    if may("ingest"):
        _add(words)


def _row(one: Collection, at: int, words: Words) -> None:
    counts = words(
        "collection_counts", documents=f"{one.n_documents:,}", chunks=f"{one.n_chunks:,}"
    )
    facts = " · ".join(plain_html(part, 120) for part in (counts, one.model) if part)
    with st.container(
        horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"
    ):
        st.html(
            f'<div class="q-row"><strong><bdi>{plain_html(one.name, 120)}</bdi></strong>'
            f'<div class="q-muted">{facts}</div></div>'
        )
        if not may("admin"):
            return
        with st.container(horizontal=True, width="content"):
            if st.button(
                words("reindex"),
                key=f"reindex_{at}",
                icon=":material/refresh:",
                type="tertiary",
                disabled=not one.n_documents,
                help=words("reindex_explained"),
            ):
                _ask_reindex(one, words)
            if st.button(
                words("delete"), key=f"drop_{at}", icon=":material/delete:", type="tertiary"
            ):
                _ask_drop(one, words)


def _add(words: Words) -> None:
    if st.session_state.pop(_ADDED, False):
        st.session_state["collection_name"] = ""
    with st.form("add_collection", border=True):
        name = st.text_input(
            words("collection_label"),
            key="collection_name",
            max_chars=_MAX_NAME,
            placeholder=words("collection_placeholder"),
        )
        is_sent = st.form_submit_button(words("collection_add"), icon=":material/add:")
    if not is_sent:
        return
    name = (name or "").strip()
    if not name:
        st.warning(words("collection_needed"))
        return
    try:
        with DocumentsClient(api_url(), token()) as client:
            client.create_collection(name)
    except UiError as error:
        st.error(error_text(error, words))
        return
    st.session_state[_ADDED] = True
    session().collection = name
    st.toast(words("collection_made", name=plain_markdown(name, 60)))
    st.rerun()


def _ask_reindex(one: Collection, words: Words) -> None:
    @st.dialog(words("reindex_title"))
    def dialog() -> None:
        st.html(f"<strong><bdi>{plain_html(one.name, 200)}</bdi></strong>")
        st.write(words("reindex_means", n=f"{one.n_documents:,}"))
        with st.container(horizontal=True, horizontal_alignment="right"):
            if st.button(words("cancel"), key="reindex_no"):
                st.rerun()
            is_sure = st.button(words("reindex"), key="reindex_yes", type="primary")
        if not is_sure:
            return
        try:
            with DocumentsClient(api_url(), token()) as client:
                job_id = client.reindex(one.name)
        except UiError as error:
            st.error(error_text(error, words))
            return
        if job_id:
            session().job_ids.append(job_id)
        st.toast(words("reindex_begun"))
        st.rerun()

    dialog()


def _ask_drop(one: Collection, words: Words) -> None:
    @st.dialog(words("drop_title"))
    def dialog() -> None:
        st.html(f"<strong><bdi>{plain_html(one.name, 200)}</bdi></strong>")
        documents, chunks = f"{one.n_documents:,}", f"{one.n_chunks:,}"
        st.write(words("drop_means", documents=documents, chunks=chunks))
        with st.form("drop", border=False):
            typed = one.name
            if one.n_documents:
                typed = st.text_input(
                    words("drop_type"), key="drop_typed", placeholder=one.name[:_MAX_NAME]
                )
            with st.container(horizontal=True, horizontal_alignment="right"):
                if st.form_submit_button(words("cancel"), key="drop_no"):
                    st.rerun()
                is_sure = st.form_submit_button(words("delete"), key="drop_yes", type="primary")
        if not is_sure:
            return
        if typed.strip() != one.name:
            st.warning(words("drop_typed_wrong"))
            return
        try:
            with DocumentsClient(api_url(), token()) as client:
                client.delete_collection(one.name)
        except UiError as error:
            st.error(error_text(error, words))
            return
        st.toast(words("dropped", name=plain_markdown(one.name, 60)))
        st.rerun()

    dialog()
