"""Settings in, the open parts out, closed in reverse order: read this first."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING

from app.access.opening import Lock, open_lock
from app.access.policy import is_shared
from app.api.seen import seen_document
from app.config import Settings
from app.examining import open_examiner
from app.generating import bound_chat_of, chat_of
from app.machine import Machine, measure
from app.models import Bound, Models, Report, Wish, is_installed, prepare
from app.prefixes import prefixes_of
from app.query.beats import Beats, Failed, Rerank
from engine.types import Priority
from ingest.embedders import Embedders
from ingest.lock import FolderLock
from ingest.types import Document, Embedder, Vectors
from ingest.watch import Pace

if TYPE_CHECKING:
    from app.conversations.store import Conversations
    from app.exam.examiner import Examiner
    from engine.engine import Engine
    from engine.library.store import Library
    from ingest.knowledge_base import KnowledgeBase

DEFAULT_COLLECTION = "default"
UPLOAD_PREFIX = "upload-"  # of folders in the data directory that hold files while they come in
_N_SPECIAL_TOKENS = 2  # that tokenizers of embedding models add around a text
_SMALL_PARAMETERS = 400e6  # below, a chat model's words count only if the documents bear them out
_CONDENSING_PARAMETERS = 1e9  # from here on a chat model condenses follow-ups better than rules do
_PAGE = 1000


@dataclass(frozen=True, slots=True)
class Parts:
    """Everything that is open; `kb` and what belongs to it is None if only the engine is."""

    settings: Settings
    engine: Engine
    started_s: float  # on the monotonic clock
    kb: KnowledgeBase | None = None
    embedder: Embedder | None = None
    beats: Beats | None = None
    notices: tuple[str, ...] = ()
    conversations: Conversations | None = None
    exams: Examiner | None = None
    lock: Lock = Lock()


@contextmanager
def compose(settings: Settings, report: Report, *, is_chat_needed: bool = True) -> Iterator[Parts]:
    """Open every part in order of need; close in reverse, also after an error.

    Args:
        report: told in a line what takes long, such as the pull of a model.
        is_chat_needed: False fetches no chat model; questions are then answered by quotation.
    Raises:
        LibraryLockedError: another process has the data directory open.
        ModelUnavailableError: a model that is needed cannot be had.
        AccessError: keys are asked for and nobody has one, or they cannot be read.
    """
    from app.backup.swap import settle
    from app.kb_models import KbModels
    from ingest.knowledge_base import KnowledgeBase

    with ExitStack() as opened:
        settings.home.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = FolderLock(settings.home / "server.lock")
        opened.callback(lock.release)
        settle(settings.home)
        access = opened.enter_context(open_lock(settings, is_kept=True))
        _sweep_uploads(settings.home)
        engine = opened.enter_context(_open_engine(settings))
        models = _models(settings, engine.library, report, is_chat_needed=is_chat_needed)
        embedders = Embedders(
            embedder_of(engine, models.embedding),
            lambda name: _find_embedder(engine, name),
            configured=settings.embed_model,
        )
        embedder = embedders.default
        kb = opened.enter_context(
            closing(
                KnowledgeBase(
                    settings.home,
                    embedders,
                    chunk_tokens=settings.chunk_tokens,
                    max_file_bytes=settings.max_file_bytes,
                    n_workers=settings.n_workers,
                )
            )
        )
        kb.create_collection(DEFAULT_COLLECTION)
        kb.roots.pace = Pace(is_polling=settings.is_polling)
        if not settings.keeps_originals:
            kb.pages.keep_none()
        beats = _beats(settings, engine, kb, models)
        chats = opened.enter_context(closing(_open_conversations(settings.home, kb)))
        documents = partial(all_documents, kb)
        exams = opened.enter_context(closing(open_examiner(settings, kb, beats, documents)))
        beats, now_s = exams.beats, time.monotonic()
        if settings.has_kb_models:
            engine.virtual = KbModels(kb, beats, url=settings.url)
        notices = (*filter(None, (access.rule.notice,)), *models.notices)
        yield Parts(settings, engine, now_s, kb, embedder, beats, notices, chats, exams, access)


@contextmanager
def compose_engine(settings: Settings) -> Iterator[Parts]:
    """Open the engine alone; needs no model, and a data directory only where keys are asked for."""
    with open_lock(settings, is_kept=False) as lock, _open_engine(settings) as engine:
        notices = tuple(filter(None, (lock.rule.notice,)))
        yield Parts(settings, engine, time.monotonic(), notices=notices, lock=lock)


def prepare_models(settings: Settings, report: Report) -> Models:
    """Choose the models and fetch them, without opening the library for longer than a look."""
    with ExitStack() as opened:
        settings.home.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = FolderLock(settings.home / "server.lock")
        opened.callback(lock.release)
        engine = opened.enter_context(_open_engine(settings))
        return _models(settings, engine.library, report, is_chat_needed=True)


def bound_model(home: Path) -> Bound | None:
    """Tell which embedding model made the stored vectors; the fullest collection counts."""
    from ingest.store import Store

    catalogue = home / "kb.sqlite3"
    if not catalogue.is_file():
        return None
    with closing(Store(catalogue)) as store:
        filled = [one for one in store.collections() if one.n_documents]
    if not filled:
        return None
    fullest = max(filled, key=lambda one: one.n_chunks)
    return Bound(fullest.model, fullest.model_digest)


def machine_of_build() -> Machine:
    """Measure this machine as the engine's native build can use it."""
    from engine.runtime.llama import build_features

    return measure(has_gpu_build=build_features()["gpu_offload"] == "yes")


