"""Loaded text in, chunks out: spans small enough to embed that cover everything; pure.

Chunks never overlap: each character is embedded, stored and cited once, and a passage that needs
its neighbour gets it at answering time, when chunks that touch are merged or widened to the parent.
Where a long section is cut is decided by its content nearby (`borders.py`), so that an edited
paragraph leaves the chunks further on as they were, and with them their vectors.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import groupby, pairwise
from typing import NamedTuple

from ingest.borders import Priority, cuts, fingerprint
from ingest.chunk_columns import Chunks
from ingest.language import language_of
from ingest.sentences import cut_in_half, line_spans, sentence_spans, trimmed
from ingest.types import Block, BlockKind, Loaded

CountTokens = Callable[[Sequence[str]], list[int]]
Span = tuple[int, int]

# Cuts that are decided by content leave chunks between 0.3 and 1 of the limit, 0.65 on average:
# where the model can read more than the target, the limit is this much above it.
_ROOM = 1.5
_COUNTED = 4_096  # pieces at once: their texts are copies
_COUNTED_CHARACTERS = 1_000_000  # at once; what is longer is no chunk, and counted in parts
_PARENT_CHUNKS = 4  # of target size, in one parent
# How good it is to cut before an atom, best first.
_BLOCK, _INSIDE, _AFTER_HEADING = 0, 1, 2


class _Piece(NamedTuple):
    """A trimmed span with what it inherits from its block.

    A tuple, because a book has a hundred thousand: made in a third of a dataclass's time.
    """

    start: int
    end: int
    kind: BlockKind
    headings: tuple[str, ...]
    page: int | None
    n_tokens: int = 0
    rank: int = _BLOCK


def split(
    loaded: Loaded, count_tokens: CountTokens, *, target_tokens: int, max_tokens: int
) -> Chunks:
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
    # Some pieces at a time as far as may be: those of a book take as much as its text.
    atoms = (
        atom
        for batch in _measured(text, _pieces(loaded), count_tokens)
        for atom in _atoms(text, batch, count_tokens, limit)
    )
    joined = (piece for section in _sections(atoms) for piece in _packed(text, section, limit))
    pieces: list[_Piece] = []
    for batch in _measured(text, joined, count_tokens):  # since sums of tokens are estimates
        pieces += _halved(text, batch, count_tokens, max_tokens)
    assert all(left.end <= right.start for left, right in pairwise(pieces))
    parents = _parents(text, pieces, _PARENT_CHUNKS * min(target_tokens, max_tokens))
    return _chunks(text, zip(pieces, parents, strict=True))


def _chunks(text: str, pieces: Iterable[tuple[_Piece, Span]]) -> Chunks:
    language = language_of(text)
    chunks = Chunks(text)
    for piece, parent in pieces:
        numbers = (piece.start, piece.end, piece.n_tokens, *parent)
        words = text[piece.start : piece.end]
        chunks.append(numbers, piece.headings, piece.page, language_of(words, language))
    return chunks


def _pieces(loaded: Loaded) -> Iterator[_Piece]:
    """Yield blocks and the text between them, trimmed, in order."""
    text = loaded.text
    position = 0
    before = Block(0, 0, "paragraph")
    for block in loaded.blocks:
        if not text[position : block.start].isspace():
            yield from _piece(text, position, block.start, before, "paragraph")
        yield from _piece(text, max(position, block.start), block.end, block, block.kind)
        position, before = max(position, block.end), block
    yield from _piece(text, position, len(text), before, "paragraph")


def _piece(text: str, start: int, end: int, block: Block, kind: BlockKind) -> Iterator[_Piece]:
    start, end = trimmed(text, start, end)
    if start < end:
        yield _Piece(start, end, kind, block.headings, block.page)


def _measured(
    text: str, pieces: Iterable[_Piece], count_tokens: CountTokens
) -> Iterator[list[_Piece]]:
    """Count the tokens of the pieces whose number is not known; yield some at a time."""
    for batch in _batches(pieces):
        wanted = [one for one in batch if not one.n_tokens]
        fresh = iter(_counts(text, wanted, count_tokens))
        yield [
            piece if piece[5] else _Piece(start, end, kind, headings, page, next(fresh), rank)
            for piece in batch
            for start, end, kind, headings, page, _, rank in (piece,)
        ]


def _batches(pieces: Iterable[_Piece]) -> Iterator[list[_Piece]]:
    batch: list[_Piece] = []
    n_characters = 0
    for piece in pieces:
        batch.append(piece)
        n_characters += piece.end - piece.start
        if len(batch) == _COUNTED or n_characters >= _COUNTED_CHARACTERS:
            yield batch
            batch, n_characters = [], 0
    if batch:
        yield batch


def _counts(text: str, pieces: Sequence[_Piece], count_tokens: CountTokens) -> list[int]:
    if sum(one.end - one.start for one in pieces) <= 2 * _COUNTED_CHARACTERS:
        return count_tokens([text[one.start : one.end] for one in pieces]) if pieces else []
    return [
        sum(
            count_tokens([text[at : min(one.end, at + _COUNTED_CHARACTERS)]])[0]
            for at in range(one.start, one.end, _COUNTED_CHARACTERS)
        )
        for one in pieces
    ]


def _atoms(
    text: str, pieces: Sequence[_Piece], count_tokens: CountTokens, limit: int
) -> Iterator[_Piece]:
    """Replace what is over the limit by rows, lines or sentences, and those by halves."""
    if not any(_is_open(one, limit) for one in pieces):
        yield from pieces
        return
    opened = (
        part for one in pieces for part in (_opened(text, one) if _is_open(one, limit) else (one,))
    )
    for batch in _measured(text, opened, count_tokens):
        yield from _halved(text, batch, count_tokens, limit, spared="heading")


def _is_open(piece: _Piece, limit: int) -> bool:
    return piece.n_tokens > limit and piece.kind != "heading"


def _opened(text: str, piece: _Piece) -> Iterator[_Piece]:
    """Yield the rows, lines or sentences of a block; the first one still begins the block."""
    by_line = piece.kind in ("table", "code", "list")
    spans = (line_spans if by_line else sentence_spans)(text, piece.start, piece.end)
    for start, end in spans:
        rank = piece.rank if start == piece.start else _INSIDE
        yield _Piece(start, end, piece.kind, piece.headings, piece.page, 0, rank)


def _halved(
    text: str,
    pieces: list[_Piece],
    count_tokens: CountTokens,
    limit: int,
    *,
    spared: BlockKind | None = None,
) -> list[_Piece]:
    """Halve what is over the limit until nothing is, or single characters remain."""
    done = pieces
    while any(_is_divisible(piece, limit, spared) for piece in done):
        halves = (
            half
            for piece in done
            for half in (_two(text, piece) if _is_divisible(piece, limit, spared) else (piece,))
        )
        done = [piece for batch in _measured(text, halves, count_tokens) for piece in batch]
    return done


def _is_divisible(piece: _Piece, limit: int, spared: BlockKind | None) -> bool:
    return piece.n_tokens > limit and piece.end - piece.start > 1 and piece.kind != spared


def _two(text: str, piece: _Piece) -> Iterator[_Piece]:
    for at, (start, end) in enumerate(cut_in_half(text, piece.start, piece.end)):
        rank = piece.rank if at == 0 else _INSIDE
        yield _Piece(start, end, piece.kind, piece.headings, piece.page, 0, rank)


def _sections(atoms: Iterable[_Piece]) -> Iterator[list[_Piece]]:
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


def _numbered(atoms: Iterable[_Piece]) -> Iterator[tuple[int, _Piece]]:
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
    if sum(one.n_tokens for one in section) <= limit:  # as most do: nothing to decide
        yield _joined(section)
        return
    places = cuts([one.n_tokens for one in section], _priorities(text, section), limit)
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
        if sum(one.n_tokens for one in siblings) <= limit:
            parents += [(siblings[0].start, siblings[-1].end)] * len(siblings)
            continue
        depths = [0, *(_n_shared(left, right) for left, right in pairwise(siblings))]
        priorities = (
            (depth, fingerprint(text, one.start, one.end))
            for depth, one in zip(depths, siblings, strict=True)
        )
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
