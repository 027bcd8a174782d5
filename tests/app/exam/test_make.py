"""Exams are made of the documents alone, the same of the same."""

import random

import pytest

from app.exam.make import chosen_documents, make, own_case
from app.exam.types import Part, Source
from app.query.words import fold


def made(shelf, n=60, **more):
    return make("default", shelf.sources(), shelf.is_held, n_cases=n, **more)


def test_the_same_library_gives_the_same_exam_whatever_the_order(shelf):
    sources = shelf.sources()
    random.Random(5).shuffle(sources)

    assert make("default", sources, shelf.is_held, n_cases=60) == made(shelf)


def test_another_library_gives_another_exam(shelf):
    before = made(shelf)
    shelf.texts["arden.md"] = shelf.texts["arden.md"].replace("1800", "1801")

    assert made(shelf).id != before.id


def test_every_gold_span_is_a_slice_that_holds_the_answer(shelf):
    for case in made(shelf, 200).cases:
        if case.is_answerable:
            assert case.text == shelf.texts[case.path][case.start : case.end]
            if case.kind != "heading":
                assert case.answer in " ".join(case.text.split())


def test_no_question_gives_its_answer_away_or_copies_its_sentence(shelf):
    for case in made(shelf, 200).cases:
        if case.is_answerable and case.kind != "heading":
            assert fold(case.answer) not in fold(case.question), case
            assert fold(case.question) != fold(case.text), case


def test_questions_are_spread_over_documents_languages_and_kinds(shelf):
    exam = made(shelf, 80)
    answerable = [case for case in exam.cases if case.is_answerable]

    assert {case.path for case in answerable} == set(shelf.texts)
    assert {case.language for case in answerable} >= {"en", "zh"}
    assert {case.kind for case in answerable} >= {"wh", "cloze", "keywords", "table"}
    assert len({case.id for case in exam.cases}) == len(exam.cases) <= 80


def test_a_language_of_few_documents_is_asked_about_enough(shelf):
    few = {
        path: text for path, text in shelf.texts.items() if path.endswith("a.md") or path[0] > "z"
    }
    shelf.texts = {**few, "arden.md": shelf.texts["arden.md"]}

    languages = [case.language for case in made(shelf, 20).cases if case.is_answerable]

    assert languages.count("en") >= 3
    assert languages.count("zh") >= 8


def test_a_small_library_has_unanswerable_questions_too(shelf):
    shelf.texts = {"arden.md": shelf.texts["arden.md"]}

    exam = made(shelf, 200)

    assert sum(not case.is_answerable for case in exam.cases) >= 3


def test_unanswerable_questions_name_what_the_library_does_not_hold(shelf):
    exam = made(shelf)
    twins = [case for case in exam.cases if not case.is_answerable]
    asked = {case.question for case in exam.cases if case.is_answerable}

    assert len(twins) == 15
    assert not {case.question for case in twins} & asked
    assert all(not case.text and case.path in shelf.texts for case in twins)


def test_names_that_the_library_holds_are_not_used_for_what_is_not_there(shelf):
    exam = make("default", shelf.sources(), lambda word: True, n_cases=60)

    assert all(case.is_answerable for case in exam.cases)


def test_an_empty_library_gives_an_empty_exam():
    assert make("default", [], lambda word: False).cases == ()


@pytest.mark.parametrize("text", ["", "\n\n\n", "|", "a|b\nc|d\n|", "《》“”，。", "x" * 5_000])
def test_texts_without_a_fact_give_no_question_and_no_error(text):
    source = Source("d", "a.md", "", text, (Part(0, len(text)),))

    exam = make("default", [source], lambda word: False)

    assert {case.kind for case in exam.cases} <= {"table", "unanswerable"}


def test_own_cases_come_first_and_count(shelf):
    own = own_case("Who built it?", "Miles Ardenson", shelf.source("arden.md"))

    exam = made(shelf, 10, own=(own,))

    assert exam.cases[0] == own
    assert len(exam.cases) <= 10


def test_an_own_case_has_the_sentence_around_its_answer_as_gold(shelf):
    case = own_case("Who built it?", "miles  ardenson", shelf.source("arden.md"))

    assert case.kind == "own"
    assert case.text.startswith("The lighthouse of Arden was built in 1800")


def test_an_answer_that_does_not_stand_in_the_document_makes_no_case(shelf):
    assert own_case("Who?", "Napoleon", shelf.source("arden.md")) is None


def test_the_documents_of_a_large_library_are_chosen_by_digest():
    digests = [f"{at:04}" for at in range(5_000)]

    assert chosen_documents(digests[::-1], 100) == digests[:200]
