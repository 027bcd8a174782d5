"""Queries → ranked hits whose scores compare across queries: dense leg, lexical leg, fusion.

The decisions (`dense_weight`, `fuse`, `blend`) are pure; `retrieve` asks the two indexes.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

from app.query.beats import Beats
from app.query.filters import allowed, keeps
from app.query.types import Ask, Retrieved, Rewritten
from app.query.words import Held, cjk_share, content_terms, hold, share_held
from ingest.types import Hit

RECALL_FLOOR = (
    50  # hits asked of each leg: a smaller number would reorder the head when top_k changes
)
BALANCED = 0.4  # share of the dense leg where the model knows the language
FOREIGN = 0.05  # share of the dense leg where it does not
OWN_WORDS = 0.25  # share of the question as asked when a condensed question is searched too
DEPTH = 50  # hits handed on

_MANY_LANGUAGES = (
    "bge-m3", "multilingual", "qwen3-embedding", "nomic-embed-text-v2", "embeddinggemma",
    "snowflake-arctic-embed2", "labse", "jina-embeddings-v3", "jina-embeddings-v4", "gte-qwen",
    "e5-mistral",
)  # fmt: skip
_ENGLISH_ONLY = (
    "all-minilm", "all-mpnet", "nomic-embed-text", "mxbai-embed", "snowflake-arctic-embed",
    "gte-small", "gte-base", "gte-large", "e5-small", "e5-base", "e5-large",
    "granite-embedding", "paraphrase-minilm",
)  # fmt: skip
_BGE = re.compile(r"bge-(?:small|base|large)(?:-(en|zh))?")


def dense_weight(model: str, query: str) -> float:
    """Choose the dense leg's share of the score, from the model's languages and the query's script.

    Measured with all-MiniLM: Chinese questions are found at 0.19 by the dense leg, at 0.99 by the
    lexical leg (hit@5, refusal-zh); equal shares lose half of the first places there.
    """
    share = cjk_share(query)
    language = _language(model.casefold())
    if language == "en":
        return BALANCED + (FOREIGN - BALANCED) * min(1.0, 2 * share)
    if language == "zh":
        return FOREIGN if share == 0 else BALANCED
    return BALANCED


def _language(model: str) -> str:
    if any(family in model for family in _MANY_LANGUAGES):
        return "many"
    if found := _BGE.search(model):
        return found.group(1) or "en"
    return "en" if any(family in model for family in _ENGLISH_ONLY) else "many"


def fuse(query: str, dense: Sequence[Hit], lexical: Sequence[Hit], weight: float) -> list[Hit]:
    """Merge two ranked lists into one, each chunk once, best first.

    A hit's score is `weight` × cosine + (1 - weight) × BM25 scaled so that the best lexical hit
    scores the share of the query's idf mass that it holds. Both parts mean the same for every
    query, so the best score also tells how well the question is answerable; ranks cannot.

    Args:
        weight: share of the dense leg, from 0 to 1.
    Source: convex combination as in Bruch et al. 2022, arXiv:2210.11934; the scaling is ours.
    """
    known = {hit.chunk_id: hit for hit in (*lexical, *dense)}
    cosines = {hit.chunk_id: max(0.0, min(1.0, hit.score)) for hit in dense}
    matches = _scaled(query, lexical, list(known.values()))
    unseen = min(cosines.values(), default=0.0)  # below the dense list: at most its last score
    ranks = {"dense": _ranks(dense), "lexical": _ranks(lexical)}
    scored = [
        replace(
            hit,
            score=weight * cosines.get(one, unseen) + (1 - weight) * matches.get(one, 0.0),
            legs={leg: places[one] for leg, places in ranks.items() if one in places},
        )
        for one, hit in known.items()
    ]
    return sorted(scored, key=lambda hit: (-hit.score, hit.document_id, hit.start))


def blend(own: Sequence[Hit], condensed: Sequence[Hit], own_share: float = OWN_WORDS) -> list[Hit]:
    """Merge the lists of the question as asked and of its condensed form, each chunk once."""
    shares = ((own, own_share), (condensed, 1 - own_share))
    scores: dict[int, float] = {}
    known: dict[int, Hit] = {}
    for hits, share in shares:
        for hit in hits:
            scores[hit.chunk_id] = scores.get(hit.chunk_id, 0.0) + share * hit.score
            known[hit.chunk_id] = hit
    merged = [replace(hit, score=scores[one]) for one, hit in known.items()]
    return sorted(merged, key=lambda hit: (-hit.score, hit.document_id, hit.start))


def idf_of(terms: Sequence[str], texts: Sequence[Held]) -> dict[str, float]:
    """Weigh terms by how few of the texts hold them (BM25's idf, never below 0)."""
    n = len(texts)
    counts = {term: sum(text.has(term) for text in texts) for term in terms}
    return {term: math.log(1 + (n - count + 0.5) / (count + 0.5)) for term, count in counts.items()}


def retrieve(beats: Beats, ask: Ask, rewritten: Rewritten) -> Retrieved:
    """Search for the question, and for its condensed form where there is one."""
    document_ids = allowed(beats.documents, ask.collection, ask.filters)
    if document_ids is not None and not document_ids:
        return Retrieved(())
    found = _search(beats, ask, ask.question, document_ids)
    if rewritten.by != "none" and rewritten.standalone != ask.question:
        condensed = _search(beats, ask, rewritten.standalone, document_ids)
        found = replace(condensed, hits=tuple(blend(found.hits, condensed.hits)))
    hits = found.hits[: max(DEPTH, ask.top_k)]
    return replace(found, hits=hits, confidence=max((one.score for one in hits), default=0.0))


def _search(beats: Beats, ask: Ask, query: str, document_ids: Sequence[str] | None) -> Retrieved:
    def kept(hits: Sequence[Hit]) -> tuple[Hit, ...]:
        return tuple(hit for hit in hits if keeps(ask.filters, hit))

    dense = kept(beats.dense(ask.collection, query, RECALL_FLOOR, document_ids))
    lexical = kept(beats.lexical(ask.collection, query, RECALL_FLOOR, document_ids))
    weight = dense_weight(beats.embedding_model(ask.collection), query)
    return Retrieved(tuple(fuse(query, dense, lexical, weight)), dense, lexical, weight)


def _scaled(query: str, lexical: Sequence[Hit], seen: Sequence[Hit]) -> dict[int, float]:
    """Scale BM25 to 0..1 so that it compares across queries."""
    best = max(lexical, key=lambda hit: hit.score, default=None)
    if best is None or best.score <= 0:
        return {}
    texts = [hold(_whole(hit)) for hit in seen]
    weights = idf_of(content_terms(query), texts)
    return {
        hit.chunk_id: _coverage(weights, hold(_whole(best))) * hit.score / best.score
        for hit in lexical
    }


def _coverage(weights: Mapping[str, float], held: Held) -> float:
    total = sum(weights.values())
    if total <= 0:
        return share_held(weights, held)
    return sum(weight for term, weight in weights.items() if held.has(term)) / total


def _whole(hit: Hit) -> str:
    return "\n".join((hit.title, *hit.headings, hit.text))


def _ranks(hits: Sequence[Hit]) -> dict[int, int]:
    return {hit.chunk_id: rank for rank, hit in enumerate(hits, 1)}
