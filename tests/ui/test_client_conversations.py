"""What the pages ask of conversations, against the real routes, without a socket."""

from __future__ import annotations

import json

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from app.api.conversations import conversations_router, install_conversation_errors
from app.conversations.store import FILE, Conversations
from tests.app.conversations.conftest import TEXT, Texts, answer, question
from ui.client import Client
from ui.errors import RefusedError


def test_conversations_are_begun_listed_read_renamed_exported_and_deleted(tmp_path):
    store = Conversations(tmp_path / FILE, Texts({"d1": TEXT}).shelf())
    app = FastAPI()
    install_conversation_errors(app)
    app.include_router(conversations_router(store, lambda _: None))
    client = Client("http://testserver")
    client._http = TestClient(app)

    with client:
        one = client.begin_conversation("work")
        store.append(one, [question(), answer()])
        client.rename_conversation(one, "Bay")

        assert [chat["title"] for chat in client.conversations("harbour")["conversations"]] == [
            "Bay"
        ]
        assert client.conversation(one)["messages"][1]["citations"][0]["is_current"] is True
        assert client.export_conversation(one).startswith("# Bay\n")
        exported = json.loads(client.export_conversation(one, is_json=True))
        assert exported["conversation"]["collection"] == "work"
        client.delete_conversation(one)
        with pytest.raises(RefusedError, match="not found"):
            client.export_conversation(one)
    store.close()
