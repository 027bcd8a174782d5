"""The JSON shapes of /kb/watched; pydantic; the server writes them, the client reads them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from pydantic import BaseModel, ConfigDict, Field

if TYPE_CHECKING:
    from ingest.roots import Watched

Folder = Annotated[str, Field(min_length=1, max_length=4096)]
Name = Annotated[str, Field(min_length=1, max_length=512)]


class WatchIn(BaseModel):
    """What `POST /kb/watched` and `POST /kb/watched/confirm` take."""

    model_config = ConfigDict(extra="forbid")  # a misspelled field is told, not ignored

    folder: Folder
    collection: Name = "default"


class WatchedOut(BaseModel):
    """A folder that is kept indexed."""

    folder: str
    collection: str
    state: str  # starting, watching, needs confirmation, missing, unreadable or stopped
    is_kept: bool = False  # watched again after a restart
    is_polling: bool = False
    n_held: int = 0  # files that are gone, but searchable until somebody confirms
    reason: str = ""

    @classmethod
    def of(cls, watched: Watched) -> WatchedOut:
        """Convert from ingestion's noun."""
        return cls(
            folder=str(watched.folder),
            collection=watched.collection,
            state=watched.state,
            is_kept=watched.is_kept,
            is_polling=watched.is_polling,
            n_held=watched.n_held,
            reason=watched.reason,
        )


class WatchedListOut(BaseModel):
    """All folders that are kept indexed."""

    watched: list[WatchedOut]


class UnwatchedOut(BaseModel):
    """A watch has ended; the job takes the documents out, if that was asked for."""

    job_id: str = ""
