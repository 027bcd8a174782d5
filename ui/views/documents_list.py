"""The documents of a collection: searched, filtered, sorted; page by page, one, or several."""

from __future__ import annotations

import time
from math import ceil

import streamlit as st

from ui.documents_client import DocumentsClient
from ui.documents_marks import kind_text, row_html
from ui.documents_shapes import Statistics, Wanted
from ui.errors import UiError
from ui.format import plain_markdown
from ui.login import may
from ui.shapes import Collection, Document, Status
from ui.state import api_url, token
from ui.views.documents_delete import PICKED, ask_delete
from ui.views.documents_preview import open_preview
from ui.widgets import nothing, pick_collection, show_error
from ui.words import Words

_ROWS = 20  # documents on one page
_SHOWN_WARNINGS = 3
_FACETS_S = 20.0  # how old the types and folders to choose from may be
_SORTS = ("newest", "oldest", "title", "largest", "smallest", "longest")
_STATES = ("", "warnings", "watched", "uploaded")
_FILTERS = ("type", "state", "folder", "since", "until")
_PAGE = "documents_page_number"


def show_list(status: Status, collections: list[Collection], words: Words) -> None:
    """Draw the list with what narrows it."""
    picker, search = st.columns(2, vertical_alignment="bottom")
    with picker:
        collection = pick_collection(collections, words, key="documents_collection")
    query = search.text_input(
        words("search_documents"),
        placeholder=words("search_placeholder"),
        icon=":material/search:",
        label_visibility="collapsed",
        max_chars=500,
        key="documents_query",
        on_change=_first_page,
    )
    picked: dict[str, Document] = st.session_state.setdefault(PICKED, {})
    for one in [one for one in picked.values() if one.collection not in ("", collection)]:
        del picked[one.id]  # nobody should delete what is out of sight
    model = next((one.model for one in collections if one.name == collection), "")
    try:
        with DocumentsClient(api_url(), token()) as client:
            wanted = _wanted(client, collection, query or "", words)
            found, total = _fetch(client, collection, wanted)
    except UiError as error:
        show_error(error, words, key="retry_list", retry=nothing)
        return
    if not total:
        _empty(status, wanted, words)
        return
    if may("ingest"):  # nothing else can be done with what is ticked than to delete it
        _picked_bar(found, words)
    for n, document in enumerate(found, start=1):
        _row(document, n, model, words)
    _pages(total, words)


def _wanted(client: DocumentsClient, collection: str, query: str, words: Words) -> Wanted:
    """Draw the choice of order and filters; return what is chosen."""
    facets = _facets(client, collection)
    chosen = [name for name in _FILTERS if st.session_state.get(f"filter_{name}")]
    with st.container(horizontal=True, vertical_alignment="center", key="documents_filters"):
        sort = st.selectbox(
            words("sort"),
            _SORTS,
            format_func=lambda one: words(f"sort_{one}"),
            key="documents_sort",
            label_visibility="collapsed",
            width=220,
            on_change=_first_page,
        )
        label = words("filters_on", n=len(chosen)) if chosen else words("filters")
        with st.popover(label, icon=":material/filter_list:"):
            return Wanted(query, *_filters(facets, words), sort=sort or "newest")


def _filters(facets: Statistics, words: Words) -> tuple[str, str, str, str, str]:
    types = {one.name: one.n for one in facets.types}
    folders = {one.name: one.n for one in facets.folders}
    media_type = st.selectbox(
        words("fact_type"),
        _with_chosen("filter_type", types),
        format_func=lambda one: _counted(kind_text(one), types.get(one)) if one else words("any"),
        key="filter_type",
        on_change=_first_page,
    )
    state = st.selectbox(
        words("filter_state"),
        _STATES,
        format_func=lambda one: words(f"state_{one}") if one else words("any"),
        key="filter_state",
        on_change=_first_page,
    )
    folder = st.selectbox(
        words("filter_folder"),
        _with_chosen("filter_folder", folders),
        format_func=lambda one: _counted(_end(one), folders.get(one)) if one else words("any"),
        key="filter_folder",
        on_change=_first_page,
    )
    since = st.date_input(
        words("filter_since"), value=None, key="filter_since", on_change=_first_page
    )
    until = st.date_input(
        words("filter_until"), value=None, key="filter_until", on_change=_first_page
    )
    st.button(words("filters_clear"), key="filters_clear", icon=":material/close:", on_click=_clear)
    days = [str(one) if one else "" for one in (since, until)]
    return media_type or "", state or "", folder or "", days[0], days[1]


def _facets(client: DocumentsClient, collection: str) -> Statistics:
    """Ask which types and folders there are; not at every drawing, since it counts them."""
    held = st.session_state.get("documents_facets")
    if held is not None and held[0] == collection and time.monotonic() - held[1] < _FACETS_S:
        found: Statistics = held[2]
        return found
    try:
        found = client.statistics(collection)
    except UiError:  # a server that does not tell: the list itself says what is wrong
        found = Statistics()
    st.session_state["documents_facets"] = (collection, time.monotonic(), found)
    return found


def _with_chosen(key: str, there: dict[str, int]) -> list[str]:
    """List what can be chosen; what is chosen stays, also where there is none of it."""
    chosen = st.session_state.get(key) or ""
    return ["", *there, *([chosen] if chosen and chosen not in there else [])]


def _counted(name: str, n: int | None) -> str:
    return f"{name} ({n:,})" if n is not None else name


