"""/kb/exams: exams of a collection made, taken, compared and deleted."""

from __future__ import annotations

from fastapi import APIRouter, FastAPI, Query, Request, Response
from fastapi.responses import JSONResponse

from app.access.caller import check_collection
from app.api.exam_wire import (
    CasesIn,
    ComparisonOut,
    ExamIn,
    ExamOut,
    ExamsOut,
    RunIn,
    RunOut,
    RunsOut,
    VerdictOut,
    WholeExamOut,
    WholeRunOut,
)
from app.api.seen import is_seen, only_seen
from app.api.wire import DeletedOut
from app.exam.errors import (
    BadCaseError,
    ExamError,
    ExamNotFoundError,
    ExamStoreError,
    NoRerankerError,
    NothingToAskError,
    QueueFullError,
)
from app.exam.examiner import Examiner
from app.exam.measure import compared
from app.exam.types import Exam, Result, Run
from engine.api.body import read_body
from engine.api.bridge import Bridge, quick
from engine.api.describe import takes

_STATUS: tuple[tuple[type[ExamError], int], ...] = (
    (ExamNotFoundError, 404),
    (NothingToAskError, 409),
    (BadCaseError, 400),
    (NoRerankerError, 409),
    (QueueFullError, 503),
    (ExamStoreError, 503),
)


def install_exam_errors(app: FastAPI) -> None:
    """Let `app` answer what examination refuses with `{"error": text}`."""

    async def refuse(_: Request, error: Exception) -> Response:
        status = next((status for kind, status in _STATUS if isinstance(error, kind)), 400)
        return JSONResponse({"error": str(error)}, status)

    app.add_exception_handler(ExamError, refuse)


def exam_router(examiner: Examiner, bridge: Bridge) -> APIRouter:
    """Build the routes of exams."""
    router = APIRouter(prefix="/kb/exams", tags=["exams"])
    _add_runs(router, examiner)  # first: the others take any word for the id of an exam
    _add_exams(router, examiner, bridge)
    return router


def _add_exams(router: APIRouter, examiner: Examiner, bridge: Bridge) -> None:
    @router.get("", response_model=ExamsOut)
    def exams() -> ExamsOut:
        """List the exams, newest first."""
        return ExamsOut(exams=[ExamOut.of(one) for one in only_seen(examiner.exams(), _collection)])

    @router.post("", status_code=201, response_model=ExamOut, openapi_extra=takes(ExamIn))
    async def make(request: Request) -> ExamOut:
        """Make the exam of a collection; the same documents give the same exam."""
        body = await read_body(request, ExamIn)
        check_collection(body.collection)
        own = [one.own() for one in body.cases]
        return ExamOut.of(
            await bridge.call(request, lambda: examiner.make(body.collection, body.n, own))
        )

    @router.get("/{exam_id}", response_model=WholeExamOut)
    def exam(exam_id: str) -> WholeExamOut:
        """Give an exam with its questions."""
        return WholeExamOut.whole(_seen_exam(examiner, exam_id))

    @router.delete("/{exam_id}", response_model=DeletedOut)
    def delete(exam_id: str) -> DeletedOut:
        """Delete an exam with its runs."""
        examiner.delete(_seen_exam(examiner, exam_id).id)
        return DeletedOut()

    @router.post(
        "/{exam_id}/cases", status_code=201, response_model=ExamOut, openapi_extra=takes(CasesIn)
    )
    async def add_cases(exam_id: str, request: Request) -> ExamOut:
        """Add questions of one's own to an exam."""
        own = [one.own() for one in (await read_body(request, CasesIn)).cases]
        await quick(lambda: _seen_exam(examiner, exam_id))
        return ExamOut.of(await bridge.call(request, lambda: examiner.add_case(exam_id, own)))


def _add_runs(router: APIRouter, examiner: Examiner) -> None:
    @router.get("/runs", response_model=RunsOut)
    def runs(exam: str = "", limit: int = Query(default=50, ge=1, le=500)) -> RunsOut:
        """List the latest runs, of one exam or of all."""
        found = only_seen(examiner.runs(exam, limit), _collection)
        return RunsOut(runs=[RunOut.of(one) for one in found])

    @router.get("/runs/{run_id}", response_model=WholeRunOut)
    def run(run_id: str) -> WholeRunOut:
        """Tell how a run stands, with its figures and what went wrong."""
        return _whole(examiner, run_id)

    @router.post("/runs/{run_id}/cancel", response_model=RunOut)
    def cancel(run_id: str) -> RunOut:
        """End a run; what it has found so far stays."""
        _seen_run(examiner, run_id)
        return RunOut.of(examiner.cancel(run_id))

    @router.get("/compare", response_model=ComparisonOut)
    def compare(before: str, after: str) -> ComparisonOut:
        """Compare two runs on the questions that both have."""
        moved = compared(_seen_run(examiner, before)[1], _seen_run(examiner, after)[1])
        return ComparisonOut.of(_whole(examiner, before), _whole(examiner, after), moved)

    @router.get("/verdicts/{collection}", response_model=VerdictOut)
    def verdict(collection: str) -> VerdictOut:
        """Tell what the exams of a collection have decided: reranker and bar of refusal."""
        check_collection(collection)
        return VerdictOut.of(examiner.verdict(collection))

    @router.delete("/verdicts/{collection}", response_model=DeletedOut)
    def forget(collection: str) -> DeletedOut:
        """Go back to what holds for all libraries."""
        check_collection(collection)
        examiner.forget_verdict(collection)
        return DeletedOut()

    @router.post(
        "/{exam_id}/runs", status_code=202, response_model=RunOut, openapi_extra=takes(RunIn)
    )
    async def start(exam_id: str, request: Request) -> RunOut:
        """Take an exam, one at a time; `GET /kb/exams/runs/{id}` tells how it goes."""
        body = await read_body(request, RunIn)
        await quick(lambda: _seen_exam(examiner, exam_id))
        return RunOut.of(
            await quick(
                lambda: examiner.start(exam_id, n_answers=body.answers, is_judging=body.reranker)
            )
        )


def _collection(one: Exam | Run) -> str:
    return one.collection


def _seen_exam(examiner: Examiner, exam_id: str) -> Exam:
    """Look an exam up; one of a collection that may not be used does not exist."""
    found = examiner.exam(exam_id)
    if not is_seen(found.collection):
        raise ExamNotFoundError("exam", exam_id)
    return found


def _seen_run(examiner: Examiner, run_id: str) -> tuple[Run, list[Result]]:
    found = examiner.run(run_id)
    if not is_seen(found[0].collection):
        raise ExamNotFoundError("run", run_id)
    return found


def _whole(examiner: Examiner, run_id: str) -> WholeRunOut:
    run, results = _seen_run(examiner, run_id)
    cases = examiner.exam(run.exam_id).cases
    return WholeRunOut.whole(run, results, cases, examiner.verdict(run.collection))
