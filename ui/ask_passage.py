"""The source beside its answer: which one is open; the passage itself is drawn in `preview`."""

from __future__ import annotations

from dataclasses import replace

from ui.ask_client import AskClient
from ui.ask_state import Opened
from ui.marks import sources_of
from ui.preview import passage_view
from ui.shapes import Citation, Passage, Reply
from ui.state import api_url, token
from ui.words import Words


def passage_opened(opened: Opened | None, reply: Reply) -> Passage | None:
    """Return the passage that is open beside an answer; None if that is none of its own."""
    if opened is None:
        return None
    if opened.kind == "cited":
        return next((one for one in sources_of(reply) if one.n == opened.n), None)
    return next((replace(one, n=0) for one in reply.passages if one.n == opened.n), None)


def show_passage(passage: Passage, citations: tuple[Citation, ...], words: Words) -> None:
    """Draw the passage in its document, the cited words marked."""
    with AskClient(api_url(), token()) as client:
        passage_view(client, passage, citations, words, key="ask_passage")
