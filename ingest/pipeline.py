"""A file in, a searchable document out: load, chunk, embed, store.

Each file is one transaction in the catalogue, and only then is the vector index told; a crash
between the two is repaired when the library is opened.
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import PurePosixPath
from typing import Literal

import numpy as np

from ingest.chunk import split
from ingest.context import context_of
from ingest.documents_store import Change, Documents, document_id
from ingest.errors import EmptyFileError, IngestError, StorageFullError, TooLargeError
from ingest.faults import reach
from ingest.rows_store import Place, VectorsMissingError
from ingest.store import now
from ingest.types import Chunk, Document, Embedder, Loaded
from ingest.vectors import VectorIndex

Load = Callable[[bytes, str], Loaded]
Report = Callable[[str], None]  # what is happening now; may raise to stop the work
Outcome = Literal["stored", "skipped"]

_BATCH = 32  # texts per call of the model, so that a question waits for one batch at most
_KEEP_EVERY = 512  # vectors that a crash may cost
_SPECIAL_TOKENS = 2
_CONTEXT_SHARE = 16  # one part in so many of the model's input is kept free for headings
_MAX_TRIES = 5


@dataclass(frozen=True, slots=True)
class Limits:
    """What the pipeline aims at and what it refuses."""

    chunk_tokens: int
    max_file_bytes: int


class Pipeline:
    """Brings files into the catalogue and the vector index."""

    def __init__(
        self,
        documents: Documents,
        index: VectorIndex,
        embedder: Embedder,
        load: Load,
        limits: Limits,
        *,
        loader_version: int,
    ) -> None:
        self._documents = documents
        self._index = index
        self._embedder = embedder
        self._load = load
        self._limits = limits
        self._loader_version = loader_version

    def ingest(self, collection: str, data: bytes, place: Place, report: Report) -> Outcome:
        """Bring one file in; a file that is known costs nothing.

        Raises:
            FileRefusedError: the file cannot be read; the library is as it was.
            StorageFullError: the disk is full; the library is as it was.
            CollectionNotFoundError: the collection was deleted meanwhile.
        """
        if len(data) > self._limits.max_file_bytes:
            raise TooLargeError(
                f"{place.path} has {len(data):,} bytes, the limit is "
                f"{self._limits.max_file_bytes:,}: set QUIRE_MAX_FILE_MB higher or split the file"
            )
        digest = sha256(data).hexdigest()
        document = document_id(collection, digest)
        if self._documents.holds(document, self._loader_version):
            self.follow(self._documents.add_place(collection, document, place))
            return "skipped"
        report(f"reading {place.path}")
        loaded = _storable(self._load(data, PurePosixPath(place.path).name))
        reach("file loaded")
        if not loaded.text.strip():
            raise EmptyFileError(f"{place.path} holds no text")
        about = _about(collection, document, digest, len(data), loaded, place)
        for _ in range(_MAX_TRIES):
            chunks = self.embedded(loaded, place.path, report)
            reach("vectors kept")
            try:
                change = self._documents.add(
                    about, loaded, chunks, place, loader_version=self._loader_version
                )
            except VectorsMissingError:
                continue  # another document that shared them was deleted just now
            reach("document kept")
            self.follow(change)
            reach("index followed")
            return "stored"
        raise IngestError(f"{place.path}: its vectors were deleted again and again; send it again")

    def rebind(self, collection: str, report: Report) -> None:
        """Embed a collection's stored texts with this model and swap the chunks in one go."""
        for _ in range(_MAX_TRIES):
            for document in self._documents.ids(collection):
                self.embed_stored(document, report)
            report("exchanging the index")
            try:
                change = self._documents.rebind(collection, self._embedder, self._keyed)
            except VectorsMissingError:
                continue
            self._index.drop(change.collection_id)
            self.follow(Change(change.collection_id, change.added))
            return
        raise IngestError(f"collection {collection!r} kept changing: run the reindex again")

    def embed_stored(self, document: str, report: Report) -> None:
        """Compute the vectors that a stored document needs under this model."""
        loaded = self._documents.loaded(document)
        self.embedded(loaded, loaded.title, report)

    def embedded(self, loaded: Loaded, name: str, report: Report) -> list[tuple[Chunk, bytes]]:
        """Chunk a text and make sure that every vector is stored; return chunks with keys."""
        keyed = self._texts(loaded)
        texts = {key: text for _, key, text in keyed}
        missing = self._documents.missing_keys(list(texts))
        for at in range(0, len(missing), _KEEP_EVERY):
            keys = missing[at : at + _KEEP_EVERY]
            rows = []
            for start in range(0, len(keys), _BATCH):
                report(f"embedding {name}: {at + start:,} of {len(missing):,} passages")
                batch = [texts[key] for key in keys[start : start + _BATCH]]
                rows.append(self._embedder.embed(batch, False))
            self._documents.add_vectors(keys, np.concatenate(rows).astype(np.float32))
        return [(chunk, key) for chunk, key, _ in keyed]

    def follow(self, change: Change) -> None:
        """Let the vector index follow a change of the catalogue."""
        for at in range(0, len(change.added), _KEEP_EVERY):
            ids = change.added[at : at + _KEEP_EVERY]
            self._index.add(change.collection_id, *self._documents.vectors_of(ids))
        self._index.delete(change.collection_id, change.removed)

    def _keyed(self, loaded: Loaded) -> list[tuple[Chunk, bytes]]:
        return [(chunk, key) for chunk, key, _ in self._texts(loaded)]

    def _texts(self, loaded: Loaded) -> list[tuple[Chunk, bytes, str]]:
        """Chunk a text; give each chunk the key of its vector and the text that is embedded."""
        room = self._embedder.max_tokens - _SPECIAL_TOKENS - self._prefix_tokens()
        limit = max(1, room)
        target = min(self._limits.chunk_tokens, limit - limit // _CONTEXT_SHARE)
        count = self._embedder.count_tokens
        chunks = split(loaded, count, target_tokens=target, max_tokens=limit)
        contexts = [context_of(loaded, chunk) for chunk in chunks]
        sizes = _counts(contexts, count)
        found = []
        for chunk, context in zip(chunks, contexts, strict=True):
            has_room = context and chunk.n_tokens + sizes[context] <= limit
            text = f"{context}\n{chunk.text}" if has_room else chunk.text
            text = self._embedder.document_prefix + text
            found.append((chunk, self._key(text), text))
        return found

    def _prefix_tokens(self) -> int:
        prefix = self._embedder.document_prefix
        return self._embedder.count_tokens([prefix])[0] if prefix else 0

    def _key(self, text: str) -> bytes:
        prefix = self._embedder.document_prefix
        return sha256(f"{self._embedder.digest}\0{prefix}\0{text}".encode()).digest()


def is_disk_full(error: OSError) -> bool:
    """Tell whether an error of the system says that there is no room."""
    return error.errno in (errno.ENOSPC, errno.EDQUOT)


def storage_full(error: OSError) -> StorageFullError:
    """Say that the disk is full."""
    return StorageFullError(
        f"the disk of the data directory is full ({error.strerror}); nothing was lost: free some "
        "space and send the file again"
    )


def _counts(contexts: Sequence[str], count: Callable[[Sequence[str]], list[int]]) -> dict[str, int]:
    distinct = list({one for one in contexts if one})
    return dict(zip(distinct, count(distinct), strict=True)) if distinct else {}


def _storable(loaded: Loaded) -> Loaded:
    """Replace lone surrogates, which no file can hold, one for one."""
    try:
        loaded.text.encode()
    except UnicodeEncodeError:
        text = "".join("\ufffd" if "\ud800" <= one <= "\udfff" else one for one in loaded.text)
        return Loaded(
            text, loaded.blocks, loaded.title, loaded.media_type, loaded.metadata, loaded.warnings
        )
    return loaded


def _about(
    collection: str, document: str, digest: str, size_bytes: int, loaded: Loaded, place: Place
) -> Document:
    return Document(
        id=document,
        collection=collection,
        digest=digest,
        title=loaded.title or PurePosixPath(place.path).name,
        media_type=loaded.media_type,
        paths=(place.path,),
        size_bytes=size_bytes,
        n_characters=len(loaded.text),
        n_chunks=0,
        added_at=now(),
        metadata=loaded.metadata,
        warnings=loaded.warnings,
    )
