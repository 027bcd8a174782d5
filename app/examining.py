"""The open parts in, the examiner of their data directory out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from app.version import VERSION

if TYPE_CHECKING:
    from app.config import Settings
    from app.exam.examiner import Examiner
    from app.query.beats import Beats
    from ingest.knowledge_base import KnowledgeBase
    from ingest.types import Document

FILE = "exam.sqlite3"


def open_examiner(
    settings: Settings,
    kb: KnowledgeBase,
    beats: Beats,
    documents: Callable[[str], Sequence[Document]],
) -> Examiner:
    """Open the file of exams; the examiner closes it.

    Args:
        documents: lists all documents of a collection.
    Raises:
        ExamStoreError: the file cannot be read.
    """
    from app.exam.examiner import Examiner, Hands
    from app.exam.store import ExamStore

    hands = Hands(
        documents=documents,
        document=kb.document,
        has=lambda collection, digest: _has(kb, collection, digest),
        chunks=kb.chunks,
        settings=lambda collection: _settings(settings, kb, beats, collection),
    )
    return Examiner(ExamStore(settings.home / FILE), beats, hands)


def _has(kb: KnowledgeBase, collection: str, digest: str) -> bool:
    from ingest.documents_store import document_id
    from ingest.errors import DocumentNotFoundError

    try:
        kb.document(document_id(collection, digest))
    except DocumentNotFoundError:
        return False
    return True


def _settings(
    settings: Settings, kb: KnowledgeBase, beats: Beats, collection: str
) -> Mapping[str, str]:
    """Word what a run depends on."""
    held = kb.collection(collection)
    return {
        "version": VERSION,
        "embedding": held.model,
        "chunk tokens": str(settings.chunk_tokens),
        "chat": beats.chat_model or "none",
        "reranker": beats.reranker or "none",
        "documents": str(held.n_documents),
        "passages": str(held.n_chunks),
    }
