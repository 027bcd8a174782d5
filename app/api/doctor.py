"""GET /kb/doctor: what is wrong here and what to do about it, for the page Status."""

from __future__ import annotations

from dataclasses import asdict
from typing import Literal

from fastapi import APIRouter
from pydantic import BaseModel

from app.compose import Parts


class FindingOut(BaseModel):
    """One thing that was looked at."""

    level: Literal["ok", "warn", "bad"]
    what: str
    cure: str = ""  # empty where there is nothing to do
    code: str = ""  # names what was found, for who words it in another language
    values: dict[str, str] = {}  # that stand in `what` and `cure`


def doctor_router(parts: Parts) -> APIRouter:
    """Build the route of findings."""
    router = APIRouter(prefix="/kb/doctor", tags=["health"])

    @router.get("", response_model=list[FindingOut])
    def doctor() -> list[FindingOut]:
        """Examine the machine, the settings, the models and the library."""
        from app.doctor import examine

        return [FindingOut(**asdict(one)) for one in examine(parts.settings, parts)]

    return router
