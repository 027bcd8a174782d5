"""/kb/documents/{id}/pages: a page of a PDF or a picture as a PNG, with cited words marked."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query, Response

from app.api.seen import seen_document
from engine.errors import RequestError
from ingest.knowledge_base import KnowledgeBase
from ingest.pages import MAX_SCALE, MAX_SPANS, MIN_SCALE

FOUND = "X-Quire-Mark"  # exact, partial, none: how well the words were found on the page
REASON = "X-Quire-Mark-Reason"  # why they were not: scan, not found, other page
PAGES = "X-Quire-Pages"  # how many there are
_MAX_PAGE = 1_000_000
_MAX_AT = 2**40  # characters; no text is longer

Places = Annotated[
    list[Annotated[int, Query(ge=0, le=_MAX_AT)]],
    Query(max_length=MAX_SPANS, description="in characters of the document's text"),
]


def pages_router(kb: KnowledgeBase) -> APIRouter:
    """Build the route of page images."""
    router = APIRouter(prefix="/kb/documents", tags=["documents"])

    @router.get(
        "/{document_id}/pages/{page}/image",
        response_class=Response,
        responses={200: {"content": {"image/png": {}}}},
    )
    def image(
        document_id: str,
        page: Annotated[int, Path(ge=1, le=_MAX_PAGE)],
        start: Places = [],  # noqa: B006 - FastAPI copies it
        end: Places = [],  # noqa: B006
        scale: Annotated[float, Query(ge=MIN_SCALE, le=MAX_SCALE)] = 1.5,
    ) -> Response:
        """Draw a page as it looks, the spans `start:end` of the text marked on it.

        Several spans: give `start` and `end` as often. `scale` counts pixels for a point, so 2 is
        144 dpi. 404 says why there is no picture: no PDF, the original is gone, no such page.
        """
        seen_document(kb, document_id)
        if len(start) != len(end):
            raise RequestError("give as many `start` as `end`: each pair is a span to mark")
        spans = [(a, b) for a, b in zip(start, end, strict=True) if b > a]
        drawn = kb.pages.picture(document_id, page, spans, scale=scale)
        headers = {
            FOUND: drawn.found,
            REASON: drawn.reason,
            PAGES: str(drawn.n_pages),
            # A page never changes; but it may be deleted, and then nobody keeps it for long.
            "Cache-Control": "private, max-age=60",
        }
        return Response(drawn.png, media_type="image/png", headers=headers)

    return router
