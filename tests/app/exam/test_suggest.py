"""Questions that a library suggests."""

import pytest

from app.exam.suggest import is_natural, suggested
from app.exam.types import Part, Source
from tests.app.exam.conftest import TEXTS, Shelf


def source(path, text):
    return Shelf({path: text}).source(path)


def sources():
    return Shelf(TEXTS).sources()


def test_a_library_suggests_four_questions_in_its_languages():
    found = suggested(sources())

    assert len(found) == len(set(found)) == 4
    assert any("lighthouse" in one for one in found)
    assert any("图书馆" in one or "博物馆" in one for one in found)
    assert all(map(is_natural, found))


def test_the_same_library_suggests_the_same_whatever_its_order():
    assert suggested(sources()) == suggested(reversed(sources()))


def test_a_library_without_anything_to_ask_about_suggests_nothing():
    assert suggested([]) == []
    assert suggested([source("blank.txt", "12 34 56")]) == []


@pytest.mark.parametrize(
    ("heading", "title", "question"),
    [
        (
            "3. Working hours",
            "Staff handbook",
            "What does “Staff handbook” say about working hours?",
        ),
        ("Error codes", "HL-40 manual", "What does “HL-40 manual” say about error codes?"),
        ("第三章 年假", "考勤制度", "关于年假，《考勤制度》是怎么说的？"),
    ],
)
def test_a_section_is_asked_about_by_its_heading(heading, title, question):
    text = "Nothing that a question could be made of."
    one = Source("d", "/a/b.md", title, text, (Part(0, len(text), (heading,)),), "en")

    assert suggested([one]) == [question]


@pytest.mark.parametrize(
    "question",
    [
        "What is the Days of leave for up to 5?",
        "What is the Name for HL-40?",
        "How many kilograms does the lamp have?",
        "What does “contacts.csv” say about rows?",
        "What is | a | b?",
        "contacts：周敏的Site是什么？",
        "Why (is it",
        "Why?",
    ],
)
def test_what_nobody_would_ask_is_not_suggested(question):
    assert not is_natural(question)
