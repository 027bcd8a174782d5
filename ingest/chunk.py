"""Loaded text in, chunks out: spans small enough to embed that cover everything; pure.

Chunks never overlap: each character is embedded, stored and cited once, and a passage that needs
its neighbour gets it at answering time, when chunks that touch are merged or widened to the parent.
Where a long section is cut is decided by its content nearby (`borders.py`), so that an edited
paragraph leaves the chunks further on as they were, and with them their vectors.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import compress, groupby, pairwise

from ingest.borders import Priority, cuts, fingerprint
from ingest.language import language_of
from ingest.sentences import cut_in_half, line_spans, sentence_spans, trimmed
from ingest.types import Block, BlockKind, Chunk, Loaded

CountTokens = Callable[[Sequence[str]], list[int]]
Span = tuple[int, int]

# Cuts that are decided by content leave chunks between 0.3 and 1 of the limit, 0.65 on average:
# where the model can read more than the target, the limit is this much above it.
_ROOM = 1.5
_PARENT_CHUNKS = 4  # of target size, in one parent
# How good it is to cut before an atom, best first.
_BLOCK, _INSIDE, _AFTER_HEADING = 0, 1, 2


@dataclass(frozen=True, slots=True)
class _Piece:
    """A trimmed span with what it inherits from its block."""

    start: int
    end: int
    kind: BlockKind
    headings: tuple[str, ...]
    page: int | None
    n_tokens: int = 0
    rank: int = _BLOCK


def split(
    loaded: Loaded, count_tokens: CountTokens, *, target_tokens: int, max_tokens: int
) -> list[Chunk]:
    """Cut a text into chunks along its structure: sections, blocks, sentences, words, characters.

    A heading starts a chunk and stays with what follows it. Blocks under the same headings on the
    same page share chunks; a block that fits into a chunk is never cut, a longer one at its rows,
    lines or sentences. Each chunk knows its parent: the section around it, or a part of that.

    Args:
        target_tokens: size aimed at.
        max_tokens: size that no chunk exceeds, unless a single character does.

    Raises:
        ValueError: a limit is below 1.
    """
    if target_tokens < 1 or max_tokens < 1:
        raise ValueError(f"token limits must be above 0, got {target_tokens} and {max_tokens}")
    limit = min(round(_ROOM * target_tokens), max_tokens)
    text = loaded.text
    atoms = _atoms(text, _measured(text, _pieces(loaded), count_tokens), count_tokens, limit)
    joined = [piece for section in _sections(atoms) for piece in _packed(text, section, limit)]
    pieces = _halved(text, _recounted(text, joined, count_tokens), count_tokens, max_tokens)
    assert all(left.end <= right.start for left, right in pairwise(pieces))
    parents = _parents(text, pieces, _PARENT_CHUNKS * min(target_tokens, max_tokens))
    return _chunks(text, zip(pieces, parents, strict=True))


def _chunks(text: str, pieces: Iterable[tuple[_Piece, Span]]) -> list[Chunk]:
    language = language_of(text)
    chunks: list[Chunk] = []
    for piece, parent in pieces:
        words = text[piece.start : piece.end]
        chunks.append(
            Chunk(
                start=piece.start,
                end=piece.end,
                text=words,
                headings=piece.headings,
                page=piece.page,
                n_tokens=piece.n_tokens,
                parent=parent,
                language=language_of(words, language),
            )
        )
    return chunks


def _pieces(loaded: Loaded) -> Iterator[_Piece]:
    """Yield blocks and the text between them, trimmed, in order."""
    position = 0
    before = Block(0, 0, "paragraph")
    for block in loaded.blocks:
        yield from _piece(loaded.text, position, block.start, before, "paragraph")
        yield from _piece(loaded.text, max(position, block.start), block.end, block, block.kind)
        position, before = max(position, block.end), block
    yield from _piece(loaded.text, position, len(loaded.text), before, "paragraph")


def _piece(text: str, start: int, end: int, block: Block, kind: BlockKind) -> Iterator[_Piece]:
    start, end = trimmed(text, start, end)
    if start < end:
        yield _Piece(start, end, kind, block.headings, block.page)


def _measured(text: str, pieces: Iterable[_Piece], count_tokens: CountTokens) -> list[_Piece]:
    listed = list(pieces)
    counts = count_tokens([text[piece.start : piece.end] for piece in listed]) if listed else []
    return [
        _Piece(one.start, one.end, one.kind, one.headings, one.page, n, one.rank)
        for one, n in zip(listed, counts, strict=True)
    ]


def _recounted(text: str, joined: Sequence[_Piece], count_tokens: CountTokens) -> list[_Piece]:
    """Count what was put together for real, since sums of tokens are estimates."""
    fresh = iter(_measured(text, [one for one in joined if not one.n_tokens], count_tokens))
    return [one if one.n_tokens else next(fresh) for one in joined]


def _atoms(
    text: str, pieces: Sequence[_Piece], count_tokens: CountTokens, limit: int
) -> list[_Piece]:
    """Replace what is over the limit by rows, lines or sentences, and those by halves."""
    is_big = [one.n_tokens > limit and one.kind != "heading" for one in pieces]
    whole = [one for one, big in zip(pieces, is_big, strict=True) if not big]
    opened = [part for one in compress(pieces, is_big) for part in _opened(text, one)]
    parts = _halved(text, _measured(text, opened, count_tokens), count_tokens, limit)
    return sorted(whole + parts, key=lambda one: one.start)


def _opened(text: str, piece: _Piece) -> Iterator[_Piece]:
    """Yield the rows, lines or sentences of a block; the first one still begins the block."""
    by_line = piece.kind in ("table", "code", "list")
    spans = (line_spans if by_line else sentence_spans)(text, piece.start, piece.end)
    for start, end in spans:
        rank = piece.rank if start == piece.start else _INSIDE
        yield _Piece(start, end, piece.kind, piece.headings, piece.page, 0, rank)


def _halved(
    text: str, pieces: Sequence[_Piece], count_tokens: CountTokens, limit: int
) -> list[_Piece]:
    """Halve what is over the limit until nothing is, or single characters remain."""
    done = list(pieces)
    while any(_is_divisible(piece, limit) for piece in done):
        halves = [
            [
                _Piece(
                    *span,
                    piece.kind,
                    piece.headings,
                    piece.page,
                    0,
                    piece.rank if at == 0 else _INSIDE,
                )
                for at, span in enumerate(cut_in_half(text, piece.start, piece.end))
            ]
            for piece in done
            if _is_divisible(piece, limit)
        ]
        fresh = iter(_measured(text, [half for pair in halves for half in pair], count_tokens))
        pairs = iter([[next(fresh) for _ in pair] for pair in halves])
        done = [
            part
            for piece in done
            for part in (next(pairs) if _is_divisible(piece, limit) else [piece])
        ]
    return done


def _is_divisible(piece: _Piece, limit: int) -> bool:
    return piece.n_tokens > limit and piece.end - piece.start > 1


def _sections(atoms: Sequence[_Piece]) -> Iterator[list[_Piece]]:
    """Yield runs of atoms that may share a chunk; headings without a body join the next run."""
    pending: list[_Piece] = []
    for _, run in groupby(_numbered(atoms), key=lambda pair: pair[0]):
        section = [atom for _, atom in run]
        if all(atom.kind == "heading" for atom in section):
            pending += section
            continue
        yield pending + section
        pending = []
    if pending:
        yield pending


def _numbered(atoms: Sequence[_Piece]) -> Iterator[tuple[int, _Piece]]:
    """Number the sections: a new one starts at a heading, other headings or another page."""
    number = 0
    before: _Piece | None = None
    for atom in atoms:
        is_new = before is not None and (
            atom.headings != before.headings
            or atom.page != before.page
            or (atom.kind == "heading" and before.kind != "heading")
        )
        number += is_new
        before = atom
        yield number, atom


def _packed(text: str, section: Sequence[_Piece], limit: int) -> Iterator[_Piece]:
    """Join the atoms of a section into pieces within the limit."""
    places = cuts([one.n_tokens for one in section], list(_priorities(text, section)), limit)
    for first, last in pairwise([0, *places, len(section)]):
        yield _joined(section[first:last])


def _priorities(text: str, section: Sequence[_Piece]) -> Iterator[Priority]:
    is_after_heading = False
    for atom in section:
        rank = _AFTER_HEADING if is_after_heading else atom.rank
        yield rank, fingerprint(text, atom.start, atom.end)
        is_after_heading = atom.kind == "heading"


def _joined(atoms: Sequence[_Piece]) -> _Piece:
    """Span several atoms; page and headings are those of the first one that is no heading."""
    if len(atoms) == 1:
        return atoms[0]
    body = next((atom for atom in atoms if atom.kind != "heading"), atoms[-1])
    return _Piece(atoms[0].start, atoms[-1].end, body.kind, body.headings, body.page)


def _parents(text: str, pieces: Sequence[_Piece], limit: int) -> list[Span]:
    """Find for each piece the span to widen to: its section, or a part of it within the limit.

    Small sections under one heading share a parent; no parent crosses an outermost heading.
    """
    parents: list[Span] = []
    for _, run in groupby(pieces, key=lambda piece: piece.headings[:1]):
        siblings = list(run)
        depths = [0, *(_n_shared(left, right) for left, right in pairwise(siblings))]
        priorities = [
            (depth, fingerprint(text, one.start, one.end))
            for depth, one in zip(depths, siblings, strict=True)
        ]
        places = cuts([one.n_tokens for one in siblings], priorities, limit)
        for first, last in pairwise([0, *places, len(siblings)]):
            span = (siblings[first].start, siblings[last - 1].end)
            parents += [span] * (last - first)
    return parents


def _n_shared(left: _Piece, right: _Piece) -> int:
    """Count the headings, from the outermost, that two pieces share."""
    shared = 0
    for one, other in zip(left.headings, right.headings, strict=False):
        if one != other:
            break
        shared += 1
    return shared
