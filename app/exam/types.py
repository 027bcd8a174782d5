"""The nouns of examination: source, case, exam, result, estimate, run, verdict; pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Kind = Literal["wh", "cloze", "keywords", "heading", "table", "unanswerable", "own"]
RunState = Literal["queued", "running", "done", "failed", "cancelled"]
Finding = Literal["better", "worse", "no difference shown"]


@dataclass(frozen=True, slots=True)
class Part:
    """A span of a source that belongs together, with the headings above it."""

    start: int
    end: int
    headings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Source:
    """One document to ask about."""

    digest: str  # of the file's bytes
    path: str
    title: str
    text: str
    parts: tuple[Part, ...]
    language: str = "en"  # zh, en or other


@dataclass(frozen=True, slots=True)
class Case:
    """One question with what answers it.

    Invariant: `text` is the slice `start:end` of the document of that digest, as it was when the
    case was made or found again. An unanswerable case has no text, but it may have the document
    that it was modelled on, with which it goes.
    """

    id: str  # of question, answer and path: the same after the document has changed
    kind: Kind
    language: str  # zh, en or other
    question: str
    answer: str = ""
    digest: str = ""
    path: str = ""
    start: int = 0
    end: int = 0
    text: str = ""
    is_stale: bool = False  # its document no longer says it, or is gone

    @property
    def is_answerable(self) -> bool:
        """Whether the library holds the answer."""
        return self.kind != "unanswerable"

    @property
    def is_own(self) -> bool:
        """Whether a user asked it; made-up questions that nothing answers have a path."""
        return self.kind == "own" or (not self.is_answerable and not self.path)


@dataclass(frozen=True, slots=True)
class Exam:
    """Questions about one collection."""

    id: str
    collection: str
    created_at: str
    n_documents: int  # that the collection had
    cases: tuple[Case, ...]


@dataclass(frozen=True, slots=True)
class Place:
    """Where a passage stands that was found."""

    path: str
    start: int
    end: int
    page: int | None = None


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one case in one run; holds numbers and places, never text of documents."""

    case_id: str
    is_answerable: bool
    kind: Kind = "keywords"
    language: str = "other"
    rank: int = 0  # from 1, of the first hit that holds the gold span; 0 = not found
    is_span_found: bool = False  # the first five hits hold the gold span whole
    confidence: float = 0.0  # that the library holds an answer
    dense_weight: float = 0.0  # share of the dense leg
    is_refused: bool | None = None  # none: only searched, not answered
    n_citations: int = 0
    n_resolved: int = 0  # citations that are the slice of the text that they say they are
    n_holding: int = 0  # citations that hold the answer; counted for answerable cases only
    seconds: float = 0.0  # of the search
    found: tuple[Place, ...] = ()  # the first hits
    error: str = ""  # not a miss: the case could not be tried
    is_stale: bool = False  # the case has lost its document, so it was not tried


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure with its 95 % confidence interval; none of it if nothing was counted."""

    value: float
    low: float
    high: float
    n: int


@dataclass(frozen=True, slots=True)
class Difference:
    """How a figure moved from one run to another, on the cases that both have."""

    value: float
    low: float
    high: float
    n: int
    finding: Finding


@dataclass(frozen=True, slots=True)
class Run:
    """One taking of an exam."""

    id: str
    exam_id: str
    collection: str
    created_at: str
    state: RunState
    settings: Mapping[str, str] = field(default_factory=dict)
    n_answers: int = 0  # cases that are answered too, not only searched
    is_judging: bool = False  # the run is to decide about the reranker
    n_done: int = 0
    n_cases: int = 0
    message: str = ""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a collection's exams have decided: the reranker's say and the bar of refusal."""

    collection: str
    reranker: str = ""  # that was judged; empty = none was
    share: float | None = None
    reason: str = ""
    bar: float | None = None
    embedding: str = ""  # the model that the bar was measured with
    measured_at: str = ""


@dataclass(frozen=True, slots=True)
class Right:
    """The span of a document that should have answered."""

    document_id: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Opinion:
    """What somebody thinks of an answer; holds no text of a document."""

    conversation: str
    message: int  # the answer's place in it
    collection: str
    verdict: Literal["up", "down", ""]  # empty: taken back
    comment: str = ""
    is_missing: bool = False  # the documents do not hold what was asked
    right: Right | None = None
    created_at: str = ""
    cases: tuple[str, ...] = ()  # ids of the questions of the exam that it made
