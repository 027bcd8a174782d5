"""A loader or none in, all that ingestion wants to know of loading out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ingest.pipeline import Load


@dataclass(frozen=True, slots=True)
class Loading:
    """How files become text."""

    load: Load
    version: int  # what another version stored is loaded anew
    is_wanted: Callable[[str], bool]  # by file name: is it worth reading?


def loading_of(load: Load | None) -> Loading:
    """Describe a loader; by default every one that there is."""
    if load is not None:
        return Loading(load, 1, lambda _name: True)
    from ingest.load import loaders

    return Loading(
        loaders.load,
        loaders.LOADER_VERSION,
        lambda name: Path(name).suffix.lower() in loaders.SUFFIXES,
    )
