"""Stored conversations as the page reads them."""

from datetime import UTC, date

import pytest

from tests.ui.fake_api import _reply
from tests.ui.fake_ask import conversation, stored_answer
from ui.ask_shapes import (
    Said,
    by_day,
    chat_models,
    clean_question,
    opinion_from,
    passages_of_trace,
    record_from,
)


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("  How many?\r\nAnd when? ", "How many?\nAnd when?"),
        ("\x00a\x1b[31mb\x7f", "a[31mb"),
        ("\u200b\u2060\ufeff", ""),
        ("\ud800half", "\ufffdhalf"),
        ("\u202eright to left", "\u202eright to left"),
        ("👩‍👩‍👧 family", "👩‍👩‍👧 family"),
        ("<script>alert(1)</script>", "<script>alert(1)</script>"),
    ],
)
def test_what_nobody_can_see_is_taken_out_of_a_question(typed, meant):
    assert clean_question(typed) == meant


@pytest.mark.parametrize(
    ("updated", "group"),
    [
        ("2026-11-20T09:30:00+00:00", "today"),
        ("2027-01-01T00:00:00+00:00", "today"),  # a clock that jumped
        ("2026-11-19T23:59:00+00:00", "yesterday"),
        ("2026-11-14T12:00:00+00:00", "week"),
        ("2026-11-13T12:00:00+00:00", "2026-11"),
        ("2025-02-01T12:00:00+00:00", "2025-02"),
        ("nonsense", "earlier"),
        ("", "earlier"),
    ],
)
def test_conversations_are_grouped_by_day(updated, group):
    ((found, said),) = by_day([Said("c1", updated_at=updated)], date(2026, 11, 20), UTC)

    assert (found, len(said)) == (group, 1)


def test_groups_keep_the_order_of_the_list():
    said = [Said(str(n), updated_at=f"2026-11-{20 - n}T10:00:00+00:00") for n in range(4)]

    found = by_day(said, date(2026, 11, 20), UTC)

    assert [(name, len(held)) for name, held in found] == [
        ("today", 1), ("yesterday", 1), ("week", 2)
    ]  # fmt: skip


def test_a_stored_answer_is_read_with_all_that_belongs_to_it():
    answer = stored_answer(_reply("How many days?"))
    said = [{"role": "user", "text": "How many days?"}, answer]

    (kept,) = record_from(conversation("c1", "Leave", messages=said)).kept

    assert (kept.question, kept.place, kept.is_broken_off) == ("How many days?", 1, False)
    assert len(kept.reply.sentences) == 3
    assert kept.reply.citations[0].page_label == "iii"
    assert kept.reply.models["chat"] == "smollm2:135m"
    assert kept.reply.trace["confidence"] == 0.71


def test_an_answer_that_is_being_written_is_not_shown_as_one():
    answer = stored_answer(_reply("How many days?"))
    asked = {"role": "user", "text": "How many days?"}
    pending = {"role": "assistant", "text": "", "mode": "pending"}

    record = record_from(conversation("c1", "Leave", messages=[asked, pending, asked, answer]))

    assert [(one.question, one.place) for one in record.kept] == [("How many days?", 3)]


def test_the_passages_of_a_stored_answer_come_from_its_trace():
    candidates = [
        {"passage": 1, "document_id": "d1", "path": "/a.md", "start": 10, "end": 20, "page": 2},
        {"passage": 1, "document_id": "d1", "path": "/a.md", "start": 18, "end": 40, "page": 2},
        {"passage": None, "document_id": "d1", "path": "/a.md", "start": 90, "end": 99},
        {"passage": 2, "document_id": "d2", "path": "/b.md", "start": 0, "end": 5, "page": None},
    ]

    found = passages_of_trace({"candidates": candidates})

    assert [(one.n, one.start, one.end, one.page) for one in found] == [
        (1, 10, 40, 2), (2, 0, 5, None)
    ]  # fmt: skip


def test_what_changed_since_is_quoted_as_it_was():
    answer = stored_answer(_reply("How many days?"))
    answer["citations"] = [{**one, "is_current": False} for one in answer["citations"]]
    answer["trace"]["trace"] = {
        "candidates": [{"passage": 1, "document_id": "d1", "path": "", "start": 0, "end": 999}]
    }
    said = [{"role": "user", "text": "?"}, answer]

    (kept,) = record_from(conversation("c1", "Leave", messages=said)).kept

    assert kept.reply.passages == ()  # else a text that is another one now would be shown


@pytest.mark.parametrize("bad", [{}, {"messages": 1}, {"messages": [{"role": "assistant"}, 3]}])
def test_what_another_version_says_does_not_break_the_page(bad):
    assert record_from({"id": "c1", **bad}).said.id == "c1"


def test_only_models_that_can_chat_are_offered():
    able = {
        "chat": ["completion"],
        "embed": ["embedding"],
        "old server": None,
        "kb/default": ["completion"],
    }
    models = [{"name": name, "capabilities": can} for name, can in able.items()]

    assert chat_models({"models": models}) == ["chat", "old server"]


def test_an_opinion_without_fields_is_none():
    assert opinion_from({}).verdict == ""
