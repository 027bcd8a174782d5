"""/kb/jobs: how far ingestion is."""

from __future__ import annotations

from fastapi import APIRouter, Query

from app.api.seen import seen_job, seen_jobs
from app.api.wire import JobOut, JobsOut
from ingest.knowledge_base import KnowledgeBase

_MAX_PATH = 4096  # characters


def jobs_router(kb: KnowledgeBase) -> APIRouter:
    """Build the routes of jobs."""
    router = APIRouter(prefix="/kb/jobs", tags=["jobs"])

    @router.get("", response_model=JobsOut)
    def jobs(limit: int = Query(default=50, ge=1, le=1000)) -> JobsOut:
        """List the latest jobs."""
        return JobsOut(jobs=[JobOut.of(job) for job in seen_jobs(kb, limit)])

    @router.get("/{job_id}", response_model=JobOut)
    def job(job_id: str) -> JobOut:
        """Tell how far one job is."""
        return JobOut.of(seen_job(kb, job_id))

    @router.post("/{job_id}/retry", response_model=JobOut)
    def retry(job_id: str, path: str = Query(default="", max_length=_MAX_PATH)) -> JobOut:
        """Do once more what failed of a job; with `path` only the file that its errors call so."""
        return JobOut.of(kb.retry(seen_job(kb, job_id).id, path))

    @router.post("/{job_id}/cancel", response_model=JobOut)
    def cancel(job_id: str) -> JobOut:
        """Leave the rest of a job undone; what was stored stays."""
        return JobOut.of(kb.cancel(seen_job(kb, job_id).id))

    return router
