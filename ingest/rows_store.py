"""The rows behind one document: what a transaction of the catalogue reads, inserts or removes."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, fields
from typing import TypeVar

from ingest.context import searchable_text
from ingest.language import language_of
from ingest.lexical import terms
from ingest.schema import lexical_table
from ingest.spaces_store import space_ids
from ingest.types import Block, Chunk, Document, Loaded

T = TypeVar("T")

PART_CHARACTERS = 65_536  # of text in one row
_BLOCK = tuple(one.name for one in fields(Block))
_ROWS = 500  # host parameters in one statement


class VectorsMissingError(Exception):
    """Vectors that a document needs were freed meanwhile; embed them again."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a document was found."""

    path: str
    root: str = ""  # the watched folder that the path is relative to; empty for uploads
    mtime_ns: int = 0
    size_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Removed:
    """What a transaction took out so far; grows while it runs."""

    chunk_ids: list[int] = field(default_factory=list)
    vector_keys: list[bytes] = field(default_factory=list)


def batches(items: Sequence[T]) -> Iterator[Sequence[T]]:
    """Cut a sequence into pieces that fit into one statement."""
    return (items[at : at + _ROWS] for at in range(0, len(items), _ROWS))


def marks(items: Sequence[object]) -> str:
    """Write as many parameter marks as there are items."""
    return ",".join("?" * len(items))


def document_from(row: Sequence[object]) -> Document:
    """Build a document from a row of `documents_store`'s query."""
    *plain, paths, size, n_characters, n_chunks, added_at, metadata, warnings = row
    identity, collection, digest, title, media_type = map(str, plain)
    return Document(
        id=identity,
        collection=collection,
        digest=digest,
        title=title,
        media_type=media_type,
        paths=tuple(json.loads(str(paths))),
        size_bytes=int(str(size)),
        n_characters=int(str(n_characters)),
        n_chunks=int(str(n_chunks)),
        added_at=str(added_at),
        metadata=json.loads(str(metadata)),
        warnings=tuple(json.loads(str(warnings))),
    )


def blocks_from(text: str) -> tuple[Block, ...]:
    """Read blocks back as `insert_document` wrote them."""
    return tuple(
        Block(
            start=one["start"],
            end=one["end"],
            kind=one["kind"],
            headings=tuple(one.get("headings", ())),
            page=one.get("page"),
            header=tuple(one["header"]) if one.get("header") else None,
        )
        for one in json.loads(text)
    )


def _block_text(block: Block) -> str:
    row = {name: value for name in _BLOCK if (value := getattr(block, name))}
    return json.dumps({"start": 0, "end": 0} | row, ensure_ascii=False)


def text_of(connection: sqlite3.Connection, document: str) -> str:
    """Read a whole text."""
    text = ""
    for row in connection.execute(
        "SELECT text FROM texts WHERE document_id = ? ORDER BY part", (document,)
    ):
        text += row[0]  # grows in place, as nobody else holds it: a long text is there once
    return text


def slice_of(connection: sqlite3.Connection, document: str, start: int, end: int) -> str:
    """Read a slice of a text without reading the rest."""
    first, last = start // PART_CHARACTERS, max(start, end - 1) // PART_CHARACTERS
    rows = connection.execute(
        "SELECT text FROM texts WHERE document_id = ? AND part BETWEEN ? AND ? ORDER BY part",
        (document, first, last),
    )
    shift = first * PART_CHARACTERS
    return "".join(row[0] for row in rows)[start - shift : end - shift]


def slices_of(
    connection: sqlite3.Connection, spans: Sequence[tuple[str, int, int]]
) -> Iterator[str]:
    """Read slices of texts; a part of a text is read once where its slices follow each other.

    Args:
        spans: (document, start, end).
    """
    known, part = ("", -1), ""
    for document, start, end in spans:
        first = start // PART_CHARACTERS
        if first != max(start, end - 1) // PART_CHARACTERS:
            yield slice_of(connection, document, start, end)
            continue
        if known != (document, first):
            known = (document, first)
            part = slice_of(
                connection, document, first * PART_CHARACTERS, (first + 1) * PART_CHARACTERS
            )
        shift = first * PART_CHARACTERS
        yield part[start - shift : end - shift]


def chunks_of(
    connection: sqlite3.Connection, space_id: int, document: str, text: str
) -> Iterator[tuple[int, Chunk]]:
    """Read the chunks of a document in one space in order, each with its id.

    Args:
        text: of the whole document.
    """
    rows = connection.execute(
        'SELECT id, start, "end", headings, page, n_tokens, parent_start, parent_end, language'
        " FROM chunks WHERE document_id = ? AND collection_id = ? ORDER BY start",
        (document, space_id),
    )
    for number, start, end, headings, page, n_tokens, parent_start, parent_end, language in rows:
        yield (
            number,
            Chunk(
                start=start,
                end=end,
                text=text[start:end],
                headings=tuple(json.loads(headings)),
                page=page,
                n_tokens=n_tokens,
                parent=(parent_start, parent_end),
                language=language,
            ),
        )


def known_keys(connection: sqlite3.Connection, keys: Sequence[bytes]) -> set[bytes]:
    """Tell which of the vectors are stored."""
    known: set[bytes] = set()
    for batch in batches(keys):
        statement = f"SELECT key FROM vectors WHERE key IN ({marks(batch)})"
        known.update(row[0] for row in connection.execute(statement, batch))
    return known


def require_vectors(connection: sqlite3.Connection, chunks: Iterable[tuple[Chunk, bytes]]) -> None:
    """Make sure that chunks can be stored.

    Raises:
        VectorsMissingError: a vector is not there.
    """
    keys = list({key for _, key in chunks})
    if len(known_keys(connection, keys)) < len(keys):
        raise VectorsMissingError


