"""The JSON shapes of /kb/*; pydantic; the server writes them, the client reads them."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from app.api.index_wire import CompactionOut as CompactionOut
from app.api.migrations_wire import MigrationOut as MigrationOut
from app.api.watched_wire import WatchedOut as WatchedOut
from app.query.types import Answer, Ask, Citation, Filters, Passage, Rewritten, Sentence, Turn
from ingest.types import Chunk, Collection, Document, Hit, Job

DEFAULT = "default"  # the collection meant when none is named
MAX_TOP_K = 100
MAX_HISTORY = 200  # turns
Name = Annotated[str, Field(min_length=1, max_length=512)]


class Failure(BaseModel):
    """Every refusal: what was wrong, with which value, what to do next."""

    error: str


_STRICT = ConfigDict(extra="forbid")  # a misspelled field is told, not ignored


# -- asking -----------------------------------------------------------------------------------


class TurnIn(BaseModel):
    """One earlier message."""

    role: Literal["user", "assistant"]
    content: str

    def turn(self) -> Turn:
        """Convert to the pipeline's noun."""
        return Turn(self.role, self.content)


class FiltersIn(BaseModel):
    """Which documents may answer; empty lists allow all."""

    model_config = _STRICT

    document_ids: list[str] = Field(default_factory=list, max_length=10_000)
    paths: list[str] = Field(default_factory=list, max_length=1_000)
    media_types: list[str] = Field(default_factory=list, max_length=100)

    def filters(self) -> Filters:
        """Convert to the pipeline's noun."""
        return Filters(tuple(self.document_ids), tuple(self.paths), tuple(self.media_types))


class SearchIn(BaseModel):
    """What `POST /kb/search` takes."""

    model_config = _STRICT

    query: str
    collection: str | None = None
    top_k: int = Field(default=10, ge=1, le=MAX_TOP_K)
    history: list[TurnIn] | None = Field(default=None, max_length=MAX_HISTORY)
    filters: FiltersIn | None = None

    def ask(self) -> Ask:
        """Convert to the pipeline's noun."""
        filters = self.filters.filters() if self.filters else Filters()
        history = tuple(turn.turn() for turn in self.history or ())
        return Ask(self.query, self.collection or DEFAULT, self.top_k, history, filters)


class QueryIn(BaseModel):
    """What `POST /kb/query` takes."""

    model_config = _STRICT

    question: str
    collection: str | None = None
    top_k: int = Field(default=5, ge=1, le=MAX_TOP_K)
    history: list[TurnIn] | None = Field(default=None, max_length=MAX_HISTORY)
    model: str | None = None
    stream: bool = False
    filters: FiltersIn | None = None

    def ask(self) -> Ask:
        """Convert to the pipeline's noun."""
        filters = self.filters.filters() if self.filters else Filters()
        history = tuple(turn.turn() for turn in self.history or ())
        collection = self.collection or DEFAULT
        return Ask(self.question, collection, self.top_k, history, filters, self.model or "")


class RewrittenOut(BaseModel):
    """What was searched for."""

    standalone: str
    keywords: str
    by: str

    @classmethod
    def of(cls, rewritten: Rewritten) -> RewrittenOut:
        """Convert from the pipeline's noun."""
        return cls(standalone=rewritten.standalone, keywords=rewritten.keywords, by=rewritten.by)


class HitOut(BaseModel):
    """One chunk that a search found."""

    document_id: str
    path: str
    title: str
    page: int | None
    heading: str
    start: int
    end: int
    text: str
    score: float
    legs: dict[str, int]
    page_label: str = ""  # as printed on the page; empty if it is the page's number

    @classmethod
    def of(cls, hit: Hit, page_label: str = "") -> HitOut:
        """Convert from ingestion's noun."""
        return cls(
            document_id=hit.document_id,
            path=hit.path,
            title=hit.title,
            page=hit.page,
            heading=heading(hit.headings),
            start=hit.start,
            end=hit.end,
            text=hit.text,
            score=hit.score,
            legs=dict(hit.legs),
            page_label=page_label,
        )


