"""Filters of a question → which documents and passages may answer; pure but for one list."""

from __future__ import annotations

import fnmatch
from collections.abc import Callable, Sequence

from app.query.types import Filters
from ingest.types import Document, Hit


def allowed(
    documents: Callable[[str], Sequence[Document]], collection: str, filters: Filters
) -> list[str] | None:
    """List the documents that may answer; None allows all."""
    if not (
        filters.document_ids
        or filters.paths
        or filters.media_types
        or filters.after
        or filters.before
    ):
        return None
    return [document.id for document in documents(collection) if _is_allowed(document, filters)]


def keeps(filters: Filters, hit: Hit) -> bool:
    """Tell whether a passage stands under a heading that is asked for."""
    above = " > ".join((hit.title, *hit.headings)).casefold()
    return not filters.headings or any(one.casefold() in above for one in filters.headings)


def _is_allowed(document: Document, filters: Filters) -> bool:
    day = document.added_at[:10]
    if (filters.after and day < filters.after) or (filters.before and day >= filters.before):
        return False
    if filters.document_ids and document.id not in filters.document_ids:
        return False
    if filters.media_types and document.media_type not in filters.media_types:
        return False
    return not filters.paths or any(
        fnmatch.fnmatch(path, glob) for path in document.paths for glob in filters.paths
    )
