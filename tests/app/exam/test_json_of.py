"""What is written down is read again; what users write is told where it is wrong."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.exam.errors import BadCaseError
from app.exam.json_of import (
    OwnQuestion,
    exam_json,
    loaded_exam,
    loaded_result,
    parse_own,
    result_json,
)
from app.exam.types import Case, Exam, Place, Result

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
KINDS = st.sampled_from(["wh", "cloze", "keywords", "heading", "table", "unanswerable", "own"])
NUMBER = st.integers(0, 10**9)
CASES = st.builds(
    Case, TEXT, KINDS, TEXT, TEXT, TEXT, TEXT, TEXT, NUMBER, NUMBER, TEXT, st.booleans()
)
SHARE = st.floats(0, 1)
RESULTS = st.builds(
    Result, TEXT, st.booleans(), KINDS, TEXT, NUMBER, st.booleans(), SHARE, SHARE,
    st.none() | st.booleans(), NUMBER, NUMBER, NUMBER, SHARE,
    st.lists(st.builds(Place, TEXT, NUMBER, NUMBER, st.none() | NUMBER), max_size=3).map(tuple),
    TEXT, st.booleans(),
)  # fmt: skip


@given(st.builds(Exam, TEXT, TEXT, TEXT, NUMBER, st.lists(CASES, max_size=4).map(tuple)))
def test_an_exam_survives_json(exam):
    assert loaded_exam(exam_json(exam)) == exam


@given(RESULTS)
def test_a_result_survives_json(result):
    assert loaded_result(result_json(result)) == result


def test_a_result_of_another_version_is_read_as_far_as_it_is_known():
    data = json.loads(result_json(Result("a", True))) | {"new_field": 1}
    del data["confidence"]

    assert loaded_result(json.dumps(data)) == Result("a", True)


def test_questions_of_ones_own_are_read_line_by_line():
    text = '\ufeff{"question": "Who?", "file": "a.md", "answer": "Ann"}\n\n{"question": "谁？"}\n'

    assert parse_own(text) == [OwnQuestion("Who?", "a.md", "Ann"), OwnQuestion("谁？")]


@pytest.mark.parametrize("blank", "\u2028\x85")
def test_what_ends_a_line_elsewhere_ends_none_within_a_text(blank):
    (one,) = parse_own(f'{{"question": "Who?{blank}And when?"}}\r\n')

    assert one.question == f"Who?{blank}And when?"


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("{", "line 1: not JSON"),
        ("[]", "line 1: not an object"),
        ("[" * 100_000, "line 1: not JSON"),
        ('{"question": " "}', "the question is missing"),
        ('{"question": "a", "fil": "b"}', "unknown field 'fil'"),
        ('{"question": "a", "file": "b"}', "the answer is missing"),
        ('{"question": 3}', "question is not a text"),
        ('{"question": "' + "a" * 8001 + '"}', "too long"),
    ],
)
def test_a_line_that_cannot_be_read_is_named(line, told):
    with pytest.raises(BadCaseError, match="line 1"):
        parse_own(line)
    with pytest.raises(BadCaseError) as error:
        parse_own(line)
    assert told in str(error.value)


@given(st.text(max_size=200))
def test_any_text_is_read_or_refused_with_its_line(text):
    told = "line "
    try:
        parse_own(text)
    except BadCaseError as error:
        told = str(error)

    assert told.startswith("line ")
