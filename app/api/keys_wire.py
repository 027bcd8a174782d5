"""The JSON shapes of /kb/keys; pydantic."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from app.access.caller import Caller, Scope
from app.access.keys import MAX_COLLECTIONS, Key


class KeyIn(BaseModel):
    """What `POST /kb/keys` takes."""

    model_config = ConfigDict(extra="forbid")  # a misspelled field is told, not ignored

    name: Annotated[str, Field(min_length=1, max_length=256)]
    scopes: list[Scope] = Field(default_factory=list, max_length=16)  # none: read and ask
    collections: list[Annotated[str, Field(min_length=1, max_length=512)]] = Field(
        default_factory=list, max_length=MAX_COLLECTIONS
    )  # none: all
    expires: str = Field(default="", max_length=64)  # 90d, 12h, 4w, 1y, or a date


class KeyOut(BaseModel):
    """One key, without its secret; empty times mean never."""

    id: str
    name: str
    scopes: list[Scope]
    collections: list[str] | None  # null = all
    created_at: str
    last_used_at: str
    expires_at: str
    revoked_at: str
    is_open: bool  # it opens what its scopes say, now

    @classmethod
    def of(cls, key: Key, now: str) -> KeyOut:
        """Convert from the noun of keys."""
        return cls(
            id=key.id,
            name=key.name,
            scopes=sorted(key.scopes),
            collections=None if key.collections is None else sorted(key.collections),
            created_at=key.created_at,
            last_used_at=key.last_used_at,
            expires_at=key.expires_at,
            revoked_at=key.revoked_at,
            is_open=key.holds(now),
        )


class NewKeyOut(KeyOut):
    """A key that was just made, with its text, which is shown this once."""

    key: str


class CallerOut(BaseModel):
    """Who asks, and what for."""

    is_asked: bool  # keys are asked for here; else everybody may do everything
    id: str  # of the key; empty without one
    name: str
    scopes: list[Scope]
    collections: list[str] | None  # null = all

    @classmethod
    def of(cls, who: Caller, *, is_asked: bool) -> CallerOut:
        """Convert from the noun of the request."""
        return cls(
            is_asked=is_asked,
            id=who.key_id,
            name=who.name,
            scopes=sorted(who.scopes),
            collections=None if who.collections is None else sorted(who.collections),
        )


class KeysOut(BaseModel):
    """All keys, newest first, revoked ones too."""

    keys: list[KeyOut]
