"""/kb/query with a conversation: its history is read, question and answer are kept."""

from __future__ import annotations

import json
import threading
import time

import pytest
from fastapi import FastAPI

from app.api.conversations_wire import ConversationOut, SummaryOut
from app.api.query import query_router
from app.api.query_wire import AnswerOut
from app.client import Client, ServerError
from app.conversations.store import FILE, Conversations
from app.conversations.types import Shelf
from app.server import bind, running
from engine.api.bridge import Bridge
from tests.app.query.conftest import DOCUMENTS, Library

CHATS, QUERY = "/kb/conversations", "/kb/query"
TEXT = (
    "# The harbour of Quarrel Bay\n\nThe harbour of Quarrel Bay was opened in 1931. "
    "Its lighthouse is 42.5 metres tall.\n"
)
ASKED = "When was the harbour of Quarrel Bay opened?"


@pytest.fixture(scope="module")
def client(server, tmp_path_factory):
    """Give a client of a library with one document in the collection `bay`."""
    from app.cli.waiting import wait_for_jobs

    found, _ = server
    found.tell("POST", "/kb/collections", {"name": "bay"})
    file = tmp_path_factory.mktemp("bay") / "harbour.md"
    file.write_text(TEXT, encoding="utf-8")
    job_id = found.upload([("harbour.md", file)], "bay")
    assert [job.state for job in wait_for_jobs(found, iter([(job_id, 1)]), 1)] == ["done"]
    return found


def begun(client) -> str:
    return client.post(CHATS, {"collection": "bay"}, SummaryOut).id


def read(client, one) -> ConversationOut:
    return client.get(f"{CHATS}/{one}", ConversationOut)


def test_question_and_answer_are_kept_with_spans_that_hold(client):
    one = begun(client)

    told = client.post(QUERY, {"question": ASKED, "conversation_id": one}, AnswerOut)

    kept = read(client, one)
    assert kept.title == ASKED
    asked, answer = kept.messages
    assert (asked.text, answer.text, answer.mode) == (ASKED, told.answer, told.mode)
    assert [span.text for span in answer.citations] == [span.text for span in told.citations]
    assert answer.citations
    for span in answer.citations:
        assert TEXT[span.start : span.end] == span.text
        assert span.is_current
        assert len(span.digest) > 16
        assert span.title
    assert answer.trace["models"]["embedding"] == "all-minilm:latest"


def test_a_streamed_answer_is_kept_too_and_a_follow_up_gets_the_history(client):
    one = begun(client)
    client.post(QUERY, {"question": ASKED, "conversation_id": one}, AnswerOut)

    body = {"question": "How tall is its lighthouse?", "conversation_id": one, "stream": True}
    events = list(client.events(QUERY, body))

    done = json.loads(events[-1][1])
    assert done["rewritten"]["by"] != "none"  # taken over from the question before
    assert [message.text for message in read(client, one).messages[2:]] == [
        "How tall is its lighthouse?",
        done["answer"],
    ]


def test_a_document_that_goes_leaves_its_quotation_behind(client, tmp_path):
    from app.cli.waiting import wait_for_jobs

    file = tmp_path / "moon.md"
    file.write_text("The moon of Ardal has 3 craters named by Rosa Venn.\n", encoding="utf-8")
    job_id = client.upload([("moon.md", file)], "bay")
    wait_for_jobs(client, iter([(job_id, 1)]), 1)
    one = begun(client)
    body = {"question": "How many craters has the moon of Ardal?", "conversation_id": one}
    client.post(QUERY, body, AnswerOut)
    (span,) = read(client, one).messages[1].citations
    assert span.is_current

    client.tell("DELETE", f"/kb/documents/{span.document_id}", {})

    (after,) = read(client, one).messages[1].citations
    assert not after.is_current
    assert (after.text, after.path) == (span.text, "moon.md")
    assert "is gone" in client.text(f"{CHATS}/{one}/export")


def test_an_unknown_conversation_is_not_found_before_anything_is_answered(client):
    for is_streamed in (False, True):
        body = {"question": ASKED, "conversation_id": "nobody", "stream": is_streamed}
        with pytest.raises(ServerError, match="'nobody' not found") as refused:
            list(client.events(QUERY, body))
        assert refused.value.status == 404


def test_a_refused_question_leaves_nothing(client):
    one = begun(client)

    with pytest.raises(ServerError, match="empty"):
        client.post(QUERY, {"question": " ", "conversation_id": one}, AnswerOut)

    assert read(client, one).messages == []


class Endless:
    """A chat model that says one true sentence and then does not come to an end."""

    def __init__(self) -> None:
        self.is_closed = threading.Event()

    def __call__(self, messages, n_predict, model):
        try:
            yield "The harbour of Quarrel Bay was opened in 1931. Its "
            while True:
                yield "wall "
                self.is_closed.wait(0.01)  # not faster than a model
        finally:
            self.is_closed.set()


def test_who_hangs_up_finds_the_question_and_what_was_checked_by_then(tmp_path):
    library, chat = Library(dict(DOCUMENTS)), Endless()
    store = Conversations(tmp_path / FILE, Shelf(library.texts.__getitem__, lambda one: one))
    app = FastAPI()
    app.include_router(query_router(library.beats(chat), Bridge(), store))
    one = store.create().id
    body = {"question": ASKED, "conversation_id": one, "stream": True}

    with running(app, bind("127.0.0.1", 0)) as url:
        client = Client(url)
        events = client.events(QUERY, body)
        while next(events)[0] != "sentence":
            pass
        events.close()
        client.close()
        assert chat.is_closed.wait(30)
        deadline = time.monotonic() + 30
        while store.get(one).messages[-1].mode == "pending" and time.monotonic() < deadline:
            time.sleep(0.01)

    asked, told = store.get(one).messages
    store.close()
    assert (asked.text, told.mode) == (ASKED, "broken_off")
    assert told.text.startswith("The harbour of Quarrel Bay was opened in 1931. [1]")
    (span,) = told.citations
    assert DOCUMENTS["harbour.md"][span.start : span.end] == span.text
