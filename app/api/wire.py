"""The JSON shapes of /kb/*; pydantic; the server writes them, the client reads them."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from app.api.index_wire import CompactionOut as CompactionOut
from app.api.migrations_wire import MigrationOut as MigrationOut
from app.api.query_wire import DEFAULT as DEFAULT
from app.api.watched_wire import WatchedOut as WatchedOut
from app.notices import Notice
from ingest.types import Chunk, Collection, Document, Job

Name = Annotated[str, Field(min_length=1, max_length=512)]


class Failure(BaseModel):
    """Every refusal: what was wrong, with which value, what to do next."""

    error: str


_STRICT = ConfigDict(extra="forbid")  # a misspelled field is told, not ignored


# -- documents, jobs, collections -------------------------------------------------------------


class DocumentOut(BaseModel):
    """One stored document."""

    id: str
    collection: str
    title: str
    path: str
    paths: list[str]
    media_type: str
    size_bytes: int
    n_characters: int
    n_chunks: int
    added_at: str
    warnings: list[str]

    @classmethod
    def of(cls, document: Document) -> DocumentOut:
        """Convert from ingestion's noun."""
        return cls(
            id=document.id,
            collection=document.collection,
            title=document.title,
            path=document.paths[0] if document.paths else "",
            paths=list(document.paths),
            media_type=document.media_type,
            size_bytes=document.size_bytes,
            n_characters=document.n_characters,
            n_chunks=document.n_chunks,
            added_at=document.added_at,
            warnings=list(document.warnings),
        )


class DocumentsOut(BaseModel):
    """One page of documents; `total` counts all that match."""

    documents: list[DocumentOut]
    total: int


class SpanOut(BaseModel):
    """Where a chunk lies in its document's text."""

    start: int
    end: int
    page: int | None
    headings: list[str]
    n_tokens: int = 0  # by the embedding model's tokenizer
    language: str = ""

    @classmethod
    def of(cls, chunk: Chunk) -> SpanOut:
        """Convert from ingestion's noun."""
        return cls(
            start=chunk.start,
            end=chunk.end,
            page=chunk.page,
            headings=list(chunk.headings),
            n_tokens=chunk.n_tokens,
            language=chunk.language,
        )


class TextOut(BaseModel):
    """The text that offsets of hits and citations count in, or a part of it."""

    id: str
    path: str
    title: str
    text: str
    chunks: list[SpanOut]  # that lie in the part, or reach into it
    start: int = 0  # of the part, in characters of the whole text
    n_characters: int = 0  # of the whole text
    n_chunks: int = 0  # of the whole document
    first_chunk: int = 0  # which of them the first one listed is, from 0


class DeletedOut(BaseModel):
    """Something is gone."""

    deleted: bool = True


class JobIdOut(BaseModel):
    """A job was accepted; `GET /kb/jobs/{job_id}` tells how it goes."""

    job_id: str


class FileErrorOut(BaseModel):
    """One file that could not be ingested."""

    model_config = ConfigDict(from_attributes=True)

    path: str
    reason: str


class JobOut(BaseModel):
    """How far a job is."""

    id: str
    collection: str
    state: str
    progress: float
    n_files: int
    n_done: int
    n_stored: int
    n_skipped: int
    message: str
    errors: list[FileErrorOut]
    created_at: str
    passages_per_s: float = 0.0
    bytes_per_s: float = 0.0
    eta_s: float | None = None

    @classmethod
    def of(cls, job: Job) -> JobOut:
        """Convert from ingestion's noun."""
        return cls.model_validate(job, from_attributes=True)


class JobsOut(BaseModel):
    """The latest jobs, newest first."""

    jobs: list[JobOut]


class CollectionIn(BaseModel):
    """What `POST /kb/collections` takes."""

    model_config = _STRICT

    name: Name


class CollectionOut(BaseModel):
    """A named set of documents with the embedding model that it is bound to."""

    name: str
    n_documents: int
    n_chunks: int
    model: str
    model_digest: str
    document_prefix: str
    query_prefix: str

    @classmethod
    def of(cls, collection: Collection) -> CollectionOut:
        """Convert from ingestion's noun."""
        return cls.model_validate(collection, from_attributes=True)


class CollectionsOut(BaseModel):
    """All collections."""

    collections: list[CollectionOut]


# -- health -----------------------------------------------------------------------------------


class ChatModelOut(BaseModel):
    """The chat model in use; an empty name means none."""

    name: str


class EmbeddingModelOut(BaseModel):
    """The embedding model in use."""

    name: str
    digest: str
    document_prefix: str
    query_prefix: str
    n_dimensions: int


class RerankerOut(BaseModel):
    """The reranker in use."""

    name: str


class ModelsOut(BaseModel):
    """Which model does what."""

    chat: ChatModelOut
    embedding: EmbeddingModelOut
    reranker: RerankerOut | None


class JobCountsOut(BaseModel):
    """Jobs that are not finished."""

    queued: int
    running: int


class NoticeFacts(BaseModel):
    """What a notice says, for who words it in another language."""

    code: str = ""  # stable
    values: dict[str, str] = {}

    @classmethod
    def of(cls, text: str) -> NoticeFacts:
        """Translate; nothing of a sentence that bears no code."""
        if not isinstance(text, Notice):
            return cls()
        return cls(code=text.code, values=dict(text.values))


class StatusOut(BaseModel):
    """What `GET /kb/status` gives."""

    version: str
    ready: bool
    mode: Literal["full", "engine"]
    home: str
    pid: int
    uptime_s: float
    collections: list[CollectionOut] = []
    n_documents: int = 0
    n_chunks: int = 0
    models: ModelsOut | None = None
    notices: list[str] = []
    notice_facts: list[NoticeFacts] = []  # one for each notice
    jobs: JobCountsOut = JobCountsOut(queued=0, running=0)
    watched: list[WatchedOut] = []
    migrations: list[MigrationOut] = []
    compaction: CompactionOut | None = None


class HealthOut(BaseModel):
    """Whether the process still does its work."""

    status: Literal["ok", "sick"] = "ok"
    reason: str = ""


class ReadyOut(BaseModel):
    """Whether questions can be answered now."""

    ready: bool
    reason: str = ""
