"""/kb/search gives passages, /kb/query answers: whole, or as events; /kb/explain says why not."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Iterator

from fastapi import APIRouter, Request
from fastapi.responses import StreamingResponse
from pydantic import BaseModel

from app.access.caller import check_collection
from app.api.errors import kb_status_of
from app.api.query_wire import (
    AnswerOut,
    CheckedOut,
    ExplainIn,
    ExplanationOut,
    HitOut,
    PassageOut,
    QueryIn,
    RewrittenOut,
    SearchIn,
    SearchOut,
)
from app.conversations.record import recorded, remembered
from app.conversations.store import Conversations
from app.query.answer import answer, searched
from app.query.beats import Beats
from app.query.explain import Explanation, explaining
from app.query.types import Answer, AnswerEvent, Ask, Checked, Done, Found, Status, Token
from engine.api.body import read_body
from engine.api.bridge import Bridge, Feed, unless_gone
from engine.api.describe import takes
from engine.api.errors import text_of
from engine.errors import RuntimeFailedError

logger = logging.getLogger(__name__)

INTERNAL = 500
_LINE_ENDS = {ord(one): f"\\u{ord(one):04x}" for one in "\x85\u2028\u2029"}
SILENCE_S = 15.0  # after so long without an event a comment goes out, or proxies hang up


class _Beat(BaseModel):
    beat: str


class _Passages(BaseModel):
    passages: list[PassageOut]


class _Text(BaseModel):
    text: str


class _Error(BaseModel):
    error: str


def query_router(beats: Beats, bridge: Bridge, conversations: Conversations) -> APIRouter:
    """Build the routes of asking."""
    router = APIRouter(prefix="/kb", tags=["asking"])

    @router.post("/search", response_model=SearchOut, openapi_extra=takes(SearchIn))
    async def find(request: Request) -> SearchOut:
        """Find passages."""
        ask = (await read_body(request, SearchIn)).ask()
        check_collection(ask.collection)
        return await bridge.call(request, lambda: _search(beats, ask))

    @router.post("/query", response_model=AnswerOut, openapi_extra=takes(QueryIn))
    async def query(request: Request) -> AnswerOut | StreamingResponse:
        """Answer a question from the documents, every sentence with its source."""
        body = await read_body(request, QueryIn)
        feed = bridge.feed(lambda: _events(beats, conversations, body))
        if not body.stream:
            return AnswerOut.of(await _whole(request, feed))
        # The first events are waited for here, so that a refusal still gets its status.
        first = await _first(request, feed)
        return StreamingResponse(_frames(feed, first), media_type="text/event-stream")

    @router.post("/explain", response_model=ExplanationOut, openapi_extra=takes(ExplainIn))
    async def explanation(request: Request) -> ExplanationOut:
        """Tell at which stage a file was lost for a question."""
        body = await read_body(request, ExplainIn)
        ask = body.ask()
        check_collection(ask.collection)
        feed = bridge.feed(lambda: explaining(beats, ask, body.file))
        return ExplanationOut.of(await _explained(request, feed))

    return router


def frames_of(event: AnswerEvent) -> Iterator[str]:
    """Put one event of the pipeline into server-sent frames; the last event makes two."""
    if isinstance(event, Status):
        yield _frame("status", _Beat(beat=event.beat))
    elif isinstance(event, Found):
        yield _frame("passages", _Passages(passages=[PassageOut.of(p) for p in event.passages]))
    elif isinstance(event, Token):
        if event.text:
            yield _frame("token", _Text(text=event.text))
    elif isinstance(event, Checked):
        yield _frame("sentence", CheckedOut.of(event))
    else:
        done = AnswerOut.of(event.answer)
        yield _frame("citations", done.verified())
        yield _frame("done", done)


def _events(beats: Beats, conversations: Conversations, body: QueryIn) -> Iterator[AnswerEvent]:
    """Answer, in a conversation if the request names one."""
    ask, chat = body.ask(), body.conversation_id
    if not chat:
        check_collection(ask.collection)
        return answer(beats, ask)
    is_named = body.collection is not None
    ask = remembered(conversations, ask, chat, is_collection_named=is_named)
    check_collection(ask.collection)
    return recorded(conversations, ask, answer(beats, ask), chat)


def _frame(name: str, body: BaseModel) -> str:
    # Many readers, httpx among them, end a line at these too; a document may hold any of them.
    data = body.model_dump_json().translate(_LINE_ENDS)
    return f"event: {name}\ndata: {data}\n\n"


def _search(beats: Beats, ask: Ask) -> SearchOut:
    started = time.perf_counter()
    found = searched(beats, ask)
    return SearchOut(
        hits=[
            HitOut.of(hit, beats.page_label(hit.document_id, hit.page) if hit.page else "")
            for hit in found.hits
        ],
        rewritten=RewrittenOut.of(found.rewritten),
        timings={"total": time.perf_counter() - started},
        notices=list(found.notices),
    )


async def _whole(request: Request, feed: Feed[AnswerEvent]) -> Answer:
    """Drain the pipeline while the client is there."""

    async def drain() -> Answer:
        while events := await feed.batch():
            for event in events:
                if isinstance(event, Done):
                    return event.answer
        raise RuntimeFailedError("the answer ended before it was finished: ask again")

    try:
        return await unless_gone(request, drain)
    finally:
        feed.close()


async def _explained(request: Request, feed: Feed[Explanation | None]) -> Explanation:
    """Wait for an explanation while the client is there."""

    async def drain() -> Explanation:
        while steps := await feed.batch():
            for step in steps:
                if step is not None:
                    return step
        raise RuntimeFailedError("the explanation ended before it was finished: ask again")

    try:
        return await unless_gone(request, drain)
    finally:
        feed.close()


async def _first(request: Request, feed: Feed[AnswerEvent]) -> list[AnswerEvent]:
    try:
        return await unless_gone(request, feed.batch)
    except BaseException:
        feed.close()
        raise


async def _frames(feed: Feed[AnswerEvent], first: list[AnswerEvent]) -> AsyncIterator[str]:
    """Give frames as they come; closing this closes the pipeline."""
    events = first
    try:
        while events:
            for event in events:
                for frame in frames_of(event):
                    yield frame
            pending = asyncio.ensure_future(feed.batch())
            try:
                while not (await asyncio.wait({pending}, timeout=SILENCE_S))[0]:
                    yield ": still working\n\n"
                events = await pending
            finally:
                pending.cancel()
    except Exception as error:
        # The status is sent already, so an event must carry whatever went wrong.
        if kb_status_of(error) == INTERNAL:
            logger.exception("answer_failed")
        yield _frame("error", _Error(error=text_of(error)))
    finally:
        feed.close()
