"""A file in, a searchable document out: load, chunk, embed, store.

Each file is one transaction in the catalogue, and only then is the vector index told; a crash
between the two is repaired when the library is opened.
"""

from __future__ import annotations

import errno
import logging
import re
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import PurePosixPath
from typing import Literal

import numpy as np

from ingest.chunk import split
from ingest.chunk_columns import Chunks, Keyed
from ingest.context import context_of
from ingest.documents_store import Change, Documents, document_id
from ingest.errors import (
    DocumentNotFoundError,
    EmptyFileError,
    IngestError,
    StorageFullError,
    TooLargeError,
)
from ingest.faults import reach
from ingest.memory import give_back_memory
from ingest.rows_store import Place, VectorsMissingError
from ingest.spaces_store import SpacesStore
from ingest.store import now
from ingest.types import Chunk, Document, Embedder, Loaded, Space, Vectors
from ingest.vectors import VectorIndex

log = logging.getLogger(__name__)

Load = Callable[[bytes, str], Loaded]
Report = Callable[[str], None]  # what is happening now; may raise to stop the work
Outcome = Literal["stored", "skipped"]

_BATCH = 32  # texts per call of the model, so that a question waits for one batch at most
_KEEP_EVERY = 512  # vectors that a crash may cost
_SPECIAL_TOKENS = 2
_CONTEXT_SHARE = 16  # one part in so many of the model's input is kept free for headings
_MAX_TRIES = 5
_LARGE_BYTES = 16 * 1024**2  # of a file, after which memory is given back to the system
_SURROGATE = re.compile("[\ud800-\udfff]")


class StoppedError(Exception):
    """The process is closing, or the job was cancelled: nothing is noted about the task."""


class CalledAwayError(Exception):
    """Something else has to be done first: what was embedded so far is kept."""


