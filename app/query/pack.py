"""Hits → numbered passages that fit into a token budget; pure but for the functions it is given."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from app.query.sentences import cut
from app.query.types import Citation, Passage
from app.query.words import fold
from ingest.types import Hit

MIN_TOKENS = 24  # a shorter rest of a passage says nothing
BLOCK_TOKENS = 48  # what the tagged lines and the title around a passage take

TextOf = Callable[[str], str]  # document id → loaded text
LabelOf = Callable[
    [str, int], str
]  # (document id, page) → what is printed there; empty: as counted
Count = Callable[[Sequence[str]], list[int]]


@dataclass(frozen=True, slots=True)
class _Piece:
    """A hit on its way to a passage; `best` is its own text, kept if the merged one is too long."""

    hit: Hit
    best: Hit


def pack(hits: Sequence[Hit], text_of: TextOf, count: Count, budget_tokens: int) -> list[Passage]:
    """Choose the passages for one answer, best first, numbered from 1.

    Neighbours in one document become one passage, the same text twice becomes one, and what does
    not fit is cut at a sentence end or left out.
    """
    passages: list[Passage] = []
    room = budget_tokens
    for piece in _distinct(merged(hits, text_of)):
        text, used = _fitted(piece, count, room - BLOCK_TOKENS)
        if not text:
            continue
        hit = piece.hit if piece.hit.text.startswith(text) else piece.best
        room -= used + BLOCK_TOKENS
        passages.append(_passage(len(passages) + 1, hit, text))
    return passages


def labelled(passages: Sequence[Passage], label_of: LabelOf) -> list[Passage]:
    """Give each passage the label that its page bears."""
    return [
        replace(one, page_label=label_of(one.document_id, one.page)) if one.page else one
        for one in passages
    ]


def with_labels(citations: Sequence[Citation], passages: Sequence[Passage]) -> list[Citation]:
    """Give each citation the label of the passage's page that it was found on."""
    labels = {(one.document_id, one.page): one.page_label for one in passages}
    return [
        replace(one, page_label=labels.get((one.document_id, one.page), "")) for one in citations
    ]


def merged(hits: Sequence[Hit], text_of: TextOf) -> list[_Piece]:
    """Join hits that touch or overlap on one page of a document; the best one gives the rank."""
    pieces: list[_Piece] = []
    for hit in hits:
        whole, rest = hit, []
        for piece in pieces:
            if _touches(piece.hit, whole, text_of):
                # The earlier piece ranks better, so it lends its score and stays in front.
                whole = _joined(piece.hit, whole, text_of)
                rest.append(piece)
        if not rest:
            pieces.append(_Piece(hit, hit))
            continue
        at = pieces.index(rest[0])
        kept = [piece for piece in pieces if piece not in rest]
        pieces = [*kept[:at], _Piece(whole, rest[0].best), *kept[at:]]
    return pieces


def _touches(one: Hit, other: Hit, text_of: TextOf) -> bool:
    if one.document_id != other.document_id or one.page != other.page:
        return False
    first, second = sorted((one, other), key=lambda hit: (hit.start, hit.end))
    return (
        second.start <= first.end or not text_of(one.document_id)[first.end : second.start].strip()
    )


def _joined(better: Hit, other: Hit, text_of: TextOf) -> Hit:
    start, end = min(better.start, other.start), max(better.end, other.end)
    n_common = 0
    for one, two in zip(better.headings, other.headings, strict=False):
        if one != two:
            break
        n_common += 1
    return replace(
        better,
        start=start,
        end=end,
        text=text_of(better.document_id)[start:end],
        headings=better.headings[:n_common],
        score=max(better.score, other.score),
    )


def _distinct(pieces: Sequence[_Piece]) -> list[_Piece]:
    """Drop pieces whose text another, better one has already."""
    kept: list[_Piece] = []
    seen: list[str] = []
    for piece in pieces:
        text = " ".join(fold(piece.hit.text).split())
        if text and not any(text in earlier for earlier in seen):
            kept.append(piece)
            seen.append(text)
    return kept


def _fitted(piece: _Piece, count: Count, room: int) -> tuple[str, int]:
    """Give the text of a piece, or a beginning of it, that fits into `room` tokens."""
    if room < MIN_TOKENS:
        return "", 0
    for hit in dict.fromkeys((piece.hit.text, piece.best.text)):
        n_tokens = count([hit])[0]
        if n_tokens <= room:
            return hit, n_tokens
    text = piece.best.text
    while text and n_tokens > room:
        text = cut(text, min(len(text) - 1, int(len(text) * room / n_tokens)))
        n_tokens = count([text])[0] if text else 0
    return (text, n_tokens) if n_tokens >= min(MIN_TOKENS, room) else ("", 0)


def _passage(n: int, hit: Hit, text: str) -> Passage:
    return Passage(
        n=n,
        document_id=hit.document_id,
        path=hit.path,
        title=hit.title,
        page=hit.page,
        headings=hit.headings,
        start=hit.start,
        end=hit.start + len(text),
        text=text,
        score=hit.score,
    )
