"""/kb/conversations: what was asked and answered, listed, searched, renamed, exported, deleted."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Literal
from urllib.parse import quote

from fastapi import APIRouter, FastAPI, Query, Request, Response
from fastapi.responses import JSONResponse

from app.access.caller import check_collection as check_seen
from app.api.conversations_wire import (
    ConversationIn,
    ConversationOut,
    ConversationsOut,
    ExportIn,
    SummaryOut,
    TitleIn,
)
from app.api.wire import DEFAULT, DeletedOut
from app.conversations.current import looked_up
from app.conversations.errors import (
    ConversationError,
    ConversationFullError,
    ConversationNotFoundError,
    TooLongError,
)
from app.conversations.export import from_json, to_json, to_markdown
from app.conversations.store import Conversations
from app.conversations.types import Conversation
from engine.api.body import read_body
from engine.api.bridge import quick
from engine.api.describe import takes

_STATUS: tuple[tuple[type[ConversationError], int], ...] = (
    (ConversationNotFoundError, 404),
    (ConversationFullError, 409),
    (TooLongError, 413),
)


def install_conversation_errors(app: FastAPI) -> None:
    """Let `app` answer what the store refuses with `{"error": text}`."""
    app.add_exception_handler(ConversationError, _refuse)


def conversations_router(
    conversations: Conversations,
    check_collection: Callable[[str], object],
    forget: Callable[[str], None] = lambda _: None,
) -> APIRouter:
    """Build the routes of conversations.

    Args:
        check_collection: raises if there is no collection of a name.
        forget: told the id of each conversation that was deleted.
    """
    router = APIRouter(prefix="/kb/conversations", tags=["conversations"])
    _add_reading(router, conversations)
    _add_making(router, conversations, check_collection)
    _add_changing(router, conversations, forget)
    return router


def _add_reading(router: APIRouter, conversations: Conversations) -> None:
    def read(conversation_id: str) -> Conversation:
        return looked_up(conversations.get(conversation_id), conversations.shelf.text)

    @router.get("", response_model=ConversationsOut)
    def listed(
        q: str = "", limit: int = Query(default=50, ge=1, le=1000), before: str = ""
    ) -> ConversationsOut:
        """List conversations, last used first; `q` searches titles and messages."""
        return ConversationsOut.of(conversations.page(q, limit, before))

    @router.get("/{conversation_id}", response_model=ConversationOut)
    def one(conversation_id: str) -> ConversationOut:
        """Read a conversation; each citation tells whether its document still holds it."""
        return ConversationOut.whole(read(conversation_id))

    @router.get("/{conversation_id}/export")
    def export(conversation_id: str, format: Literal["markdown", "json"] = "markdown") -> Response:
        """Write a conversation as Markdown with footnotes, or as JSON that can be imported."""
        found = read(conversation_id)
        if format == "json":
            return _file(to_json(found), "application/json", found, "json")
        return _file(to_markdown(found), "text/markdown; charset=utf-8", found, "md")


def _add_making(
    router: APIRouter, conversations: Conversations, check_collection: Callable[[str], object]
) -> None:
    @router.post(
        "", status_code=201, response_model=SummaryOut, openapi_extra=takes(ConversationIn)
    )
    async def create(request: Request) -> SummaryOut:
        """Begin a conversation; `conversation_id` of /kb/query continues it."""
        body = await read_body(request, ConversationIn)
        collection = body.collection or DEFAULT

        def work() -> SummaryOut:
            check_seen(collection)
            check_collection(collection)
            new = conversations.create(body.title, collection)
            return SummaryOut.of(conversations.summary(new.id))

        return await quick(work)

    @router.post(
        "/import", status_code=201, response_model=SummaryOut, openapi_extra=takes(ExportIn)
    )
    async def restore(request: Request) -> SummaryOut:
        """Store an exported conversation under a new id."""
        body = await read_body(request, ExportIn)

        def work() -> SummaryOut:
            told = from_json(json.dumps(body.root))
            check_seen(told.collection)
            new = conversations.restore(told)
            return SummaryOut.of(conversations.summary(new.id))

        return await quick(work)


def _add_changing(
    router: APIRouter, conversations: Conversations, forget: Callable[[str], None]
) -> None:
    @router.patch("/{conversation_id}", response_model=SummaryOut, openapi_extra=takes(TitleIn))
    async def rename(conversation_id: str, request: Request) -> SummaryOut:
        """Give a conversation another title."""
        body = await read_body(request, TitleIn)
        return SummaryOut.of(await quick(lambda: conversations.rename(conversation_id, body.title)))

    @router.delete("/{conversation_id}", response_model=DeletedOut)
    def delete(conversation_id: str) -> DeletedOut:
        """Delete a conversation; none of its bytes stay in the file."""
        conversations.delete(conversation_id)
        forget(conversation_id)
        return DeletedOut()


def _file(text: str, media_type: str, one: Conversation, suffix: str) -> Response:
    name = quote(f"{one.title.replace('/', ' ') or one.id}.{suffix}", safe="")
    shown = f"attachment; filename=\"{one.id}.{suffix}\"; filename*=UTF-8''{name}"
    return Response(text, media_type=media_type, headers={"content-disposition": shown})


async def _refuse(_: Request, error: Exception) -> Response:
    status = next((status for kind, status in _STATUS if isinstance(error, kind)), 400)
    return JSONResponse({"error": str(error)}, status)
