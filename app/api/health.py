"""Open parts in, their state out: /kb/status, /healthz, /readyz."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING

from fastapi import APIRouter, Response

from app.api.seen import only_seen
from app.api.wire import (
    ChatModelOut,
    CollectionOut,
    CompactionOut,
    EmbeddingModelOut,
    HealthOut,
    JobCountsOut,
    MigrationOut,
    ModelsOut,
    NoticeFacts,
    ReadyOut,
    RerankerOut,
    StatusOut,
    WatchedOut,
)
from app.audit.log import AuditLog
from app.compose import Parts
from app.probes import Probes
from app.stopping import Stop
from app.version import VERSION
from ingest.errors import IngestError

if TYPE_CHECKING:
    from ingest.roots import Watched
    from ingest.types import Migration


def health_router(
    parts: Parts, stop: Stop | None = None, audit: AuditLog | None = None
) -> APIRouter:
    """Build the routes that describe the server.

    Args:
        stop: tells whether the server is on its way down.
        audit: tells whether it can be written.
    """
    router = APIRouter(tags=["health"])
    probes = Probes(parts)

    @router.get("/kb/status", response_model=StatusOut)
    def status() -> StatusOut:
        """Tell what is stored, which models are in use, what is going on."""
        answer = status_of(parts)
        if audit is not None and audit.trouble:
            answer.notices.append(audit.trouble)
            answer.notice_facts.append(NoticeFacts.of(audit.trouble))
        return answer

    @router.get(
        "/healthz",
        response_model=HealthOut,
        response_model_exclude_unset=True,
        responses={503: {"model": HealthOut}},
    )
    async def healthy(response: Response) -> HealthOut:
        """Tell whether the process still does its work; if not, it has to be started again."""
        reason = probes.sickness()
        response.status_code = 503 if reason else 200
        return HealthOut(status="sick", reason=reason) if reason else HealthOut(status="ok")

    @router.get("/readyz", response_model=ReadyOut, responses={503: {"model": ReadyOut}})
    async def ready(response: Response) -> ReadyOut:
        """Tell whether requests should be sent here now."""
        is_stopping = stop is not None and stop.is_stopping
        reason = "stopping" if is_stopping else await probes.obstacle()
        response.status_code = 503 if reason else 200
        return ReadyOut(ready=not reason, reason=reason)

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
        notice_facts=[NoticeFacts.of(one) for one in parts.notices],
    )
    if parts.kb is None or not ready.ready:
        return base
    collections = only_seen(parts.kb.collections(), lambda one: one.name)
    counts = parts.kb.status().get("jobs")
    states = counts if isinstance(counts, Mapping) else {}
    base.collections = [CollectionOut.of(one) for one in collections]
    base.n_documents = sum(one.n_documents for one in collections)
    base.n_chunks = sum(one.n_chunks for one in collections)
    base.models = _models(parts)
    base.jobs = JobCountsOut(queued=states.get("queued", 0), running=states.get("running", 0))
    base.watched = [WatchedOut.of(one) for one in only_seen(parts.kb.watched(), _collection)]
    base.compaction = CompactionOut.model_validate(parts.kb.compactor.status())
    base.migrations = [
        MigrationOut.of(one) for one in only_seen(parts.kb.migrations(), _collection)
    ]
    return base


def _collection(one: Watched | Migration) -> str:
    return one.collection


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
