"""Documents, places, chunks and vectors in the catalogue; touches SQLite."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256

import numpy as np

from ingest import rows_store as rows
from ingest.context import searchable_text
from ingest.errors import DocumentNotFoundError
from ingest.lexical import LEXICAL_VERSION
from ingest.listing_store import Statistics, Wanted, clauses, statistics_of
from ingest.rows_store import Place, Removed, VectorsMissingError
from ingest.schema import create_lexical_table, drop_lexical_table
from ingest.spaces_store import collection_number, space_ids, spaces_of, written_ids
from ingest.store import Store
from ingest.types import Chunk, Document, Loaded, Vectors
from ingest.vector_bytes import pack, unpack


@dataclass(frozen=True, slots=True)
class KnownPlace:
    """A place with what lies there."""

    place: Place
    document_id: str
    digest: str  # hex SHA-256 of the file's bytes


@dataclass(frozen=True, slots=True)
class Change:
    """What a write did to the chunks, in whichever space: the vector index follows it."""

    collection_id: int
    added: tuple[int, ...] = ()
    removed: tuple[int, ...] = ()


def document_id(collection: str, digest: str) -> str:
    """Derive a document's identity from where it belongs and what it contains."""
    return sha256(f"{collection}\0{digest}".encode()).hexdigest()[:16]