class SearchOut(BaseModel):
    """What `POST /kb/search` gives."""

    hits: list[HitOut]
    rewritten: RewrittenOut
    timings: dict[str, float]


class PassageOut(BaseModel):
    """One numbered source that the model was given."""

    n: int
    document_id: str
    path: str
    title: str
    page: int | None
    heading: str
    start: int
    end: int
    text: str
    score: float
    page_label: str = ""

    @classmethod
    def of(cls, passage: Passage) -> PassageOut:
        """Convert from the pipeline's noun."""
        return cls(
            n=passage.n,
            document_id=passage.document_id,
            path=passage.path,
            title=passage.title,
            page=passage.page,
            heading=heading(passage.headings),
            start=passage.start,
            end=passage.end,
            text=passage.text,
            score=passage.score,
            page_label=passage.page_label,
        )


class CitationOut(BaseModel):
    """The span that bears out a sentence."""

    n: int
    document_id: str
    path: str
    page: int | None
    start: int
    end: int
    text: str
    page_label: str = ""

    @classmethod
    def of(cls, citation: Citation) -> CitationOut:
        """Convert from the pipeline's noun."""
        return cls.model_validate(citation, from_attributes=True)


class SentenceOut(BaseModel):
    """One sentence of the answer with the numbers of its citations."""

    text: str
    citations: list[int]
    support: str

    @classmethod
    def of(cls, sentence: Sentence) -> SentenceOut:
        """Convert from the pipeline's noun."""
        return cls(text=sentence.text, citations=list(sentence.citations), support=sentence.support)


class CitationsOut(BaseModel):
    """The event `citations`: the verified part of an answer."""

    answer: str
    sentences: list[SentenceOut]
    citations: list[CitationOut]
    refused: bool
    mode: str


class AnswerOut(CitationsOut):
    """What `POST /kb/query` gives, whole or as the event `done`."""

    passages: list[PassageOut]
    rewritten: RewrittenOut
    timings: dict[str, float]
    models: dict[str, str]

    @classmethod
    def of(cls, answer: Answer) -> AnswerOut:
        """Convert from the pipeline's noun."""
        return cls(
            answer=answer.text,
            refused=answer.is_refused,
            mode=answer.mode,
            sentences=[SentenceOut.of(one) for one in answer.sentences],
            citations=[CitationOut.of(one) for one in answer.citations],
            passages=[PassageOut.of(one) for one in answer.passages],
            rewritten=RewrittenOut.of(answer.rewritten),
            timings=dict(answer.timings),
            models=dict(answer.models),
        )

    def verified(self) -> CitationsOut:
        """Give the part that the event `citations` carries."""
        return CitationsOut(
            answer=self.answer,
            sentences=self.sentences,
            citations=self.citations,
            refused=self.refused,
            mode=self.mode,
        )


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

    @classmethod
    def of(cls, chunk: Chunk) -> SpanOut:
        """Convert from ingestion's noun."""
        return cls(start=chunk.start, end=chunk.end, page=chunk.page, headings=list(chunk.headings))


class TextOut(BaseModel):
    """The text that offsets of hits and citations count in."""

    id: str
    path: str
    title: str
    text: str
    chunks: list[SpanOut]


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
    jobs: JobCountsOut = JobCountsOut(queued=0, running=0)
    watched: list[WatchedOut] = []
    migrations: list[MigrationOut] = []
    compaction: CompactionOut | None = None


class HealthOut(BaseModel):
    """The process answers."""

    status: Literal["ok"] = "ok"


class ReadyOut(BaseModel):
    """Whether questions can be answered now."""

    ready: bool
    reason: str = ""


def heading(headings: tuple[str, ...]) -> str:
    """Join a path of headings into one line."""
    return " > ".join(headings)
