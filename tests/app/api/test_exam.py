"""Exams over HTTP, on a real server."""

from __future__ import annotations

import json
import time

import httpx
import pytest

PATIENCE_S = 90.0
TEXTS = {
    f"{name.lower()}.md": (
        f"# {name}\n\nThe lighthouse of {name} was built in {1800 + at} by Miles {name}son. "
        f"Its tower stands {20 + at}.5 metres above the harbour wall of the old town.\n"
    )
    for at, name in enumerate("Arden Brill Corby Dunmere Elswick Farley".split())
}


@pytest.fixture(scope="module")
def http(server):
    client, _ = server
    with httpx.Client(base_url=client.url, timeout=120, trust_env=False) as one:
        files = [("files", (path, text.encode())) for path, text in TEXTS.items()]
        job = one.post("/kb/documents", files=files, data={"collection": "exam"}).json()["job_id"]
        waited(lambda: one.get(f"/kb/jobs/{job}").json(), "done")
        yield one


def waited(ask, *states):
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        found = ask()
        if found["state"] in states:
            return found
        time.sleep(0.05)
    raise AssertionError(f"not {states}: {found}")


def taken(http, exam_id, **body):
    started = http.post(f"/kb/exams/{exam_id}/runs", json=body)
    assert started.status_code == 202, started.text
    run_id = started.json()["id"]
    waited(lambda: http.get(f"/kb/exams/runs/{run_id}").json(), "done", "failed")
    return http.get(f"/kb/exams/runs/{run_id}").json()


@pytest.fixture(scope="module")
def exam(http):
    made = http.post("/kb/exams", json={"collection": "exam", "n": 40})
    assert made.status_code == 201, made.text
    return made.json()


def test_an_exam_is_made_listed_and_shown(http, exam):
    assert exam["n_cases"] > 20
    assert exam["n_unanswerable"] > 0
    assert exam["id"] in {one["id"] for one in http.get("/kb/exams").json()["exams"]}
    whole = http.get(f"/kb/exams/{exam['id']}").json()
    assert len(whole["cases"]) == exam["n_cases"]
    for case in whole["cases"]:
        assert case["text"] == TEXTS.get(case["path"], "")[case["start"] : case["end"]]


def test_the_same_documents_give_the_same_exam(http, exam):
    again = http.post("/kb/exams", json={"collection": "exam", "n": 40}).json()

    assert again == exam


def test_an_exam_is_taken_and_two_runs_are_compared(http, exam):
    first = taken(http, exam["id"], answers=4)
    second = taken(http, exam["id"], answers=0)

    assert first["state"] == "done", first["message"]
    assert first["figures"]["hit@5"]["value"] > 0.8
    assert first["figures"]["citations resolve"]["value"] == 1.0
    assert first["settings"]["embedding"] == "all-minilm:latest"
    assert "refused, answerable" not in second["figures"]
    ids = {"before": first["id"], "after": second["id"]}
    both = http.get("/kb/exams/compare", params=ids).json()
    assert both["moved"]["hit@1"]["finding"] == "no difference shown"
    assert both["moved"]["hit@1"]["value"] == 0
    listed = http.get("/kb/exams/runs", params={"exam": exam["id"]}).json()["runs"]
    assert [one["id"] for one in listed][:2] == [second["id"], first["id"]]


def test_own_questions_are_added(http, exam):
    case = {"question": "Who built the light of Arden?", "file": "arden.md", "answer": "Ardenson"}

    added = http.post(f"/kb/exams/{exam['id']}/cases", json={"cases": [case]})

    assert added.status_code == 201
    assert added.json()["n_own"] == 1


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "told"),
    [
        ("GET", "/kb/exams/nothing", None, 404, "eval list"),
        ("GET", "/kb/exams/runs/nothing", None, 404, "eval list"),
        ("POST", "/kb/exams/runs/nothing/cancel", None, 404, "eval list"),
        ("GET", "/kb/exams/compare?before=a&after=b", None, 404, "no run 'a'"),
        ("DELETE", "/kb/exams/nothing", None, 404, "eval list"),
        ("POST", "/kb/exams", {"collection": "nothing"}, 404, "nothing"),
        ("POST", "/kb/exams", {"n": 0}, 400, "n"),
        ("POST", "/kb/exams", {"m": 1}, 400, "m"),
        ("POST", "/kb/exams/nothing/runs", {}, 404, "eval list"),
        ("POST", "/kb/exams/{id}/runs", {"reranker": True}, 409, "QUIRE_RERANKER"),
        ("POST", "/kb/exams/{id}/cases", {"cases": []}, 400, "cases"),
        ("POST", "/kb/exams/{id}/cases",
         {"cases": [{"question": "a", "file": "no.md", "answer": "b"}]}, 400, "no.md"),
    ],
)  # fmt: skip
def test_what_cannot_be_done_is_told_with_its_status(http, exam, method, path, body, status, told):
    answer = http.request(method, path.format(id=exam["id"]), json=body)

    assert answer.status_code == status
    assert told in answer.json()["error"]


def test_a_collection_without_documents_makes_no_exam(http):
    http.post("/kb/collections", json={"name": "bare"})

    answer = http.post("/kb/exams", json={"collection": "bare"})

    assert answer.status_code == 409
    assert "--cases" in answer.json()["error"]


def test_the_verdict_of_a_collection_is_told_and_forgotten(http, exam):
    assert http.get("/kb/exams/verdicts/exam").json()["reranker"] == ""

    assert http.delete("/kb/exams/verdicts/exam").json() == {"deleted": True}
    assert http.get("/kb/exams/verdicts/exam").json()["bar"] is None


def test_a_deleted_exam_is_gone_with_its_runs(http):
    made = http.post("/kb/exams", json={"collection": "exam", "n": 7}).json()
    run = taken(http, made["id"], answers=0)

    assert http.delete(f"/kb/exams/{made['id']}").json() == {"deleted": True}
    assert http.get(f"/kb/exams/runs/{run['id']}").status_code == 404


def test_the_command_line_makes_takes_compares_and_shows(http, server, monkeypatch, tmp_path):
    from typer.testing import CliRunner

    from app.cli.main import build

    _, settings = server
    monkeypatch.setenv("QUIRE_HOME", str(settings.home))
    monkeypatch.setenv("QUIRE_PORT", "1")
    own = tmp_path / "own.jsonl"
    line = {"question": "Who built the light?", "file": "brill.md", "answer": "Miles Brillson"}
    own.write_text(json.dumps(line) + "\n", "utf-8")

    def quire(*words):
        return CliRunner().invoke(build(), ["eval", *words])

    made = quire("make", "-c", "exam", "-n", "12", "--cases", str(own))
    assert made.exit_code == 0, made.output
    assert " 0 are your own" not in made.output
    first = quire("run", "-c", "exam", "--answers", "0")
    assert first.exit_code == 0, first.output
    assert "hit@1" in first.output
    second = quire("run", "-c", "exam", "--answers", "0", "--compare", "last")
    assert "no difference shown" in second.output
    assert "the settings are the same" in second.output
    listed = quire("list")
    assert "exam" in listed.output
    run_id = first.output.split()[1]
    shown = quire("show", run_id, "--misses")
    assert shown.exit_code == 0
    assert "95 % INTERVAL" in shown.output
    own.write_text("{", "utf-8")
    broken = quire("make", "-c", "exam", "--cases", str(own))
    assert broken.exit_code == 1
    assert "line 1: not JSON" in broken.output
    none = quire("run", "-c", "nothing")
    assert none.exit_code == 1
    assert "quire eval make --collection nothing" in none.output
