"""/kb/suggestions: a few questions that the documents of a collection answer."""

from __future__ import annotations

import threading
from collections import OrderedDict
from hashlib import sha256

from fastapi import APIRouter, Request
from pydantic import BaseModel

from app.access.caller import check_collection
from app.api.wire import DEFAULT
from app.exam.examiner import Examiner
from app.exam.suggest import suggested
from engine.api.bridge import Bridge
from ingest.knowledge_base import KnowledgeBase

MAX_LISTED = 200  # documents, the newest, of which some are read
MAX_READ = 12  # documents that questions are made of
MAX_CHARACTERS = 2_000_000  # of a document; a longer one takes seconds
MAX_KEPT = 100  # collections whose questions are remembered


class SuggestionsOut(BaseModel):
    """What `GET /kb/suggestions` gives."""

    collection: str
    questions: list[str]


class _Memory:
    """The questions of each collection, until its documents are others."""

    def __init__(self, kb: KnowledgeBase, examiner: Examiner) -> None:
        self._kb, self._examiner = kb, examiner
        self._lock = threading.Lock()
        self._held: OrderedDict[str, tuple[str, list[str]]] = OrderedDict()

    def questions(self, collection: str) -> list[str]:
        """Return the questions of a collection; the same as long as its documents are."""
        documents, total = self._kb.documents(collection, limit=MAX_LISTED)
        listed = "\0".join([str(total), *(one.id for one in documents)])
        state = sha256(listed.encode()).hexdigest()
        with self._lock:
            held = self._held.get(collection)
        if held is not None and held[0] == state:
            return held[1]
        short = [one for one in documents if one.n_characters <= MAX_CHARACTERS]
        chosen = sorted(short, key=lambda one: one.digest)[:MAX_READ]
        read = (self._examiner.read(one.id, collection) for one in chosen)
        found = suggested(one for one in read if one is not None)
        with self._lock:
            self._held[collection] = state, found
            self._held.move_to_end(collection)
            while len(self._held) > MAX_KEPT:
                self._held.popitem(last=False)
        return found


def suggestions_router(kb: KnowledgeBase, examiner: Examiner, bridge: Bridge) -> APIRouter:
    """Build the route of suggestions."""
    router = APIRouter(prefix="/kb/suggestions", tags=["asking"])
    memory = _Memory(kb, examiner)

    @router.get("", response_model=SuggestionsOut)
    async def suggestions(request: Request, collection: str = DEFAULT) -> SuggestionsOut:
        """Suggest a few questions that the documents answer; no model writes them."""

        def work() -> SuggestionsOut:
            check_collection(collection)
            kb.collection(collection)  # raises if there is none
            return SuggestionsOut(collection=collection, questions=memory.questions(collection))

        return await bridge.call(request, work)

    return router
