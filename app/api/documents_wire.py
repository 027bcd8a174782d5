"""The JSON shapes of what a library holds, and of what a deletion means; pydantic."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from ingest.listing_store import Sort, State, Statistics, Wanted

_DAY = r"^(\d{4}-\d{2}-\d{2}([T ][0-9:.+Z-]{0,30})?)?$"
Text = Annotated[str, Field(max_length=4096)]


class ListIn(BaseModel):
    """What `GET /kb/documents` may be asked."""

    collection: str | None = None
    query: Text = Field("", description="that the title or a path contains")
    media_type: Text = Field("", description='"image/*" means all of them')
    state: State = Field("", description="with warnings, from a watched folder, or uploaded")
    folder: Text = Field("", description="that they lie in, or below")
    since: str = Field("", pattern=_DAY, description="the first day that is wanted, in UTC")
    until: str = Field("", pattern=_DAY, description="the last day that is wanted, in UTC")
    sort: Sort = "newest"
    limit: int = Field(100, ge=1, le=1000)
    offset: int = Field(0, ge=0, le=2**60)

    def wanted(self) -> Wanted:
        """Convert to ingestion's noun."""
        names = (self.collection,) if self.collection else None
        given = self.model_dump(exclude={"collection", "limit", "offset"})
        return Wanted(names, **given)


class ShareOut(BaseModel):
    """One part of a library."""

    model_config = ConfigDict(from_attributes=True)

    name: str
    n: int
    n_bytes: int


class StatisticsOut(BaseModel):
    """What a library holds, counted."""

    model_config = ConfigDict(from_attributes=True)

    n_documents: int
    n_bytes: int
    n_characters: int
    n_chunks: int
    types: list[ShareOut]
    collections: list[ShareOut]
    folders: list[ShareOut]
    days: list[ShareOut]
    passages: list[ShareOut]
    n_originals: int = 0  # uploads that are kept to show their pages
    original_bytes: int = 0

    @classmethod
    def of(cls, found: Statistics, originals: tuple[int, int]) -> StatisticsOut:
        """Convert from ingestion's noun."""
        told = cls.model_validate(found, from_attributes=True)
        told.n_originals, told.original_bytes = originals
        return told


class QuotingOut(BaseModel):
    """A conversation that keeps words of a document."""

    id: str
    title: str


class ConsequencesOut(BaseModel):
    """What goes with a document that is deleted, what stays, and what brings it back."""

    n_chunks: int
    watched: list[str]  # its files in folders that are watched: it comes back unless they go
    has_original: bool  # a copy of the upload is kept, and goes too
    conversations: list[QuotingOut]  # that keep quotes of it; the first of them
    n_conversations: int
