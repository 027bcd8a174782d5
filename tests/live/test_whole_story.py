"""The main job on the real thing: start, ask, upload; the story in the browser has its own file."""

import signal

import pytest

from tests.live.conftest import all_documents, finished, one_quire, settled

pytestmark = pytest.mark.timeout(300)
QUESTION = "How long is the warranty on the Heron lamp?"


@pytest.fixture(scope="module")
def client(tmp_path_factory, starter_models):
    """Speak to a server that has read the samples."""
    home = tmp_path_factory.mktemp("samples") / "quire"
    with one_quire(home, starter_models, "up", "--no-ui") as process:
        client = process.start()
        settled(client)
        yield client


def test_citations_of_the_sample_documents_are_slices_of_their_texts(client):
    samples = all_documents(client, "default")
    assert len(samples) >= 13
    assert {one["path"].rsplit(".", 1)[-1] for one in samples} >= {
        "md", "docx", "pdf", "xlsx", "csv", "html", "eml", "epub", "pptx", "txt",
    }  # fmt: skip

    told = client.post("/kb/query", json={"question": QUESTION}).json()

    assert told["refused"] is False
    assert told["citations"]
    shown = " ".join([told["answer"], *(one["text"] for one in told["citations"])]).lower()
    assert "two years" in shown or "2 years" in shown
    for cited in told["citations"]:
        text = client.get(f"/kb/documents/{cited['document_id']}/text").json()["text"]
        assert text[cited["start"] : cited["end"]] == cited["text"]
    numbers = {cited["n"] for cited in told["citations"]}
    assert all(set(one["citations"]) <= numbers for one in told["sentences"])
    assert told["models"]["chat"] == "smollm2:135m"
    status = client.get("/kb/status").json()
    assert any("starter model" in notice for notice in status["notices"])


def test_what_the_documents_do_not_say_is_not_invented(client):
    for question in ("Who won the football world cup in 1998?", "谁发现了青霉素？"):
        told = client.post("/kb/query", json={"question": question}).json()

        assert told["refused"] is True
        assert told["citations"] == []


def test_an_index_of_another_model_answers_by_its_own(quire, starter_models):
    process = quire("up", "--no-ui")
    client = process.start()
    settled(client)  # a collection without documents would take the other model at once
    assert client.post(
        "/api/copy", json={"source": "smollm2:135m", "destination": "other:1"}
    ).is_success
    process.end(signal.SIGTERM)
    process._env["QUIRE_EMBED_MODEL"] = "other:1"

    client = process.start()
    answer = client.post("/kb/query", json={"question": QUESTION})

    assert answer.status_code == 200
    assert client.get("/kb/migrations").json()[0]["to_model"] == "other:1"
    client.request("DELETE", "/api/delete", json={"model": "other:1"})


def test_an_upload_reports_each_bad_file_and_keeps_the_good_ones(client):
    files = [
        ("files", ("good.txt", b"The depot in Leeds closes at six.", "text/plain")),
        ("files", ("empty.md", b"", "text/markdown")),
        ("files", ("broken.pdf", b"%PDF-1.7\nnothing follows", "application/pdf")),
        ("files", ("rubbish.txt", bytes(range(256)) * 40, "text/plain")),
        ("files", ("长文.txt", ("知识库" * 1700).encode(), "text/plain")),
    ]

    answer = client.post("/kb/documents", files=files, data={"collection": "mixed"})
    job = finished(client, answer.json()["job_id"])

    assert (job["state"], job["n_stored"]) == ("done", 2), job
    assert sorted(one["path"] for one in job["errors"]) == ["broken.pdf", "empty.md", "rubbish.txt"]
    assert all(one["reason"] for one in job["errors"])
    long_one = next(one for one in all_documents(client, "mixed") if one["path"] == "长文.txt")
    assert long_one["n_characters"] == 5100
    assert long_one["n_chunks"] > 10
