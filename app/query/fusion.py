"""Two ranked lists → one whose scores compare across questions; pure.

First the legs are joined (`fuse`), then the head of the list is ordered by how much of the question
each chunk says itself, in one sentence, under its headings and among its neighbours (`weighed`).
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from typing import Protocol

from app.query.sought import above, folded_sentences, idf, terms_in, terms_in_folded, whole
from app.query.words import cjk_share, content_terms
from ingest.types import Hit

# Shares of the dense leg. Measured on XQuAD, CMRC and Chroma's chunking corpora: from 0.4 to 0.6
# no set changes by more than a point, so that nothing hangs on the exact value.
BALANCED = 0.4  # where the model knows the language
FOREIGN = 0.05  # where it does not
OWN_WORDS = 0.25  # share of the question as asked when a condensed question is searched too

# What else speaks for a chunk, beside the two legs (whose weights sum to 1).
COVERED = 0.2  # share of the question's idf mass that the chunk holds
SAID_AT_ONCE = 0.2  # the same of its best sentence
TITLED = 0.1  # the same of its title and headings
NEIGHBOURS = 0.1  # each of the best three scores around it in its document
MAX_NEIGHBOURS = 3
PARTS_BEHIND = 3  # hits of a whole question, before those of its parts
NEARBY = 2_500  # characters between the beginnings of neighbours
HEAD = 24  # hits that are weighed; the others keep their order behind them
_HIGHEST = 1 + COVERED + SAID_AT_ONCE + TITLED + NEIGHBOURS * MAX_NEIGHBOURS


class Holds(Protocol):
    """A text that can be asked for terms of `content_terms`."""

    def has(self, term: str) -> bool:
        """Tell whether the text holds a term."""
        ...


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
    matches = _scaled(lexical, _weights(content_terms(query), known.values()))
    unseen = min(cosines.values(), default=0.0)  # below the dense list: at most its last score
    ranks = {"dense": _ranks(dense), "lexical": _ranks(lexical)}
    scored = [
        hit.scored(
            weight * cosines.get(one, unseen) + (1 - weight) * matches.get(one, 0.0),
            {leg: places[one] for leg, places in ranks.items() if one in places},
        )
        for one, hit in known.items()
    ]
    return best_first(scored)


def weighed(query: str, fused: Sequence[Hit]) -> list[Hit]:
    """Order the head of a fused list by all that speaks for a chunk; scores stay from 0 to 1.

    BM25 and cosine see a chunk as a bag of words. An answer is more often where one sentence
    holds the question's rare words together, where the headings name the subject, and in a part
    of the document that is about it. The shares of the question's words count by their idf among
    all the hits.
    """
    weights = _weights(content_terms(query), fused)
    by_document: defaultdict[str, list[Hit]] = defaultdict(list)
    for hit in fused:
        by_document[hit.document_id].append(hit)
    head = [
        hit.scored(_weighed(hit, weights, by_document[hit.document_id]) / _HIGHEST)
        for hit in fused[:HEAD]
    ]
    lowest = min((hit.score for hit in head), default=0.0)
    tail = [hit.scored(min(lowest, hit.score / _HIGHEST)) for hit in fused[HEAD:]]
    return best_first(head) + tail


def blend(own: Sequence[Hit], condensed: Sequence[Hit], own_share: float = OWN_WORDS) -> list[Hit]:
    """Merge the lists of the question as asked and of its condensed form, each chunk once."""
    shares = ((own, own_share), (condensed, 1 - own_share))
    scores: dict[int, float] = {}
    known: dict[int, Hit] = {}
    for hits, share in shares:
        for hit in hits:
            scores[hit.chunk_id] = scores.get(hit.chunk_id, 0.0) + share * hit.score
            known[hit.chunk_id] = hit
    return best_first([hit.scored(scores[one]) for one, hit in known.items()])


def joined(whole: Sequence[Hit], parts: Sequence[Sequence[Hit]]) -> list[Hit]:
    """Give the best hit of each part of a question a place behind the first hits of the whole.

    Not the better score of the two: a part leaves out what the question is about, and then finds
    something else with certainty.
    """
    first, rest = list(whole[:PARTS_BEHIND]), list(whole[PARTS_BEHIND:])
    there = {hit.chunk_id for hit in whole[: PARTS_BEHIND + len(parts)]}
    lowest = min((hit.score for hit in first), default=1.0)
    added: dict[int, Hit] = {}
    for hits in parts:
        if hits and hits[0].chunk_id not in there:
            added[hits[0].chunk_id] = hits[0].scored(min(lowest, hits[0].score))
    tail = [
        hit.scored(min([hit.score, *(one.score for one in added.values())]))
        for hit in rest
        if hit.chunk_id not in added
    ]
    return first + best_first(list(added.values())) + tail


def scaled_to(hits: Sequence[Hit], top: float) -> list[Hit]:
    """Scale all scores so that the best one is `top`; the order stays."""
    best = max((hit.score for hit in hits), default=0.0)
    if best <= 0:
        return list(hits)
    return [hit.scored(hit.score * top / best) for hit in hits]


def idf_of(terms: Sequence[str], texts: Sequence[Holds]) -> dict[str, float]:
    """Weigh terms by how few of the texts hold them (BM25's idf, never below 0)."""
    return {term: idf(len(texts), sum(text.has(term) for text in texts)) for term in terms}


def coverage(weights: Mapping[str, float], held: Collection[str]) -> float:
    """Tell the share of the terms' weight that a text has.

    Args:
        held: those of the terms that are in the text.
    """
    total = sum(weights.values())
    if total <= 0:
        return len(held) / len(weights) if weights else 1.0
    # In the order of the terms: a sum of floats hangs on it.
    return sum(weight for term, weight in weights.items() if term in held) / total


def best_first(hits: Sequence[Hit]) -> list[Hit]:
    """Sort by score; equal scores in the order of the documents."""
    return sorted(hits, key=lambda hit: (-hit.score, hit.document_id, hit.start))


def _weighed(hit: Hit, weights: Mapping[str, float], document: Sequence[Hit]) -> float:
    if not weights:
        return hit.score
    around = sorted((one.score for one in document if _is_near(one, hit)), reverse=True)
    held = terms_in(tuple(weights), whole(hit))
    there = tuple(term for term in weights if term in held)
    said = max(
        (coverage(weights, terms_in_folded(there, one)) for one in folded_sentences(hit.text)),
        default=0.0,
    )
    return (
        hit.score
        + COVERED * coverage(weights, held)
        + SAID_AT_ONCE * said
        + TITLED * coverage(weights, terms_in(there, above(hit)))
        + NEIGHBOURS * sum(around[:MAX_NEIGHBOURS])
    )


def _is_near(one: Hit, hit: Hit) -> bool:
    return one.chunk_id != hit.chunk_id and abs(one.start - hit.start) < NEARBY


def _language(model: str) -> str:
    if any(family in model for family in _MANY_LANGUAGES):
        return "many"
    if found := _BGE.search(model):
        return found.group(1) or "en"
    return "en" if any(family in model for family in _ENGLISH_ONLY) else "many"


def _weights(terms: tuple[str, ...], hits: Collection[Hit]) -> dict[str, float]:
    counts = dict.fromkeys(terms, 0)
    for hit in hits:
        for term in terms_in(terms, whole(hit)):
            counts[term] += 1
    return {term: idf(len(hits), count) for term, count in counts.items()}


def _scaled(lexical: Sequence[Hit], weights: Mapping[str, float]) -> dict[int, float]:
    """Scale BM25 to 0..1 so that it compares across queries."""
    best = max(lexical, key=lambda hit: hit.score, default=None)
    if best is None or best.score <= 0:
        return {}
    held = coverage(weights, terms_in(tuple(weights), whole(best)))
    return {hit.chunk_id: held * hit.score / best.score for hit in lexical}


def _ranks(hits: Sequence[Hit]) -> dict[int, int]:
    return {hit.chunk_id: rank for rank, hit in enumerate(hits, 1)}
