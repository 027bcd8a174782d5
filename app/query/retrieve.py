"""Queries → ranked hits whose scores compare across queries; asks the two indexes.

How the legs are joined is decided in `fusion.py`, what a score says of the documents in
`confidence.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from app.query.beats import Beats
from app.query.confidence import confidence_of
from app.query.filters import allowed, depth, keeps
from app.query.fusion import (
    OWN_WORDS,
    blend,
    dense_weight,
    fuse,
    idf_of,
    joined,
    scaled_to,
    weighed,
)
from app.query.types import Ask, Retrieved, Rewritten
from ingest.types import Hit

__all__ = ["idf_of", "retrieve"]

DEPTH = 50  # hits handed on


def retrieve(beats: Beats, ask: Ask, rewritten: Rewritten, *, is_weighed: bool = True) -> Retrieved:
    """Search for the question, for its condensed form and for its parts where there are any.

    The best hit's score is the confidence that the documents hold the answer.

    Args:
        is_weighed: False leaves the hits in the order of the fused legs, to measure against.
    """
    document_ids = allowed(beats.documents, ask.collection, ask.filters)
    if document_ids is not None and not document_ids:
        return Retrieved(())

    def search(query: str) -> Retrieved:
        return _search(beats, ask, query, document_ids, is_weighed=is_weighed)

    found = search(ask.question)
    if rewritten.by != "none" and rewritten.standalone != ask.question:
        condensed = search(rewritten.standalone)
        found = replace(
            condensed,
            hits=tuple(blend(found.hits, condensed.hits)),
            confidence=OWN_WORDS * found.confidence + (1 - OWN_WORDS) * condensed.confidence,
        )
    parts = [search(query) for query in rewritten.queries if query != ask.question]
    if parts:
        found = replace(found, hits=tuple(joined(found.hits, [one.hits for one in parts])))
    hits = scaled_to(found.hits[: max(DEPTH, ask.top_k)], found.confidence)
    return replace(found, hits=tuple(hits))


def _search(
    beats: Beats, ask: Ask, query: str, document_ids: Sequence[str] | None, *, is_weighed: bool
) -> Retrieved:
    def kept(hits: Sequence[Hit]) -> tuple[Hit, ...]:
        return tuple(hit for hit in hits if keeps(ask.filters, hit))

    n_wanted = depth(ask.filters)
    # Both at once: one waits for the model, the other for SQLite, and neither holds Python's lock.
    with ThreadPoolExecutor(1, thread_name_prefix="lexical-leg") as beside:
        by_words = beside.submit(beats.lexical, ask.collection, query, n_wanted, document_ids)
        dense = kept(beats.dense(ask.collection, query, n_wanted, document_ids))
        lexical = kept(by_words.result())
    weight = dense_weight(beats.embedding_model(ask.collection), query)
    fused = fuse(query, dense, lexical, weight)
    hits = weighed(query, fused) if is_weighed else fused
    return Retrieved(tuple(hits), dense, lexical, weight, confidence_of(query, fused, hits))
