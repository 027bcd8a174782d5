"""Question and answer are in the conversation when the answer is done, and what if it never is."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from app.conversations import limits
from app.conversations.current import looked_up
from app.conversations.errors import ConversationFullError, ConversationNotFoundError
from app.conversations.record import recorded, remembered
from app.query.types import (
    Answer,
    Ask,
    Checked,
    Citation,
    Done,
    Found,
    Passage,
    Rewritten,
    Sentence,
    Status,
    Token,
    Turn,
)
from ingest.errors import StorageFullError
from tests.app.conversations.conftest import TEXT

ASK = Ask("When was the harbour opened?", "default")
PASSAGE = Passage(1, "d1", "ports/bay.md", "Bay", 3, ("Ports",), 0, len(TEXT), TEXT, 0.9, "iv")
CITATION = Citation(1, "d1", "ports/bay.md", 3, 0, 31, TEXT[:31], "iv", ("holds an order",))
SENTENCE = Sentence("It was opened in 1931.", (1,), "supported")
SECOND = Sentence("It is blue.", (), "not_found", "blue is in no passage")
ANSWER = Answer(
    "It was opened in 1931. [1] It is blue.", "generated", (SENTENCE, SECOND), (CITATION,),
    (PASSAGE,), Rewritten("When?", "harbour opened"), {"pack": 0.25}, {"chat": "m:1b"},
)  # fmt: skip


class Events:
    """Gives events, and whether it was closed."""

    def __init__(self, *events):
        self.events = list(events)
        self.is_closed = False

    def __iter__(self):
        return self

    def __next__(self):
        if not self.events:
            raise StopIteration
        event = self.events.pop(0)
        if isinstance(event, Exception):
            raise event
        return event

    def close(self):
        self.is_closed = True


def test_a_finished_answer_is_kept_with_copies_of_its_spans(store):
    one = store.create()
    events = [Status("retrieve"), Found((PASSAGE,)), Token("It was"), Done(ANSWER)]

    assert list(recorded(store, ASK, iter(events), one.id)) == events

    asked, told = store.get(one.id).messages
    assert (asked.role, asked.text) == ("user", ASK.question)
    assert (told.text, told.mode) == (ANSWER.text, "generated")
    assert told.sentences == ANSWER.sentences
    (span,) = told.citations
    assert (span.text, span.path, span.title, span.page) == (TEXT[:31], "ports/bay.md", "Bay", 3)
    assert (span.digest, span.page_label, span.warnings) == (
        "digest of d1", "iv", ("holds an order",),
    )  # fmt: skip
    assert told.trace["timings"] == {"pack": 0.25}
    assert told.trace["rewritten"]["standalone"] == "When?"


def test_a_finished_answer_is_on_the_disk_before_it_is_told(store):
    one = store.create()
    events = recorded(store, ASK, iter([Token("It"), Done(ANSWER)]), one.id)

    while not isinstance(next(events), Done):
        asked, pending = store.get(one.id).messages
        assert (asked.text, pending.text, pending.mode) == (ASK.question, "", "pending")

    assert [message.mode for message in store.get(one.id).messages] == ["", "generated"]


def test_a_cited_document_may_change_or_go_afterwards(store, texts):
    one = store.create()
    list(recorded(store, ASK, iter([Done(ANSWER)]), one.id))

    def span():
        return looked_up(store.get(one.id), store.shelf.text).messages[1].citations[0]

    assert span().is_current
    texts["d1"] = "Rewritten from the start."
    assert not span().is_current
    del texts["d1"]
    assert not span().is_current
    assert span().text == TEXT[:31]


def test_a_document_deleted_while_answering_leaves_its_copy(store, texts):
    one = store.create()
    texts.clear()

    list(recorded(store, ASK, iter([Done(ANSWER)]), one.id))

    (span,) = store.get(one.id).messages[1].citations
    assert (span.text, span.digest) == (TEXT[:31], "")


def test_an_answer_that_is_closed_keeps_the_question_and_what_was_checked(store):
    one = store.create()
    source = Events(
        Found((PASSAGE,)), Token("It was opened in 1931. It is"),
        Checked(0, SENTENCE, (CITATION,)), Checked(1, SECOND, ()), Token(" green."), Done(ANSWER),
    )  # fmt: skip
    events = recorded(store, ASK, source, one.id)
    for _ in range(4):
        next(events)

    events.close()

    assert source.is_closed
    asked, told = store.get(one.id).messages
    assert asked.text == ASK.question
    assert (told.text, told.mode) == ("It was opened in 1931. [1] It is blue.", "broken_off")
    assert told.sentences == (SENTENCE, SECOND)
    assert [(span.text, span.title) for span in told.citations] == [(TEXT[:31], "Bay")]


def test_words_that_nobody_checked_are_not_kept(store):
    one = store.create()
    events = recorded(store, ASK, iter([Token("Unchecked claim")]), one.id)
    next(events)

    events.close()

    told = store.get(one.id).messages[1]
    assert (told.text, told.mode, told.citations) == ("", "broken_off", ())


def test_who_leaves_before_anything_is_shown_finds_the_question_again(store):
    one = store.create()
    events = recorded(store, ASK, iter([Status("retrieve"), Found((PASSAGE,))]), one.id)
    next(events)

    events.close()

    asked, told = store.get(one.id).messages
    assert (asked.text, told.text, told.mode) == (ASK.question, "", "broken_off")


def test_an_error_before_anything_is_shown_keeps_nothing(store):
    one = store.create()
    source = Events(Status("retrieve"), Found((PASSAGE,)), RuntimeError("no model"))

    with pytest.raises(RuntimeError, match="no model"):
        list(recorded(store, ASK, source, one.id))

    assert store.get(one.id).messages == ()
    assert store.summary(one.id).title == ""  # so the next question names it
    assert store.page("harbour").summaries == ()


def test_an_error_before_anything_is_shown_leaves_what_was_there_before(store):
    one = store.create()
    list(recorded(store, ASK, iter([Done(ANSWER)]), one.id))
    broken = recorded(store, ASK, iter([Checked(0, SENTENCE, (CITATION,))]), one.id)
    next(broken)
    broken.close()

    with pytest.raises(RuntimeError):
        list(recorded(store, ASK, Events(RuntimeError("no model")), one.id))

    modes = [message.mode for message in store.get(one.id).messages]
    assert modes == ["", "generated", "", "broken_off"]
    assert store.summary(one.id).title == ASK.question


def test_an_error_breaks_an_answer_off_and_is_raised(store):
    one = store.create()
    source = Events(Token("It"), Checked(0, SENTENCE, (CITATION,)), RuntimeError("out of memory"))

    with pytest.raises(RuntimeError, match="out of memory"):
        list(recorded(store, ASK, source, one.id))

    assert source.is_closed
    assert store.get(one.id).messages[1].mode == "broken_off"


def test_an_answer_closed_after_its_end_is_kept_once(store):
    one = store.create()
    events = recorded(store, ASK, iter([Token("It"), Done(ANSWER)]), one.id)
    next(events)
    next(events)

    events.close()

    assert [message.mode for message in store.get(one.id).messages] == ["", "generated"]


def test_an_unknown_or_full_conversation_is_told_before_anything_is_answered(store, monkeypatch):
    source = Events(Token("It"))
    with pytest.raises(ConversationNotFoundError):
        recorded(store, ASK, source, "nobody")
    with pytest.raises(ConversationNotFoundError):
        remembered(store, ASK, "nobody")
    monkeypatch.setattr(limits, "MAX_MESSAGES", 1)
    one = store.create()
    with pytest.raises(ConversationFullError):
        recorded(store, ASK, source, one.id)
    with pytest.raises(ConversationFullError):
        remembered(store, ASK, one.id)

    assert len(source.events) == 1


def test_a_conversation_deleted_while_answering_does_not_take_the_answer_along(store):
    one = store.create()
    events = recorded(store, ASK, iter([Token("It"), Done(ANSWER)]), one.id)
    next(events)
    store.delete(one.id)

    assert next(events) == Done(ANSWER)
    assert store.page().summaries == ()


def test_an_answer_that_cannot_be_kept_is_not_acknowledged(store, monkeypatch):
    one = store.create()

    def full(*_):
        raise StorageFullError("the disk is full")

    monkeypatch.setattr(store, "finish", full)
    events = recorded(store, ASK, iter([Token("It"), Done(ANSWER)]), one.id)
    next(events)

    with pytest.raises(StorageFullError):
        next(events)


def test_a_question_that_cannot_be_kept_is_not_answered(store, monkeypatch):
    def full(*_):
        raise StorageFullError("the disk is full")

    monkeypatch.setattr(store, "begin", full)
    source = Events(Token("It"))

    with pytest.raises(StorageFullError):
        next(recorded(store, ASK, source, store.create().id))
    assert source.is_closed
    assert len(source.events) == 1


def test_two_questions_at_once_keep_their_places_and_each_its_answer(store):
    one = store.create()
    first = recorded(store, ASK, iter([Token("a"), Done(ANSWER)]), one.id)
    second = recorded(store, ASK, iter([Token("b"), Done(ANSWER)]), one.id)
    next(first)
    next(second)
    assert store.history(one.id) == ()

    list(second)
    modes = [message.mode for message in store.get(one.id).messages]
    assert modes == ["", "pending", "", "generated"]  # being answered is not broken off
    list(first)

    assert [message.mode for message in store.get(one.id).messages[1::2]] == ["generated"] * 2


def test_a_follow_up_gets_the_history_and_the_collection_of_its_conversation(store):
    one = store.create(collection="work")
    list(recorded(store, ASK, iter([Done(ANSWER)]), one.id))
    follow_up = Ask("And how tall is it?", "default")

    found = remembered(store, follow_up, one.id, is_collection_named=False)

    assert found.history == (Turn("user", ASK.question), Turn("assistant", ANSWER.text))
    assert (found.question, found.collection) == ("And how tall is it?", "work")


def test_the_first_question_of_a_conversation_has_no_history(store):
    assert remembered(store, ASK, store.create().id) == ASK


def test_a_question_with_a_history_and_a_collection_of_its_own_keeps_them(store):
    one = store.create(collection="work")
    list(recorded(store, ASK, iter([Done(ANSWER)]), one.id))
    own = replace(ASK, history=(Turn("user", "Something else"),))

    assert remembered(store, own, one.id) == own


def test_a_trace_that_is_too_long_is_left_out_but_for_its_summary(store, monkeypatch):
    one = store.create()
    monkeypatch.setattr("app.conversations.record.MAX_TRACE", 400)
    long = replace(ANSWER, trace={"ranks": ["x" * 50] * 50})

    list(recorded(store, ASK, iter([Done(long)]), one.id))

    trace = store.get(one.id).messages[1].trace
    assert "trace" not in trace
    assert trace["models"] == {"chat": "m:1b"}
    json.dumps(trace)


def test_an_enormous_answer_is_cut_rather_than_lost(store):
    one = store.create()
    long = replace(ANSWER, text="x" * (limits.MAX_TEXT + 5), sentences=(SENTENCE,) * 1_200)

    list(recorded(store, ASK, iter([Done(long)]), one.id))

    told = store.get(one.id).messages[1]
    assert (len(told.text), len(told.sentences)) == (limits.MAX_TEXT, limits.MAX_PARTS)
