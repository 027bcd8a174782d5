"""What the library holds, as figures and charts."""

from __future__ import annotations

import streamlit as st

from ui.documents_charts import Chart, bar_chart, columns_chart, growth_chart, shares
from ui.documents_client import DocumentsClient
from ui.documents_marks import kind_text, tiles_html
from ui.documents_shapes import Statistics
from ui.errors import UiError
from ui.format import size_text
from ui.state import api_url, token
from ui.widgets import nothing, show_error
from ui.words import Words

_EVERY = ""  # collection


def show_figures(names: list[str], words: Words) -> None:
    """Draw the figures of the whole library, or of one collection."""
    collection = st.selectbox(
        words("collection"),
        [_EVERY, *names],
        format_func=lambda one: one or words("every_collection"),
        key="figures_collection",
        label_visibility="collapsed",
    )
    try:
        with DocumentsClient(api_url(), token()) as client:
            found = client.statistics(collection or "")
    except UiError as error:
        show_error(error, words, key="retry_figures", retry=nothing)
        return
    if not found.n_documents:
        st.info(words("no_figures"), icon=":material/bar_chart:")
        return
    st.html(tiles_html(_tiles(found, words)))
    _charts(found, words)


def _tiles(found: Statistics, words: Words) -> list[tuple[str, str]]:
    tiles = [
        (words("figure_documents"), f"{found.n_documents:,}"),
        (words("figure_passages"), f"{found.n_chunks:,}"),
        (words("figure_size"), size_text(found.n_bytes)),
        (words("figure_characters"), f"{found.n_characters:,}"),
    ]
    if found.n_originals:
        kept = f"{found.n_originals:,} · {size_text(found.original_bytes)}"
        tiles.append((words("figure_originals"), kept))
    return tiles


def _charts(found: Statistics, words: Words) -> None:
    rest, documents = words("others"), words("figure_documents")
    types = shares(found.types, kind_text, rest)
    sizes = shares(found.types, kind_text, rest, is_bytes=True)
    left, right = st.columns(2, gap="large")
    with left:
        _chart(words("chart_types"), bar_chart(types, documents), "types")
        _chart(words("chart_growth"), growth_chart(found.days, documents), "growth")
    with right:
        size = bar_chart(sizes, words("figure_size"), is_bytes=True)
        _chart(words("chart_sizes"), size, "sizes")
        passages = columns_chart(found.passages, words("figure_passages"), documents)
        _chart(words("chart_passages"), passages, "passages")
    if len(found.collections) > 1:
        held = shares(found.collections, str, rest)
        _chart(words("chart_collections"), bar_chart(held, documents), "collections")
    if found.folders:
        held = shares(found.folders, str, rest)
        _chart(words("chart_folders"), bar_chart(held, documents), "folders")


def _chart(title: str, chart: Chart, name: str) -> None:
    st.markdown(f"**{title}**")
    st.vega_lite_chart(spec=chart, width="stretch", key=f"chart_{name}", alt=title)
