"""POST /kb/backup and GET /kb/doctor of a server with everything behind it."""

import io
from time import monotonic, sleep

import pytest
from fastapi.testclient import TestClient

from app.backup import record
from app.backup.put import restore, verify
from app.backup.take import Backup
from app.compose import compose
from app.server import build_app
from tests.app.conftest import settings_at

FACTS = {
    "tea.md": "# Tea\n\nThe canteen serves green tea on Fridays.",
    "keys.md": "# Keys\n\nThe spare keys hang behind the red door.",
    "boats.md": "# Boats\n\nThe harbour is dredged every spring.",
}
QUESTIONS = ("where are the spare keys?", "when is there tea?", "what happens in spring?")


def client_of(parts):
    return TestClient(build_app(parts, has_ui=False), base_url="http://127.0.0.1")


@pytest.fixture(scope="module")
def taken(tmp_path_factory, starter_models):
    """An archive that a server gave, what the server answered, and where its library lies."""
    home = tmp_path_factory.mktemp("server") / "home"
    with compose(settings_at(home, starter_models), lambda _text: None) as parts:
        client = client_of(parts)
        files = [("files", (name, text.encode())) for name, text in FACTS.items()]
        job = client.post("/kb/documents", files=files, data={"collection": "default"}).json()
        wait_for(client, job["job_id"])
        talk = client.post("/kb/conversations", json={"title": "Mine"}).json()
        exam = client.post("/kb/exams", json={"collection": "default", "n": 4})
        assert exam.status_code == 201, exam.text
        said = [found(client, one) for one in QUESTIONS]
        response = client.post("/kb/backup")
        assert response.status_code == 200, response.text
        doctor = client.get("/kb/doctor").json()
    return response, said, home, talk, exam.json(), doctor


def wait_for(client, job_id):
    deadline = monotonic() + 60
    while (job := client.get(f"/kb/jobs/{job_id}").json())["state"] not in ("done", "failed"):
        assert monotonic() < deadline, job
        sleep(0.05)
    assert job["errors"] == []


def found(client, question):
    body = {"query": question, "collection": "default", "top_k": 3}
    response = client.post("/kb/search", json=body)
    assert response.status_code == 200, response.text
    return [
        (one["path"], one["text"], pytest.approx(one["score"], abs=1e-5))
        for one in response.json()["hits"]
    ]


def test_a_restored_library_answers_the_same(taken, tmp_path, starter_models):
    response, said, _, talk, exam, _ = taken

    done = restore(io.BytesIO(response.content), tmp_path / "new")

    assert {one.name for one in done.manifest.members} >= {
        "kb.sqlite3",
        "conversations.sqlite3",
        "exam.sqlite3",
    }
    with compose(settings_at(tmp_path / "new", starter_models), lambda _text: None) as parts:
        client = client_of(parts)
        assert [found(client, one) for one in QUESTIONS] == said
        assert client.get(f"/kb/conversations/{talk['id']}").json()["title"] == "Mine"
        again = client.get(f"/kb/exams/{exam['id']}").json()
        assert {name: again[name] for name in exam} == exam
        assert again["cases"]


def test_an_archive_names_the_models_in_use(taken):
    table = verify(io.BytesIO(taken[0].content))

    roles = {one.role: one for one in table.models}
    assert roles["embedding"].name == "all-minilm:latest"
    assert roles["chat"].name == "smollm2:135m"
    assert all(one.digest.startswith("sha256:") for one in table.models)


def test_a_backup_says_what_it_is_and_is_noted(taken):
    response, _, home, *_ = taken

    assert response.headers["content-type"] == "application/zstd"
    assert ".tar.zst" in response.headers["content-disposition"]
    (noted,) = record.noted(home)
    assert (noted.target, noted.size_bytes) == ("api", len(response.content))
    assert not list(home.glob("backup-*/"))


def test_findings_come_with_levels_and_cures(taken):
    findings = taken[-1]

    assert set(findings[0]) == {"level", "what", "cure", "code", "values"}
    told = " ".join(one["what"] for one in findings)
    for part in ("Python", "GiB free", "kb.sqlite3 is sound", "the newest backup is 0 days old"):
        assert part in told
    assert "the vector index holds what the catalogue does" in told
    assert not [one for one in findings if one["level"] == "bad"]


def test_two_backups_at_once_are_refused(tmp_path, starter_models):
    settings = settings_at(tmp_path / "home", starter_models)
    with compose(settings, lambda _text: None) as parts, Backup(settings.home):
        response = client_of(parts).post("/kb/backup")

    assert response.status_code == 409
    assert "already" in response.json()["error"]
