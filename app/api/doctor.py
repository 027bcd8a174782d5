"""GET /kb/doctor: what is wrong here and what to do about it, for the page Status."""

from __future__ import annotations

from typing import Literal

from fastapi import APIRouter
from pydantic import BaseModel

from app.compose import Parts


class FindingOut(BaseModel):
    """One thing that was looked at."""

    level: Literal["ok", "warn", "bad"]
    what: str
    cure: str = ""  # empty where there is nothing to do


def doctor_router(parts: Parts) -> APIRouter:
    """Build the route of findings."""
    router = APIRouter(prefix="/kb/doctor", tags=["health"])

    @router.get("", response_model=list[FindingOut])
    def doctor() -> list[FindingOut]:
        """Examine the machine, the settings, the models and the library."""
        from app.doctor import examine

        return [
            FindingOut(level=one.level, what=one.what, cure=one.cure)
            for one in examine(parts.settings, parts)
        ]

    return router
