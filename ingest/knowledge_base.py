"""The library that the application holds: documents in, hits out; owns every part of ingestion."""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from types import TracebackType

from ingest.ahead import ahead_of
from ingest.compact import Compactor
from ingest.compact_store import trim_levels
from ingest.documents_store import Documents
from ingest.embedders import Embedders
from ingest.faults import reach
from ingest.jobs import Aids, Worker
from ingest.jobs_store import Jobs, Task
from ingest.listing_store import Wanted
from ingest.loading import loading_of
from ingest.lock import FolderLock
from ingest.migrations import MigrationHands, Migrations
from ingest.naming import require_name
from ingest.nearest import Nearest
from ingest.pages import Pages
from ingest.pipeline import Bound, Limits, Load, Pipeline, is_disk_full, storage_full
from ingest.rates import Meter
from ingest.reconcile import Known
from ingest.roots import RootHands, Roots, Watched
from ingest.roots_store import RootsStore
from ingest.search_store import Searches
from ingest.spaces_store import SpacesStore
from ingest.staging import Staging
from ingest.store import Store
from ingest.tasks import CONFIRMED, Hands, run_task, settle_task
from ingest.types import Chunk, Collection, Document, Embedder, Hit, Job, Migration, Space, Vectors
from ingest.vectors import Expected, VectorIndex
from ingest.watch import Pace


