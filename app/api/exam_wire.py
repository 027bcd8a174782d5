"""The JSON shapes of /kb/exams; pydantic; the server writes them, the client reads them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

from pydantic import BaseModel, ConfigDict, Field

if TYPE_CHECKING:
    from app.exam.json_of import OwnQuestion
    from app.exam.types import Case, Difference, Estimate, Exam, Result, Run, Verdict

Name = Annotated[str, Field(min_length=1, max_length=512)]
MAX_CASES = 2_000


class OwnIn(BaseModel):
    """A question of the user's own; without a file nothing in the library answers it."""

    model_config = ConfigDict(extra="forbid")  # a misspelled field is told, not ignored

    question: str = Field(min_length=1, max_length=8_000)
    file: str = Field(default="", max_length=4_096)
    answer: str = Field(default="", max_length=2_000)

    def own(self) -> OwnQuestion:
        """Convert to the exam's noun."""
        from app.exam.json_of import OwnQuestion

        return OwnQuestion(self.question, self.file, self.answer)


class ExamIn(BaseModel):
    """What `POST /kb/exams` takes."""

    model_config = ConfigDict(extra="forbid")

    collection: Name = "default"
    n: int = Field(default=200, ge=1, le=MAX_CASES)
    cases: list[OwnIn] = Field(default_factory=list, max_length=MAX_CASES)


class CasesIn(BaseModel):
    """What `POST /kb/exams/{id}/cases` takes."""

    model_config = ConfigDict(extra="forbid")

    cases: list[OwnIn] = Field(min_length=1, max_length=MAX_CASES)


class RunIn(BaseModel):
    """What `POST /kb/exams/{id}/runs` takes."""

    model_config = ConfigDict(extra="forbid")

    answers: int = Field(default=20, ge=0, le=MAX_CASES)  # questions that are answered too
    reranker: bool = False  # decide whether the reranker pays


class CaseOut(BaseModel):
    """One question with its gold span; a stale one has lost its document."""

    model_config = ConfigDict(from_attributes=True)

    id: str
    kind: str
    language: str
    question: str
    answer: str
    path: str
    start: int
    end: int
    text: str
    is_stale: bool

    @classmethod
    def of(cls, case: Case) -> CaseOut:
        """Convert from the exam's noun."""
        return cls.model_validate(case)


class ExamOut(BaseModel):
    """An exam without its questions."""

    id: str
    collection: str
    created_at: str
    n_documents: int
    n_cases: int
    n_unanswerable: int
    n_own: int
    n_stale: int
    languages: dict[str, int]

    @classmethod
    def of(cls, exam: Exam) -> ExamOut:
        """Convert from the exam's noun."""
        languages: dict[str, int] = {}
        for case in exam.cases:
            languages[case.language] = languages.get(case.language, 0) + 1
        return cls(
            id=exam.id,
            collection=exam.collection,
            created_at=exam.created_at,
            n_documents=exam.n_documents,
            n_cases=len(exam.cases),
            n_unanswerable=sum(not case.is_answerable for case in exam.cases),
            n_own=sum(case.is_own for case in exam.cases),
            n_stale=sum(case.is_stale for case in exam.cases),
            languages=languages,
        )


class WholeExamOut(ExamOut):
    """An exam with its questions."""

    cases: list[CaseOut] = []

    @classmethod
    def whole(cls, exam: Exam) -> WholeExamOut:
        """Convert from the exam's noun."""
        cases = [CaseOut.of(case) for case in exam.cases]
        return cls(**ExamOut.of(exam).model_dump(), cases=cases)


class ExamsOut(BaseModel):
    """All exams, newest first."""

    exams: list[ExamOut]


class RunOut(BaseModel):
    """How a run stands."""

    model_config = ConfigDict(from_attributes=True)

    id: str
    exam_id: str
    collection: str
    created_at: str
    state: str  # queued, running, done, failed or cancelled
    settings: dict[str, str]
    n_answers: int
    is_judging: bool
    n_done: int
    n_cases: int
    message: str

    @classmethod
    def of(cls, run: Run) -> RunOut:
        """Convert from the exam's noun."""
        return cls.model_validate(run)


class RunsOut(BaseModel):
    """The latest runs, newest first."""

    runs: list[RunOut]