def size_of(library: Library, model: str) -> float:
    """Tell how many parameters an installed model has."""
    return n_parameters(library.find(model).details.parameter_size)


def n_parameters(text: str) -> float:
    """Read a parameter size such as 134.52M; 0 if it cannot be read."""
    units = {"K": 1e3, "M": 1e6, "B": 1e9, "T": 1e12}
    try:
        return float(text[:-1]) * units[text[-1:].upper()]
    except (ValueError, KeyError):
        return 0.0


@contextmanager
def _open_engine(settings: Settings) -> Iterator[Engine]:
    from engine.engine import Engine

    # Who asks from elsewhere must not make this server speak to its own network.
    is_near = not is_shared(settings.auth, settings.host)
    with Engine(replace(settings.engine, is_inside_reachable=is_near)) as engine:
        engine.tidy()
        yield engine


def _open_conversations(home: Path, kb: KnowledgeBase) -> Conversations:
    from app.conversations.store import FILE, Conversations
    from app.conversations.types import Shelf

    # As a conversation may be brought in from elsewhere, it could ask about any document.
    shelf = Shelf(
        lambda document_id: kb.text(seen_document(kb, document_id).id),
        lambda document_id: seen_document(kb, document_id).digest,
    )
    return Conversations(home / FILE, shelf)


def _sweep_uploads(home: Path) -> None:
    """Remove what uploads that a crash cut off left behind."""
    for folder in home.glob(f"{UPLOAD_PREFIX}*"):
        shutil.rmtree(folder, ignore_errors=True)


def _models(
    settings: Settings, library: Library, report: Report, *, is_chat_needed: bool
) -> Models:
    chosen = _chosen_model(settings)
    is_there = bool(chosen) and is_installed(chosen, library.entries())
    embedding = chosen if is_there else settings.embed_model
    wish = Wish(embedding, settings.chat_model, settings.is_offline, is_chat_needed)
    return prepare(library, wish, bound_model(settings.home), machine_of_build(), report)


def _chosen_model(settings: Settings) -> str:
    """Tell which embedding model `quire migrate` chose while the settings were the same."""
    from ingest.migrations import chosen_model
    from ingest.store import Store

    catalogue = settings.home / "kb.sqlite3"
    if not catalogue.is_file():
        return ""
    with closing(Store(catalogue)) as store:
        return chosen_model(store, settings.embed_model)


def _find_embedder(engine: Engine, model: str) -> Embedder | None:
    """Describe an embedding model if it is installed, whole and readable."""
    from engine.errors import GgufError, LibraryError, ModelNotFoundError

    try:
        return embedder_of(engine, model)
    except (ModelNotFoundError, LibraryError, GgufError, OSError):
        return None


def embedder_of(engine: Engine, model: str) -> Embedder:
    """Describe the embedding model from its file; it is loaded when the first text comes."""
    entry = engine.library.find(model)
    n_dimensions, n_trained = _lengths(entry.model_path, entry.model_digest)
    prefixes = prefixes_of(entry.name)
    own = entry.params.get("num_ctx")
    asked = own if isinstance(own, int) and own > 0 else engine.settings.n_ctx or _embed_ctx()
    n_ctx = min(n_trained, asked)

    def embed(texts: Sequence[str], is_query: bool) -> Vectors:
        priority = Priority.QUERY if is_query else Priority.BACKGROUND
        return engine.embed(entry.name, texts, priority=priority).vectors

    return Embedder(
        model=entry.name,
        digest=entry.model_digest,
        n_dimensions=n_dimensions,
        max_tokens=n_ctx - _N_SPECIAL_TOKENS,
        document_prefix=prefixes.document,
        query_prefix=prefixes.query,
        embed=embed,
        count_tokens=lambda texts: engine.count_tokens(entry.name, texts),
    )


