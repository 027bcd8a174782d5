"""The JSON shapes of asking: questions, passages, answers, traces, explanations; pydantic."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict, Field

from app.query.filters import day_of, types_of, worded
from app.query.trace import Trace
from app.query.types import (
    Answer,
    Ask,
    Checked,
    Citation,
    Filters,
    Passage,
    Rewritten,
    Sentence,
    Turn,
)
from ingest.types import Hit

if TYPE_CHECKING:  # commands import these shapes, and shall not wait for all that answers
    from app.query.explain import Explanation

DEFAULT = "default"  # the collection meant when none is named
MAX_TOP_K = 100
MAX_HISTORY = 200  # turns
_STRICT = ConfigDict(extra="forbid")  # a misspelled field is told, not ignored


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
    media_types: list[str] = Field(default_factory=list, max_length=100)  # or pdf, .py, image/*
    headings: list[str] = Field(default_factory=list, max_length=100)  # texts in one above
    after: str = Field(default="", max_length=40)  # a date: documents added on it or later
    before: str = Field(default="", max_length=40)

    def filters(self) -> Filters:
        """Convert to the pipeline's noun.

        Raises:
            FilterError: a date cannot be read, or a type is unknown.
        """
        return Filters(
            tuple(self.document_ids),
            tuple(self.paths),
            tuple(dict.fromkeys(_types(self.media_types))),
            tuple(self.headings),
            day_of(self.after, "after") if self.after else "",
            day_of(self.before, "before") if self.before else "",
        )


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
    conversation_id: str = ""  # continue this one: its history is read, question and answer kept

    def ask(self) -> Ask:
        """Convert to the pipeline's noun."""
        filters = self.filters.filters() if self.filters else Filters()
        history = tuple(turn.turn() for turn in self.history or ())
        collection = self.collection or DEFAULT
        return Ask(self.question, collection, self.top_k, history, filters, self.model or "")


class ExplainIn(BaseModel):
    """What `POST /kb/explain` takes: a question as for `/kb/query`, and the file that is missed."""

    model_config = _STRICT

    question: str
    file: str = Field(min_length=1, max_length=4_096)  # a path, its end, or a glob pattern
    collection: str | None = None
    top_k: int = Field(default=5, ge=1, le=MAX_TOP_K)
    history: list[TurnIn] | None = Field(default=None, max_length=MAX_HISTORY)
    model: str | None = None
    filters: FiltersIn | None = None

    def ask(self) -> Ask:
        """Convert to the pipeline's noun."""
        return QueryIn.model_validate(self.model_dump(exclude={"file"})).ask()


class RewrittenOut(BaseModel):
    """What was searched for."""

    standalone: str
    keywords: str
    by: str
    queries: list[str] = []  # parts of a question that asks several things
    dropped: str = ""  # why the model's rewriting was not taken

    @classmethod
    def of(cls, rewritten: Rewritten) -> RewrittenOut:
        """Convert from the pipeline's noun."""
        return cls.model_validate(asdict(rewritten))


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
    notices: list[str] = []


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
    warnings: list[str] = []  # what a reader should know: it holds instructions to a machine

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
            warnings=list(passage.warnings),
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
    warnings: list[str] = []

    @classmethod
    def of(cls, citation: Citation) -> CitationOut:
        """Convert from the pipeline's noun."""
        return cls.model_validate(asdict(citation))


class SentenceOut(BaseModel):
    """One sentence of the answer with the numbers of its citations."""

    text: str
    citations: list[int]
    support: str
    reason: str = ""  # why it is not supported

    @classmethod
    def of(cls, sentence: Sentence) -> SentenceOut:
        """Convert from the pipeline's noun."""
        return cls.model_validate(asdict(sentence))


class CheckedOut(BaseModel):
    """The event `sentence`: one sentence of the answer that is being written, checked."""

    index: int
    sentence: SentenceOut
    citations: list[CitationOut]

    @classmethod
    def of(cls, checked: Checked) -> CheckedOut:
        """Convert from the pipeline's noun."""
        return cls(
            index=checked.index,
            sentence=SentenceOut.of(checked.sentence),
            citations=[CitationOut.of(one) for one in checked.citations],
        )


class PlaceOut(BaseModel):
    """Where a ranked list has a chunk."""

    rank: int
    score: float


class CandidateOut(BaseModel):
    """One chunk that a leg of the search found, and what became of it."""

    chunk_id: int
    document_id: str
    path: str
    title: str
    page: int | None
    start: int
    end: int
    dense: PlaceOut | None
    lexical: PlaceOut | None
    fused: PlaceOut | None
    reranked: PlaceOut | None
    passage: int | None  # the number of the passage that holds it
    left_out: str  # why it is in none: "no room", "duplicate", "below top_k"; or "merged into 2"


class BudgetOut(BaseModel):
    """What the passages could take and took, in tokens of the chat model."""

    context: int
    room: int
    used: int
    left_out: int


class PromptOut(BaseModel):
    """What the chat model read and wrote, in tokens."""

    version: int
    n_tokens: int
    n_reused: int
    n_generated: int
    is_estimated: bool = False  # the model was stopped before it told: what was reused is unknown


class TraceOut(BaseModel):
    """How an answer came about."""

    question: str
    rewritten: RewrittenOut
    filters: str  # as they could be typed; all of them must hold
    candidates: list[CandidateOut]
    dense_weight: float
    confidence: float
    bar: float
    budget: BudgetOut
    prompt: PromptOut | None
    model: str
    mode: str
    why: str
    gone: list[str]
    notices: list[str]
    timings: dict[str, float]

    @classmethod
    def of(cls, trace: Trace) -> TraceOut:
        """Convert from the pipeline's noun."""
        return cls.model_validate({**asdict(trace), "filters": worded(trace.filters)})


class StageOut(BaseModel):
    """One stage of the way of a file, and what happened to it there."""

    name: str
    state: str  # passed, weak, lost, skipped
    text: str


class ExplanationOut(BaseModel):
    """What `POST /kb/explain` gives."""

    question: str
    file: str
    paths: list[str]  # of the documents that the pattern names; the first is looked at
    stages: list[StageOut]
    lost_at: str  # the name of a stage; empty if the file was used
    advice: str

    @classmethod
    def of(cls, explanation: Explanation) -> ExplanationOut:
        """Convert from the pipeline's noun."""
        return cls.model_validate({**asdict(explanation), "lost_at": explanation.lost_at})


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
    notices: list[str] = []
    trace: TraceOut | None = None

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
            notices=list(answer.notices),
            trace=TraceOut.of(answer.trace) if answer.trace else None,
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


def _types(kinds: list[str]) -> Iterator[str]:
    """Give media types and patterns as they are, and the types behind a name such as pdf."""
    for kind in kinds:
        if any(mark in kind for mark in "/*?"):
            yield kind
        else:
            yield from types_of(kind, "media_types")


def heading(headings: tuple[str, ...]) -> str:
    """Join a path of headings into one line."""
    return " > ".join(headings)
