"""The JSON shapes of /kb/migrations; pydantic; the server writes them, the client reads them."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, RootModel

if TYPE_CHECKING:
    from ingest.types import Migration

Name = Annotated[str, Field(min_length=1, max_length=512)]


class MigrateIn(BaseModel):
    """What `POST /kb/migrations` takes."""

    model_config = ConfigDict(extra="forbid")  # a misspelled field is told, not ignored

    model: Name
    collection: Name | None = None  # all


class RevertIn(BaseModel):
    """What `POST /kb/migrations/revert` takes."""

    model_config = ConfigDict(extra="forbid")

    collection: Name | None = None  # all


class MigrationOut(BaseModel):
    """How far a collection is on its way from one embedding model to another."""

    collection: str
    from_model: str
    to_model: str
    state: Literal["running", "waiting", "done", "failed"]
    n_done: int  # documents
    n_documents: int
    message: str = ""
    can_revert: bool = False
    eta_s: float | None = None

    @classmethod
    def of(cls, migration: Migration) -> MigrationOut:
        """Convert from ingestion's noun."""
        return cls.model_validate(asdict(migration))


class MigrationsOut(RootModel[list[MigrationOut]]):
    """What `GET /kb/migrations` gives."""
