"""Hits → numbered passages that fit into a token budget; pure but for the functions it is given.

Neighbours become one passage, what says the same is given once, no document takes all the places,
and what is short grows by the text around it while there is room. `packed_with_reasons` also says
what became of every hit that is in no passage.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from app.query.same import Sameness, sameness_of, says_the_same
from app.query.sentences import cut
from app.query.tables import header_of
from app.query.types import Citation, Passage
from app.query.widen import grown
from ingest.errors import DocumentNotFoundError
from ingest.types import Hit

MIN_TOKENS = 24  # a shorter rest of a passage says nothing
BLOCK_TOKENS = 48  # what the tagged lines and the title around a passage take
MAX_PER_DOCUMENT = 3  # passages, while another document has something similarly good
SIMILAR = 0.8  # share of a hit's score that the other document's hit must reach
# Characters that a short passage grows to. Measured with all-MiniLM on 400 Chinese questions: 0.988
# of the answers stand in the passages, 1.000 once these are grown; right extracts stay as many.
WIDE = 600
_BLANK = re.compile(r"\s*")
BELOW, NO_ROOM, DELETED = "below top_k", "no room", "deleted"

TextOf = Callable[[str], str]  # document id → loaded text
LabelOf = Callable[
    [str, int], str
]  # (document id, page) → what is printed there; empty: as counted
Count = Callable[[Sequence[str]], list[int]]


@dataclass(frozen=True, slots=True)
class Packed:
    """The passages of one answer, and why the other hits are in none."""

    passages: tuple[Passage, ...]
    left_out: Mapping[int, str]  # chunk id → “duplicate of 2”, “merged into 1”, “no room” …


@dataclass(frozen=True, slots=True)
class _Piece:
    """Hits on their way to a passage; `best` is kept alone if all together are too long."""

    hit: Hit
    best: Hit
    members: tuple[Hit, ...] = ()  # those merged into the best


@dataclass(slots=True)
class _Texts:
    """The documents' texts, each read once; empty for those that are gone."""

    text_of: TextOf
    read: dict[str, str] = field(default_factory=dict)

    def __getitem__(self, document_id: str) -> str:
        if document_id not in self.read:
            try:
                self.read[document_id] = self.text_of(document_id)
            except (DocumentNotFoundError, KeyError):
                self.read[document_id] = ""
        return self.read[document_id]

    def holds(self, hit: Hit) -> bool:
        """Tell whether a hit's text still stands where it says."""
        return bool(hit.text) and self[hit.document_id][hit.start : hit.end] == hit.text


def pack(hits: Sequence[Hit], text_of: TextOf, count: Count, budget_tokens: int) -> list[Passage]:
    """Choose the passages for one answer, best first, numbered from 1."""
    return list(packed_with_reasons(hits, text_of, count, budget_tokens).passages)


def packed_with_reasons(
    hits: Sequence[Hit],
    text_of: TextOf,
    count: Count,
    budget_tokens: int,
    top_k: int | None = None,
) -> Packed:
    """Choose the passages for one answer, best first, and say why the other hits are in none.

    Neighbours in one document become one passage, the same text twice becomes one, what does not
    fit is cut at a sentence end or left out, and what is short grows while there is room. A
    document that is gone is left out.

    Args:
        top_k: hits that may become passages; all if not told.
    """
    texts = _Texts(text_of)
    n_wanted = len(hits) if top_k is None else top_k
    left_out: dict[int, str] = {}
    chosen = diverse(hits, n_wanted)
    while gone := [hit for hit in chosen if not texts.holds(hit)]:
        left_out |= {hit.chunk_id: DELETED for hit in gone}
        chosen = diverse([hit for hit in hits if hit.chunk_id not in left_out], n_wanted)
    taken = {hit.chunk_id for hit in chosen}
    left_out |= {hit.chunk_id: BELOW for hit in hits if hit.chunk_id not in taken | left_out.keys()}

    placed: list[Hit] = []
    said: list[Sameness] = []
    room = budget_tokens
    for piece in merged(chosen, texts.__getitem__):
        what = sameness_of(piece.hit.text)
        same = next((n for n, one in enumerate(said, 1) if says_the_same(what, one)), 0)
        text, used = ("", 0) if same else _fitted(piece, count, room - BLOCK_TOKENS)
        if text:
            hit = piece.hit if piece.hit.text.startswith(text) else piece.best
            room -= used + BLOCK_TOKENS
            placed.append(replace(hit, text=text, end=hit.start + len(text)))
            said.append(what if text == piece.hit.text else sameness_of(text))
        left_out |= _reasons(piece, placed, same, is_placed=bool(text))
    wide = _grown(placed, texts, count, room)
    return Packed(tuple(_passage(n, hit, texts) for n, hit in enumerate(wide, 1)), left_out)


