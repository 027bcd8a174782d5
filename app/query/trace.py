"""What happened on the way to an answer: ranks per leg, budget, prompt, why this mode; pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from app.query.pack import BELOW
from app.query.types import Filters, Mode, Passage, Retrieved, Rewritten
from ingest.types import Hit

Why = Literal[
    "borne_out",  # every sentence of the model is supported
    "partly_borne_out",  # some are
    "no_chat_model",
    "foreign_language",  # the small model does not write the question's language
    "not_borne_out",  # what the model wrote is not in the passages
    "nothing_stored",  # the collection is empty
    "filtered_out",  # the filters let nothing through
    "nothing_found",
    "all_gone",  # every document that was found has been deleted meanwhile
    "below_bar",
    "model_found_nothing",
    "no_sentence_fits",
]


@dataclass(frozen=True, slots=True)
class Place:
    """Where a ranked list has a chunk."""

    rank: int  # from 1
    score: float


@dataclass(frozen=True, slots=True)
class Candidate:
    """One chunk that a leg found, and what became of it."""

    chunk_id: int
    document_id: str
    path: str
    title: str
    page: int | None
    start: int
    end: int
    dense: Place | None = None
    lexical: Place | None = None
    fused: Place | None = None
    reranked: Place | None = None  # none without a reranker
    passage: int | None = None  # the number of the passage that holds its beginning
    left_out: str = ""  # why it is no passage of its own, in the words of `pack`


@dataclass(frozen=True, slots=True)
class Budget:
    """What the passages could take and took, in tokens of the chat model."""

    context: int  # of the model; 0 without one
    room: int  # for passages
    used: int
    left_out: int  # chunks that were chosen and are in no passage


@dataclass(frozen=True, slots=True)
class Prompt:
    """What the chat model read and wrote."""

    version: int
    n_tokens: int
    n_reused: int  # that the engine's cache held already
    n_generated: int
    is_estimated: bool = False  # the model was stopped before it told: what was reused is unknown


@dataclass(frozen=True, slots=True)
class Trace:
    """How one answer came about."""

    question: str
    rewritten: Rewritten
    filters: Filters
    candidates: tuple[Candidate, ...]  # best first
    dense_weight: float
    confidence: float
    bar: float  # a confidence below it is refused
    budget: Budget
    prompt: Prompt | None  # none: no chat model was asked
    model: str
    mode: Mode
    why: Why
    gone: tuple[str, ...] = ()  # paths of documents that were deleted meanwhile
    notices: tuple[str, ...] = ()
    timings: Mapping[str, float] = field(default_factory=dict)  # seconds by beat


def candidates_of(
    retrieved: Retrieved,
    ranked: Sequence[Hit],
    passages: Sequence[Passage],
    left_out: Mapping[int, str],
    *,
    is_reranked: bool,
) -> tuple[Candidate, ...]:
    """List every chunk that a leg found, with its places and what became of it.

    Args:
        ranked: the hits in their last order.
        left_out: chunk id → why it is no passage.
    """
    dense, lexical = places(retrieved.dense), places(retrieved.lexical)
    fused, last = places(retrieved.hits), places(ranked)
    known = {hit.chunk_id: hit for hit in (*ranked, *retrieved.dense, *retrieved.lexical)}
    found = []
    for chunk_id, hit in known.items():
        place = last.get(chunk_id)
        found.append(
            Candidate(
                chunk_id=chunk_id,
                document_id=hit.document_id,
                path=hit.path,
                title=hit.title,
                page=hit.page,
                start=hit.start,
                end=hit.end,
                dense=dense.get(chunk_id),
                lexical=lexical.get(chunk_id),
                fused=fused.get(chunk_id),
                reranked=place if is_reranked else None,
                passage=holder(hit, passages),
                left_out=left_out.get(chunk_id, "" if place else BELOW),
            )
        )
    return tuple(found)


def places(hits: Sequence[Hit]) -> dict[int, Place]:
    """Number the hits of a ranked list."""
    return {hit.chunk_id: Place(rank, hit.score) for rank, hit in enumerate(hits, 1)}


def holder(hit: Hit, passages: Sequence[Passage]) -> int | None:
    """Find the passage that holds the beginning of a chunk."""
    for one in passages:
        if one.document_id == hit.document_id and one.start <= hit.start < one.end:
            return one.n
    return None


_REASONS = {
    "borne_out": "every sentence is borne out by a passage",
    "partly_borne_out": "some sentences are borne out by a passage, the others are marked",
    "no_chat_model": "there is no chat model, so the documents were quoted",
    "foreign_language": "the small chat model does not write this language",
    "not_borne_out": "the passages do not bear out what the chat model wrote",
    "nothing_stored": "the collection is empty",
    "filtered_out": "the filters let nothing through",
    "nothing_found": "no passage was found",
    "all_gone": "the documents that were found have been deleted meanwhile",
    "model_found_nothing": "the chat model says that the passages hold no answer",
    "no_sentence_fits": "no sentence of the passages answers it",
}


def reason_text(why: str, confidence: float, bar: float) -> str:
    """Put into words why an answer was given as it was."""
    if why == "below_bar":
        return f"the confidence {confidence:.2f} is below the bar of {bar:.2f}"
    return _REASONS.get(why, why.replace("_", " "))
