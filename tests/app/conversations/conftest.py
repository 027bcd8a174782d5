"""A file of conversations beside a library of texts in memory."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from app.conversations.store import FILE, Conversations
from app.conversations.types import Cited, Message, Shelf
from app.query.types import Sentence
from ingest.errors import DocumentNotFoundError

TEXT = "The harbour was opened in 1931. Its lighthouse is 42.5 metres tall."
TIME = "2026-11-20T09:30:00.000+00:00"


class Texts(dict):
    """Documents by id; a missing one is missed as the library misses it."""

    def __missing__(self, key):
        raise DocumentNotFoundError(key)

    def shelf(self) -> Shelf:
        return Shelf(self.__getitem__, lambda one: f"digest of {one}" if self[one] else "")


def cited(n=1, start=0, end=31, **more) -> Cited:
    fields = {
        "document_id": "d1", "digest": "digest of d1", "path": "ports/bay.md", "title": "Bay",
        "page": 3, "text": TEXT[start:end],
    }  # fmt: skip
    return Cited(n=n, start=start, end=end, **{**fields, **more})


def question(text="When was the harbour opened?") -> Message:
    return Message("user", text, TIME)


def answer(text="It was opened in 1931 [1].", *citations, **more) -> Message:
    told = citations or (cited(),)
    sentences = (Sentence(text, tuple(one.n for one in told), "supported"),)
    return Message("assistant", text, TIME, **{"mode": "generated", "sentences": sentences,
                   "citations": told, **more})  # fmt: skip


@pytest.fixture
def texts() -> Texts:
    return Texts({"d1": TEXT})


@pytest.fixture
def path(tmp_path):
    return tmp_path / FILE


@pytest.fixture
def store(path, texts) -> Iterator[Conversations]:
    found = Conversations(path, texts.shelf())
    yield found
    found.close()
