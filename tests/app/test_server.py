"""A real server: real engine, real knowledge base, real HTTP."""

from __future__ import annotations

import json
import threading
import time

import httpx
import pytest

from app.api.query_wire import AnswerOut, SearchOut
from app.api.wire import DocumentsOut, JobOut, StatusOut
from app.server import PortTakenError, bind, prefers_html

FACT = "The lighthouse of Brumly was built in 1871 by Ada Finch."


@pytest.fixture(scope="module")
def http(server):
    client, _ = server
    with httpx.Client(base_url=client.url, timeout=120, trust_env=False) as one:
        yield one


@pytest.fixture(scope="module")
def filled(http):
    """Hold one document in collection `facts`."""
    files = [("files", ("lights/brumly.txt", FACT.encode()))]
    accepted = http.post("/kb/documents", files=files, data={"collection": "facts"})
    assert accepted.status_code == 202
    assert finished(http, accepted.json()["job_id"]).n_stored == 1
    return http


def finished(http, job_id):
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        job = JobOut.model_validate_json(http.get(f"/kb/jobs/{job_id}").content)
        if job.state in {"done", "failed"}:
            return job
        time.sleep(0.05)
    raise AssertionError(f"job {job_id} is not finished")


def events_of(text):
    for frame in text.strip().split("\n\n"):
        if not frame.startswith(":"):
            name, data = frame.split("\n", 1)
            yield name.removeprefix("event: "), json.loads(data.removeprefix("data: "))


def test_clients_of_ollama_get_its_words_and_no_page_is_promised_without_one(http):
    assert http.get("/").text == "Ollama is running"
    assert http.head("/").status_code == 200
    assert http.get("/", headers={"Accept": "text/html"}).text == "Ollama is running"


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        ("text/html,application/xhtml+xml,*/*;q=0.8", True),
        ("*/*", False),
        ("", False),
        ("application/json, text/html", False),
    ],
)
def test_browsers_are_told_by_what_they_name_first(accept, expected):
    assert prefers_html(accept) is expected


def test_health_is_told(http):
    assert http.get("/healthz").json() == {"status": "ok"}
    assert http.get("/readyz").status_code == 200


def test_the_engine_answers_beside_the_knowledge_base(http):
    names = {one["name"] for one in http.get("/api/tags").json()["models"]}

    assert {name for name in names if not name.startswith("kb/")} == {
        "smollm2:135m",
        "all-minilm:latest",
    }
    assert "kb/default" in names


def test_status_tells_models_notices_home(server, http):
    status = StatusOut.model_validate_json(http.get("/kb/status").content)

    assert status.home == str(server[1].home)
    assert status.models.chat.name == "smollm2:135m"
    assert (status.models.embedding.name, status.models.embedding.n_dimensions) == (
        "all-minilm:latest",
        384,
    )
    assert len(status.notices) == 2
    assert "default" in [one.name for one in status.collections]


def test_a_file_becomes_a_cited_answer(filled):
    reply = filled.post(
        "/kb/query", json={"question": "Who built the lighthouse?", "collection": "facts"}
    )

    answer = AnswerOut.model_validate_json(reply.content)
    assert not answer.refused
    assert answer.citations
    for one in answer.citations:
        assert FACT[one.start : one.end] == one.text


def test_search_gives_spans_of_the_text(filled):
    reply = filled.post("/kb/search", json={"query": "lighthouse", "collection": "facts"})

    hit = SearchOut.model_validate_json(reply.content).hits[0]
    text = filled.get(f"/kb/documents/{hit.document_id}/text").json()
    assert hit.path == "lights/brumly.txt"
    assert text["text"][hit.start : hit.end] == hit.text
    assert text["chunks"][0]["start"] == 0


def test_a_stream_tells_every_beat_and_ends_with_the_whole_reply(filled):
    body = {"question": "Who built the lighthouse?", "collection": "facts", "stream": True}
    with filled.stream("POST", "/kb/query", json=body) as reply:
        assert reply.headers["content-type"].startswith("text/event-stream")
        events = list(events_of(reply.read().decode()))

    names = [name for name, _ in events]
    assert names[0] == "status"
    assert names[-2:] == ["citations", "done"]
    assert names.index("passages") < names.index("citations")
    assert events[-1][1]["answer"] == events[-2][1]["answer"]
    assert "passages" in events[-1][1]


def test_a_stream_that_cannot_begin_has_a_real_status(http):
    body = {"question": "x", "collection": "nowhere", "stream": True}

    reply = http.post("/kb/query", json=body)

    assert reply.status_code == 404
    assert "nowhere" in reply.json()["error"]


def test_a_client_that_hangs_up_leaves_the_server_well(filled):
    body = {"question": "Who built the lighthouse?", "collection": "facts", "stream": True}
    with filled.stream("POST", "/kb/query", json=body) as reply:
        next(reply.iter_raw())

    assert filled.get("/healthz").status_code == 200
    again = filled.post("/kb/search", json={"query": "lighthouse", "collection": "facts"})
    assert again.json()["hits"]


