"""/kb/index: the vector index made anew, the bytes of deleted documents removed."""

from __future__ import annotations

from fastapi import APIRouter

from app.api.index_wire import CompactionOut
from ingest.compact import STEPS, Compactor


def index_router(compactor: Compactor) -> APIRouter:
    """Build the routes of the index."""
    router = APIRouter(prefix="/kb/index", tags=["index"])

    @router.get("", response_model=CompactionOut)
    def index() -> CompactionOut:
        """Tell how compaction stands."""
        return CompactionOut.model_validate(compactor.status())

    @router.post("/rebuild", status_code=202, response_model=CompactionOut)
    def rebuild() -> CompactionOut:
        """Make the vector index anew; search answers from the old one until it is complete."""
        compactor.request("index")
        return CompactionOut.model_validate(compactor.status())

    @router.post("/compact", status_code=202, response_model=CompactionOut)
    def compact() -> CompactionOut:
        """Remove the bytes of everything that was deleted, now instead of when idle."""
        compactor.request(*STEPS)
        return CompactionOut.model_validate(compactor.status())

    return router
