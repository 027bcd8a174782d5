"""What people think of answers becomes questions of an exam."""

import pytest

from app.conversations.types import Cited, Message
from app.exam.errors import BadCaseError
from app.exam.feedback import cases_of, exam_of, question_of
from app.exam.opinions import Opinions
from app.exam.types import Opinion, Right
from app.query.types import Sentence
from tests.app.exam.conftest import TEXTS, Shelf

TEXT = TEXTS["arden.md"]
ASKED = "When was the lighthouse of Arden built?"
SAID = "The lighthouse of Arden was built in 1800 by Miles Ardenson."


def source(path, text):
    return Shelf({path: text}).source(path)


def cited(said=SAID, n=1, document="d1"):
    at = TEXT.index(said)
    return Cited(n, document, "x", "arden.md", "Arden", None, at, at + len(said), said)


def answered(*citations, mode="generated", support="supported"):
    sentence = Sentence("It was built in 1800.", tuple(one.n for one in citations), support)
    return Message("assistant", "It was built in 1800.", "", mode, (sentence,), citations)


def thought(verdict, **more):
    return Opinion("c1", 1, "default", verdict, **more)


def read(document):
    return source("arden.md", TEXT) if document == "d1" else None


def made(answer, opinion):
    return cases_of(ASKED, answer, opinion, read)


def test_a_right_answer_stands_for_the_words_that_it_cites():
    (case,) = made(answered(cited()), thought("up"))

    assert (case.question, case.text, case.path) == (ASKED, SAID, "arden.md")
    assert TEXT[case.start : case.end] == SAID
    assert case.is_own
    assert case.answer == ""  # or the document's words would outlive it


def test_what_is_not_borne_out_or_not_said_any_more_is_no_question():
    moved = cited(document="d1")
    assert made(answered(cited(), support="partly"), thought("up")) == []
    assert made(answered(cited(document="gone")), thought("up")) == []
    assert cases_of(ASKED, answered(moved), thought("up"), lambda _: source("a.md", "new")) == []


def test_an_answer_of_many_citations_is_one_question_about_what_it_rests_on_most():
    parts = [SAID[at : at + 12] for at in range(0, 48, 6)]
    citations = [cited(one, n) for n, one in enumerate(parts, 1)]
    first, second = Sentence("A.", (1, 3), "supported"), Sentence("B.", (3,), "supported")
    answer = Message("assistant", "A. B.", "", "generated", (first, second), tuple(citations))

    (case,) = made(answer, thought("up"))

    assert case.text == parts[2]


def test_a_passage_that_is_named_comes_before_what_was_cited():
    at = TEXT.index("The brewery")
    opinion = thought("down", right=Right("d1", at, at + 20))

    (case,) = made(answered(cited()), opinion)

    assert case.text == TEXT[at : at + 20]


@pytest.mark.parametrize("span", [(0, 10**9), (50, 40), (10**6, 10**6 + 5)])
def test_a_passage_that_is_not_in_its_document_is_refused(span):
    with pytest.raises(BadCaseError, match="not in its document"):
        made(answered(), thought("down", right=Right("d1", *span)))


def test_a_passage_of_a_document_that_is_gone_is_refused():
    with pytest.raises(BadCaseError, match="gone"):
        made(answered(), thought("down", right=Right("d9", 0, 5)))


@pytest.mark.parametrize(
    ("answer", "opinion"),
    [
        (answered(cited()), thought("down", is_missing=True)),
        (answered(mode="refused"), thought("up")),
    ],
    ids=["missing", "rightly refused"],
)
def test_what_the_documents_do_not_hold_is_a_question_without_answer(answer, opinion):
    (case,) = made(answer, opinion)

    assert not case.is_answerable
    assert case.is_own


@pytest.mark.parametrize(
    ("answer", "opinion"),
    [
        (answered(cited()), thought("down")),
        (answered(cited()), thought("", is_missing=True)),
        (answered(mode="refused"), thought("down")),
        (answered(cited(), mode="broken_off"), thought("up")),
    ],
)
def test_what_names_nothing_makes_no_question(answer, opinion):
    assert made(answer, opinion) == []


