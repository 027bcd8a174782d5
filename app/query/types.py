"""The nouns of asking: question, passage, sentence, citation, answer, events; pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from ingest.types import Hit

if TYPE_CHECKING:
    from app.query.trace import Trace

Support = Literal["supported", "partly", "not_found"]
Mode = Literal["generated", "extractive", "refused"]


@dataclass(frozen=True, slots=True)
class Turn:
    """One earlier message of the conversation."""

    role: str  # user or assistant
    content: str


@dataclass(frozen=True, slots=True)
class Filters:
    """Which documents may answer; empty fields allow all."""

    document_ids: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()  # glob patterns on the path
    media_types: tuple[str, ...] = ()
    headings: tuple[str, ...] = ()  # texts, one of which a heading above the passage holds
    after: str = ""  # ISO date: documents added on that day or later
    before: str = ""  # ISO date: documents added on an earlier day
    also: tuple[Filters, ...] = ()  # further filters, each of which must hold too

    def __bool__(self) -> bool:
        """Whether anything is filtered at all."""
        return self != Filters()


@dataclass(frozen=True, slots=True)
class Ask:
    """A question with all that the pipeline needs to answer it."""

    question: str
    collection: str
    top_k: int = 5
    history: tuple[Turn, ...] = ()
    filters: Filters = Filters()
    model: str = ""  # chat model; empty = the one configured


@dataclass(frozen=True, slots=True)
class Rewritten:
    """What is searched for."""

    standalone: str  # the question, understandable without the history
    keywords: str  # the question's content words, for the lexical leg
    by: Literal["none", "model", "rule"] = "none"
    queries: tuple[str, ...] = ()  # parts of a question that asks several things
    dropped: str = ""  # why a model's rewrite was not taken


@dataclass(frozen=True, slots=True)
class Retrieved:
    """What the search found, with what each leg said."""

    hits: tuple[Hit, ...]  # fused, best first
    dense: tuple[Hit, ...] = ()  # as the leg ranked them, for the question as it was searched last
    lexical: tuple[Hit, ...] = ()
    dense_weight: float = 0.0  # share of the dense leg, from 0 to 1
    confidence: float = 0.0  # that the documents hold the answer, from 0 to 1


@dataclass(frozen=True, slots=True)
class Passage:
    """A numbered source given to the model: one hit, or neighbouring hits merged.

    Invariant: `text` is the slice `start:end` of the document's loaded text.
    """

    n: int  # from 1, as cited
    document_id: str
    path: str
    title: str
    page: int | None
    headings: tuple[str, ...]
    start: int
    end: int
    text: str
    score: float
    page_label: str = ""  # as printed on the page ("iv"); empty if it is the page's number
    warnings: tuple[str, ...] = ()  # what a reader should know: it holds instructions to a machine


@dataclass(frozen=True, slots=True)
class Citation:
    """The span that bears out a sentence.

    Invariant: `text` is the slice `start:end` of the document's loaded text.
    """

    n: int
    document_id: str
    path: str
    page: int | None
    start: int
    end: int
    text: str
    page_label: str = ""  # as in a passage
    warnings: tuple[str, ...] = ()  # as in a passage


@dataclass(frozen=True, slots=True)
class Sentence:
    """One sentence of the answer, without marks, and the citations that bear it out."""

    text: str
    citations: tuple[int, ...]
    support: Support
    reason: str = ""  # why it is not supported: "the number 41 is not in the passage"


@dataclass(frozen=True, slots=True)
class Answer:
    """The whole reply."""

    text: str  # with [n] marks
    mode: Mode
    sentences: tuple[Sentence, ...]
    citations: tuple[Citation, ...]
    passages: tuple[Passage, ...]
    rewritten: Rewritten
    timings: Mapping[str, float] = field(default_factory=dict)  # seconds by beat
    models: Mapping[str, str] = field(default_factory=dict)  # chat, embedding, reranker
    trace: Trace | None = None  # how it came about
    notices: tuple[str, ...] = ()  # what went wrong on the way, and was done without

    @property
    def is_refused(self) -> bool:
        """Whether the documents did not hold an answer."""
        return self.mode == "refused"


@dataclass(frozen=True, slots=True)
class Status:
    """Which beat begins."""

    beat: Literal["rewrite", "retrieve", "rerank", "pack", "generate", "verify"]


@dataclass(frozen=True, slots=True)
class Found:
    """The passages that the answer will rest on."""

    passages: tuple[Passage, ...]


@dataclass(frozen=True, slots=True)
class Token:
    """Text of the answer as it comes; empty is a sign of life, at which one may stop."""

    text: str


@dataclass(frozen=True, slots=True)
class Checked:
    """A sentence of the answer that is being written, checked; the last word is `Done`'s."""

    index: int  # of the sentence, from 0
    sentence: Sentence
    citations: tuple[Citation, ...]  # those that the sentence names


@dataclass(frozen=True, slots=True)
class Done:
    """The finished answer, verified."""

    answer: Answer


AnswerEvent = Status | Found | Token | Checked | Done
