"""The library that the application holds: documents in, hits out; owns every part of ingestion."""

from __future__ import annotations

import logging
import secrets
import shutil
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType

from ingest.ahead import ahead_of
from ingest.documents_store import Documents
from ingest.errors import CollectionNameError, ModelMismatchError
from ingest.jobs import Aids, Worker
from ingest.jobs_store import Jobs, Task
from ingest.lock import FolderLock
from ingest.pipeline import Limits, Load, Pipeline, is_disk_full, storage_full
from ingest.rates import Meter
from ingest.reconcile import Known
from ingest.roots import RootHands, Roots, Watched
from ingest.roots_store import RootsStore
from ingest.search_store import Searches
from ingest.store import Store, binding
from ingest.tasks import CONFIRMED, Hands, run_task, settle_task
from ingest.types import Chunk, Collection, Document, Embedder, Hit, Job, Vectors
from ingest.vectors import Expected, VectorIndex
from ingest.watch import Pace

log = logging.getLogger(__name__)

_MAX_NAME_CHARACTERS = 63


class KnowledgeBase:
    """All documents of one data directory; thread-safe; a context manager."""

    def __init__(
        self,
        folder: Path,
        embedder: Embedder,
        *,
        chunk_tokens: int,
        max_file_bytes: int,
        load: Load | None = None,
        n_workers: int = 0,
    ) -> None:
        """Open the library: repair what a crash left, go on with unfinished jobs.

        Args:
            chunk_tokens: size of a chunk that is aimed at, by the embedder's tokenizer.
            load: turns bytes and a file name into text; by default every loader there is.
            n_workers: processes that load files by every loader there is; 0 loads in this one.

        Raises:
            LibraryLockedError: another process has the folder open.
            IngestError: the catalogue cannot be read.
        """
        self._folder = folder.absolute()
        self._embedder = embedder
        self._n_orphans = 0
        loading = _loading(load)
        meter = Meter()
        with ExitStack() as opened:
            self._folder.mkdir(parents=True, exist_ok=True)
            opened.callback(FolderLock(self._folder / "lock").release)
            self._store = Store(self._folder / "kb.sqlite3")
            opened.callback(self._store.close)
            self._documents = Documents(self._store)
            self._searches = Searches(self._store)
            self._jobs = Jobs(self._store)
            self._index = VectorIndex(self._folder / "chroma")
            opened.callback(self._index.close)
            ahead = ahead_of(
                n_workers, loading.load, self._documents, loading.version, max_file_bytes
            )
            self._pipeline = Pipeline(
                self._documents,
                self._index,
                replace(embedder, embed=meter.counting(embedder.embed)),
                ahead.load if ahead else loading.load,
                Limits(chunk_tokens, max_file_bytes),
                loader_version=loading.version,
            )
            self._is_wanted = loading.is_wanted
            self._repair()
            hands = Hands(
                self._store,
                self._documents,
                self._jobs,
                self._pipeline,
                self.check_model,
                self._is_wanted,
                max_file_bytes,
                meter,
            )
            self._worker = Worker(
                self._jobs,
                lambda waiting, report: run_task(hands, waiting, report),
                settle=settle_task,
                idle=self._tidy,
                aids=Aids(meter, ahead, lambda: shutil.disk_usage(self._folder).free),
            )
            self._worker.start()
            opened.callback(self._worker.stop)
            self.roots = Roots(self._root_hands())
            opened.callback(self.roots.stop)
            self._opened = opened.pop_all()

    def __enter__(self) -> KnowledgeBase:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Stop watching, finish the batch at hand, close the files; unfinished jobs go on later."""
        self._opened.close()

    # Documents in

    def submit(self, collection: str, files: Sequence[tuple[str, bytes | Path]]) -> str:
        """Queue files for a collection, which is created if it is new.

        Args:
            files: the path to show, with the bytes or a file; files are copied before this returns.

        Returns:
            The id of the job.

        Raises:
            CollectionNameError: the name cannot be a collection's.
            ModelMismatchError: the collection was indexed with another model.
            QueueFullError: too much waits already.
            StorageFullError: no room for the files; nothing was queued.
        """
        self._prepare(collection)
        job_id = secrets.token_hex(8)
        folder = self._folder / "staging" / job_id
        tasks: list[Task] = []
        try:
            folder.mkdir(parents=True)
            for position, (path, content) in enumerate(files):
                staged = folder / str(position)
                if isinstance(content, Path):
                    shutil.copyfile(content, staged)
                else:
                    staged.write_bytes(content)
                tasks.append(Task("upload", _shown(path), source=str(staged)))
            self._jobs.add(job_id, collection, tasks)
        except BaseException as error:
            shutil.rmtree(folder, ignore_errors=True)
            if isinstance(error, OSError) and is_disk_full(error):
                raise storage_full(error) from error
            raise
        self._worker.wake()
        return job_id

    def sync(self, folder: Path, collection: str, *, is_confirmed: bool = False) -> str:
        """Make a collection follow a folder: new, changed, moved and deleted files.

        Args:
            is_confirmed: delete also when more than a third of many files is gone.

        Returns:
            The id of the job; that of one that waits already, if it is the same.

        Raises:
            CollectionNameError: the name cannot be a collection's.
            ModelMismatchError: the collection was indexed with another model.
            QueueFullError: too much waits already.
        """
        self._prepare(collection)
        root, source = str(folder.absolute()), CONFIRMED if is_confirmed else ""
        waiting = self._jobs.queued_sync(collection, root, source)
        if waiting is not None:
            return waiting
        return self._queue(collection, [Task("sync", "", root, source)])

    def watch(
        self, folder: Path, collection: str, pace: Pace | None = None, *, is_kept: bool = False
    ) -> None:
        """Keep a folder indexed; see `Roots.watch`, and `roots` for all else about watching."""
        self.roots.watch(folder, collection, pace, is_kept=is_kept)

    def watched(self) -> list[Watched]:
        """List the folders that are kept indexed."""
        return self.roots.listed()

    def job(self, job_id: str) -> Job:
        """Look a job up.

        Raises:
            JobNotFoundError: there is none of that id.
        """
        return self._worker.job(job_id)

    def jobs(self, limit: int = 50) -> list[Job]:
        """List jobs, newest first."""
        return self._worker.listed(limit)

    def wait(self, job_id: str, timeout_s: float) -> Job:
        """Wait until a job has ended or the time is over; tell how it stands.

        Raises:
            JobNotFoundError: there is none of that id.
        """
        return self._worker.wait(job_id, timeout_s)

    def retry(self, job_id: str) -> Job:
        """Do once more what failed of a job, or was cancelled."""
        return self._worker.retry(job_id)

    def cancel(self, job_id: str) -> Job:
        """Leave the rest of a job undone; what was stored stays."""
        return self._worker.cancel(job_id)

    # Collections

    def collections(self) -> list[Collection]:
        """List all collections by name."""
        return self._store.collections()

    def collection(self, name: str) -> Collection:
        """Look one collection up.

        Raises:
            CollectionNotFoundError: there is none of that name.
        """
        return self._store.collection(name)

    def create_collection(self, name: str) -> None:
        """Add a collection bound to the model in use; one that is there stays as it is.

        Raises:
            CollectionNameError: the name cannot be a collection's.
        """
        if not _is_name(name):
            raise CollectionNameError(
                f"{name!r} cannot name a collection: take 1 to 63 letters of any script, digits, "
                "'-', '_', '.' or spaces inside"
            )
        self._store.create_collection(name, self._embedder)

    def delete_collection(self, name: str) -> None:
        """Remove a collection with all its documents.

        Raises:
            CollectionNotFoundError: there is none of that name.
        """
        self._store.collection_id(name)
        self.roots.leave(name)
        self._index.drop(self._store.delete_collection(name))

    def check_model(self, collection: str) -> None:
        """Make sure that a collection's vectors are those of the model in use.

        Raises:
            CollectionNotFoundError: there is none of that name.
            ModelMismatchError: they are another model's, or made with other prefixes.
        """
        bound = self._store.collection(collection)
        there = (bound.model_digest, bound.n_dimensions, bound.document_prefix, bound.query_prefix)
        if there != binding(self._embedder)[1:]:
            raise ModelMismatchError(
                collection,
                _named(bound.model, bound.model_digest),
                _named(self._embedder.model, self._embedder.digest),
            )

    def reindex(self, collection: str | None = None) -> str:
        """Embed the stored text anew with the model in use; one collection, or all.

        Returns:
            The id of the job; until it has ended, search by words goes on and the old chunks stay.

        Raises:
            CollectionNotFoundError: there is none of that name.
            QueueFullError: too much waits already.
        """
        names = [collection] if collection else [one.name for one in self.collections()]
        tasks: list[Task] = []
        for name in names:
            self._store.collection_id(name)
            tasks += [Task("embed", document) for document in self._documents.ids(name)]
            tasks.append(Task("rebind", name))
        return self._queue(collection or "*", tasks)

    # Documents

    def documents(
        self, collection: str | None = None, *, query: str = "", limit: int = 100, offset: int = 0
    ) -> tuple[list[Document], int]:
        """List documents, newest first, and tell how many there are in all.

        Args:
            query: text that the title or a path must contain.
        """
        return self._documents.listed(collection, query, limit, offset)

    def document(self, document_id: str) -> Document:
        """Look one document up.

        Raises:
            DocumentNotFoundError: there is none of that id.
        """
        return self._documents.document(document_id)

    def text(self, document_id: str) -> str:
        """Read a document's loaded text, which all offsets count.

        Raises:
            DocumentNotFoundError: there is none of that id.
        """
        return self._documents.loaded(document_id).text

    def chunks(self, document_id: str) -> list[Chunk]:
        """List the chunks of a document in order.

        Raises:
            DocumentNotFoundError: there is none of that id.
        """
        return self._documents.chunks(document_id)

    def delete_document(self, document_id: str) -> None:
        """Delete a document from the catalogue and the index.

        Raises:
            DocumentNotFoundError: there is none of that id.
        """
        self._pipeline.follow(self._documents.remove(document_id))
        self._worker.wake()

    # Search

    def dense(
        self,
        collection: str,
        vector: Vectors,
        k: int,
        *,
        document_ids: Sequence[str] | None = None,
    ) -> list[Hit]:
        """Find the chunks nearest to a query's vector, best first; score is the cosine.

        Raises:
            CollectionNotFoundError: there is none of that name.
            ModelMismatchError: the collection was indexed with another model.
        """
        self.check_model(collection)
        number = self._store.collection_id(collection)
        found = self._index.query(number, vector, k, document_ids)
        hits, orphans = self._searches.hits(collection, dict(found))
        if orphans:
            # Deleted a moment ago, or never taken out: counted, and looked for once more.
            self._n_orphans += len(orphans)
            log.warning("search_orphans collection=%s n=%d", collection, len(orphans))
            self._index.delete(number, orphans)
            found = self._index.query(number, vector, k, document_ids)
            hits, _ = self._searches.hits(collection, dict(found))
        return hits

    def lexical(
        self, collection: str, query: str, k: int, *, document_ids: Sequence[str] | None = None
    ) -> list[Hit]:
        """Find chunks by their words, best first; score is BM25, higher is better.

        Raises:
            CollectionNotFoundError: there is none of that name.
        """
        return self._searches.lexical(collection, query, k, document_ids)

    def status(self) -> Mapping[str, object]:
        """Tell how the library is: counts, queue, and alarms that should be zero."""
        collections = self.collections()
        return {
            "n_collections": len(collections),
            "n_documents": sum(one.n_documents for one in collections),
            "n_chunks": sum(one.n_chunks for one in collections),
            "jobs": self._jobs.counts(),
            "n_orphans": self._n_orphans,
            "is_index_behind": self._index.is_behind,
            "n_indexes_rebuilt": self._index.n_rebuilt,
        }

    # Inside

    def _prepare(self, collection: str) -> None:
        """Make sure that documents can go into a collection; an empty one takes any model."""
        self.create_collection(collection)
        try:
            self.check_model(collection)
        except ModelMismatchError:
            if self._store.collection(collection).n_documents:
                raise
            self._store.bind(collection, self._embedder)
            self._index.drop(self._store.collection_id(collection))

    def _queue(self, collection: str, tasks: Sequence[Task]) -> str:
        job_id = secrets.token_hex(8)
        self._jobs.add(job_id, collection, tasks)
        self._worker.wake()
        return job_id

    def _repair(self) -> None:
        """Bring everything that can be derived in line with the catalogue."""
        self._documents.refresh_terms()
        self._reconcile_index()
        unfinished = self._jobs.unfinished()
        if not unfinished:
            self._documents.free_unused_vectors()
        staging = self._folder / "staging"
        for folder in staging.iterdir() if staging.is_dir() else ():
            if folder.name not in unfinished:
                shutil.rmtree(folder, ignore_errors=True)

    def _reconcile_index(self) -> None:
        expected = {
            number: Expected(self._documents.chunk_ids(number))
            for number in self._store.collection_ids()
        }
        self._index.reconcile(expected, self._documents.vectors_of)

    def _tidy(self) -> None:
        """Clean up when the queue has run empty."""
        if self._index.is_behind:
            self._reconcile_index()
        self._documents.free_unused_vectors()
        self._documents.merge_terms()
        self._store.truncate_log()

    def _root_hands(self) -> RootHands:
        return RootHands(
            RootsStore(self._store),
            self._is_wanted,
            known=self._known,
            prepare=self._prepare,
            sync=lambda folder, name, is_confirmed: self.sync(
                folder, name, is_confirmed=is_confirmed
            ),
            job=self.job,
            queue=self._queue,
        )

    def _known(self, collection: str, root: str) -> dict[str, Known]:
        return {
            one.place.path: Known(one.digest, one.place.size_bytes, one.place.mtime_ns)
            for one in self._documents.places(collection, root)
        }


@dataclass(frozen=True, slots=True)
class _Loading:
    load: Load
    version: int
    is_wanted: Callable[[str], bool]


def _loading(load: Load | None) -> _Loading:
    if load is not None:
        return _Loading(load, 1, lambda _name: True)
    from ingest.load import loaders

    return _Loading(
        loaders.load,
        loaders.LOADER_VERSION,
        lambda name: Path(name).suffix.lower() in loaders.SUFFIXES,
    )


def _is_name(name: str) -> bool:
    """Tell whether a text can name a collection; dots alone would be lost in an address."""
    return (
        0 < len(name) <= _MAX_NAME_CHARACTERS
        and name == name.strip()
        and name.strip(".") != ""
        and all(one in "-_. " or unicodedata.category(one)[0] in "LMN" for one in name)
    )


def _named(model: str, digest: str) -> str:
    return f"{model} ({digest.removeprefix('sha256:')[:12]})"


def _shown(path: str) -> str:
    """Clean a path that a stranger sent; it is a label only and never opened."""
    clean = path.replace("\0", "").encode(errors="replace").decode().strip()
    return "/".join(part for part in clean.split("/") if part not in ("", ".", "..")) or "unnamed"
