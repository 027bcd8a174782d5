"""A chunk and its text in, the words around it that help to find it out; pure."""

from __future__ import annotations

from bisect import bisect_right

from ingest.types import Chunk, Loaded

_MAX_HEADER_CHARACTERS = 300


def context_of(loaded: Loaded, chunk: Chunk) -> str:
    """Name what a chunk does not say itself: the headings above it, a cut table's header row."""
    path = " > ".join(one for one in chunk.headings if one not in chunk.text)
    return "\n".join(line for line in (path, _header_of(loaded, chunk)) if line)


def searchable_text(loaded: Loaded, chunk: Chunk) -> str:
    """Join context and chunk, as the lexical index sees them."""
    context = context_of(loaded, chunk)
    return f"{context}\n{chunk.text}" if context else chunk.text


def _header_of(loaded: Loaded, chunk: Chunk) -> str:
    at = bisect_right(loaded.blocks, chunk.start, key=lambda block: block.start) - 1
    header = loaded.blocks[at].header if at >= 0 else None
    if header is None or header[1] > chunk.start or loaded.blocks[at].end <= chunk.start:
        return ""
    return loaded.text[header[0] : header[1]].strip()[:_MAX_HEADER_CHARACTERS]
