"""The nouns that the server speaks of, read from its JSON; pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import TypeVar

from ui.told import Notice, notices_from

Json = Mapping[str, object]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Collection:
    """A named set of documents."""

    name: str
    n_documents: int = 0
    n_chunks: int = 0
    model: str = ""


@dataclass(frozen=True, slots=True)
class Document:
    """One stored document."""

    id: str
    collection: str = ""
    title: str = ""
    path: str = ""
    paths: tuple[str, ...] = ()
    media_type: str = ""
    size_bytes: int = 0
    n_characters: int = 0
    n_chunks: int = 0
    added_at: str = ""  # ISO 8601
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Chunk:
    """A span of a document's text, as it was embedded."""

    start: int
    end: int
    page: int | None = None
    headings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Text:
    """A document's loaded text with its chunks."""

    id: str
    path: str = ""
    title: str = ""
    text: str = ""
    chunks: tuple[Chunk, ...] = ()


@dataclass(frozen=True, slots=True)
class Passage:
    """A numbered source; `text` is the slice `start:end` of the document's text."""

    n: int
    document_id: str = ""
    path: str = ""
    title: str = ""
    page: int | None = None
    heading: str = ""
    start: int = 0
    end: int = 0
    text: str = ""
    score: float = 0.0
    page_label: str = ""  # as printed on the page; empty if it is the page's number
    warnings: tuple[str, ...] = ()  # what a reader should know about it


@dataclass(frozen=True, slots=True)
class Citation:
    """The span that bears out a sentence; same offsets as a passage."""

    n: int
    document_id: str = ""
    path: str = ""
    page: int | None = None
    start: int = 0
    end: int = 0
    text: str = ""
    page_label: str = ""
    warnings: tuple[str, ...] = ()  # as in a passage


@dataclass(frozen=True, slots=True)
class Sentence:
    """One sentence of an answer."""

    text: str
    citations: tuple[int, ...] = ()
    support: str = "supported"  # supported, partly, not_found
    reason: str = ""  # why it is not supported


@dataclass(frozen=True, slots=True)
class Reply:
    """A finished answer."""

    answer: str = ""
    refused: bool = False
    mode: str = "generated"  # generated, extractive, refused
    sentences: tuple[Sentence, ...] = ()
    citations: tuple[Citation, ...] = ()
    passages: tuple[Passage, ...] = ()
    timings: Json | None = None  # seconds by beat
    models: Json | None = None  # chat, embedding, reranker
    notices: tuple[str, ...] = ()  # what went wrong on the way, and was done without
    trace: Json | None = None  # how it came about


@dataclass(frozen=True, slots=True)
class FileError:
    """One file that could not be stored."""

    path: str
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Job:
    """One ingestion on its way."""

    id: str
    collection: str = ""
    state: str = "queued"  # queued, running, done, failed
    progress: float = 0.0  # 0 to 1
    n_files: int = 0
    n_done: int = 0
    n_stored: int = 0
    n_skipped: int = 0
    message: str = ""  # the file at hand, or how it ended
    errors: tuple[FileError, ...] = ()
    created_at: str = ""  # ISO 8601
    passages_per_s: float = 0.0
    bytes_per_s: float = 0.0
    eta_s: float | None = None

    @property
    def is_finished(self) -> bool:
        """Whether nothing more will happen."""
        return self.state in ("done", "failed")


@dataclass(frozen=True, slots=True)
class Watched:
    """A folder that is kept indexed."""

    folder: str
    collection: str = ""
    state: str = ""  # starting, watching, needs confirmation, missing, unreadable, stopped
    is_polling: bool = False
    n_held: int = 0  # files that are gone, but searchable until somebody confirms
    reason: str = ""  # what somebody should know about it
    synced_at: str = ""  # ISO 8601; empty if the server does not say

    @property
    def is_asking(self) -> bool:
        """Whether somebody must say that its deletions are meant."""
        return self.state == "needs confirmation" or self.n_held > 0


@dataclass(frozen=True, slots=True)
class Migration:
    """A collection on its way to another embedding model."""

    collection: str
    from_model: str = ""
    to_model: str = ""
    state: str = ""  # running, waiting, done, failed
    n_done: int = 0
    n_documents: int = 0
    message: str = ""
    can_revert: bool = False
    eta_s: float | None = None

    @property
    def is_under_way(self) -> bool:
        """Whether it will go on."""
        return self.state in ("running", "waiting")


@dataclass(frozen=True, slots=True)
class Index:
    """How the removal of deleted bytes stands."""

    is_done: bool = True  # what was deleted is gone from the disk too
    failed: str = ""  # why the last tidying failed
    n_texts: int = 0  # how often texts were tidied since the server started
    n_index: int = 0  # how often the index was made anew