def test_an_empty_library_refuses_instead_of_failing(http):
    reply = http.post("/kb/query", json={"question": "Who?"})

    assert reply.status_code == 200
    assert reply.json()["refused"] is True


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        ('{"question":', 400, "invalid JSON"),
        ("[]", 400, "object"),
        ("{}", 400, "question"),
        ('{"question": 5}', 400, "question"),
        ('{"question": "x", "top_k": 0}', 400, "top_k"),
        ('{"question": "x", "history": [{"role": "me", "content": ""}]}', 400, "history"),
        ('{"question": "  "}', 400, "empty"),
        ('{"question": "x", "collection": "no"}', 404, "no"),
        ('{"question": "x", "model": "nobody"}', 404, "nobody"),
        ('{"question": "' + "x" * 100_000 + '"}', 400, "characters"),
    ],
)
def test_wrong_questions_are_told_what_is_wrong(filled, body, status, words):
    if "nobody" in body:
        body = body.replace("}", ', "collection": "facts"}')

    reply = filled.post("/kb/query", content=body)

    assert reply.status_code == status
    assert words in reply.json()["error"]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/kb/documents/nothing", 404),
        ("GET", "/kb/documents/nothing/text", 404),
        ("DELETE", "/kb/documents/nothing", 404),
        ("GET", "/kb/jobs/nothing", 404),
        ("DELETE", "/kb/collections/nothing", 404),
        ("POST", "/kb/collections/nothing/reindex", 404),
        ("GET", "/kb/documents?limit=many", 400),
        ("GET", "/kb/documents?limit=0", 400),
        ("GET", "/kb/nothing", 404),
        ("PUT", "/kb/status", 405),
        ("POST", "/kb/documents", 400),
    ],
)
def test_refusals_have_a_status_and_a_text(http, method, path, status):
    reply = http.request(method, path)

    assert reply.status_code == status
    assert reply.json()["error"]


def test_unknown_paths_of_the_engine_stay_as_ollama_has_them(http):
    assert http.get("/api/nothing").text == "404 page not found"


def test_a_collection_name_that_cannot_be_is_refused(http):
    reply = http.post("/kb/collections", json={"name": "a/b"})

    assert reply.status_code == 400
    assert "a/b" in reply.json()["error"]


def test_collections_come_and_go(http):
    made = http.post("/kb/collections", json={"name": "brief"})
    names = [one["name"] for one in http.get("/kb/collections").json()["collections"]]
    gone = http.delete("/kb/collections/brief")

    assert made.status_code == 201
    assert "brief" in names
    assert gone.json() == {"deleted": True}


def test_a_large_file_is_refused_while_it_comes(http):
    reply = http.post("/kb/documents", files=[("files", ("big.txt", b"x" * 1_100_000))])

    assert reply.status_code == 413
    assert "big.txt" in reply.json()["error"]


def test_bad_files_fail_alone(http):
    files = [
        ("files", ("good.txt", b"A good file about tea.")),
        ("files", ("bad.pdf", b"\x00\x01\x02")),
    ]

    job_id = http.post("/kb/documents", files=files, data={"collection": "mixed"}).json()["job_id"]

    job = finished(http, job_id)
    assert (job.state, job.n_stored, job.n_done) == ("done", 1, 2)
    assert [one.path for one in job.errors] == ["bad.pdf"]


def test_documents_are_listed_deleted_gone(http):
    files = [("files", ("gone.txt", b"Nobody will miss this."))]
    job_id = http.post("/kb/documents", files=files, data={"collection": "brittle"}).json()[
        "job_id"
    ]
    finished(http, job_id)
    listed = http.get("/kb/documents", params={"collection": "brittle"})
    document = DocumentsOut.model_validate_json(listed.content).documents[0]

    deleted = http.delete(f"/kb/documents/{document.id}")

    assert deleted.json() == {"deleted": True}
    assert http.get("/kb/documents", params={"collection": "brittle"}).json()["total"] == 0
    found = http.post("/kb/search", json={"query": "miss", "collection": "brittle"})
    assert found.json()["hits"] == []


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(("model", "status"), [("nobody", 404), ("all-minilm", 400)])
def test_a_model_that_cannot_answer_gets_its_status(filled, model, status, stream):
    body = {"question": "Who built it?", "collection": "facts", "model": model, "stream": stream}

    refused = filled.post("/kb/query", json=body)

    assert refused.status_code == status
    assert model in refused.json()["error"]


def test_reindexing_is_a_job(filled):
    job_id = filled.post("/kb/collections/facts/reindex").json()["job_id"]

    assert finished(filled, job_id).state == "done"


def test_folders_are_watched_if_they_are_there(server, http, tmp_path):
    folder = tmp_path / "notes"
    folder.mkdir()

    added = http.post("/kb/watched", json={"folder": str(folder), "collection": "notes"})
    missing = http.post("/kb/watched", json={"folder": str(tmp_path / "no"), "collection": "notes"})

    assert added.status_code == 201
    assert missing.status_code == 400
    watched = http.get("/kb/status").json()["watched"]
    assert str(folder) in [one["folder"] for one in watched]


def test_pages_of_other_origins_are_turned_away(http):
    reply = http.get("/kb/status", headers={"Origin": "https://evil.example"})

    assert reply.status_code == 403


def test_the_api_describes_itself_without_help_from_outside(http):
    page = http.get("/docs").text
    paths = http.get("/openapi.json").json()["paths"]

    assert "POST /kb/query" in page
    assert "http://" not in page
    assert "https://" not in page
    assert {"/kb/query", "/kb/documents", "/api/chat"} <= set(paths)
    assert "requestBody" in paths["/kb/query"]["post"]


def test_many_questions_at_once_are_all_answered(filled):
    replies = []

    def search():
        body = {"query": "lighthouse", "collection": "facts"}
        replies.append(filled.post("/kb/search", json=body).status_code)

    threads = [threading.Thread(target=search) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert replies == [200] * 12


def test_a_taken_port_is_refused_with_a_way_out():
    first = bind("127.0.0.1", 0)
    first.listen()
    port = first.getsockname()[1]

    with pytest.raises(PortTakenError, match=f"{port}.*QUIRE_PORT"):
        bind("127.0.0.1", port)

    first.close()
