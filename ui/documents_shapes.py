"""The nouns of the documents page, read from the server's JSON; pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import TypeVar

from ui.shapes import Chunk, Document, Json, objects, text_from

T = TypeVar("T")

PDF = "application/pdf"


@dataclass(frozen=True, slots=True)
class PageImage:
    """A page as a PNG, and how well the words were found on it."""

    png: bytes
    n_pages: int = 0
    found: str = "none"  # exact, partial, none
    reason: str = ""  # why they were not: scan, not found, other page


@dataclass(frozen=True, slots=True)
class ChunkFacts:
    """What is told of a chunk that is selected."""

    n_tokens: int = 0
    language: str = ""


@dataclass(frozen=True, slots=True)
class Window:
    """A part of a document's text with the chunks that reach into it."""

    text: str = ""
    start: int = 0  # in characters of the whole text, as in chunks
    n_characters: int = 0
    n_chunks: int = 0  # of the whole document
    first_chunk: int = 0  # which of them the first one here is, from 0
    chunks: tuple[Chunk, ...] = ()
    facts: tuple[ChunkFacts, ...] = ()  # of each chunk


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which documents are listed, and in which order."""

    query: str = ""
    media_type: str = ""
    state: str = ""  # warnings, watched, uploaded
    folder: str = ""
    since: str = ""  # ISO date
    until: str = ""
    sort: str = "newest"

    @property
    def is_filtered(self) -> bool:
        """Whether anything is left out."""
        return replace(self, sort="newest") != Wanted()


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar of a chart."""

    name: str
    n: int = 0
    n_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Statistics:
    """What a library holds."""

    n_documents: int = 0
    n_bytes: int = 0
    n_characters: int = 0
    n_chunks: int = 0
    types: tuple[Bar, ...] = ()
    collections: tuple[Bar, ...] = ()
    folders: tuple[Bar, ...] = ()
    days: tuple[Bar, ...] = ()  # added on that day, or in that month
    passages: tuple[Bar, ...] = ()  # documents by how many passages they have
    n_originals: int = 0
    original_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Quoting:
    """A conversation that keeps words of a document."""

    id: str
    title: str = ""


@dataclass(frozen=True, slots=True)
class Consequences:
    """What goes with a document that is deleted, and what stays."""

    n_chunks: int = 0
    watched: tuple[str, ...] = ()  # places from which it would come back
    conversations: tuple[Quoting, ...] = ()
    n_conversations: int = 0
    has_original: bool = False


def has_pages(document: Document) -> bool:
    """Tell whether the pages of a document can be looked at."""
    return document.media_type == PDF or document.media_type.startswith("image/")


def window_from(data: Json) -> Window:
    """Read a part of a text."""
    held = text_from(data)
    facts = tuple(_build(ChunkFacts, one) for one in objects(data, "chunks"))
    n = len(held.text)
    plain = {"n_characters": n, "n_chunks": len(held.chunks)}
    return _build(Window, {**plain, **data}, chunks=held.chunks, facts=facts, text=held.text)


def statistics_from(data: Json) -> Statistics:
    """Read the figures of a library."""
    names = ("types", "collections", "folders", "days", "passages")
    bars = {name: tuple(_build(Bar, one) for one in objects(data, name)) for name in names}
    return _build(Statistics, data, **bars)


def consequences_from(data: Json) -> Consequences:
    """Read what the end of a document means."""
    conversations = tuple(_build(Quoting, one) for one in objects(data, "conversations"))
    watched = data.get("watched")
    places = tuple(map(str, watched)) if isinstance(watched, list) else ()
    return _build(Consequences, data, conversations=conversations, watched=places)


def page_image_from(png: bytes, headers: Mapping[str, str]) -> PageImage:
    """Read a picture with what its headers tell."""
    n = headers.get("x-quire-pages", "")
    return PageImage(
        png,
        int(n) if n.isdecimal() else 0,
        headers.get("x-quire-mark", "none"),
        headers.get("x-quire-mark-reason", ""),
    )


def _build(kind: type[T], data: Json, **given: object) -> T:
    names = {field.name for field in fields(kind)}  # type: ignore[arg-type]
    known = {key: value for key, value in data.items() if key in names and value is not None}
    return kind(**{**known, **given})
