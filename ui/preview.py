"""A passage in its document: its place, its words in their surroundings, its page as it looks.

Used wherever a passage is opened: beside an answer, in a conversation, on the documents page.
"""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from ui.client import Client
from ui.documents_client import DocumentsClient
from ui.documents_shapes import PageImage, has_pages
from ui.errors import RefusedError, UiError
from ui.format import error_text, file_name, place_text, plain_html, plain_markdown
from ui.marks import AROUND, cited_spans, source_html
from ui.shapes import Citation, Document, Passage
from ui.state import token
from ui.words import Words

Spans = list[tuple[int, int]]

_GONE = 404
_SCALE = 1.5
_WIDTH = 780  # pixels of a page on the screen, where there is so much room
_MAX_SHOWN = 20_000  # characters of a passage


def passage_view(
    client: Client,
    passage: Passage,
    citations: Sequence[Citation],
    words: Words,
    *,
    key: str = "passage",
) -> None:
    """Draw a passage: where it stands, its words marked in the text, and on the page of a PDF.

    Never raises for what the server says: a document that is gone, a server that is gone and a
    page that cannot be drawn are told in words.

    Args:
        citations: of the answer; the spans among them that lie in the passage are marked.
        key: names the widgets; another one for each passage that is shown at once.
    """
    _head(passage, words)
    spans = cited_spans(passage, citations)
    try:
        with DocumentsClient(client.api_url, token()) as own:
            document = _found(own, passage.document_id)
            if document is None:
                _kept(passage, spans, words, "passage_gone")
            elif passage.page is not None and has_pages(document):
                _page_or_text(own, passage, _page(passage, citations), spans, words, key)
            else:
                _text(own, passage, spans, words)
    except UiError as error:
        st.error(error_text(error, words))


def page_view(
    client: DocumentsClient, document_id: str, page: int, spans: Spans, words: Words, *, key: str
) -> bool:
    """Draw a page of a document with its neighbours one step away; tell if there is a picture.

    Args:
        page: the one to begin with, where the spans are.
    """
    shown_key = f"{key}_at"
    held = st.session_state.get(shown_key)
    # Another passage was opened in the same place: begin at its page.
    if not isinstance(held, tuple) or held[:2] != (document_id, page):
        held = (document_id, page, page)
    shown = held[2]
    st.html(_STYLE)
    slot = st.container(key=f"{key}_page", gap="xsmall")
    try:
        image = client.page_image(document_id, shown, spans, scale=_SCALE)
    except RefusedError as error:
        slot.info(words("page_none", message=plain_markdown(str(error), 300)), icon=_NO_PICTURE)
        image = None
    n_pages = image.n_pages if image is not None else 0
    with slot.container(horizontal=True, vertical_alignment="center", gap="small"):
        _turn(shown_key, held, -1, words, is_there=shown > 1)
        told = words("page_of", page=shown, n=n_pages) if n_pages else None
        st.caption(told or words("page_alone", page=shown), width="content")
        _turn(shown_key, held, 1, words, is_there=shown < n_pages)
    if image is not None:
        slot.image(image.png, width=_WIDTH, output_format="PNG")
        if spans:
            slot.caption(mark_text(image, page, words))
    return image is not None


def mark_text(image: PageImage, page: int, words: Words) -> str:
    """Say how well the words were found on a page.

    Args:
        page: the one on which the words stand.
    """
    if image.found == "exact":
        return words("page_marked")
    if image.found == "partial":
        return words("page_partly")
    if image.reason == "other page":
        return words("page_other", page=page)
    return words("page_scan" if image.reason == "scan" else "page_unmarked")


# A white page on a white ground has an edge.
_STYLE = """<style>
[class*="_page"] [data-testid="stImage"] img { border-radius: .3rem;
  border: 1px solid color-mix(in srgb, currentColor 30%, transparent); }
</style>"""
_NO_PICTURE = ":material/image_not_supported:"


def _head(passage: Passage, words: Words) -> None:
    name = passage.title or file_name(passage.path)
    place = place_text(passage, words, has_path=False)
    path = passage.path if passage.path != name else ""
    lines = [
        f'<div class="q-muted">{plain_html(one, 300)}</div>' for one in (place, path) if one.strip()
    ]
    st.html(f'<div class="q-text"><strong>{plain_html(name, 200)}</strong>{"".join(lines)}</div>')


def _found(client: DocumentsClient, document_id: str) -> Document | None:
    if not document_id:
        return None
    try:
        return client.document(document_id)
    except RefusedError as error:
        if error.status != _GONE:
            raise
        return None


def _page(passage: Passage, citations: Sequence[Citation]) -> int:
    """Tell on which page the cited words stand: not always that on which the passage begins."""
    own = [one for one in citations if one.n == passage.n]
    cited = [one.page for one in own if one.document_id == passage.document_id and one.page]
    return next(iter(cited), passage.page) or 1


def _page_or_text(
    client: DocumentsClient, passage: Passage, page: int, spans: Spans, words: Words, key: str
) -> None:
    how = st.segmented_control(
        words("view_how"),
        ["page", "text"],
        default="page",
        required=True,
        format_func=lambda one: words(f"view_{one}"),
        key=f"{key}_how",
        label_visibility="collapsed",
    )
    if how == "text":
        _text(client, passage, spans, words)
        return
    marked = spans or [(passage.start, passage.end)]
    if not page_view(client, passage.document_id, page, marked, words, key=key):
        _text(client, passage, spans, words)


def _text(client: DocumentsClient, passage: Passage, spans: Spans, words: Words) -> None:
    """Draw the passage in its surroundings; of a long text only they are fetched."""
    # One character more on either side tells that the text goes on.
    start, end = max(0, passage.start - AROUND - 1), passage.end + AROUND + 1
    window = client.window(passage.document_id, start, min(end, start + _MAX_SHOWN))
    text, shift = window.text, window.start
    inside = (passage.start - shift, passage.end - shift)
    held = text[inside[0] : inside[1]]
    if passage.text and (not held or held != passage.text[: len(held)]):
        _kept(passage, spans, words, "source_changed")
        return
    st.html(source_html(text, inside, _moved(spans, shift), words))
    st.caption(words("source_legend" if spans else "passage_marked"))


def _kept(passage: Passage, spans: Spans, words: Words, why: str) -> None:
    """Draw what was kept of a passage whose document is gone or says something else now."""
    st.warning(words(why), icon=":material/warning:")
    if not passage.text.strip():
        st.caption(words("passage_nothing"))
        return
    text = passage.text[:_MAX_SHOWN]
    st.html(source_html(text, (0, len(text)), _moved(spans, passage.start), words))
    if spans:
        st.caption(words("source_legend"))


def _moved(spans: Spans, shift: int) -> Spans:
    return [(start - shift, end - shift) for start, end in spans]


def _turn(
    shown_key: str, held: tuple[str, int, int], by: int, words: Words, *, is_there: bool
) -> None:
    def turn() -> None:
        st.session_state[shown_key] = (*held[:2], held[2] + by)

    st.button(
        words("page_before" if by < 0 else "page_after"),
        key=f"{shown_key}{by}",
        icon=":material/chevron_left:" if by < 0 else ":material/chevron_right:",
        type="tertiary",
        disabled=not is_there,
        on_click=turn,
    )
