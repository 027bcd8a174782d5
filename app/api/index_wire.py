"""The JSON shape of /kb/index; pydantic."""

from __future__ import annotations

from pydantic import BaseModel


class CompactionOut(BaseModel):
    """How the removal of deleted bytes stands."""

    is_done: bool  # all that was asked for
    failed: str = ""  # why the last step failed, if it did
    n_texts: int = 0  # how often texts were compacted since the library was opened
    n_index: int = 0  # how often the vector index was made anew