@dataclass(frozen=True, slots=True)
class Status:
    """How the server is."""

    version: str = ""
    n_documents: int = 0
    n_chunks: int = 0
    notices: tuple[Notice, ...] = ()
    home: str = ""
    chat_model: str = ""
    embedding_model: str = ""
    n_active_jobs: int = 0


def document_from(data: Json) -> Document:
    """Read a document."""
    return _build(Document, data, paths=_texts(data, "paths"), warnings=_texts(data, "warnings"))


def text_from(data: Json) -> Text:
    """Read a document's text with its chunks."""
    chunks = tuple(
        _build(Chunk, one, headings=_texts(one, "headings")) for one in objects(data, "chunks")
    )
    return _build(Text, data, chunks=chunks)


def passages_from(data: Json) -> tuple[Passage, ...]:
    """Read the numbered sources of a reply or of its `passages` event."""
    return tuple(
        _build(
            Passage,
            one,
            n=_number(one.get("n")) or at,
            heading=_heading(one),
            warnings=_texts(one, "warnings"),
        )
        for at, one in enumerate(objects(data, "passages"), start=1)
    )


def reply_from(data: Json, passages: Sequence[Passage] = ()) -> Reply:
    """Read a reply.

    Args:
        passages: taken if the reply itself lists none, as in the `citations` event.
    """
    sentences = tuple(sentence_from(one) for one in objects(data, "sentences"))
    citations = tuple(
        _build(Citation, one, warnings=_texts(one, "warnings"))
        for one in objects(data, "citations")
    )
    found = passages_from(data) or tuple(passages)
    given = {
        "timings": mapping(data, "timings"),
        "models": mapping(data, "models"),
        "notices": _texts(data, "notices"),
        "trace": mapping(data, "trace"),
        "refused": data.get("refused") is True or data.get("mode") == "refused",
    }
    return _build(Reply, data, sentences=sentences, citations=citations, passages=found, **given)


def sentence_from(data: Json) -> Sentence:
    """Read one checked sentence."""
    return _build(Sentence, data, citations=_numbers(data.get("citations")))


def job_from(data: Json) -> Job:
    """Read a job."""
    errors = tuple(_build(FileError, one) for one in objects(data, "errors"))
    return _build(Job, data, errors=errors)


def watched_from(data: Json) -> Watched:
    """Read a watched folder."""
    return _build(Watched, data)


def migration_from(data: Json) -> Migration:
    """Read a migration."""
    return _build(Migration, data)


def index_from(data: Json) -> Index:
    """Read the state of the index."""
    failed = data.get("failed")
    return _build(Index, data, failed=failed if isinstance(failed, str) else "?" if failed else "")


def status_from(data: Json) -> Status:
    """Read the server's status."""
    models, jobs = mapping(data, "models"), mapping(data, "jobs")
    return _build(
        Status,
        data,
        notices=notices_from(data),
        chat_model=str(mapping(models, "chat").get("name") or ""),
        embedding_model=str(mapping(models, "embedding").get("name") or ""),
        n_active_jobs=_number(jobs.get("queued")) + _number(jobs.get("running")),
    )


def collection_from(data: Json) -> Collection:
    """Read a collection."""
    return _build(Collection, data)


def objects(data: Json, key: str) -> list[Json]:
    """Return the objects listed under a key; none if there is no such list."""
    found = data.get(key)
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []


def mapping(data: Json, key: str) -> Json:
    """Return the object under a key; an empty one if there is none."""
    found = data.get(key)
    return found if isinstance(found, dict) else {}


def _build(kind: type[T], data: Json, **given: object) -> T:
    # Unknown fields are dropped and null ones take their default: an older or newer
    # server may say more or less than this interface shows.
    names = {field.name for field in fields(kind)}  # type: ignore[arg-type]
    known = {key: value for key, value in data.items() if key in names and value is not None}
    return kind(**{**known, **given})


def _texts(data: Json, key: str) -> tuple[str, ...]:
    found = data.get(key)
    return tuple(str(one) for one in found) if isinstance(found, list) else ()


def _numbers(found: object) -> tuple[int, ...]:
    return tuple(map(_number, found)) if isinstance(found, list) else ()


def _number(found: object) -> int:
    return int(found) if isinstance(found, (int, float)) else 0


def _heading(data: Json) -> str:
    found = data.get("heading") or data.get("headings")
    return " › ".join(map(str, found)) if isinstance(found, list) else str(found or "")
