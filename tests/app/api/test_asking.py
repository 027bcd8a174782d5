"""Asking and explaining on a real server: traces, reasons, what is deleted meanwhile."""

from __future__ import annotations

import json
import threading
import time

import httpx
import pytest

from app.api.query_wire import AnswerOut, ExplanationOut, SearchOut, TraceOut

FACT = "The lighthouse of Brumly was built in 1871 by Ada Finch. It is 31 metres tall."
OTHER = "The mill of Brumly grinds rye. Its wheel was renewed in 1902."
ASKED = {"question": "Who built the lighthouse?", "collection": "traced"}


@pytest.fixture(scope="module")
def http(server):
    client, _ = server
    with httpx.Client(base_url=client.url, timeout=120, trust_env=False) as one:
        stored(one, "traced", {"lights/brumly.txt": FACT, "mill.txt": OTHER})
        yield one


def stored(http, collection, texts):
    files = [("files", (name, text.encode())) for name, text in texts.items()]
    accepted = http.post("/kb/documents", files=files, data={"collection": collection})
    job_id = accepted.json()["job_id"]
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        job = http.get(f"/kb/jobs/{job_id}").json()
        if job["state"] in {"done", "failed"}:
            return job
        time.sleep(0.05)
    raise AssertionError(f"job {job_id} is not finished")


def events_of(text):
    for frame in text.strip().split("\n\n"):
        if not frame.startswith(":"):
            name, data = frame.split("\n", 1)
            yield name.removeprefix("event: "), json.loads(data.removeprefix("data: "))


def test_an_answer_brings_its_trace(http):
    answer = AnswerOut.model_validate_json(http.post("/kb/query", json=ASKED).content)

    trace = answer.trace
    assert trace.question == ASKED["question"]
    assert trace.candidates[0].path == "lights/brumly.txt"
    assert trace.candidates[0].dense.rank == trace.candidates[0].lexical.rank == 1
    assert trace.mode == answer.mode
    assert trace.prompt.n_tokens > 50
    assert trace.confidence > trace.bar
    assert answer.notices == []


def test_the_same_question_again_finds_its_prompt_in_the_cache(http):
    for _ in range(2):
        answer = AnswerOut.model_validate_json(http.post("/kb/query", json=ASKED).content)

    assert 0 < answer.trace.prompt.n_reused <= answer.trace.prompt.n_tokens


def test_filters_typed_or_sent_are_in_the_trace(http):
    typed = {**ASKED, "question": "file:mill.txt When was it renewed?"}
    sent = {**ASKED, "filters": {"paths": ["mill.txt"], "after": "2020", "headings": []}}

    answers = [
        AnswerOut.model_validate_json(http.post("/kb/query", json=b).content) for b in (typed, sent)
    ]

    assert answers[0].trace.question == "When was it renewed?"
    assert {one.path for answer in answers for one in answer.passages} <= {"mill.txt"}
    assert "mill.txt" in answers[0].trace.filters
    assert "after:2020-01-01" in answers[1].trace.filters


@pytest.mark.parametrize(
    ("path", "body", "words"),
    [
        ("/kb/query", {"question": "after:never why?"}, "after:never"),
        ("/kb/query", {"question": "why?", "filters": {"before": "soon"}}, "before:soon"),
        ("/kb/search", {"query": "type:nonsense why?"}, "type:nonsense"),
        ("/kb/explain", {"question": "why?"}, "file"),
        ("/kb/explain", {"question": "", "file": "mill.txt"}, "empty"),
        ("/kb/explain", {"question": "why?", "file": "x", "stream": True}, "stream"),
    ],
)
def test_what_cannot_be_read_is_refused(http, path, body, words):
    reply = http.post(path, json=body)

    assert reply.status_code == 400
    assert words in reply.json()["error"]


def test_a_file_is_explained_stage_by_stage(http):
    used = explained(http, {**ASKED, "file": "brumly.txt"})
    unused = explained(http, {**ASKED, "file": "mill.txt", "top_k": 1})
    unknown = explained(http, {**ASKED, "file": "*.pdf"})

    assert used.lost_at == ""
    assert used.stages[-1].name == "cited"
    assert unused.lost_at == "fused"
    assert unused.paths == ["mill.txt"]
    assert unknown.lost_at == "stored"
    assert "quire ingest" in unknown.advice


def test_a_file_that_could_not_be_read_is_explained(http):
    stored(http, "broken", {"bad.pdf": "\0\1\2", "good.txt": FACT})

    told = explained(http, {**ASKED, "collection": "broken", "file": "bad.pdf"})

    assert told.lost_at == "stored"
    assert "could not be stored" in told.stages[0].text
    other = explained(http, {**ASKED, "collection": "traced", "file": "good.txt"})
    assert other.advice == "Ask there: --collection broken."


def explained(http, body):
    reply = http.post("/kb/explain", json=body)
    assert reply.status_code == 200, reply.text
    return ExplanationOut.model_validate_json(reply.content)


def test_an_unknown_collection_cannot_be_explained(http):
    reply = http.post("/kb/explain", json={**ASKED, "collection": "nowhere", "file": "x"})

    assert reply.status_code == 404


def test_a_stream_ends_with_the_trace(http):
    reply = http.post("/kb/query", json={**ASKED, "stream": True})

    name, data = list(events_of(reply.text))[-1]
    assert name == "done"
    assert TraceOut.model_validate(data["trace"]).candidates


@pytest.mark.parametrize("what", ["document", "collection"])
def test_what_is_deleted_while_one_asks_never_fails_inside(http, what):
    """Ask in threads while the only document, or the collection, comes and goes."""
    replies = []
    is_over = threading.Event()

    def ask():
        while not is_over.is_set():
            body = {"question": "Who built the lighthouse?", "collection": "fleeting"}
            replies.append(http.post("/kb/query", json=body))
            replies.append(
                http.post("/kb/search", json={"query": "mill", "collection": "fleeting"})
            )

    stored(http, "fleeting", {"a.txt": FACT, "b.txt": OTHER})
    askers = [threading.Thread(target=ask) for _ in range(2)]
    for one in askers:
        one.start()
    for _ in range(4):
        if what == "collection":
            http.delete("/kb/collections/fleeting")
        else:
            listed = http.get("/kb/documents", params={"collection": "fleeting"}).json()
            for one in listed["documents"]:
                http.delete(f"/kb/documents/{one['id']}")
        stored(http, "fleeting", {"a.txt": FACT, "b.txt": OTHER})
    is_over.set()
    for one in askers:
        one.join(60)

    statuses = {one.status_code for one in replies}
    assert 200 in statuses
    assert statuses <= {200, 404}, [
        one.text for one in replies if one.status_code not in (200, 404)
    ]
    whole = [AnswerOut.model_validate_json(r.content) for r in replies if "answer" in r.json()]
    assert all(
        FACT[c.start : c.end] == c.text or OTHER[c.start : c.end] == c.text
        for a in whole
        for c in a.citations
    )


def test_a_search_says_what_it_did_without(http):
    found = SearchOut.model_validate_json(
        http.post("/kb/search", json={"query": "mill", "collection": "traced"}).content
    )

    assert found.notices == []
    assert found.rewritten.queries == []
