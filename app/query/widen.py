"""Hits → the same hits with the text around them, as long as that stays short; pure.

A chunk is small so that its vector means one thing; a reader and a chat model are served better by
the passage around it. Chinese says in 170 characters, which is what an English model's tokenizer
makes a chunk of, less than a passage should hold.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from ingest.errors import DocumentNotFoundError
from ingest.sentences import sentence_spans, trimmed
from ingest.types import Hit

WIDE = 1000  # characters: what a passage of the usual tutorials has
SHORT = WIDE // 2  # a longer hit is a passage by itself: more around it would only dilute it

Span = tuple[int, int]


def widened(
    hits: Sequence[Hit], text_of: Callable[[str], str], n_wanted: int, limit: int = WIDE
) -> list[Hit]:
    """Give short hits whole sentences of their parents around them, each text only once.

    A hit that a better one has taken in is left out, so that another document gets its place.
    Pages stay apart, and a hit whose document is gone meanwhile stays as it is.

    Args:
        n_wanted: hits that are enough.
        limit: characters that no hit grows beyond.
    """
    found: list[Hit] = []
    texts: dict[str, str] = {}
    for hit in hits:
        if len(found) >= n_wanted:
            break
        taken = [(one.start, one.end) for one in found if one.document_id == hit.document_id]
        if any(start <= hit.start and hit.end <= end for start, end in taken):
            continue
        rest = _rest(hit, taken)
        bounds = _bounds(hit, taken) if hit.end - hit.start < SHORT else rest
        if bounds == (hit.start, hit.end):
            found.append(hit)
            continue
        try:
            text = texts[hit.document_id] = texts.get(hit.document_id) or text_of(hit.document_id)
        except DocumentNotFoundError:
            found.append(hit)
            continue
        start, end = grown(text, rest, bounds, limit)
        if start < end:
            found.append(replace(hit, start=start, end=end, text=text[start:end]))
    return found


def grown(text: str, span: Span, bounds: Span, limit: int) -> Span:
    """Widen a span by whole sentences, on both sides in turn, within bounds and a limit."""
    start, end = trimmed(text, *span)
    # One character more than may be taken: a sentence that is cut there does not fit.
    before = list(sentence_spans(text, max(bounds[0], start - limit - 1), start))[::-1]
    after = list(sentence_spans(text, end, min(bounds[1], end + limit + 1)))
    while before or after:
        if before:
            place, _ = before.pop(0)
            if end - place <= limit:
                start = place
            else:
                before = []
        if after:
            _, place = after.pop(0)
            if place - start <= limit:
                end = place
            else:
                after = []
    return start, end


def _rest(hit: Hit, taken: Sequence[Span]) -> Span:
    """Leave out of a hit what is taken already."""
    start, end = hit.start, hit.end
    for one, other in taken:
        if one <= start < other:
            start = other
        if one < end <= other:
            end = one
    return start, end


def _bounds(hit: Hit, taken: Sequence[Span]) -> Span:
    """Tell how far a hit may grow: to the ends of its parent, or to what is taken."""
    low, high = hit.parent if hit.parent[1] and hit.page is None else (hit.start, hit.end)
    start, end = _rest(hit, taken)
    low = max([low, *(other for _, other in taken if other <= start)])
    high = min([high, *(one for one, _ in taken if one >= end)])
    return min(low, start), max(high, end)