def insert_document(
    connection: sqlite3.Connection,
    number: int,
    document: Document,
    loaded: Loaded,
    loader_version: int,
) -> None:
    """Write a document and its text."""
    metadata = {"language": language_of(loaded.text), **document.metadata}
    blocks = "[" + ", ".join(map(_block_text, loaded.blocks)) + "]"
    connection.execute(
        "INSERT INTO documents VALUES (?,?,?,?,?,?,?,?,?,?,?,?)",
        (
            document.id,
            number,
            document.digest,
            document.title,
            document.media_type,
            document.size_bytes,
            len(loaded.text),
            blocks,
            json.dumps(metadata, ensure_ascii=False),
            json.dumps(document.warnings, ensure_ascii=False),
            loader_version,
            document.added_at,
        ),
    )
    connection.executemany(
        "INSERT INTO texts VALUES (?,?,?)",
        (
            (document.id, part, loaded.text[at : at + PART_CHARACTERS])
            for part, at in enumerate(range(0, len(loaded.text), PART_CHARACTERS))
        ),
    )


def insert_chunks(
    connection: sqlite3.Connection,
    space_id: int,
    document: str,
    loaded: Loaded,
    chunks: Iterable[tuple[Chunk, bytes]],
) -> list[int]:
    """Write chunks and their terms into one space; return their new ids."""
    added: list[int] = []
    for chunk, key in chunks:
        cursor = connection.execute(
            'INSERT INTO chunks (document_id, collection_id, start, "end", page, headings,'
            " n_tokens, vector_key, parent_start, parent_end, language)"
            " VALUES (?,?,?,?,?,?,?,?,?,?,?)",
            (
                document,
                space_id,
                chunk.start,
                chunk.end,
                chunk.page,
                json.dumps(chunk.headings, ensure_ascii=False),
                chunk.n_tokens,
                key,
                *chunk.parent,
                chunk.language,
            ),
        )
        assert cursor.lastrowid is not None
        added.append(cursor.lastrowid)
        insert_terms(connection, space_id, cursor.lastrowid, searchable_text(loaded, chunk))
    return added


def insert_terms(
    connection: sqlite3.Connection, space_id: int, chunk_id: int, searchable: str
) -> None:
    """Write the terms under which a chunk is found."""
    connection.execute(
        f"INSERT INTO {lexical_table(space_id)} (rowid, terms) VALUES (?, ?)",
        (chunk_id, " ".join(terms(searchable))),
    )


def remove_chunks(
    connection: sqlite3.Connection, space_id: int, document: str, removed: Removed
) -> None:
    """Take a document's chunks and terms out of a space; the caller frees the vectors."""
    row = connection.execute("SELECT blocks FROM documents WHERE id = ?", (document,)).fetchone()
    loaded = Loaded(text_of(connection, document), blocks_from(row[0]))
    table = lexical_table(space_id)
    for chunk_id, chunk in chunks_of(connection, space_id, document, loaded.text):
        # A contentless index forgets a row only if told the very terms that it was given.
        connection.execute(
            f"INSERT INTO {table} ({table}, rowid, terms) VALUES ('delete', ?, ?)",
            (chunk_id, " ".join(terms(searchable_text(loaded, chunk)))),
        )
    rows = connection.execute(
        "DELETE FROM chunks WHERE document_id = ? AND collection_id = ? RETURNING id, vector_key",
        (document, space_id),
    ).fetchall()
    removed.chunk_ids.extend(row[0] for row in rows)
    removed.vector_keys.extend(row[1] for row in rows)


def remove_document(
    connection: sqlite3.Connection, number: int, document: str, removed: Removed
) -> None:
    """Take out a document with all that belongs to it but the vectors."""
    for space_id in space_ids(connection, number):
        remove_chunks(connection, space_id, document, removed)
    connection.execute("DELETE FROM documents WHERE id = ?", (document,))


def put_place(
    connection: sqlite3.Connection, number: int, document: str, place: Place, removed: Removed
) -> None:
    """Let a path lead to a document; what it led to before goes if no other path leads there."""
    row = connection.execute(
        "SELECT document_id FROM places WHERE collection_id=? AND root=? AND path=?",
        (number, place.root, place.path),
    ).fetchone()
    connection.execute(
        "INSERT INTO places VALUES (?,?,?,?,?,?) ON CONFLICT(collection_id, root, path) DO UPDATE"
        " SET document_id=excluded.document_id, mtime_ns=excluded.mtime_ns,"
        " size_bytes=excluded.size_bytes",
        (number, place.root, place.path, document, place.mtime_ns, place.size_bytes),
    )
    if row is not None and row[0] != document:
        _remove_if_homeless(connection, number, row[0], removed)


def drop_place(connection: sqlite3.Connection, number: int, place: Place, removed: Removed) -> None:
    """Forget a path; its document goes if no other path leads there."""
    row = connection.execute(
        "DELETE FROM places WHERE collection_id=? AND root=? AND path=? RETURNING document_id",
        (number, place.root, place.path),
    ).fetchone()
    if row is not None:
        _remove_if_homeless(connection, number, row[0], removed)


def _remove_if_homeless(
    connection: sqlite3.Connection, number: int, document: str, removed: Removed
) -> None:
    places = connection.execute("SELECT 1 FROM places WHERE document_id = ?", (document,))
    if places.fetchone() is None:
        remove_document(connection, number, document, removed)


def free_vectors(connection: sqlite3.Connection, removed: Removed) -> None:
    """Delete the vectors of removed chunks that no other chunk uses."""
    connection.executemany(
        "DELETE FROM vectors WHERE key = ?"
        " AND NOT EXISTS (SELECT 1 FROM chunks WHERE vector_key = key)",
        [(key,) for key in set(removed.vector_keys)],
    )
