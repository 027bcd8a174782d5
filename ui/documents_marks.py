"""Documents as HTML: a row of the list, a part of a text with its chunks shaded; pure.

Everything foreign is escaped here; directions of writing are kept apart, so that a name in one
cannot turn the words around it.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping

from ui.documents_shapes import Window
from ui.format import clip, file_name, plain_html, size_text, when_text
from ui.marks import cut
from ui.shapes import Document
from ui.words import TABLE, Words

MAX_TITLE = 120
MAX_PATH = 160
_MOST = 2_000  # characters of a name that are looked at
_UNSEEN = ("Cc", "Cf", "Co", "Cn")
_KEPT = "\u200c\u200d"  # join letters, in names of many languages

LIST_STYLE = """<style>
.q-row { unicode-bidi: plaintext; overflow-wrap: anywhere; line-height: 1.5; min-width: 0; }
.q-row bdi { unicode-bidi: isolate; }
.q-chunk.q-picked { outline: 2px solid #d08700; background:
  color-mix(in srgb, #f5b800 38%, transparent); }
.q-facts { border-collapse: collapse; font-size: .9rem; width: 100%; }
.q-facts th, .q-facts td { padding: .15rem .8rem .15rem 0; text-align: left; vertical-align: top;
  overflow-wrap: anywhere; border: 0; }
.q-facts th { font-weight: 600; opacity: .75; white-space: nowrap; width: 1%; }
.q-tiles { display: grid; gap: .6rem;
  grid-template-columns: repeat(auto-fit, minmax(8.5rem, 1fr)); }
.q-tile { padding: .6rem .8rem; border-radius: .6rem; min-width: 0; overflow-wrap: anywhere;
  border: 1px solid color-mix(in srgb, currentColor 18%, transparent); }
.q-tile strong { display: block; font-size: 1.35rem; line-height: 1.4; }
</style>"""

_KINDS: Mapping[str, str] = {
    "application/pdf": "PDF",
    "application/epub+zip": "EPUB",
    "application/json": "JSON",
    "application/msword": "Word",
    "application/rtf": "RTF",
    "application/vnd.ms-excel": "Excel",
    "application/vnd.ms-powerpoint": "PowerPoint",
    "application/vnd.oasis.opendocument.presentation": "OpenDocument (slides)",
    "application/vnd.oasis.opendocument.spreadsheet": "OpenDocument (tables)",
    "application/vnd.oasis.opendocument.text": "OpenDocument",
    "application/vnd.openxmlformats-officedocument.presentationml.presentation": "PowerPoint",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": "Excel",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": "Word",
    "application/x-ipynb+json": "Jupyter",
    "message/rfc822": "E-mail",
    "text/csv": "CSV",
    "text/html": "HTML",
    "text/markdown": "Markdown",
    "text/plain": "Text",
    "text/xml": "XML",
}


def visible(text: str) -> str:
    """Replace what cannot be seen and what turns the words behind it: names may lie with it."""
    return "".join(
        "\ufffd" if unicodedata.category(one) in _UNSEEN and one not in _KEPT else one
        for one in text[:_MOST]
    )


def kind_text(media_type: str) -> str:
    """Name a type of files as people do."""
    known = _KINDS.get(media_type)
    if known:
        return known
    family, _, rest = media_type.partition("/")
    return clip(rest.removeprefix("x-").removeprefix("vnd.").upper() or family or "?", 30)


def row_html(document: Document, words: Words) -> str:
    """Show a document of the list: its title, then what is worth knowing."""
    title = visible(document.title or file_name(document.path))
    facts = [
        kind_text(document.media_type) if document.media_type else "",
        size_text(document.size_bytes),
        words("n_chunks", n=f"{document.n_chunks:,}"),
        when_text(document.added_at),
    ]
    path = visible(document.path)
    path = path if path != title else ""
    more = len(document.paths) - 1
    places = clip(path, MAX_PATH) + (f" {words('more_places', n=more)}" if more > 0 else "")
    told = " · ".join(plain_html(fact) for fact in facts if fact)
    lines = f'<div class="q-muted">{told}</div>'
    lines += f'<div class="q-muted"><bdi>{plain_html(places)}</bdi></div>' if places.strip() else ""
    name = f"<strong><bdi>{plain_html(title, MAX_TITLE)}</bdi></strong>"
    return f'<div class="q-row">{name}{lines}</div>'


def window_html(window: Window, words: Words, *, picked: int | None = None) -> str:
    """Show a part of a text with its chunks shaded in turn.

    Args:
        picked: the chunk that is selected, as a number of the whole document from 0.
    """
    text, shift = window.text, window.start
    spans = [(max(0, one.start - shift), min(len(text), one.end - shift)) for one in window.chunks]
    parts = []
    for piece in cut(spans, 0, len(text)):
        shown = plain_html(text[piece.start : piece.end])
        owners = [window.first_chunk + at for at in piece.inside]
        if owners:
            kind = "q-shared" if len(owners) > 1 else "q-odd" if owners[0] % 2 else ""
            kind += " q-picked" if picked in owners else ""
            title = "\n".join(_chunk_title(window, one, words) for one in owners)
            shown = f'<span class="q-chunk {kind}" title="{plain_html(title)}">{shown}</span>'
        parts.append(shown)
    return f'<div class="q-box q-text" tabindex="0">{"".join(parts)}</div>'


def chunk_facts(window: Window, number: int, model: str, words: Words) -> list[tuple[str, str]]:
    """Tell where a chunk stands and how it was embedded.

    Args:
        number: of the whole document, from 0.
    """
    chunk = window.chunks[number - window.first_chunk]
    facts = window.facts[number - window.first_chunk]
    language = {"en": "fact_english", "zh": "fact_chinese"}.get(facts.language, "")
    told = [
        ("fact_place", words("fact_characters", start=f"{chunk.start:,}", end=f"{chunk.end:,}")),
        ("fact_page", str(chunk.page) if chunk.page is not None else ""),
        ("fact_headings", " › ".join(chunk.headings)),
        ("fact_tokens", f"{facts.n_tokens:,}" if facts.n_tokens else ""),
        ("fact_language", words(language) if language in TABLE else ""),
        ("fact_model", model),
    ]
    return [(words(key), value) for key, value in told if value]


def facts_html(facts: list[tuple[str, str]]) -> str:
    """Show facts as a table."""
    rows = "".join(
        f"<tr><th>{plain_html(name)}</th><td><bdi>{plain_html(visible(value), 400)}</bdi></td></tr>"
        for name, value in facts
    )
    return f'<table class="q-facts">{rows}</table>' if rows else ""


def tiles_html(tiles: list[tuple[str, str]]) -> str:
    """Show a few figures large."""
    told = "".join(
        f'<div class="q-tile"><strong>{plain_html(value)}</strong>'
        f'<span class="q-muted">{plain_html(name)}</span></div>'
        for name, value in tiles
    )
    return f'<div class="q-tiles">{told}</div>'


def _chunk_title(window: Window, number: int, words: Words) -> str:
    chunk = window.chunks[number - window.first_chunk]
    facts = window.facts[number - window.first_chunk]
    parts = [
        words("chunk_title", n=number + 1),
        clip(" › ".join(chunk.headings), 120),
        words("n_tokens", n=facts.n_tokens) if facts.n_tokens else "",
    ]
    return " · ".join(part for part in parts if part)
