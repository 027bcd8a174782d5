"""What the key at hand may see of a library; the rest is answered as if it did not exist."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

from app.access.caller import caller, check_collection, facts
from app.access.errors import ForbiddenError
from ingest.errors import DocumentNotFoundError, JobNotFoundError

if TYPE_CHECKING:
    from ingest.knowledge_base import KnowledgeBase
    from ingest.listing_store import Wanted
    from ingest.types import Document, Job

T = TypeVar("T")
_MAX_JOBS = 1000  # looked through for those that a bound key sees


def is_seen(collection: str) -> bool:
    """Tell whether a collection may be used, and note that something of it was asked for."""
    at_hand = facts()
    at_hand.collections.add(collection)
    return at_hand.caller.sees(collection)


def only_seen(found: Iterable[T], collection_of: Callable[[T], str]) -> list[T]:
    """Leave out what belongs to collections that the key is not bound to."""
    who = caller()
    return [one for one in found if who.sees(collection_of(one))]


def check_named(collection: str | None) -> None:
    """Refuse a collection that may not be used; none named means all, which bound keys may not.

    Raises:
        ForbiddenError: the key is bound to others.
    """
    if collection is not None:
        check_collection(collection)
    elif caller().collections is not None:
        raise ForbiddenError(
            f"the key {caller().name!r} is bound to collections: name one of them, "
            f"{', '.join(sorted(caller().collections or ()))}"
        )


def seen_document(kb: KnowledgeBase, document_id: str) -> Document:
    """Look a document up.

    Raises:
        DocumentNotFoundError: there is none, or it is of a collection that may not be used.
    """
    found = kb.document(document_id)
    if not is_seen(found.collection):
        raise DocumentNotFoundError(document_id)
    return found


def seen_documents(
    kb: KnowledgeBase, wanted: Wanted, limit: int, offset: int
) -> tuple[list[Document], int]:
    """List documents of the collections that are wanted and may be used.

    Raises:
        ForbiddenError: the key is bound to other collections.
    """
    bound = caller().collections
    for one in wanted.collections or ():
        check_collection(one)
    if wanted.collections is None and bound is not None:
        wanted = replace(wanted, collections=tuple(sorted(bound)))
    return kb.listed(wanted, limit, offset)


def seen_job(kb: KnowledgeBase, job_id: str) -> Job:
    """Look a job up.

    Raises:
        JobNotFoundError: there is none, or it is of a collection that may not be used.
    """
    found = kb.job(job_id)
    if not is_seen(found.collection):
        raise JobNotFoundError(job_id)
    return found


def seen_jobs(kb: KnowledgeBase, limit: int) -> list[Job]:
    """List the latest jobs of collections that may be used."""
    if caller().collections is None:
        return kb.jobs(limit)
    return only_seen(kb.jobs(_MAX_JOBS), lambda one: one.collection)[:limit]