class KnowledgeBase:
    """All documents of one data directory; thread-safe; a context manager."""

    def __init__(
        self,
        folder: Path,
        embedder: Embedder | Embedders,
        *,
        chunk_tokens: int,
        max_file_bytes: int,
        load: Load | None = None,
        n_workers: int = 0,
    ) -> None:
        """Open the library: repair what a crash left, go on with unfinished jobs.

        Args:
            embedder: the model in use, alone or with a way to find others.
            chunk_tokens: size of a chunk that is aimed at, by the embedder's tokenizer.
            load: turns bytes and a file name into text; by default every loader there is.
            n_workers: processes that load files by every loader there is; 0 loads in this one.

        Raises:
            LibraryLockedError: another process has the folder open.
            IngestError: the catalogue cannot be read.
        """
        self._folder = folder.absolute()
        self._embedders = Embedders(embedder) if isinstance(embedder, Embedder) else embedder
        self._staging = Staging(self._folder / "staging")
        loading = loading_of(load)
        meter = Meter()
        with ExitStack() as opened:
            self._folder.mkdir(parents=True, exist_ok=True)
            opened.callback(FolderLock(self._folder / "lock").release)
            self._store = Store(self._folder / "kb.sqlite3")
            opened.callback(self._store.close)
            self._documents = held = Documents(self._store)
            self.listed, self.figures, self.chunks_in = held.listed, held.figures, held.chunks_in
            self.pages = Pages(held, self._folder / "originals")
            opened.callback(self.pages.close)
            self._searches = Searches(self._store)
            self._spaces = SpacesStore(self._store)
            self._jobs = Jobs(self._store)
            self._index = VectorIndex(self._folder / "chroma")
            opened.callback(self._index.close)
            self._nearest = Nearest(
                self._spaces, self._embedders, self._index, self._searches, self._documents
            )
            ahead = ahead_of(n_workers, loading.load, held, loading.version, max_file_bytes)
            self._pipeline = Pipeline(
                self._documents,
                self._index,
                Bound(self._spaces, lambda space: self._metered(space, meter), self._embedders.has),
                ahead.load if ahead else loading.load,
                Limits(chunk_tokens, max_file_bytes),
                loader_version=loading.version,
            )
            self._is_wanted = loading.is_wanted
            self._migrations = Migrations(self._migration_hands())
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
                {"carry": self._migrations.carry, "switch": self._migrations.switch},
                self.pages.keep,
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
            self._migrations.resume()
            self.compactor = Compactor(
                self._store,
                self._index,
                self._expected,
                self._documents.vectors_of,
                is_busy=lambda: bool(self._jobs.unfinished()),
            )
            self.compactor.start()
            opened.callback(self.compactor.stop)
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
            ModelMissingError: the collection's embedding model is not installed.
            QueueFullError: too much waits already.
            StorageFullError: no room for the files; nothing was queued.
        """
        self._prepare(collection)
        job_id = secrets.token_hex(8)
        try:
            self._jobs.add(job_id, collection, self._staging.stage(job_id, files))
        except BaseException as error:
            self._staging.drop(job_id)
            if isinstance(error, OSError) and is_disk_full(error):
                raise storage_full(error) from error
            raise
        reach("job queued")
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
            ModelMissingError: the collection's embedding model is not installed.
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

    def retry(self, job_id: str, path: str = "") -> Job:
        """Do once more what failed of a job, or was cancelled; of one file, or of all."""
        return self._worker.retry(job_id, path)

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

    def embedding_model(self, name: str) -> str:
        """Name a collection's embedding model, without counting what the collection holds.

        Raises:
            CollectionNotFoundError: there is none of that name.
        """
        return self._store.embedding_model(name)

    def create_collection(self, name: str) -> None:
        """Add a collection for the model in use; one that is there stays, an empty one follows.

        Raises:
            CollectionNameError: the name cannot be a collection's.
        """
        require_name(name)
        if not self._store.create_collection(name, self._migrations.model_of_new()):
            self._migrations.settle(name)

    def delete_collection(self, name: str) -> None:
        """Remove a collection with all its documents.

        Raises:
            CollectionNotFoundError: there is none of that name.
        """
        self._store.collection_id(name)
        self.roots.leave(name)
        spaces = self._store.delete_collection(name)
        reach("collection deleted")
        for one in spaces:
            self._index.drop(one)
        self.pages.forget()

    def model_of_new(self) -> Embedder:
        """Tell which embedding model a new collection gets."""
        return self._migrations.model_of_new()

    def check_model(self, collection: str) -> None:
        """Make sure that documents can be embedded for a collection.

        Raises:
            CollectionNotFoundError: there is none of that name.
            ModelMissingError: neither its model is installed nor one that it moves to.
        """
        spaces = self._spaces.of(collection)
        if not ("next" in spaces and self._embedders.has(spaces["next"])):
            self._embedders.of(spaces["current"])

    def reindex(self, collection: str | None = None) -> str:
        """Cut and embed the stored text anew, one collection or all; see `Migrations.rebuild`."""
        return self._migrations.rebuild(collection)

    def migrate(self, to_model: str, collection: str | None = None) -> str:
        """Move to another embedding model while the old one answers; see `Migrations.migrate`."""
        return self._migrations.migrate(to_model, collection)

    def revert(self, collection: str | None = None) -> str:
        """Go back to the embedding model of before; see `Migrations.revert`."""
        return self._migrations.revert(collection)

    def migrations(self) -> list[Migration]:
        """Tell how far collections are on their way to another embedding model."""
        return self._migrations.listed()

    # Documents

    def documents(
        self, collection: str | None = None, *, query: str = "", limit: int = 100, offset: int = 0
    ) -> tuple[list[Document], int]:
        """List documents, newest first, and tell how many there are in all; see `listed`.

        Args:
            query: text that the title or a path must contain.
        """
        names = None if collection is None else (collection,)
        return self.listed(Wanted(names, query), limit, offset)

    def document(self, document_id: str) -> Document:
        """Look one document up.

        Raises:
            DocumentNotFoundError: there is none of that id.
        """
        return self._documents.document(document_id)

    def text(self, document_id: str, start: int = 0, end: int | None = None) -> str:
        """Read a document's loaded text, which all offsets count, or a part of it.

        Raises:
            DocumentNotFoundError: there is none of that id.
        """
        if end is None:
            return self._documents.loaded(document_id).text[start:]
        return self._documents.part(document_id, start, end)

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
        digest = self._documents.document(document_id).digest
        change = self._documents.remove(document_id)
        reach("document deleted")
        self._pipeline.follow(change)
        self.pages.forget(digest)
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
        """Find the chunks nearest to a vector of the current model; score is the cosine.

        Raises:
            CollectionNotFoundError: there is none of that name.
        """
        return self._nearest.to_vector(collection, vector, k, document_ids)

    def nearest(
        self, collection: str, query: str, k: int, *, document_ids: Sequence[str] | None = None
    ) -> list[Hit]:
        """Find the chunks nearest to a question in meaning, best first; see `Nearest.to_text`.

        Raises:
            CollectionNotFoundError: there is none of that name.
        """
        return self._nearest.to_text(collection, query, k, document_ids)

    def lexical(
        self, collection: str, query: str, k: int, *, document_ids: Sequence[str] | None = None
    ) -> list[Hit]:
        """Find chunks by their words, best first; score is BM25, higher is better.

        Raises:
            CollectionNotFoundError: there is none of that name.
        """
        spaces = self._spaces.of(collection)
        is_asked = "next" in spaces and not self._embedders.has(spaces["current"])
        return self._searches.lexical(collection, query, k, document_ids, is_next_asked=is_asked)

    def status(self) -> Mapping[str, object]:
        """Tell how the library is: counts, queue, and alarms that should be zero."""
        collections = self.collections()
        return {
            "n_collections": len(collections),
            "n_documents": sum(one.n_documents for one in collections),
            "n_chunks": sum(one.n_chunks for one in collections),
            "jobs": self._jobs.counts(),
            "n_orphans": self._nearest.n_orphans,
            "is_index_behind": self._index.is_behind,
            "n_indexes_rebuilt": self._index.n_rebuilt,
            "compaction": self.compactor.status(),
        }

    # Inside

    def _prepare(self, collection: str) -> None:
        """Make sure that documents can go into a collection; an empty one takes any model."""
        self.create_collection(collection)
        self.check_model(collection)

    def _queue(self, collection: str, tasks: Sequence[Task]) -> str:
        job_id = secrets.token_hex(8)
        self._jobs.add(job_id, collection, tasks)
        reach("job queued")
        self._worker.wake()
        return job_id

    def _metered(self, space: Space, meter: Meter) -> Embedder:
        embedder = self._embedders.of(space)
        return replace(embedder, embed=meter.counting(embedder.embed))

    def _migration_hands(self) -> MigrationHands:
        return MigrationHands(
            self._store,
            self._spaces,
            self._embedders,
            self._pipeline,
            drop=self._index.drop,
            queue=self._queue,
            job=self.job,
        )

    def _repair(self) -> None:
        """Bring everything that can be derived in line with the catalogue."""
        trim_levels(self._store)
        self._documents.refresh_terms()
        self._reconcile_index()
        if not self._jobs.unfinished():
            self._documents.free_unused_vectors()
        self._staging.sweep(self._jobs.staged())
        self.pages.forget()

    def _reconcile_index(self) -> None:
        self._index.reconcile(self._expected(), self._documents.vectors_of)

    def _expected(self) -> dict[int, Expected]:
        ids = self._documents.chunk_ids
        return {number: Expected(ids(number)) for number in self._store.space_ids()}

    def _tidy(self) -> None:
        """Clean up when the queue has run empty."""
        if self._index.is_behind:
            self._reconcile_index()
        self._documents.free_unused_vectors()
        self.pages.forget()
        self._store.truncate_log()

    def _root_hands(self) -> RootHands:
        return RootHands(
            RootsStore(self._store),
            self._is_wanted,
            known=self._known,
            prepare=self._prepare,
            sync=lambda folder, name, sure: self.sync(folder, name, is_confirmed=sure),
            job=self.job,
            queue=self._queue,
            cancel=self._cancel_following,
        )

    def _cancel_following(self, collection: str, root: str) -> int:
        found = self._jobs.following(collection, root)
        for job_id in found:
            self.cancel(job_id)
        return len(found)

    def _known(self, collection: str, root: str) -> dict[str, Known]:
        return {
            one.place.path: Known(one.digest, one.place.size_bytes, one.place.mtime_ns)
            for one in self._documents.places(collection, root)
        }
