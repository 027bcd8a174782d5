"""/kb/logs: the last warnings and errors of this server, for the page that shows how it is."""

from __future__ import annotations

from fastapi import APIRouter, Query

from app.api.models_wire import LogOut, LogsOut
from app.log_ring import MAX_RECORDS, RING, LogRing


def logs_router(ring: LogRing = RING) -> APIRouter:
    """Build the route."""
    router = APIRouter(prefix="/kb/logs", tags=["health"])

    @router.get("", response_model=LogsOut)
    def logs(limit: int = Query(50, ge=1, le=MAX_RECORDS)) -> LogsOut:
        """Give the last warnings and errors, newest first; secrets are taken out."""
        return LogsOut(logs=[LogOut.model_validate(one) for one in ring.latest(limit)])

    return router
