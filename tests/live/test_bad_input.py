"""What strangers may send to the real server: each gets a clear error, and the process stays up."""

import io
import zipfile

import pytest

from tests.live.conftest import all_documents, finished


@pytest.fixture(scope="module")
def client(tmp_path_factory, starter_models):
    from tests.live.conftest import Quire

    process = Quire(tmp_path_factory.mktemp("bad") / "quire", starter_models, "serve", "--no-ui")
    yield process.start()
    process.stop()


@pytest.fixture(autouse=True)
def _still_alive(client):
    yield
    assert client.get("/healthz").json() == {"status": "ok"}


def said(answer, status):
    assert answer.status_code == status, answer.text
    error = answer.json()["error"]
    return error if isinstance(error, str) else error["message"]


@pytest.mark.parametrize("path", ["/kb/query", "/kb/search", "/kb/collections"])
def test_malformed_json(client, path):
    assert said(client.post(path, content=b'{"question": '), 400)


@pytest.mark.parametrize("question", ["", "   \n\t "])
def test_an_empty_question(client, question):
    error = said(client.post("/kb/query", json={"question": question}), 400)

    assert "empty" in error


def test_a_missing_question_names_the_field(client):
    assert "question" in said(client.post("/kb/query", json={"collection": "default"}), 400)


def test_a_question_of_100000_characters_names_the_limit(client):
    error = said(client.post("/kb/query", json={"question": "why " * 25_000}), 400)

    assert "100,000" in error
    assert "8,000" in error


def test_a_question_longer_than_the_models_reading(client):
    body = {"question": "为什么" * 2_600}

    assert client.post("/kb/query", json=body).json()["refused"] is True


def test_an_unknown_collection(client):
    error = said(client.post("/kb/query", json={"question": "x", "collection": "nope"}), 404)

    assert "'nope'" in error
    assert "'default'" in error


def test_an_unknown_chat_model(client):
    upload(client, {"a.txt": b"The barn is red and stands in Umbria."})

    body = {"question": "What colour is the barn?", "model": "nope:7b"}

    assert "nope:7b" in said(client.post("/kb/query", json=body), 404)


def test_an_unknown_document_and_job(client):
    assert "'abc'" in said(client.get("/kb/documents/abc"), 404)
    assert "'abc'" in said(client.delete("/kb/documents/abc"), 404)
    assert "'abc'" in said(client.get("/kb/jobs/abc"), 404)


@pytest.mark.parametrize("name", ["../up", "a/b", "", "x" * 200, "nul\0"])
def test_a_bad_collection_name(client, name):
    assert said(client.post("/kb/collections", json={"name": name}), 400)


@pytest.mark.parametrize(
    "name", ["../../etc/passwd.txt", "/etc/passwd.txt", "..\\..\\boot.txt", "....//x.txt"]
)
def test_a_path_that_leads_outside_is_only_a_name(client, name):
    upload(client, {name: f"Something harmless about {name}.".encode()}, "paths")

    paths = [one["path"] for one in all_documents(client, "paths")]

    assert paths
    strange = [path for path in paths if ".." in path.split("/") or path.startswith("/")]
    assert strange == []


def test_a_zip_bomb_is_refused_by_its_size(client):
    bomb = io.BytesIO()
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("[Content_Types].xml", "<Types/>")
        archive.writestr("word/document.xml", b"0" * (400 * 1024 * 1024))

    job = upload(client, {"bomb.docx": bomb.getvalue()})

    assert job["state"] == "failed"
    assert "unpack" in job["errors"][0]["reason"] or "large" in job["errors"][0]["reason"]


def test_a_pdf_that_calls_itself_a_word_file_is_read_as_what_it_is(client):
    from reportlab.pdfgen.canvas import Canvas

    made = io.BytesIO()
    page = Canvas(made)
    page.drawString(72, 720, "The lighthouse keeper is called Ottilie.")
    page.save()

    job = upload(client, {"mislabelled.docx": made.getvalue()})

    assert (job["state"], job["n_stored"]) == ("done", 1)


def test_an_upload_without_files(client):
    assert said(client.post("/kb/documents", data={"collection": "default"}), 400)


def test_options_of_the_wrong_type_reach_the_client_as_ollamas_text(client):
    body = {"model": "smollm2:135m", "prompt": "x", "options": {"num_ctx": "big"}}

    assert "num_ctx" in said(client.post("/api/generate", json=body), 500)


def test_a_top_k_out_of_range(client):
    assert "top_k" in said(client.post("/kb/search", json={"query": "x", "top_k": -1}), 400)


def upload(client, files, collection="default"):
    parts = [("files", (name, data)) for name, data in files.items()]
    answer = client.post("/kb/documents", files=parts, data={"collection": collection})
    assert answer.status_code == 202, answer.text
    return finished(client, answer.json()["job_id"])


def test_a_misspelled_field_is_told_not_ignored(client):
    body = {"question": "Who?", "colection": "legal"}

    assert "colection" in said(client.post("/kb/query", json=body), 400)
