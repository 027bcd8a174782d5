"""Gold spans are found again where they are still said."""

import pytest

from app.exam.gold import (
    covers,
    covers_all,
    find,
    forgotten,
    holds,
    relocated,
    says,
    sentence_around,
)
from app.exam.types import Case

TEXT = "One is here. The tower is 42 metres tall. 图书馆于1953年开放。"
CASE = Case("c", "wh", "en", "How tall?", "42", "old", "a.md", 13, 42, TEXT[13:42])


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ("tower is 42", "tower is 42"),
        ("tower  is\n42", "tower is 42"),
        ("TOWER IS", "tower is"),
        ("1953年", "1953年"),
        ("nothing", None),
        ("  ", None),
    ],
)
def test_words_are_found_letter_by_letter_or_nearly(wanted, found):
    place = find(TEXT, wanted)

    assert (TEXT[slice(*place)] if place else None) == found


def test_a_span_is_widened_to_its_sentence():
    at = TEXT.index("42")

    start, end = sentence_around(TEXT, at, at + 2)

    assert TEXT[start:end].strip() == "The tower is 42 metres tall."


def test_a_case_moves_along_with_its_sentence():
    changed = "New words before.\n\n" + TEXT.replace("tower is", "tower\nis")

    moved = relocated(CASE, "new", changed)

    assert moved.digest == "new"
    assert changed[moved.start : moved.end] == moved.text
    assert "42" in moved.text


def test_what_is_not_said_any_more_is_not_found():
    assert relocated(CASE, "new", TEXT.replace("42", "43")) is None


def test_a_users_own_case_is_found_by_its_answer():
    own = Case("c", "own", "en", "How tall?", "42 metres", "old", "a.md", 0, 9, "lost text")

    moved = relocated(own, "new", TEXT)

    assert "42 metres" in moved.text


def test_a_forgotten_case_holds_nothing_of_the_document():
    gone = forgotten(CASE)

    assert gone.is_stale
    assert (gone.question, gone.answer, gone.text, gone.digest) == ("", "", "", "")
    own = forgotten(Case("c", "own", "en", "How tall?", "42", "d", "a.md", 0, 9, "text"))
    assert (own.question, own.answer, own.text) == ("How tall?", "42", "")


@pytest.mark.parametrize(
    ("start", "end", "is_held"), [(0, 60, True), (13, 42, True), (0, 13, False), (27, 60, True),
                                  (35, 60, False)],
)  # fmt: skip
def test_a_hit_holds_most_of_the_gold_span(start, end, is_held):
    assert covers(CASE, start, end) is is_held


def test_several_passages_may_hold_the_span_together():
    assert covers_all(CASE, [(30, 60), (0, 30)])
    assert not covers_all(CASE, [(0, 20), (25, 60)])
    assert not covers_all(CASE, [])


@pytest.mark.parametrize(
    ("answer", "text", "is_held"),
    [
        ("5", "It weighs 5 tons.", True),
        ("5", "It weighs 20.5 tons.", False),
        ("5", "It opened in 1957.", False),
        ("5", "It is 5.20 m high.", False),
        ("1,250", "In all 1,250, they say", True),
        ("Ann", "By ann.", True),
        ("Ann", "It was annulled.", False),
        ("1957年", "于1957年开放", True),
        ("57年", "于1957年开放", False),
        ("天安门", "在天安门广场", True),
        ("Black Stout", "a Black\nStout", True),
        (" ", "Anything.", False),
    ],
)
def test_an_answer_is_said_by_words_of_its_own(answer, text, is_held):
    assert holds(answer, text) == is_held


def test_a_copy_says_the_same():
    assert says(CASE, "Elsewhere.  The TOWER  is 42 metres\ntall. So it is.")
    assert not says(CASE, "Elsewhere. The tower is 43 metres tall.")
    assert not says(Case("c", "unanswerable", "en", "?"), "any")
