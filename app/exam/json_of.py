"""Exams, results and a user's own questions as JSON, and back; pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from app.exam.errors import BadCaseError
from app.exam.types import Case, Exam, Place, Result

MAX_OWN = 2_000  # questions of the user's own in one file
MAX_QUESTION = 8_000
MAX_ANSWER = 2_000


@dataclass(frozen=True, slots=True)
class OwnQuestion:
    """A question as a user writes it down; without a file nothing in the library answers it."""

    question: str
    file: str = ""  # its path, or the end of it
    answer: str = ""  # words that stand in the file


def exam_json(exam: Exam) -> str:
    """Write an exam down."""
    return json.dumps(asdict(exam), ensure_ascii=False)


def loaded_exam(text: str) -> Exam:
    """Read what `exam_json` wrote."""
    data = json.loads(text)
    cases = tuple(Case(**one) for one in data.pop("cases"))
    return Exam(**data, cases=cases)


def result_json(result: Result) -> str:
    """Write a result down."""
    return json.dumps(asdict(result), ensure_ascii=False)


def loaded_result(text: str) -> Result:
    """Read what `result_json` wrote, also an older version of it."""
    data = json.loads(text)
    known = {field.name for field in fields(Result)}
    found = tuple(Place(**one) for one in data.pop("found", ()))
    return Result(**{key: value for key, value in data.items() if key in known}, found=found)


def settings_json(settings: Mapping[str, str]) -> str:
    """Write the settings of a run down."""
    return json.dumps(dict(settings), ensure_ascii=False, sort_keys=True)


def loaded_settings(text: str) -> dict[str, str]:
    """Read what `settings_json` wrote."""
    return {str(key): str(value) for key, value in json.loads(text).items()}


def parse_own(text: str) -> list[OwnQuestion]:
    """Read questions of the user's own, one JSON object on each line.

    Raises:
        BadCaseError: a line cannot be read; the message names it.
    """
    found: list[OwnQuestion] = []
    # Not `splitlines`: a text in JSON may hold what that takes for the end of a line.
    for number, line in enumerate(text.removeprefix("\ufeff").split("\n"), 1):
        if not line.strip():
            continue
        if len(found) == MAX_OWN:
            raise BadCaseError(f"line {number}: more than {MAX_OWN:,} questions; split the file")
        try:
            data: Any = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise BadCaseError(f"line {number}: not JSON ({error})") from error
        found.append(_own(data, number))
    return found


def _own(data: object, number: int) -> OwnQuestion:
    if not isinstance(data, dict):
        raise BadCaseError(f'line {number}: not an object like {{"question": …, "file": …}}')
    unknown = sorted(data.keys() - {"question", "file", "answer"})
    if unknown:
        raise BadCaseError(f"line {number}: unknown field {unknown[0]!r}")
    values = {key: data.get(key) or "" for key in ("question", "file", "answer")}
    wrong = next((key for key, value in values.items() if not isinstance(value, str)), None)
    if wrong:
        raise BadCaseError(f"line {number}: {wrong} is not a text")
    if not values["question"].strip():
        raise BadCaseError(f"line {number}: the question is missing")
    if values["file"] and not values["answer"].strip():
        raise BadCaseError(f"line {number}: the answer is missing: words that stand in the file")
    if len(values["question"]) > MAX_QUESTION or len(values["answer"]) > MAX_ANSWER:
        raise BadCaseError(f"line {number}: question or answer is too long")
    return OwnQuestion(**values)