def test_the_question_is_the_one_that_can_be_asked_alone():
    trace = {"rewritten": {"standalone": "And when was the brewery built?"}}
    messages = [
        Message("user", "And the brewery?", ""),
        Message("assistant", "In 1801.", "", "generated", trace=trace),
        Message("user", "Who?", ""),
        Message("assistant", "Miles.", "", "generated"),
    ]

    assert question_of(messages, 1) == "And when was the brewery built?"
    assert question_of(messages, 3) == "Who?"
    for place in (-1, 0, 2, 4):
        with pytest.raises(BadCaseError, match="no answer"):
            question_of(messages, place)


# Kept


@pytest.fixture
def opinions(examiner, shelf):
    return Opinions(examiner, shelf.document)


def named(shelf, verdict="up", path="arden.md", **more):
    at = shelf.texts[path].index("The lighthouse")
    return thought(verdict, right=Right(shelf.id_of(path), at, at + 40), **more)


def test_an_opinion_is_kept_and_its_question_is_in_the_exam(opinions, examiner, shelf):
    kept = opinions.keep(named(shelf, comment="so it is"), ASKED, answered())

    (exam,) = examiner.exams()
    assert exam.id == exam_of("default")
    assert [case.id for case in exam.cases] == list(kept.cases)
    assert opinions.of("c1") == [kept]


def test_a_thumb_that_is_changed_replaces_what_it_made(opinions, examiner, shelf):
    opinions.keep(named(shelf), ASKED, answered())
    opinions.keep(thought("down", is_missing=True), ASKED, answered())

    (exam,) = examiner.exams()
    assert [case.kind for case in exam.cases] == ["unanswerable"]

    opinions.keep(thought(""), ASKED, answered())
    assert examiner.exams() == []
    assert opinions.of("c1") == []


def test_an_opinion_that_is_taken_back_goes_whichever_collection_it_was_about(
    opinions, examiner, shelf
):
    opinions.keep(named(shelf), ASKED, answered())
    # What takes it back names no document, and the conversation is about another collection.
    opinions.keep(Opinion("c1", 1, "other", ""), ASKED, answered())

    assert examiner.exams() == []
    assert opinions.of("c1") == []


def test_a_question_that_another_opinion_made_too_stays(opinions, examiner, shelf):
    opinions.keep(named(shelf), ASKED, answered())
    other = named(shelf)
    other = Opinion("c2", 1, "default", "up", right=other.right)
    opinions.keep(other, ASKED, answered())

    opinions.keep(thought(""), ASKED, answered())

    assert len(examiner.exams()[0].cases) == 1


def test_a_deleted_document_takes_its_words_out_of_the_exam(opinions, examiner, shelf):
    opinions.keep(named(shelf), ASKED, answered())
    del shelf.texts["arden.md"]
    examiner.sweep()

    (case,) = examiner.exams()[0].cases
    assert case.is_stale
    assert (case.text, case.answer, case.question) == ("", "", ASKED)


def test_the_exam_of_feedback_is_never_the_newest(opinions, examiner, shelf):
    made = examiner.make("default", 20)
    opinions.keep(named(shelf), ASKED, answered())

    assert [one.id for one in examiner.exams()] == [made.id, exam_of("default")]


def test_a_question_from_feedback_goes_into_exams_made_later_and_out_again(
    opinions, examiner, shelf
):
    (case,) = opinions.keep(named(shelf), ASKED, answered()).cases
    made = examiner.make("default", 20)
    assert case in {one.id for one in made.cases}

    opinions.keep(thought(""), ASKED, answered())

    assert case not in {one.id for one in examiner.exam(made.id).cases}


def test_the_collection_is_that_of_the_documents_that_are_named(opinions, shelf):
    own = answered(cited(document=shelf.id_of("arden.md")))

    assert opinions.collection_of(own, None, "other") == "default"
    assert opinions.collection_of(answered(), None, "other") == "other"
    assert opinions.collection_of(own, Right("gone", 0, 1), "other") == "other"


def test_the_opinions_of_a_deleted_conversation_are_forgotten(opinions, examiner, shelf):
    opinions.keep(named(shelf), ASKED, answered())
    examiner.store.drop_opinions("c1")

    assert opinions.of("c1") == []
