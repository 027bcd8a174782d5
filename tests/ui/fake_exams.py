"""The routes of exams of the small server: canned figures, a run ends after some polls."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse

if TYPE_CHECKING:
    from tests.ui.fake_api import World

FIGURES = {
    "hit@1": 0.842,
    "hit@5": 0.958,
    "mrr@10": 0.893,
    "span@5": 0.933,
    "citation precision": 0.925,
    "citations resolve": 1.0,
    "refused, answerable": 0.02,
    "refused, unanswerable": 0.94,
    "latency p50 ms": 21.0,
    "latency p95 ms": 48.0,
}
SHIFT = {"hit@1": -0.071, "mrr@10": -0.052, "latency p50 ms": -9.0}  # of the earlier run
MISS = {
    "case": {
        "question": "When do unused days of <b>leave</b> lapse?",
        "answer": "March",
        "path": "/home/ann/papers/handbook.md",
        "text": "Unused days may be carried over until the end of March.",
    },
    "what": "not found",
    "found": [{"path": "/home/ann/papers/travel.md", "start": 10, "end": 240, "page": None}],
    "error": "",
}


def exam(**more: object) -> dict:
    """Describe an exam as the server does."""
    plain = {"id": "e1", "collection": "default", "created_at": "2026-11-20T09:30:00+00:00"}
    counts = {"n_documents": 1, "n_cases": 200, "n_unanswerable": 50, "n_own": 0, "n_stale": 0}
    return {**plain, **counts, "languages": {"en": 200}, **more}


def a_run(id_: str, **more: object) -> dict:
    """Describe a run as the server does."""
    plain = {"id": id_, "exam_id": "e1", "collection": "default", "state": "done", "message": ""}
    told = {"created_at": "2026-11-20T10:00:00+00:00", "n_answers": 20, "is_judging": False}
    settings = {"embedding": "all-minilm:latest" if id_ == "r1" else "bge-m3:latest"}
    return {**plain, **told, "settings": settings, "n_done": 200, "n_cases": 200, **more}


def _whole(run: dict) -> dict:
    shift = SHIFT if run["id"] == "r1" else {}
    held = {name: value + shift.get(name, 0.0) for name, value in FIGURES.items()}
    figures = {name: _around(value, 0.04 if value <= 1 else 4) for name, value in held.items()}
    verdict = {"collection": "default", "reranker": "", "share": None, "reason": "", "bar": 0.31}
    whole = {"figures": figures, "groups": {}, "misses": misses_of(run["id"])}
    whole |= {"n_errors": 0, "n_stale": 0}
    return run | whole | {"verdict": verdict}


def misses_of(run_id: str) -> list[dict]:
    """List what went wrong: one question in both runs, another only in the earlier one."""
    if run_id != "r1":
        return [MISS]
    mended = {**MISS["case"], "question": "Who approves flights?"}
    return [MISS, {**MISS, "case": mended, "what": "found late"}]


def _around(value: float, half: float) -> dict:
    return {"value": value, "low": value - half, "high": value + half, "n": 150}


def _moved(name: str) -> dict:
    shift = -SHIFT.get(name, 0.0)
    findings = {"hit@1": "better", "latency p50 ms": "worse"}
    finding = findings.get(name, "no difference shown")
    return _around(shift, 0.03 if abs(shift) < 1 else 3) | {"finding": finding}


def add_exam_routes(app: FastAPI, world: World) -> None:
    """Add them; the runs first, since any other word is the id of an exam."""
    _add_runs(app, world)

    @app.get("/kb/exams")
    def exams():
        return {"exams": world.exams}

    @app.post("/kb/exams", status_code=201)
    async def make(request: Request):
        asked = await request.json()
        world.done.append(f"make {asked['collection']} {asked['n']}")
        world.exams = [exam(n_cases=asked["n"])]
        return world.exams[0]

    @app.delete("/kb/exams/{exam_id}")
    def delete(exam_id: str):
        world.exams, world.runs = [], []
        return {"deleted": True}

    @app.post("/kb/exams/{exam_id}/cases", status_code=201)
    async def add(request: Request):
        (case,) = (await request.json())["cases"]
        if case["file"] == "nothing.md":
            return JSONResponse({"error": "no document 'nothing.md'"}, 400)
        world.done.append(f"case {case['question']}")
        world.exams[0]["n_own"] += 1
        return world.exams[0]


def _add_runs(app: FastAPI, world: World) -> None:
    @app.get("/kb/exams/runs")
    def runs(exam: str = ""):
        for run in world.runs:
            if run["state"] == "running":
                run["n_done"] = min(run["n_cases"], run["n_done"] + 40)
                run["state"] = "done" if run["n_done"] == run["n_cases"] else "running"
        return {"runs": world.runs}

    @app.get("/kb/exams/runs/{run_id}")
    def run(run_id: str):
        return _whole(next(one for one in world.runs if one["id"] == run_id))

    @app.post("/kb/exams/runs/{run_id}/cancel")
    def cancel(run_id: str):
        world.done.append(f"cancel {run_id}")
        world.runs[0]["state"] = "cancelled"
        return world.runs[0]

    @app.get("/kb/exams/compare")
    def compare(before: str, after: str):
        both = {"before": run(before), "after": run(after)}
        moved = {name: _moved(name) for name in FIGURES}
        changed = [both["before"]["settings"]["embedding"], both["after"]["settings"]["embedding"]]
        settings = {"embedding": changed} if changed[0] != changed[1] else {}
        return both | {"moved": moved, "settings": settings}

    @app.post("/kb/exams/{exam_id}/runs", status_code=202)
    async def take(request: Request):
        asked = await request.json()
        world.done.append(f"take {asked['answers']} {asked['reranker']}")
        id_ = f"r{len(world.runs) + 1}"
        more = {"state": "running", "n_done": 0, "is_judging": asked["reranker"]}
        world.runs = [a_run(id_, **more), *world.runs]
        return world.runs[0]