class Documents:
    """The documents of one catalogue."""

    def __init__(self, store: Store) -> None:
        self._store = store

    # Reading

    def document(self, document: str) -> Document:
        """Look one document up.

        Raises:
            DocumentNotFoundError: there is none of that id.
        """
        with self._store.reading() as connection:
            row = connection.execute(f"{_DOCUMENTS} WHERE d.id = ?", (document,)).fetchone()
        if row is None:
            raise DocumentNotFoundError(document)
        return rows.document_from(row)

    def listed(self, wanted: Wanted, limit: int, offset: int) -> tuple[list[Document], int]:
        """List documents page by page, and count all that are wanted."""
        where, order, values = clauses(wanted)
        page = {"limit": max(0, limit), "offset": max(0, offset)}
        with self._store.reading() as connection:
            found = connection.execute(
                f"{_DOCUMENTS} {where} {order} LIMIT :limit OFFSET :offset", values | page
            ).fetchall()
            (total,) = connection.execute(
                "SELECT count(*) FROM documents d JOIN collections c ON c.id = d.collection_id"
                f" {where}",
                values,
            ).fetchone()
        return [rows.document_from(row) for row in found], int(total)

    def figures(self, collections: Sequence[str] | None = None) -> Statistics:
        """Count what is stored: by type, folder, day; of all collections or some."""
        with self._store.reading() as connection:
            return statistics_of(connection, collections)

    def loaded(self, document: str) -> Loaded:
        """Read a document's text with its structure.

        Raises:
            DocumentNotFoundError: there is none of that id.
        """
        with self._store.reading() as connection:
            row = connection.execute(
                "SELECT blocks, title, media_type FROM documents WHERE id = ?", (document,)
            ).fetchone()
            if row is None:
                raise DocumentNotFoundError(document)
            text = rows.text_of(connection, document)
        return Loaded(text, rows.blocks_from(row[0]), title=row[1], media_type=row[2])

    def part(self, document: str, start: int, end: int) -> str:
        """Read a part of a document's text; nothing if there is no such document."""
        with self._store.reading() as connection:
            return rows.slice_of(connection, document, start, max(start, end))

    def chunks(self, document: str) -> list[Chunk]:
        """List the chunks of a document in order.

        Raises:
            DocumentNotFoundError: there is none of that id.
        """
        with self._store.reading() as connection:
            row = connection.execute(
                "SELECT collection_id FROM documents WHERE id = ?", (document,)
            ).fetchone()
            if row is None:
                raise DocumentNotFoundError(document)
            spaces, text = spaces_of(connection, row[0]), rows.text_of(connection, document)
            found = list(rows.chunks_of(connection, spaces["current"].id, document, text))
            if not found and "next" in spaces:  # the current model was not there when it came
                found = list(rows.chunks_of(connection, spaces["next"].id, document, text))
            return [chunk for _, chunk in found]

    def chunks_in(self, document: str, start: int, end: int) -> tuple[list[Chunk], int, int]:
        """List the chunks that reach into a part of a text.

        Returns:
            The chunks, which of the document's the first one is, and how many it has.
        Raises:
            DocumentNotFoundError: there is none of that id.
        """
        of_space = "FROM chunks WHERE document_id = ? AND collection_id = ?"
        with self._store.reading() as connection:
            row = connection.execute(
                "SELECT collection_id FROM documents WHERE id = ?", (document,)
            ).fetchone()
            if row is None:
                raise DocumentNotFoundError(document)
            spaces = spaces_of(connection, row[0])
            for state in ("current", "next"):  # the current model was not there when it came
                own = (document, spaces[state].id if state in spaces else 0)
                (total,) = connection.execute(f"SELECT count(*) {of_space}", own).fetchone()
                if total:
                    break
            (first,) = connection.execute(
                f'SELECT count(*) {of_space} AND "end" <= ?', (*own, start)
            ).fetchone()
            found = connection.execute(
                f'SELECT start, "end", headings, page, n_tokens, language {of_space}'
                ' AND "end" > ? AND start < ? ORDER BY start',
                (*own, start, end),
            ).fetchall()
            last = max((row[1] for row in found), default=0)
            shift = found[0][0] if found else 0
            text = rows.slice_of(connection, document, shift, last)
        chunks = [
            Chunk(a, b, text[a - shift : b - shift], tuple(json.loads(h)), page, n, language=lang)
            for a, b, h, page, n, lang in found
        ]
        return chunks, first, total

    def ids(self, collection: str) -> list[str]:
        """List the ids of a collection's documents, oldest first."""
        with self._store.reading() as connection:
            found = connection.execute(
                "SELECT d.id FROM documents d JOIN collections c ON c.id = d.collection_id"
                " WHERE c.name = ? ORDER BY d.added_at, d.id",
                (collection,),
            ).fetchall()
        return [row[0] for row in found]

    def places(self, collection: str, root: str) -> list[KnownPlace]:
        """List the places under one watched folder."""
        with self._store.reading() as connection:
            found = connection.execute(
                "SELECT p.path, p.root, p.mtime_ns, p.size_bytes, p.document_id, d.digest"
                " FROM places p JOIN documents d ON d.id = p.document_id"
                " JOIN collections c ON c.id = p.collection_id WHERE c.name = ? AND p.root = ?",
                (collection, root),
            ).fetchall()
        return [KnownPlace(Place(*row[:4]), *row[4:]) for row in found]

    def places_of(self, document: str) -> list[Place]:
        """List where a document was found; none if it is not stored."""
        with self._store.reading() as connection:
            found = connection.execute(
                "SELECT path, root, mtime_ns, size_bytes FROM places WHERE document_id = ?"
                " ORDER BY root, path",
                (document,),
            ).fetchall()
        return [Place(*row) for row in found]

    def stored(self, digests: Iterable[str]) -> set[str]:
        """Tell which of some files are stored, in whichever collection."""
        with self._store.reading() as connection:
            names = [row[0] for row in connection.execute("SELECT name FROM collections")]
            by_id = {document_id(name, one): one for one in digests for name in names}
            found: set[str] = set()
            for batch in rows.batches(list(by_id)):
                known = connection.execute(
                    f"SELECT id FROM documents WHERE id IN ({rows.marks(batch)})", batch
                )
                found |= {by_id[row[0]] for row in known}
        return found

    def holds(self, document: str, loader_version: int) -> bool:
        """Tell whether a document is stored as today's loader would store it."""
        with self._store.reading() as connection:
            row = connection.execute(
                "SELECT 1 FROM documents WHERE id = ? AND loader_version >= ?",
                (document, loader_version),
            ).fetchone()
        return row is not None

    def missing_keys(self, keys: Iterable[bytes]) -> list[bytes]:
        """Tell which vectors have not been computed yet, in order and once each."""
        wanted = list(dict.fromkeys(keys))
        with self._store.reading() as connection:
            known = rows.known_keys(connection, wanted)
        return [key for key in wanted if key not in known]

    def vectors_of(self, chunk_ids: Sequence[int]) -> tuple[list[int], Vectors, list[str]]:
        """Read the vectors of chunks that are still there: ids, rows, document ids."""
        found: list[tuple[int, bytes, str]] = []
        with self._store.reading() as connection:
            for batch in rows.batches(chunk_ids):
                found += connection.execute(
                    "SELECT k.id, v.data, k.document_id FROM chunks k"
                    f" JOIN vectors v ON v.key = k.vector_key WHERE k.id IN ({rows.marks(batch)})",
                    batch,
                ).fetchall()
        if not found:
            return [], np.zeros((0, 0), np.float32), []
        vectors = unpack([row[1] for row in found])
        return [row[0] for row in found], vectors, [row[2] for row in found]

    def chunk_ids(self, space_id: int) -> list[int]:
        """List the ids of a space's chunks in ascending order."""
        with self._store.reading() as connection:
            found = connection.execute(
                "SELECT id FROM chunks WHERE collection_id = ? ORDER BY id", (space_id,)
            ).fetchall()
        return [row[0] for row in found]

    def by_space(self, change: Change) -> dict[int, list[int]]:
        """Sort the new chunks of a change into the spaces of its collection."""
        with self._store.reading() as connection:
            sorted_ids: dict[int, list[int]] = {
                one: [] for one in space_ids(connection, change.collection_id)
            }
            for batch in rows.batches(change.added):
                found = connection.execute(
                    "SELECT collection_id, id FROM chunks"
                    f" WHERE id IN ({rows.marks(batch)}) ORDER BY id",
                    batch,
                )
                for space_id, chunk_id in found:
                    sorted_ids.setdefault(space_id, []).append(chunk_id)
        return sorted_ids

    # Writing

    def add_vectors(self, keys: Sequence[bytes], vectors: Vectors) -> None:
        """Keep computed vectors, also before the document that needs them is stored."""
        with self._store.writing() as connection:
            connection.executemany(
                "INSERT OR IGNORE INTO vectors VALUES (?, ?)",
                list(zip(keys, pack(vectors), strict=True)),
            )

    def add(
        self,
        document: Document,
        loaded: Loaded,
        chunks: Mapping[int, Sequence[tuple[Chunk, bytes]]],
        place: Place,
        *,
        loader_version: int,
    ) -> Change:
        """Store a document at a place; what lay there before goes, unless it has another place.

        Args:
            chunks: by the space that they go into, each with the key of its vector.

        Raises:
            CollectionNotFoundError: the collection was deleted meanwhile.
            VectorsMissingError: a vector was freed meanwhile, or a space was dropped.
        """
        removed = Removed()
        with self._store.writing() as connection:
            number = collection_number(connection, document.collection)
            if not chunks.keys() <= written_ids(connection, number):
                raise VectorsMissingError
            for of_space in chunks.values():
                rows.require_vectors(connection, of_space)
            places = connection.execute(
                "SELECT collection_id, root, path, document_id, mtime_ns, size_bytes FROM places"
                " WHERE document_id = ?",
                (document.id,),
            ).fetchall()
            if connection.execute(_IS_STORED, (document.id,)).fetchone():
                rows.remove_document(connection, number, document.id, removed)
            rows.insert_document(connection, number, document, loaded, loader_version)
            connection.executemany("INSERT INTO places VALUES (?,?,?,?,?,?)", places)
            added: list[int] = []
            for space_id, of_space in chunks.items():
                added += rows.insert_chunks(connection, space_id, document.id, loaded, of_space)
            # Vectors stay until the queue is empty: what was here may turn up elsewhere.
            rows.put_place(connection, number, document.id, place, removed)
        return Change(number, tuple(added), tuple(removed.chunk_ids))

    def add_place(self, collection: str, document: str, place: Place) -> Change:
        """Note that a known document lies at a place too, instead of what lay there.

        Raises:
            DocumentNotFoundError: it was deleted meanwhile.
        """
        removed = Removed()
        with self._store.writing() as connection:
            number = collection_number(connection, collection)
            if not connection.execute(_IS_STORED, (document,)).fetchone():
                raise DocumentNotFoundError(document)
            rows.put_place(connection, number, document, place, removed)
        return Change(number, (), tuple(removed.chunk_ids))

    def remove(self, document: str) -> Change:
        """Delete a document with its text, terms, chunks and the vectors only it used.

        Raises:
            DocumentNotFoundError: there is none of that id.
        """
        removed = Removed()
        with self._store.writing() as connection:
            row = connection.execute(
                "SELECT collection_id FROM documents WHERE id = ?", (document,)
            ).fetchone()
            if row is None:
                raise DocumentNotFoundError(document)
            rows.remove_document(connection, row[0], document, removed)
            rows.free_vectors(connection, removed)
        return Change(row[0], (), tuple(removed.chunk_ids))

    def carry(self, document: str, space_id: int, chunks: Sequence[tuple[Chunk, bytes]]) -> Change:
        """Store the chunks of a known document in one more space; once there, nothing is done.

        Raises:
            VectorsMissingError: a vector was freed meanwhile.
        """
        with self._store.writing() as connection:
            row = connection.execute(
                "SELECT d.collection_id, d.blocks FROM documents d JOIN spaces s"
                " ON s.collection_id = d.collection_id AND s.id = ? WHERE d.id = ? AND NOT EXISTS"
                " (SELECT 1 FROM chunks WHERE document_id = d.id AND collection_id = s.id)",
                (space_id, document),
            ).fetchone()
            if row is None:
                return Change(0)
            rows.require_vectors(connection, chunks)
            loaded = Loaded(rows.text_of(connection, document), rows.blocks_from(row[1]))
            added = rows.insert_chunks(connection, space_id, document, loaded, chunks)
        return Change(row[0], tuple(added))

    def free_unused_vectors(self) -> int:
        """Delete vectors that no chunk uses; call it when nothing is being ingested."""
        with self._store.writing() as connection:
            return connection.execute(
                "DELETE FROM vectors WHERE NOT EXISTS"
                " (SELECT 1 FROM chunks WHERE vector_key = vectors.key)"
            ).rowcount

    def move_places(self, collection: str, moves: Sequence[tuple[Place, Place]]) -> Change:
        """Note that files were moved within their watched folder, all at once.

        What lay where another file came to stays if it came to a place itself, so that files may
        exchange their places. Vectors are freed when the queue has run empty.

        Args:
            moves: from, to; a place whose file got another time only moves to itself.
        """
        removed = Removed()
        with self._store.writing() as connection:
            number = collection_number(connection, collection)
            before = {
                (root, path): document
                for root in {place.root for move in moves for place in move}
                for path, document in connection.execute(
                    "SELECT path, document_id FROM places WHERE collection_id=? AND root=?",
                    (number, root),
                )
            }
            found = [(old, new) for old, new in moves if (old.root, old.path) in before]
            connection.executemany(
                "DELETE FROM places WHERE collection_id=? AND root=? AND path=?",
                [(number, one.root, one.path) for move in found for one in move],
            )
            connection.executemany(
                "INSERT INTO places VALUES (?,?,?,?,?,?)",
                [
                    (
                        number,
                        new.root,
                        new.path,
                        before[old.root, old.path],
                        new.mtime_ns,
                        new.size_bytes,
                    )
                    for old, new in found
                ],
            )
            for document in {before.get((new.root, new.path)) for _, new in found} - {None}:
                places = connection.execute(_HAS_PLACE, (document,))
                if places.fetchone() is None:
                    rows.remove_document(connection, number, str(document), removed)
        return Change(number, (), tuple(removed.chunk_ids))

    def remove_places(self, collection: str, places: Sequence[Place]) -> Change:
        """Forget places, all at once, and the documents that have none left.

        Vectors are freed when the queue has run empty: what is gone here may arrive elsewhere.
        """
        removed = Removed()
        with self._store.writing() as connection:
            number = collection_number(connection, collection)
            for place in places:
                rows.drop_place(connection, number, place, removed)
        return Change(number, (), tuple(removed.chunk_ids))

    def refresh_terms(self) -> None:
        """Make the lexical indexes anew that another version of `lexical.py` wrote."""
        with self._store.reading() as connection:
            found = connection.execute(
                "SELECT collection_id, id FROM spaces WHERE lexical_version <> ?",
                (LEXICAL_VERSION,),
            ).fetchall()
        for number, space_id in found:
            with self._store.writing() as connection:
                drop_lexical_table(connection, space_id)
                create_lexical_table(connection, space_id)
                documents = connection.execute(
                    "SELECT id, blocks FROM documents WHERE collection_id = ?", (number,)
                ).fetchall()
                for document, blocks in documents:
                    loaded = Loaded(rows.text_of(connection, document), rows.blocks_from(blocks))
                    found_chunks = rows.chunks_of(connection, space_id, document, loaded.text)
                    for chunk_id, chunk in found_chunks:
                        rows.insert_terms(
                            connection, space_id, chunk_id, searchable_text(loaded, chunk)
                        )
                connection.execute(
                    "UPDATE spaces SET lexical_version=? WHERE id=?", (LEXICAL_VERSION, space_id)
                )


_IS_STORED = "SELECT 1 FROM documents WHERE id = ?"
_HAS_PLACE = "SELECT 1 FROM places WHERE document_id = ?"
_DOCUMENTS = """
    SELECT d.id, c.name, d.digest, d.title, d.media_type,
        (SELECT json_group_array(path) FROM
            (SELECT path FROM places WHERE document_id = d.id ORDER BY root, path)),
        d.size_bytes, d.n_characters,
        -- In the current space; in the next one if the current model was not there when it came.
        coalesce((SELECT count(*) FROM chunks k JOIN spaces s ON s.id = k.collection_id
            WHERE k.document_id = d.id AND s.state <> 'previous'
            GROUP BY s.state ORDER BY s.state LIMIT 1), 0),
        d.added_at, d.metadata, d.warnings
    FROM documents d JOIN collections c ON c.id = d.collection_id
"""
