"""/kb/migrations: collections on their way to another embedding model, and back."""

from __future__ import annotations

from fastapi import APIRouter, Request

from app.api.migrations_wire import MigrateIn, MigrationOut, MigrationsOut, RevertIn
from app.api.seen import check_named, only_seen
from app.api.wire import JobIdOut
from engine.api.body import read_body
from engine.api.bridge import quick
from engine.api.describe import takes
from ingest.knowledge_base import KnowledgeBase


def migrations_router(kb: KnowledgeBase) -> APIRouter:
    """Build the routes of migrations."""
    router = APIRouter(prefix="/kb/migrations", tags=["collections"])

    @router.get("", response_model=MigrationsOut)
    def migrations() -> MigrationsOut:
        """List the collections that move to another embedding model, or can go back."""
        return MigrationsOut(
            [MigrationOut.of(one) for one in only_seen(kb.migrations(), lambda one: one.collection)]
        )

    @router.post("", status_code=202, response_model=JobIdOut, openapi_extra=takes(MigrateIn))
    async def migrate(request: Request) -> JobIdOut:
        """Move one collection, or all, to another embedding model while the old one answers."""
        body = await read_body(request, MigrateIn)
        check_named(body.collection)
        return JobIdOut(job_id=await quick(lambda: kb.migrate(body.model, body.collection)))

    @router.post("/revert", status_code=202, response_model=JobIdOut, openapi_extra=takes(RevertIn))
    async def revert(request: Request) -> JobIdOut:
        """Go back to the embedding model of before; stops a migration that is under way."""
        body = await read_body(request, RevertIn)
        check_named(body.collection)
        return JobIdOut(job_id=await quick(lambda: kb.revert(body.collection)))

    return router
