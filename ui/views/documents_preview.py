"""A document looked at: its text with the chunks shaded, its pages, one chunk's place."""

from __future__ import annotations

import streamlit as st

from ui.documents_client import DocumentsClient
from ui.documents_marks import chunk_facts, facts_html, kind_text, window_html
from ui.documents_shapes import Window, has_pages
from ui.errors import UiError
from ui.format import error_text, file_name, plain_markdown, size_text, when_text
from ui.marks import windows
from ui.preview import page_view
from ui.shapes import Document
from ui.state import api_url, token
from ui.words import Words

WINDOW = 20_000  # characters that are fetched and shown at once


def open_preview(document: Document, model: str, words: Words) -> None:
    """Open a dialog with a document.

    Args:
        model: the embedding model of its collection.
    """
    title = document.title or file_name(document.path)

    @st.dialog(plain_markdown(title, 80), width="medium")
    def dialog() -> None:
        try:
            with DocumentsClient(api_url(), token()) as client:
                _show(client, document, model, words)
        except UiError as error:
            st.error(error_text(error, words))

    dialog()


def _show(client: DocumentsClient, document: Document, model: str, words: Words) -> None:
    for one in document.warnings:
        st.caption(f":orange[:material/warning:] {plain_markdown(one, 400)}")
    with st.expander(words("about_document"), icon=":material/info:"):
        st.html(facts_html(_facts(document, words)))
    if not document.n_characters:
        st.info(words("preview_empty"))
        return
    parts = windows(document.n_characters, WINDOW)
    at = 1
    if len(parts) > 1:
        st.caption(words("preview_part", n=len(parts)))
        at = st.pagination(len(parts), key=f"part_{document.id}")
    window = client.window(document.id, *parts[at - 1])
    if not window.text.strip():
        st.info(words("preview_empty"))
        return
    picked = _pick(window, document, words)
    if picked is not None:
        st.html(facts_html(chunk_facts(window, picked, model, words)))
    if picked is not None and has_pages(document) and _is_page_wanted(document, words):
        chunk = window.chunks[picked - window.first_chunk]
        spans = [(chunk.start, chunk.end)]
        page_view(client, document.id, chunk.page or 1, spans, words, key=f"look_{document.id}")
        return
    st.caption(words("preview_legend", n=f"{window.n_chunks:,}"))
    st.html(window_html(window, words, picked=picked))


def _pick(window: Window, document: Document, words: Words) -> int | None:
    """Let one chunk of those that are shown be chosen."""
    if not window.chunks:
        return None
    first = window.first_chunk + 1
    last = window.first_chunk + len(window.chunks)
    number = st.number_input(
        words("pick_passage", first=f"{first:,}", last=f"{last:,}"),
        min_value=first,
        max_value=last,
        value=first if has_pages(document) else None,
        placeholder=words("pick_placeholder"),
        key=f"pick_{document.id}_{first}",
    )
    return None if number is None else int(number) - 1


def _is_page_wanted(document: Document, words: Words) -> bool:
    how = st.segmented_control(
        words("view_how"),
        ["text", "page"],
        default="text",
        required=True,
        format_func=lambda one: words(f"view_{one}"),
        key=f"how_{document.id}",
        label_visibility="collapsed",
    )
    return how == "page"


def _facts(document: Document, words: Words) -> list[tuple[str, str]]:
    told = [
        ("fact_type", f"{kind_text(document.media_type)} ({document.media_type})"),
        ("figure_size", size_text(document.size_bytes)),
        ("figure_characters", f"{document.n_characters:,}"),
        ("figure_passages", f"{document.n_chunks:,}"),
        ("fact_added", when_text(document.added_at)),
        ("collection", document.collection),
        ("fact_paths", " · ".join(document.paths[:5]) or document.path),
    ]
    return [(words(key), value) for key, value in told if value]