def _end(folder: str) -> str:
    """Shorten a long path at its beginning, where paths are alike."""
    return folder if len(folder) <= 60 else f"…{folder[-59:]}"


def _clear() -> None:
    for name in _FILTERS:
        st.session_state[f"filter_{name}"] = None if name in ("since", "until") else ""
    _first_page()


def _first_page() -> None:
    st.session_state[_PAGE] = 1


def _fetch(client: DocumentsClient, collection: str, wanted: Wanted) -> tuple[list[Document], int]:
    page = int(st.session_state.get(_PAGE, 1))
    found, total = client.listed(collection, wanted, limit=_ROWS, offset=(page - 1) * _ROWS)
    if total and not found:  # the list has become shorter than the page chosen
        _first_page()
        found, total = client.listed(collection, wanted, limit=_ROWS)
    return found, total


def _empty(status: Status, wanted: Wanted, words: Words) -> None:
    if wanted.query and not Wanted("", *_rest(wanted)).is_filtered:
        st.info(words("no_match", query=plain_markdown(wanted.query, 80)))
    elif wanted.is_filtered:
        st.info(words("no_match_filters"), icon=":material/filter_list_off:")
        st.button(words("filters_clear"), key="filters_clear_too", on_click=_clear)
    elif not may("ingest"):
        st.info(words("no_documents_bare"), icon=":material/folder_open:")
    elif status.home:
        inbox = f"{status.home.rstrip('/')}/inbox".replace("`", "")
        st.info(words("no_documents", inbox=f"`{inbox}`"), icon=":material/folder_open:")
    else:
        st.info(words("no_documents_short"), icon=":material/folder_open:")


def _rest(wanted: Wanted) -> tuple[str, str, str, str, str]:
    return wanted.media_type, wanted.state, wanted.folder, wanted.since, wanted.until


def _picked_bar(found: list[Document], words: Words) -> None:
    """Say how many are ticked, on this page and others, and what can be done with them."""
    picked: dict[str, Document] = st.session_state.setdefault(PICKED, {})
    with st.container(horizontal=True, vertical_alignment="center", key="documents_picked_bar"):
        all_here = bool(found) and all(one.id in picked for one in found)
        st.button(
            words("pick_none_here" if all_here else "pick_all_here"),
            key="pick_page",
            icon=":material/select_all:",
            type="tertiary",
            on_click=_pick_page,
            args=(found, not all_here),
        )
        if not picked:
            return
        st.caption(words("picked", n=f"{len(picked):,}"), width="content")
        if st.button(words("delete_picked"), key="delete_picked", icon=":material/delete:"):
            ask_delete(list(picked.values()), words)
        st.button(words("pick_clear"), key="pick_clear", type="tertiary", on_click=_pick_none)


def _pick_page(found: list[Document], is_picked: bool) -> None:
    picked: dict[str, Document] = st.session_state.setdefault(PICKED, {})
    for one in found:
        if is_picked:
            picked[one.id] = one
        else:
            picked.pop(one.id, None)


def _pick_none() -> None:
    st.session_state[PICKED] = {}


def _row(document: Document, n: int, model: str, words: Words) -> None:
    told, actions = st.columns([5, 2], vertical_alignment="center")
    with told.container(horizontal=True, gap="small", vertical_alignment="top"):
        if may("ingest"):
            _checkbox(document, n, words)
        with st.container(gap="xxsmall"):
            st.html(row_html(document, words))
            _warnings(document, words)
    with actions.container(horizontal=True, gap="small", horizontal_alignment="right"):
        _actions(document, model, words)


def _checkbox(document: Document, n: int, words: Words) -> None:
    picked: dict[str, Document] = st.session_state.setdefault(PICKED, {})
    key = f"pick_{document.id}"
    # The list of what is ticked is the truth: the widget forgets while it is not drawn.
    st.session_state[key] = document.id in picked
    st.checkbox(
        words("pick", n=n),
        key=key,
        label_visibility="collapsed",
        width="content",
        on_change=_toggle,
        args=(document,),
    )


def _toggle(document: Document) -> None:
    picked: dict[str, Document] = st.session_state.setdefault(PICKED, {})
    if st.session_state.get(f"pick_{document.id}"):
        picked[document.id] = document
    else:
        picked.pop(document.id, None)


def _warnings(document: Document, words: Words) -> None:
    """Show what a reader of the document should know, e.g. that some of its text is hidden."""
    lines = [f":orange[:material/warning:] {plain_markdown(one, 300)}" for one in document.warnings]
    if len(lines) > _SHOWN_WARNINGS:
        lines[_SHOWN_WARNINGS:] = [words("more_warnings", n=len(lines) - _SHOWN_WARNINGS)]
    if lines:
        st.caption("  \n".join(lines))


def _actions(document: Document, model: str, words: Words) -> None:
    if st.button(
        words("preview"),
        key=f"preview_{document.id}",
        icon=":material/visibility:",
        type="tertiary",
    ):
        open_preview(document, model, words)
    if may("ingest") and st.button(
        words("delete"),
        key=f"delete_{document.id}",
        icon=":material/delete:",
        type="tertiary",
    ):
        ask_delete([document], words)


def _pages(total: int, words: Words) -> None:
    n_pages = ceil(total / _ROWS)
    page = int(st.session_state.get(_PAGE, 1))
    first, last = (page - 1) * _ROWS + 1, min(total, page * _ROWS)
    st.caption(words("showing", first=f"{first:,}", last=f"{last:,}", total=f"{total:,}"))
    if n_pages > 1:
        st.pagination(n_pages, key=_PAGE)
