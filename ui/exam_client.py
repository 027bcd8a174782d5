"""The server's exams as typed calls; speaks HTTP and nothing else."""

from __future__ import annotations

import httpx

from ui.client import Client
from ui.exam_shapes import (
    Comparison,
    Exam,
    Run,
    WholeRun,
    comparison_from,
    exam_from,
    run_from,
    whole_from,
)
from ui.shapes import mapping, objects

_MAKE_S = 300.0  # reading hundreds of documents


class ExamClient(Client):
    """A connection to one server that speaks of exams; errors as in `Client`."""

    def __enter__(self) -> ExamClient:
        super().__enter__()
        return self

    def exams(self, collection: str) -> list[Exam]:
        """List the exams of a collection, newest first."""
        found = [exam_from(one) for one in objects(self._json("GET", "/kb/exams"), "exams")]
        return [one for one in found if one.collection == collection]

    def make_exam(self, collection: str, n: int) -> Exam:
        """Make the exam of a collection; takes a while for a large one."""
        self._http.timeout = httpx.Timeout(_MAKE_S)
        return exam_from(self._json("POST", "/kb/exams", body={"collection": collection, "n": n}))

    def delete_exam(self, exam_id: str) -> None:
        """Delete an exam with its runs."""
        self._json("DELETE", f"/kb/exams/{exam_id}")

    def add_question(self, exam_id: str, question: str, file: str, answer: str) -> None:
        """Add a question of one's own to an exam."""
        case = {"question": question, "file": file, "answer": answer}
        self._json("POST", f"/kb/exams/{exam_id}/cases", body={"cases": [case]})

    def take(self, exam_id: str, n_answers: int, *, is_judging: bool = False) -> Run:
        """Begin a run."""
        body = {"answers": n_answers, "reranker": is_judging}
        return run_from(self._json("POST", f"/kb/exams/{exam_id}/runs", body=body))

    def runs(self, exam_id: str) -> list[Run]:
        """List the latest runs of an exam, newest first."""
        answer = self._json("GET", "/kb/exams/runs", params={"exam": exam_id})
        return [run_from(one) for one in objects(answer, "runs")]

    def run(self, run_id: str) -> WholeRun:
        """Fetch what came out of a run."""
        return whole_from(self._json("GET", f"/kb/exams/runs/{run_id}"))

    def cancel_run(self, run_id: str) -> None:
        """End a run."""
        self._json("POST", f"/kb/exams/runs/{run_id}/cancel")

    def compare(self, before: str, after: str) -> Comparison:
        """Compare two runs."""
        params = {"before": before, "after": after}
        return comparison_from(self._json("GET", "/kb/exams/compare", params=params))

    def has_reranker(self) -> bool:
        """Ask whether a reranker is configured."""
        return bool(mapping(mapping(self._json("GET", "/kb/status"), "models"), "reranker"))
