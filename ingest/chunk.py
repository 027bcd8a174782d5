"""Loaded text in, chunks out: spans small enough to embed that cover everything; pure.

Chunks never overlap: each character is embedded, stored and cited once, and a passage that needs
its neighbour gets it at answering time, when chunks that touch are merged.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise

from ingest.sentences import cut_in_half, line_spans, sentence_spans, trimmed
from ingest.types import Block, BlockKind, Chunk, Loaded

CountTokens = Callable[[Sequence[str]], list[int]]
Span = tuple[int, int]

# A section a little over the target stays whole rather than leaving a stump.
_SLACK = 1.2


@dataclass(frozen=True, slots=True)
class _Piece:
    """A trimmed span with what it inherits from its block."""

    start: int
    end: int
    kind: BlockKind
    headings: tuple[str, ...]
    page: int | None
    n_tokens: int = 0


def split(
    loaded: Loaded, count_tokens: CountTokens, *, target_tokens: int, max_tokens: int
) -> list[Chunk]:
    """Cut a text into chunks along its structure: sections, blocks, sentences, words, characters.

    A heading starts a chunk and stays with what follows it. Small blocks under the same headings on
    the same page are merged; what is longer than the target is cut into pieces of about equal size.

    Args:
        target_tokens: size aimed at.
        max_tokens: size that no chunk exceeds, unless a single character does.

    Raises:
        ValueError: a limit is below 1.
    """
    if target_tokens < 1 or max_tokens < 1:
        raise ValueError(f"token limits must be above 0, got {target_tokens} and {max_tokens}")
    target = min(target_tokens, max_tokens)
    text = loaded.text
    pieces = _measured(text, _pieces(loaded), count_tokens)
    atoms = _atoms(text, pieces, count_tokens, target)
    spans = [
        piece for section in _sections(atoms) for piece in _packed(section, target, max_tokens)
    ]
    return _limited(text, spans, count_tokens, max_tokens)


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


def _measured(
    text: str, pieces: Iterator[_Piece] | Sequence[_Piece], count_tokens: CountTokens
) -> list[_Piece]:
    listed = list(pieces)
    counts = count_tokens([text[piece.start : piece.end] for piece in listed]) if listed else []
    return [
        _resized(piece, piece.start, piece.end, n) for piece, n in zip(listed, counts, strict=True)
    ]


def _resized(piece: _Piece, start: int, end: int, n_tokens: int) -> _Piece:
    return _Piece(start, end, piece.kind, piece.headings, piece.page, n_tokens)


def _atoms(
    text: str, pieces: Sequence[_Piece], count_tokens: CountTokens, target: int
) -> list[_Piece]:
    """Replace what is over the target by rows, lines or sentences, and those by halves."""
    atoms: list[_Piece] = []
    for piece in pieces:
        if piece.n_tokens <= target or piece.kind == "heading":
            atoms.append(piece)
            continue
        spans = line_spans if piece.kind in ("table", "code", "list") else sentence_spans
        parts = [_resized(piece, *span, 0) for span in spans(text, piece.start, piece.end)]
        atoms += _halved(text, _measured(text, parts, count_tokens), count_tokens, target)
    return atoms


def _halved(
    text: str, pieces: Sequence[_Piece], count_tokens: CountTokens, limit: int
) -> list[_Piece]:
    """Halve what is over the limit until nothing is, or single characters remain."""
    done = list(pieces)
    while any(_is_divisible(piece, limit) for piece in done):
        halves = [
            _resized(piece, *span, 0)
            for piece in done
            if _is_divisible(piece, limit)
            for span in cut_in_half(text, piece.start, piece.end)
        ]
        fresh = iter(_measured(text, halves, count_tokens))
        kept: list[_Piece] = []
        for piece in done:
            if _is_divisible(piece, limit):
                n_parts = len(cut_in_half(text, piece.start, piece.end))
                kept += [next(fresh) for _ in range(n_parts)]
            else:
                kept.append(piece)
        done = kept
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


def _packed(section: Sequence[_Piece], target: int, max_tokens: int) -> Iterator[_Piece]:
    """Join atoms into pieces of about equal size, none much over the target."""
    total = sum(atom.n_tokens for atom in section)
    if total <= min(target * _SLACK, max_tokens):
        yield _joined(section)
        return
    aim = total / -(-total // target)
    held: list[_Piece] = []
    n_held = 0
    for atom in section:
        has_body = any(one.kind != "heading" for one in held)
        is_over = n_held + atom.n_tokens > target or n_held + atom.n_tokens / 2 > aim
        # A heading goes with what follows it, as long as the limit allows.
        if held and is_over and (has_body or n_held + atom.n_tokens > max_tokens):
            yield _joined(held)
            held, n_held = [], 0
        held.append(atom)
        n_held += atom.n_tokens
    yield _joined(held)


def _joined(atoms: Sequence[_Piece]) -> _Piece:
    """Span several atoms; page and headings are those of the first one that is no heading."""
    body = next((atom for atom in atoms if atom.kind != "heading"), atoms[-1])
    n_tokens = sum(atom.n_tokens for atom in atoms)
    return _Piece(atoms[0].start, atoms[-1].end, body.kind, body.headings, body.page, n_tokens)


def _limited(
    text: str, spans: Sequence[_Piece], count_tokens: CountTokens, max_tokens: int
) -> list[Chunk]:
    """Count every piece for real, since sums are estimates, and halve what is over after all."""
    pieces = _halved(text, _measured(text, spans, count_tokens), count_tokens, max_tokens)
    assert all(left.end <= right.start for left, right in pairwise(pieces))
    return [
        Chunk(
            start=piece.start,
            end=piece.end,
            text=text[piece.start : piece.end],
            headings=piece.headings,
            page=piece.page,
            n_tokens=piece.n_tokens,
        )
        for piece in pieces
    ]