@dataclass(frozen=True, slots=True)
class Bound:
    """Spaces, and the models that they are bound to."""

    spaces: SpacesStore
    embedder_of: Callable[[Space], Embedder]  # raises ModelMissingError
    has: Callable[[Space], bool]  # tells whether the model of a space is installed


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
        bound: Bound,
        load: Load,
        limits: Limits,
        *,
        loader_version: int,
    ) -> None:
        self._documents = documents
        self._index = index
        self._bound = bound
        self._load = load
        self._limits = limits
        self._loader_version = loader_version

    def ingest(
        self, collection: str, take: Callable[[], bytes], place: Place, report: Report
    ) -> Outcome:
        """Bring one file in; a file that is known costs nothing.

        Raises:
            FileRefusedError: the file cannot be read; the library is as it was.
            StorageFullError: the disk is full; the library is as it was.
            CollectionNotFoundError: the collection was deleted meanwhile.
            ModelMissingError: no model of the collection is installed.
        """
        held = [take()]  # whoever takes the bytes can let them go: they are as much as the text
        n_bytes = len(held[0])
        if n_bytes > self._limits.max_file_bytes:
            raise TooLargeError(
                f"{place.path} has {n_bytes:,} bytes, the limit is "
                f"{self._limits.max_file_bytes:,}: set QUIRE_MAX_FILE_MB higher or split the file"
            )
        digest = sha256(held[0]).hexdigest()
        document = document_id(collection, digest)
        if self._documents.holds(document, self._loader_version):
            with suppress(DocumentNotFoundError):  # deleted just now: it is stored anew
                self.follow(self._documents.add_place(collection, document, place))
                return "skipped"
        report(f"reading {place.path}")
        loaded = _storable(self._load(held.pop(), PurePosixPath(place.path).name))
        reach("file loaded")
        if not loaded.text or loaded.text.isspace():
            raise EmptyFileError(f"{place.path} holds no text")
        about = _about(collection, document, digest, n_bytes, loaded, place)
        for _ in range(_MAX_TRIES):
            chunks = self._embedded_for(collection, loaded, place.path, report)
            try:
                change = self._documents.add(
                    about, loaded, chunks, place, loader_version=self._loader_version
                )
            except VectorsMissingError:
                continue  # another document that shared them was deleted just now
            reach("document kept")
            del loaded, chunks  # the index takes memory of its own
            if n_bytes > _LARGE_BYTES:
                give_back_memory()
            self.follow(change)
            reach("index followed")
            return "stored"
        raise IngestError(f"{place.path}: its vectors were deleted again and again; send it again")

    def carry(
        self, document: str, space: Space, report: Report, is_called: Callable[[], bool]
    ) -> None:
        """Bring a stored document into one more space; costs nothing if it is there already.

        Raises:
            CalledAwayError: something else came in; call it again later.
            DocumentNotFoundError: it was deleted meanwhile.
            ModelMissingError: the model of the space is not installed.
        """
        loaded = self._documents.loaded(document)
        name = loaded.title
        embedder = self._bound.embedder_of(space)
        for _ in range(_MAX_TRIES):
            chunks = self.embedded(embedder, loaded, name, report, is_called)
            try:
                change = self._documents.carry(document, space.id, chunks)
            except VectorsMissingError:
                continue  # another document that shared them was deleted just now
            reach("document carried")
            del loaded, chunks
            self.follow(change)
            return
        raise IngestError(f"{name}: its vectors were deleted again and again; try again")

    def embedded(
        self,
        embedder: Embedder,
        loaded: Loaded,
        name: str,
        report: Report,
        is_called: Callable[[], bool] = lambda: False,
    ) -> Sequence[tuple[Chunk, bytes]]:
        """Chunk a text and make sure that every vector is stored; return chunks with keys.

        Raises:
            CalledAwayError: `is_called` between two batches; what was embedded is kept.
        """
        text_of = _texts(embedder, loaded)
        chunks = self._chunks(embedder, loaded)
        all_keys = [_key(embedder, text_of(one)) for one in chunks]
        reach("text cut")
        place_of = {key: at for at, key in enumerate(all_keys)}
        missing = self._documents.missing_keys(place_of)
        for at in range(0, len(missing), _KEEP_EVERY):
            keys = missing[at : at + _KEEP_EVERY]
            rows: list[Vectors] = []
            for start in range(0, len(keys), _BATCH):
                if at + start and is_called():  # each turn does one batch at least
                    keys = keys[:start]
                    break
                report(f"embedding {name}: {at + start:,} of {len(missing):,} passages")
                batch = [text_of(chunks[place_of[key]]) for key in keys[start : start + _BATCH]]
                rows.append(embedder.embed(batch, False))
            reach("vectors computed")
            if rows:
                self._documents.add_vectors(keys, np.concatenate(rows).astype(np.float32))
                reach("vectors kept")
            if at + len(keys) < min(len(missing), at + _KEEP_EVERY):
                raise CalledAwayError
        return Keyed(chunks, all_keys)

    def _embedded_for(
        self, collection: str, loaded: Loaded, name: str, report: Report
    ) -> dict[int, Sequence[tuple[Chunk, bytes]]]:
        """Embed a text for each space; one that is being filled gets it later if that fails."""
        chunks: dict[int, Sequence[tuple[Chunk, bytes]]] = {}
        for space, embedder in self._written(collection):
            try:
                chunks[space.id] = self.embedded(embedder, loaded, name, report)
            except (StoppedError, StorageFullError):
                raise
            except Exception as error:  # the edge: models may raise anything
                if not chunks:
                    raise
                log.warning("not_in_next_space file=%s %s", name, error)
        return chunks

    def follow(self, change: Change) -> None:
        """Let the vector index follow a change of the catalogue."""
        if not change.added and not change.removed:
            return
        for space_id, added in self._documents.by_space(change).items():
            self._index.delete(space_id, change.removed)
            for at in range(0, len(added), _KEEP_EVERY):
                vectors = self._documents.vectors_of(added[at : at + _KEEP_EVERY])
                self._index.add(space_id, *vectors)
                reach("vectors indexed")

    def _written(self, collection: str) -> list[tuple[Space, Embedder]]:
        """Choose where a new document goes: into each space whose model is there.

        Raises:
            ModelMissingError: none is.
        """
        spaces = self._bound.spaces.of(collection)
        wanted = [spaces[state] for state in ("current", "next") if state in spaces]
        there = [space for space in wanted if self._bound.has(space)] or wanted[:1]
        return [(space, self._bound.embedder_of(space)) for space in there]

    def _chunks(self, embedder: Embedder, loaded: Loaded) -> Chunks:
        limit = _limit(embedder)
        target = min(self._limits.chunk_tokens, limit - limit // _CONTEXT_SHARE)
        return split(loaded, embedder.count_tokens, target_tokens=target, max_tokens=limit)


def _texts(embedder: Embedder, loaded: Loaded) -> Callable[[Chunk], str]:
    """Give what makes of a chunk the text that is embedded: all of them are as much as the file."""
    limit, sizes = _limit(embedder), dict[str, int]()

    def text_of(chunk: Chunk) -> str:
        context = context_of(loaded, chunk)
        if context and context not in sizes:
            sizes[context] = embedder.count_tokens([context])[0]
        has_room = context and chunk.n_tokens + sizes[context] <= limit
        text = f"{context}\n{chunk.text}" if has_room else chunk.text
        return embedder.document_prefix + text

    return text_of


def _limit(embedder: Embedder) -> int:
    return max(1, embedder.max_tokens - _SPECIAL_TOKENS - _prefix_tokens(embedder))


def is_disk_full(error: OSError) -> bool:
    """Tell whether an error of the system says that there is no room."""
    return error.errno in (errno.ENOSPC, errno.EDQUOT)


def storage_full(error: OSError) -> StorageFullError:
    """Say that the disk is full."""
    return StorageFullError(
        f"the disk of the data directory is full ({error.strerror}); nothing was lost: free some "
        "space and send the file again"
    )


def _prefix_tokens(embedder: Embedder) -> int:
    prefix = embedder.document_prefix
    return embedder.count_tokens([prefix])[0] if prefix else 0


def _key(embedder: Embedder, text: str) -> bytes:
    prefix = embedder.document_prefix
    return sha256(f"{embedder.digest}\0{prefix}\0{text}".encode()).digest()


def _storable(loaded: Loaded) -> Loaded:
    """Replace lone surrogates, which no file can hold, one for one."""
    if not loaded.text.isascii() and _SURROGATE.search(loaded.text):
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
