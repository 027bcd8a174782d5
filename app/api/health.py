"""Open parts in, their state out: /kb/status, /healthz, /readyz."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping

from fastapi import APIRouter, Response

from app.api.wire import (
    ChatModelOut,
    CollectionOut,
    CompactionOut,
    EmbeddingModelOut,
    HealthOut,
    JobCountsOut,
    MigrationOut,
    ModelsOut,
    ReadyOut,
    RerankerOut,
    StatusOut,
    WatchedOut,
)
from app.compose import Parts
from app.version import VERSION
from ingest.errors import IngestError


def health_router(parts: Parts) -> APIRouter:
    """Build the routes that describe the server."""
    router = APIRouter(tags=["health"])

    @router.get("/kb/status", response_model=StatusOut)
    def status() -> StatusOut:
        """Tell what is stored, which models are in use, what is going on."""
        return status_of(parts)

    @router.get("/healthz", response_model=HealthOut)
    def healthy() -> HealthOut:
        """Answer, if the process can."""
        return HealthOut()

    @router.get("/readyz", response_model=ReadyOut)
    def ready(response: Response) -> ReadyOut:
        """Tell whether questions can be answered now."""
        answer = readiness_of(parts)
        response.status_code = 200 if answer.ready else 503
        return answer

    return router


def readiness_of(parts: Parts) -> ReadyOut:
    """Check that the catalogue answers."""
    if parts.kb is None:
        return ReadyOut(ready=True)
    try:
        parts.kb.collections()
    except IngestError as error:
        return ReadyOut(ready=False, reason=str(error))
    return ReadyOut(ready=True)


def status_of(parts: Parts) -> StatusOut:
    """Gather the state of everything that is open."""
    ready = readiness_of(parts)
    base = StatusOut(
        version=VERSION,
        ready=ready.ready,
        mode="full" if parts.kb else "engine",
        home=str(parts.settings.home),
        pid=os.getpid(),
        uptime_s=time.monotonic() - parts.started_s,
        notices=list(parts.notices),
    )
    if parts.kb is None or not ready.ready:
        return base
    collections = parts.kb.collections()
    counts = parts.kb.status().get("jobs")
    states = counts if isinstance(counts, Mapping) else {}
    base.collections = [CollectionOut.of(one) for one in collections]
    base.n_documents = sum(one.n_documents for one in collections)
    base.n_chunks = sum(one.n_chunks for one in collections)
    base.models = _models(parts)
    base.jobs = JobCountsOut(queued=states.get("queued", 0), running=states.get("running", 0))
    base.watched = [WatchedOut.of(one) for one in parts.kb.watched()]
    base.compaction = CompactionOut.model_validate(parts.kb.compactor.status())
    base.migrations = [MigrationOut.of(one) for one in parts.kb.migrations()]
    return base


def _models(parts: Parts) -> ModelsOut | None:
    kb, beats = parts.kb, parts.beats
    if kb is None or beats is None:
        return None
    embedder = kb.model_of_new()  # not the one of the start: a migration changes it
    return ModelsOut(
        chat=ChatModelOut(name=beats.chat_model),
        embedding=EmbeddingModelOut(
            name=embedder.model,
            digest=embedder.digest,
            document_prefix=embedder.document_prefix,
            query_prefix=embedder.query_prefix,
            n_dimensions=embedder.n_dimensions,
        ),
        reranker=RerankerOut(name=beats.reranker) if beats.reranker else None,
    )
