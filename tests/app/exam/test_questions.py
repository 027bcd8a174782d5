"""Each rule makes the question that it should."""

from random import Random

import pytest

from app.exam.questions import from_heading, from_sentence, from_table, swapped


def wh(sentence):
    drafts = from_sentence(sentence, 0, len(sentence), "Title", Random(1))
    return [(one.question, one.answer) for one in drafts if one.kind == "wh"]


@pytest.mark.parametrize(
    ("sentence", "question", "answer"),
    [
        ("Nikola Tesla was born in 1856 and died in New York.", "When was Nikola Tesla born?",
         "1856"),
        ("Nikola Tesla was born in the village of Smiljan.", "Where was Nikola Tesla born?",
         "the village of Smiljan"),
        ("The harbour of Quarrel Bay was opened in 1931 by a bishop.",
         "When was the harbour of Quarrel Bay opened?", "1931"),
        ("Heron Light was founded by Margaret Holt in a boat shed.",
         "By whom was Heron Light founded?", "Margaret Holt"),
        ("The archive is located in Leeds, near the old station.",
         "Where is the archive located?", "Leeds"),
        ("上海轨道交通16号线于2013年12月29日开通。", "上海轨道交通16号线是什么时候开通的？",
         "2013年12月29日"),
        ("青州博物馆位于人民路六十号，每天开放。", "青州博物馆位于哪里？", "人民路六十号"),
        ("该市的新图书馆大楼由李明设计，费用很高。", None, None),
    ],
)  # fmt: skip
def test_patterns_become_questions(sentence, question, answer):
    assert wh(sentence) == ([(question, answer)] if question else [])


@pytest.mark.parametrize(
    "sentence",
    [
        "It was founded in 1931 by a bishop of the north.",
        "Short one.",
        "No fact stands in this one at all.",
    ],
)
def test_what_leans_on_other_sentences_or_has_no_fact_makes_no_question_of_its_own(sentence):
    assert wh(sentence) == []


def test_a_sentence_that_leans_takes_its_heading_along():
    sentence = "It stands 42.5 metres above the harbour wall of the town."

    drafts = from_sentence(sentence, 0, len(sentence), "Lighthouse", Random(1))

    assert drafts
    assert all("Lighthouse" in one.question for one in drafts)


@pytest.mark.parametrize(
    ("heading", "question"),
    [
        ("How to return a lamp", "How do I return a lamp?"),
        ("Can I return a lamp?", "Can I return a lamp?"),
        ("如何更换滤芯", "如何更换滤芯？"),
        ("Returns", None),
    ],
)
def test_headings_that_ask_are_asked(heading, question):
    text = "Write to the office first."

    draft = from_heading(heading, text, 0, len(text))

    assert (draft.question if draft else None) == question


def test_cells_are_asked_for_by_column_and_row():
    text = "| Years | Days | By |\n|---|---|---|\n| up to 5 | 25 | lead |\n| more | 30 | head |"

    drafts = list(from_table(text, 0, len(text), "Leave"))

    assert [(one.question, one.answer) for one in drafts] == [
        ("What is the Days for up to 5? (Leave)", "25"),
        ("What is the By for more? (Leave)", "head"),
    ]
    assert text[drafts[0].start : drafts[0].end] == "| up to 5 | 25 | lead |"


def test_ragged_rows_are_left_alone():
    text = "a | b\nonly | two | three\n | \nx"

    assert list(from_table(text, 0, len(text), "")) == []


def test_a_twin_asks_about_a_thing_that_is_not_there():
    sentence = "Nikola Tesla was born in 1856 and died in New York."
    draft = from_sentence(sentence, 0, len(sentence), "", Random(1))[0]

    twin = swapped(draft, Random(2), lambda word: False)

    assert twin is not None
    assert "Tesla" not in twin
    assert twin.startswith("When was ")
    assert swapped(draft, Random(2), lambda word: True) is None
