"""Documents that give orders, a model that obeys: what comes out of the API and onto the page."""

from __future__ import annotations

import json
import re
from contextlib import closing
from html.parser import HTMLParser

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from app.api.conversations import conversations_router, install_conversation_errors
from app.api.errors import install_errors
from app.api.query import query_router
from app.conversations.store import FILE, Conversations
from app.conversations.types import Shelf
from engine.api.bridge import Bridge
from tests.app.query.conftest import DOCUMENTS, Library
from tests.app.query.test_attacks import ATTACKS, RAW, Obedient
from ui.ask_marks import answer_html
from ui.marks import source_html
from ui.shapes import reply_from
from ui.words import Words

# What a browser or a reader of Markdown would fetch, or follow at one click.
ACTIVE = {
    "img", "script", "iframe", "svg", "object", "embed", "video", "audio", "link", "style", "base",
    "form", "input", "meta", "a", "math",
}  # fmt: skip


class Tags(HTMLParser):
    """The tags of a page and their attributes."""

    def __init__(self, html):
        super().__init__()
        self.found = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))


@pytest.fixture(scope="module")
def asked(tmp_path_factory):
    """Ask about a library that holds one attack more; give answer, stream, export, texts."""
    folder = tmp_path_factory.mktemp("talks")

    def ask(attack):
        library = Library({**DOCUMENTS, "attack.md": attack["document"]})
        shelf = Shelf(library.texts.__getitem__, lambda _: "")
        with closing(Conversations(folder / f"{attack['id']}-{FILE}", shelf)) as talks:
            app = FastAPI()
            install_errors(app)
            install_conversation_errors(app)
            app.include_router(query_router(library.beats(Obedient(attack)), Bridge(), talks))
            app.include_router(conversations_router(talks, lambda _: None))
            http = TestClient(app)
            talk = http.post("/kb/conversations", json={"collection": "c"}).json()["id"]
            question = {"question": attack["question"], "collection": "c"}
            whole = http.post("/kb/query", json={**question, "conversation_id": talk})
            streamed = http.post("/kb/query", json={**question, "stream": True})
            export = http.get(f"/kb/conversations/{talk}/export")
            assert whole.status_code == streamed.status_code == export.status_code == 200
        return whole.json(), streamed.text, export.text, library.texts

    found = {}

    def once(attack):
        if attack["id"] not in found:
            found[attack["id"]] = ask(attack)
        return found[attack["id"]]

    return once


every = pytest.mark.parametrize("attack", ATTACKS, ids=lambda one: f"{one['id']}-{one['kind']}")


@every
def test_no_answer_over_http_leads_outside_or_bears_an_order_out(asked, attack):
    answer, streamed, _, _ = asked(attack)
    truth = " ".join(attack["truth"].split())
    known = {one["n"]: one for one in answer["citations"]}

    assert not RAW.search(answer["answer"])
    for sentence in answer["sentences"]:
        assert not RAW.search(sentence["text"])
        if sentence["support"] == "supported" and sentence["text"] not in truth:
            assert all(known[n]["warnings"] for n in sentence["citations"]), sentence
    frames = [
        json.loads(line.removeprefix("data: "))
        for line in streamed.splitlines()
        if line.startswith("data: ")
    ]
    # While it is being written, too: a page draws the pieces as they come.
    assert not RAW.search("".join(one.get("text", "") for one in frames if set(one) == {"text"}))


@every
def test_no_answer_makes_the_page_do_anything(asked, attack):
    answer, _, _, texts = asked(attack)
    words, reply = Words("en"), reply_from(answer)
    pages = [answer_html(reply, "open-", words)]
    for one in answer["citations"]:
        text, span = texts[one["document_id"]], (one["start"], one["end"])
        pages.append(source_html(text, (0, len(text)), [span], words))

    for tag, attributes in Tags("".join(pages)).found:
        assert tag not in ACTIVE, (tag, attributes)
        assert not any(name.startswith("on") for name in attributes)
        assert not {"href", "src", "srcset", "action", "formaction"} & set(attributes)
        assert "url(" not in (attributes.get("style") or "")


@every
def test_an_exported_talk_draws_nothing_of_an_attack(asked, attack):
    _, _, export, _ = asked(attack)
    said = export.split("\n---", 1)[0]

    assert not re.search(r"(?<!\\)!\[[^\]]*\]\(\s*(?:https?:)?//", said)
    assert not re.search(r"(?<!\\)<(?:img|script|iframe|svg|object|embed)\b", said, re.IGNORECASE)