def diverse(hits: Sequence[Hit], top_k: int) -> list[Hit]:
    """Choose the best hits, but let no document take more than its places while others wait.

    A hit beyond `MAX_PER_DOCUMENT` steps back for hits of other documents that score at least
    `SIMILAR` of what it does.
    """
    chosen: list[Hit] = []
    waiting = list(hits)
    counts: dict[str, int] = {}
    while waiting and len(chosen) < top_k:
        best = waiting[0]
        if counts.get(best.document_id, 0) >= MAX_PER_DOCUMENT:
            best = next(
                (
                    one
                    for one in waiting
                    if counts.get(one.document_id, 0) < MAX_PER_DOCUMENT
                    and one.score >= SIMILAR * best.score
                ),
                best,
            )
        waiting.remove(best)
        chosen.append(best)
        counts[best.document_id] = counts.get(best.document_id, 0) + 1
    return chosen


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
        members = (*(one for piece in rest for one in (piece.best, *piece.members)), hit)
        at = pieces.index(rest[0])
        kept = [piece for piece in pieces if piece not in rest]
        pieces = [*kept[:at], _Piece(whole, rest[0].best, members[1:]), *kept[at:]]
    return pieces


def _touches(one: Hit, other: Hit, text_of: TextOf) -> bool:
    if one.document_id != other.document_id or one.page != other.page:
        return False
    first, second = sorted((one, other), key=lambda hit: (hit.start, hit.end))
    if second.start <= first.end:
        return True
    # Not by a slice: hits may stand megabytes apart, and every pair is looked at.
    blank = _BLANK.match(text_of(one.document_id), first.end, second.start)
    return blank is not None and blank.end() == second.start


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
        parent=_joined_parent(better, other),
    )


def _joined_parent(one: Hit, other: Hit) -> tuple[int, int]:
    if not (one.parent[1] and other.parent[1]):
        return 0, 0
    return min(one.parent[0], other.parent[0]), max(one.parent[1], other.parent[1])


def _reasons(piece: _Piece, placed: Sequence[Hit], same: int, *, is_placed: bool) -> dict[int, str]:
    """Say of the hits of a piece why they are in no passage of their own."""
    if same:
        return dict.fromkeys(_ids(piece), f"duplicate of {same}")
    if not is_placed:
        return dict.fromkeys(_ids(piece), NO_ROOM)
    whole, n = placed[-1], len(placed)
    return {
        one.chunk_id: f"merged into {n}"
        if one.start < whole.end and whole.start < one.end
        else NO_ROOM
        for one in piece.members
    }


def _ids(piece: _Piece) -> list[int]:
    return [one.chunk_id for one in (piece.best, *piece.members)]


def _grown(placed: Sequence[Hit], texts: _Texts, count: Count, room: int) -> list[Hit]:
    """Widen short passages, best first, to their section or the text around, while room is left.

    Pages stay apart, and so do passages of one document.
    """
    found = list(placed)
    for at, hit in enumerate(found):
        if hit.page is not None or len(hit.text) >= WIDE or room < MIN_TOKENS:
            continue
        text = texts[hit.document_id]
        low, high = _bounds(hit, [one for n, one in enumerate(found) if n != at], text)
        start, end = grown(text, (hit.start, hit.end), (low, high), WIDE)
        if start > hit.start or end < hit.end or (start, end) == (hit.start, hit.end):
            continue
        more, before = count([text[start:end], hit.text])
        if more - before <= room:
            room -= more - before
            found[at] = replace(hit, start=start, end=end, text=text[start:end])
    return found


def _bounds(hit: Hit, others: Sequence[Hit], text: str) -> tuple[int, int]:
    """Tell how far a passage may grow: to the ends of its parent, and not into another one.

    Where no parent is known, it grows to the ends of its paragraph.
    """
    low, high = hit.parent
    if not (low <= hit.start and hit.end <= high):
        low = text.rfind("\n\n", 0, hit.start) + 1
        high = text.find("\n\n", hit.end)
        high = len(text) if high < 0 else high
    for one in others:
        if one.document_id == hit.document_id:
            low = max(low, one.end) if one.end <= hit.start else low
            high = min(high, one.start) if one.start >= hit.end else high
    return min(low, hit.start), min(max(high, hit.end), len(text))


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


def _passage(n: int, hit: Hit, texts: _Texts) -> Passage:
    header = header_of(texts[hit.document_id], hit.start)
    return Passage(
        n=n,
        document_id=hit.document_id,
        path=hit.path,
        title=hit.title,
        page=hit.page,
        headings=(*hit.headings, header) if header else hit.headings,
        start=hit.start,
        end=hit.end,
        text=hit.text,
        score=hit.score,
    )