def _embed_ctx() -> int:
    from engine.placing import DEFAULT_EMBED_CTX

    return DEFAULT_EMBED_CTX


@lru_cache(maxsize=64)  # a search asks for it several times, and a header has all words of a model
def _lengths(path: Path, _digest: str) -> tuple[int, int]:
    """Read (dimensions of a vector, tokens that the model was trained on) from the file."""
    from engine.library.gguf import read_header

    metadata = read_header(path).metadata
    family = metadata.get("general.architecture")
    found = [metadata.get(f"{family}.{name}") for name in ("embedding_length", "context_length")]
    n_dimensions, n_trained = (value if isinstance(value, int) else 0 for value in found)
    return n_dimensions, n_trained or _embed_ctx()


def _beats(settings: Settings, engine: Engine, kb: KnowledgeBase, models: Models) -> Beats:
    """Tie the pipeline to the parts."""
    size = size_of(engine.library, models.chat) if models.chat else 0.0

    reranker = settings.reranker
    return Beats(
        check_collection=kb.embedding_model,
        documents=lambda collection: all_documents(kb, collection),
        dense=lambda collection, query, k, ids: kb.nearest(collection, query, k, document_ids=ids),
        lexical=lambda collection, query, k, ids: kb.lexical(
            collection, query, k, document_ids=ids
        ),
        text=kb.text,
        count_tokens=engine.count_tokens,
        context_length=engine.context_length,
        check_chat=lambda model: check_chat(engine.library, model),
        embedding_model=kb.embedding_model,
        chat=chat_of(engine) if models.chat else None,
        bound_chat=bound_chat_of(engine) if models.chat else None,
        chat_model=models.chat,
        rerank=_reranker(settings, engine),
        reranker=reranker,
        is_small=bool(models.chat) and size < _SMALL_PARAMETERS,
        is_small_too=lambda model: size_of(engine.library, model) < _SMALL_PARAMETERS,
        rewrite_with_model=size >= _CONDENSING_PARAMETERS,
        page_label=lambda document_id, page: page_label(kb, document_id, page),
        is_stored=lambda document_id: is_stored(kb, document_id),
        collections=lambda: [one.name for one in kb.collections()],
        failures=lambda collection: failures(kb, collection),
    )


def _reranker(settings: Settings, engine: Engine) -> Rerank | None:
    """Take the reranker named: an installed model of the engine before a folder or a hub name."""
    from app.query.rerank import engine_reranker, load_reranker

    name = settings.reranker
    if not name:
        return None
    if is_installed(name, engine.library.entries()):
        return engine_reranker(name, lambda *asked: engine.rerank(*asked).scores)
    return load_reranker(name, is_offline=settings.is_offline)


def check_chat(library: Library, model: str) -> None:
    """Refuse a model that cannot answer, before anything is searched.

    Raises:
        ModelNotFoundError: it is not installed.
        CapabilityError: it cannot chat.
    """
    from engine.errors import CapabilityError

    entry = library.find(model)
    if "completion" not in entry.capabilities:
        raise CapabilityError(model, "chat")


def page_label(kb: KnowledgeBase, document_id: str, page: int) -> str:
    """Read what is printed on a page; empty if that is its number, or the document is gone."""
    from ingest.errors import DocumentNotFoundError
    from ingest.load.pdf_labels import label_of

    try:
        label = label_of(kb.document(document_id).metadata.get("page_labels", ""), page)
    except DocumentNotFoundError:
        return ""
    return "" if label == str(page) else label


def is_stored(kb: KnowledgeBase, document_id: str) -> bool:
    """Tell whether a document has not been deleted."""
    from ingest.errors import DocumentNotFoundError

    try:
        kb.document(document_id)
    except DocumentNotFoundError:
        return False
    return True


def failures(kb: KnowledgeBase, collection: str) -> list[Failed]:
    """List the files of the latest jobs that could not be stored, newest first."""
    return [
        Failed(one.path, one.reason, job.created_at)
        for job in kb.jobs()
        if job.collection == collection
        for one in job.errors
    ]


def all_documents(kb: KnowledgeBase, collection: str) -> list[Document]:
    """Collect every document of a collection, page by page."""
    found: list[Document] = []
    while True:
        page, total = kb.documents(collection, limit=_PAGE, offset=len(found))
        found += page
        if not page or len(found) >= total:
            return found