class EstimateOut(BaseModel):
    """A figure with its 95 % confidence interval."""

    model_config = ConfigDict(from_attributes=True)

    value: float
    low: float
    high: float
    n: int


class PlaceOut(BaseModel):
    """Where a passage stands that was found."""

    model_config = ConfigDict(from_attributes=True)

    path: str
    start: int
    end: int
    page: int | None


class MissOut(BaseModel):
    """A question that went wrong, with what was found instead."""

    case: CaseOut
    what: str  # not found, found late, wrongly refused, wrongly answered, error
    rank: int
    found: list[PlaceOut]
    error: str


class VerdictOut(BaseModel):
    """What the exams of a collection have decided."""

    model_config = ConfigDict(from_attributes=True)

    collection: str
    reranker: str
    share: float | None
    reason: str
    bar: float | None
    measured_at: str

    @classmethod
    def of(cls, verdict: Verdict) -> VerdictOut:
        """Convert from the exam's noun."""
        return cls.model_validate(verdict)


class WholeRunOut(RunOut):
    """A run with its figures and its misses."""

    figures: dict[str, EstimateOut] = {}
    groups: dict[str, EstimateOut] = {}  # hit@5 by kind of question and by language
    misses: list[MissOut] = []
    n_errors: int = 0
    n_stale: int = 0
    verdict: VerdictOut | None = None

    @classmethod
    def whole(
        cls, run: Run, results: Sequence[Result], cases: Sequence[Case], verdict: Verdict
    ) -> WholeRunOut:
        """Convert from the exam's nouns."""
        from app.exam.measure import by_group, figures

        return cls(
            **RunOut.of(run).model_dump(),
            figures=_estimates(figures(results)),
            groups=_estimates(by_group(results, "hit@5")),
            misses=misses_of(results, cases),
            n_errors=sum(bool(one.error) for one in results),
            n_stale=sum(one.is_stale for one in results),
            verdict=VerdictOut.of(verdict),
        )


class DifferenceOut(BaseModel):
    """How a figure moved."""

    value: float
    low: float
    high: float
    n: int
    finding: str


class ComparisonOut(BaseModel):
    """Two runs, on the questions that both have."""

    before: WholeRunOut
    after: WholeRunOut
    moved: dict[str, DifferenceOut]
    settings: dict[str, list[str]]  # what is not the same: before, after

    @classmethod
    def of(
        cls, before: WholeRunOut, after: WholeRunOut, moved: Mapping[str, Difference]
    ) -> ComparisonOut:
        """Put two runs side by side."""
        one, other = before.settings, after.settings
        changed = {
            name: [one.get(name, ""), other.get(name, "")]
            for name in sorted(one.keys() | other.keys())
            if one.get(name, "") != other.get(name, "")
        }
        told = {name: DifferenceOut(**asdict(value)) for name, value in moved.items()}
        return cls(before=before, after=after, moved=told, settings=changed)


def misses_of(results: Sequence[Result], cases: Sequence[Case]) -> list[MissOut]:
    """List what went wrong, the worst first."""
    by_id = {case.id: case for case in cases}
    found = [
        MissOut(
            case=CaseOut.of(by_id[one.case_id]),
            what=what,
            rank=one.rank,
            found=[PlaceOut.model_validate(place) for place in one.found],
            error=one.error,
        )
        for one in results
        if one.case_id in by_id and (what := what_went_wrong(one))
    ]
    return sorted(found, key=lambda one: _WORST.index(one.what))


_WORST = ("error", "not found", "wrongly refused", "wrongly answered", "found late")
_LATE = 5


def what_went_wrong(one: Result) -> str:
    """Name what is wrong with a result; empty if nothing is."""
    if one.is_stale:
        return ""
    if one.error:
        return "error"
    if not one.is_answerable:
        return "wrongly answered" if one.is_refused is False else ""
    if one.rank == 0:
        return "not found"
    if one.is_refused:
        return "wrongly refused"
    return "found late" if one.rank > _LATE else ""


def _estimates(held: Mapping[str, Estimate]) -> dict[str, EstimateOut]:
    return {name: EstimateOut.model_validate(value) for name, value in held.items()}
