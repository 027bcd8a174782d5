"""The server stops in the middle of an answer: it is told so, and what was checked is kept."""

from __future__ import annotations

import json

import pytest
from fastapi import FastAPI

from app.api.errors import install_errors
from app.api.query import query_router
from app.client import Client, ServerError
from app.conversations.store import FILE, Conversations
from app.conversations.types import Shelf
from app.server import bind, running
from app.stopping import Halting, Stop
from engine.api.bridge import Bridge
from tests.app.api.test_asking_in_conversations import ASKED, QUERY, Endless
from tests.app.query.conftest import DOCUMENTS, Library


def test_a_stream_ends_with_an_error_event_and_the_conversation_keeps_what_was_checked(tmp_path):
    library, chat = Library(dict(DOCUMENTS)), Endless()
    store = Conversations(tmp_path / FILE, Shelf(library.texts.__getitem__, lambda one: one))
    app, bridge = FastAPI(), Bridge()
    install_errors(app)
    app.state.stop = stop = Stop((bridge,), grace_s=0.0)
    app.add_middleware(Halting, stop=stop)
    app.include_router(query_router(library.beats(chat), bridge, store))
    one = store.create().id
    body = {"question": ASKED, "conversation_id": one, "stream": True}

    with running(app, bind("127.0.0.1", 0)) as url:
        client = Client(url)
        events = client.events(QUERY, body)
        while next(events)[0] != "sentence":
            pass
    # The server has ended; what it sent last is still to be read.
    with pytest.raises(ServerError, match="stopping"):
        list(events)
    client.close()

    assert chat.is_closed.is_set()
    asked, told = store.get(one).messages
    store.close()
    assert (asked.text, told.mode) == (ASKED, "broken_off")
    assert told.text.startswith("The harbour of Quarrel Bay was opened in 1931. [1]")
    assert json.dumps(told.text)
