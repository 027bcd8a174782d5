"""Documents, places, chunks and vectors in the catalogue; touches SQLite."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256

import numpy as np

from ingest import rows_store as rows
from ingest.context import searchable_text
from ingest.errors import DocumentNotFoundError
from ingest.lexical import LEXICAL_VERSION
from ingest.rows_store import Place, Removed
from ingest.schema import create_lexical_table, drop_lexical_table, lexical_table
from ingest.store import Store, binding
from ingest.types import Chunk, Document, Embedder, Loaded, Vectors


@dataclass(frozen=True, slots=True)
class KnownPlace:
    """A place with what lies there."""

    place: Place
    document_id: str
    digest: str  # hex SHA-256 of the file's bytes


@dataclass(frozen=True, slots=True)
class Change:
    """What a write did to the chunks: the vector index follows it."""

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
        self._shrunk: set[int] = set()  # collections whose lexical index holds deleted terms

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

    def listed(
        self, collection: str | None, query: str, limit: int, offset: int
    ) -> tuple[list[Document], int]:
        """List documents, newest first, whose title or a path contains the query."""
        wanted = "%" + query.replace("\\", r"\\").replace("%", r"\%").replace("_", r"\_") + "%"
        where = r"""
            WHERE (:name IS NULL OR c.name = :name)
            AND (:query = '' OR d.title LIKE :wanted ESCAPE '\' OR EXISTS (
                SELECT 1 FROM places WHERE document_id = d.id AND path LIKE :wanted ESCAPE '\'))
        """
        values = {"name": collection, "query": query, "wanted": wanted}
        page = {"limit": max(0, limit), "offset": max(0, offset)}
        with self._store.reading() as connection:
            found = connection.execute(
                f"{_DOCUMENTS} {where} ORDER BY d.added_at DESC, d.id LIMIT :limit OFFSET :offset",
                values | page,
            ).fetchall()
            (total,) = connection.execute(
                "SELECT count(*) FROM documents d JOIN collections c ON c.id = d.collection_id"
                f" {where}",
                values,
            ).fetchone()
        return [rows.document_from(row) for row in found], int(total)

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

    def chunks(self, document: str) -> list[Chunk]:
        """List the chunks of a document in order.

        Raises:
            DocumentNotFoundError: there is none of that id.
        """
        with self._store.reading() as connection:
            is_there = connection.execute(_IS_STORED, (document,))
            if is_there.fetchone() is None:
                raise DocumentNotFoundError(document)
            return [chunk for _, chunk in rows.chunks_of(connection, document)]

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
        flat = np.frombuffer(b"".join(row[1] for row in found), np.float32)
        return [row[0] for row in found], flat.reshape(len(found), -1), [row[2] for row in found]

    def chunk_ids(self, collection_id: int) -> list[int]:
        """List the ids of a collection's chunks in ascending order."""
        with self._store.reading() as connection:
            found = connection.execute(
                "SELECT id FROM chunks WHERE collection_id = ? ORDER BY id", (collection_id,)
            ).fetchall()
        return [row[0] for row in found]

    # Writing

    def add_vectors(self, keys: Sequence[bytes], vectors: Vectors) -> None:
        """Keep computed vectors, also before the document that needs them is stored."""
        with self._store.writing() as connection:
            connection.executemany(
                "INSERT OR IGNORE INTO vectors VALUES (?, ?)",
                [(key, row.tobytes()) for key, row in zip(keys, vectors, strict=True)],
            )

    def add(
        self,
        document: Document,
        loaded: Loaded,
        chunks: Sequence[tuple[Chunk, bytes]],
        place: Place,
        *,
        loader_version: int,
    ) -> Change:
        """Store a document at a place; what lay there before goes, unless it has another place.

        Args:
            chunks: each with the key of its vector.

        Raises:
            CollectionNotFoundError: the collection was deleted meanwhile.
            VectorsMissingError: a vector was freed meanwhile.
        """
        removed = Removed()
        with self._store.writing() as connection:
            number = rows.collection_number(connection, document.collection)
            rows.require_vectors(connection, chunks)
            places = connection.execute(
                "SELECT collection_id, root, path, document_id, mtime_ns, size_bytes FROM places"
                " WHERE document_id = ?",
                (document.id,),
            ).fetchall()
            if connection.execute(_IS_STORED, (document.id,)).fetchone():
                rows.remove_document(connection, number, document.id, removed)
            rows.insert_document(connection, number, document, loaded, loader_version)
            connection.executemany("INSERT INTO places VALUES (?,?,?,?,?,?)", places)
            added = rows.insert_chunks(connection, number, document.id, loaded, chunks)
            rows.put_place(connection, number, document.id, place, removed)
            rows.free_vectors(connection, removed)
            self._note(number, removed)
        return Change(number, tuple(added), tuple(removed.chunk_ids))

    def add_place(self, collection: str, document: str, place: Place) -> Change:
        """Note that a known document lies at a place too, instead of what lay there."""
        removed = Removed()
        with self._store.writing() as connection:
            number = rows.collection_number(connection, collection)
            rows.put_place(connection, number, document, place, removed)
            rows.free_vectors(connection, removed)
            self._note(number, removed)
        return Change(number, (), tuple(removed.chunk_ids))

    def move_place(self, collection: str, old: Place, new: Place) -> Change:
        """Note that a file was renamed or moved within its watched folder."""
        removed = Removed()
        with self._store.writing() as connection:
            number = rows.collection_number(connection, collection)
            row = connection.execute(
                "SELECT document_id FROM places WHERE collection_id=? AND root=? AND path=?",
                (number, old.root, old.path),
            ).fetchone()
            if row is None:
                return Change(number)
            rows.put_place(connection, number, row[0], new, removed)
            rows.drop_place(connection, number, old, removed)
            rows.free_vectors(connection, removed)
            self._note(number, removed)
        return Change(number, (), tuple(removed.chunk_ids))

    def remove_place(self, collection: str, place: Place) -> Change:
        """Forget a place, and its document if that was the last one."""
        removed = Removed()
        with self._store.writing() as connection:
            number = rows.collection_number(connection, collection)
            rows.drop_place(connection, number, place, removed)
            rows.free_vectors(connection, removed)
            self._note(number, removed)
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
            self._note(row[0], removed)
        return Change(row[0], (), tuple(removed.chunk_ids))

    def rebind(
        self,
        collection: str,
        embedder: Embedder,
        chunked: Callable[[Loaded], Sequence[tuple[Chunk, bytes]]],
    ) -> Change:
        """Replace all chunks of a collection and bind it to a model, all in one transaction.

        Args:
            chunked: cuts a text as the new model wants it; the vectors are stored already.

        Raises:
            VectorsMissingError: a document came in meanwhile.
        """
        added: list[int] = []
        removed = Removed()
        with self._store.writing() as connection:
            number = rows.collection_number(connection, collection)
            documents = connection.execute(
                "SELECT id, blocks FROM documents WHERE collection_id = ?", (number,)
            ).fetchall()
            for document, blocks in documents:
                loaded = Loaded(rows.text_of(connection, document), rows.blocks_from(blocks))
                chunks = chunked(loaded)
                rows.require_vectors(connection, chunks)
                rows.remove_chunks(connection, number, document, removed)
                added += rows.insert_chunks(connection, number, document, loaded, chunks)
            connection.execute(
                "UPDATE collections SET model=?, model_digest=?, n_dimensions=?, document_prefix=?,"
                " query_prefix=? WHERE id=?",
                (*binding(embedder), number),
            )
            rows.free_vectors(connection, removed)
            self._note(number, removed)
        return Change(number, tuple(added), tuple(removed.chunk_ids))

    def free_unused_vectors(self) -> int:
        """Delete vectors that no chunk uses; call it when nothing is being ingested."""
        with self._store.writing() as connection:
            return connection.execute(
                "DELETE FROM vectors WHERE NOT EXISTS"
                " (SELECT 1 FROM chunks WHERE vector_key = vectors.key)"
            ).rowcount

    def _note(self, number: int, removed: Removed) -> None:
        if removed.chunk_ids:
            self._shrunk.add(number)

    def merge_terms(self) -> None:
        """Merge the lexical indexes, so that the terms of deleted texts are gone in bytes too."""
        for number in list(self._shrunk):
            self._shrunk.discard(number)
            if number not in self._store.collection_ids():
                continue
            table = lexical_table(number)
            with self._store.writing() as connection:
                connection.execute(f"INSERT INTO {table} ({table}) VALUES ('optimize')")

    def refresh_terms(self) -> None:
        """Make the lexical indexes anew that another version of `lexical.py` wrote."""
        with self._store.reading() as connection:
            found = connection.execute(
                "SELECT id FROM collections WHERE lexical_version <> ?", (LEXICAL_VERSION,)
            ).fetchall()
        for (number,) in found:
            with self._store.writing() as connection:
                drop_lexical_table(connection, number)
                create_lexical_table(connection, number)
                documents = connection.execute(
                    "SELECT id, blocks FROM documents WHERE collection_id = ?", (number,)
                ).fetchall()
                for document, blocks in documents:
                    loaded = Loaded(rows.text_of(connection, document), rows.blocks_from(blocks))
                    for chunk_id, chunk in rows.chunks_of(connection, document):
                        rows.insert_terms(
                            connection, number, chunk_id, searchable_text(loaded, chunk)
                        )
                connection.execute(
                    "UPDATE collections SET lexical_version=? WHERE id=?", (LEXICAL_VERSION, number)
                )


_IS_STORED = "SELECT 1 FROM documents WHERE id = ?"
_DOCUMENTS = """
    SELECT d.id, c.name, d.digest, d.title, d.media_type,
        (SELECT json_group_array(path) FROM
            (SELECT path FROM places WHERE document_id = d.id ORDER BY root, path)),
        d.size_bytes, d.n_characters, (SELECT count(*) FROM chunks WHERE document_id = d.id),
        d.added_at, d.metadata, d.warnings
    FROM documents d JOIN collections c ON c.id = d.collection_id
"""
