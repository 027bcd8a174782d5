"""What a library holds, counted, and what the end of a document would mean."""

from __future__ import annotations

from fastapi import APIRouter

from app.access.caller import caller, check_collection
from app.api.documents_wire import ConsequencesOut, QuotingOut, StatisticsOut
from app.api.seen import seen_document
from app.conversations.store import Conversations
from ingest.knowledge_base import KnowledgeBase

_SHOWN = 20  # conversations that are named


def library_router(kb: KnowledgeBase, conversations: Conversations) -> APIRouter:
    """Build the routes."""
    router = APIRouter(prefix="/kb", tags=["documents"])

    @router.get("/statistics", response_model=StatisticsOut)
    def statistics(collection: str | None = None) -> StatisticsOut:
        """Count what is stored: by type, collection, folder, day and number of passages."""
        names = caller().collections
        if collection:
            check_collection(collection)
            kb.collection(collection)
            names = frozenset({collection})
        found = kb.figures(None if names is None else sorted(names))
        # Originals are counted for the whole library only: two collections may share one.
        return StatisticsOut.of(found, kb.pages.size() if names is None else (0, 0))

    @router.get("/documents/{document_id}/consequences", response_model=ConsequencesOut)
    def consequences(document_id: str) -> ConsequencesOut:
        """Tell what goes with a document that is deleted, what stays, what brings it back."""
        found = seen_document(kb, document_id)
        quoting, n_quoting = conversations.quoting(document_id, _SHOWN)
        return ConsequencesOut(
            n_chunks=found.n_chunks,
            watched=kb.pages.watched(document_id),
            has_original=kb.pages.has_original(found.digest),
            conversations=[QuotingOut(id=one.id, title=one.title) for one in quoting],
            n_conversations=n_quoting,
        )

    return router
