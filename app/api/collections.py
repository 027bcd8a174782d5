"""/kb/collections: named sets of documents, listed, made, deleted, indexed anew."""

from __future__ import annotations

from collections.abc import Callable

from fastapi import APIRouter, Request

from app.access.caller import check_collection
from app.api.seen import only_seen
from app.api.wire import CollectionIn, CollectionOut, CollectionsOut, DeletedOut, JobIdOut
from engine.api.body import read_body
from engine.api.bridge import quick
from engine.api.describe import takes
from ingest.knowledge_base import KnowledgeBase


def collections_router(
    kb: KnowledgeBase, forget: Callable[[str], None] = lambda _: None
) -> APIRouter:
    """Build the routes of collections."""
    router = APIRouter(prefix="/kb/collections", tags=["collections"])

    @router.get("", response_model=CollectionsOut)
    def collections() -> CollectionsOut:
        """List all collections."""
        found = only_seen(kb.collections(), lambda one: one.name)
        return CollectionsOut(collections=[CollectionOut.of(one) for one in found])

    @router.post(
        "", status_code=201, response_model=CollectionOut, openapi_extra=takes(CollectionIn)
    )
    async def create(request: Request) -> CollectionOut:
        """Make a collection; making one that is there changes nothing."""
        body = await read_body(request, CollectionIn)
        check_collection(body.name)

        def work() -> CollectionOut:
            kb.create_collection(body.name)
            return CollectionOut.of(kb.collection(body.name))

        return await quick(work)

    @router.get("/{name}", response_model=CollectionOut)
    def collection(name: str) -> CollectionOut:
        """Describe one collection."""
        check_collection(name)
        return CollectionOut.of(kb.collection(name))

    @router.delete("/{name}", response_model=DeletedOut)
    def delete(name: str) -> DeletedOut:
        """Delete a collection with all its documents."""
        check_collection(name)
        kb.delete_collection(name)
        forget(name)  # what an exam found of it: another one of that name is another library
        return DeletedOut()

    @router.post("/{name}/reindex", status_code=202, response_model=JobIdOut)
    def reindex(name: str) -> JobIdOut:
        """Embed the stored text anew with the embedding model in use."""
        check_collection(name)
        kb.collection(name)
        return JobIdOut(job_id=kb.reindex(name))

    return router
