"""A library moves between two real embedding models over the API, and answers all the while."""

import os
import shutil
from time import monotonic, sleep

import pytest
from fastapi.testclient import TestClient

from app.compose import compose
from app.server import build_app
from engine.library.blobs import file_chunks
from engine.library.create import create
from engine.library.store import Library
from engine.types import CreateRequest
from tests.app.conftest import settings_at
from tests.engine.runtime.tiny_models import write_bert

OLD, NEW = "all-minilm:latest", "tiny:latest"
FACTS = {
    "tea.md": "# Tea\n\nThe canteen serves green tea on Fridays.",
    "keys.md": "# Keys\n\nThe spare keys hang behind the red door.",
}


@pytest.fixture
def models(tmp_path, starter_models):
    """Give a models folder with the starters and a second embedding model of another size."""
    folder = tmp_path / "models"
    shutil.copytree(starter_models, folder, copy_function=os.link)
    library = Library(folder)
    digest = library.add_blob(file_chunks(write_bert(tmp_path / "tiny.gguf")))[0]
    list(create(library, CreateRequest(NEW, files={"tiny.gguf": digest})))
    return folder


@pytest.fixture
def opened(tmp_path, models):
    """Open everything with some settings; gives the parts and a client of the routes."""

    def open_with(**more):
        return compose(settings_at(tmp_path / "home", models, **more), lambda _text: None)

    return open_with


def client_of(parts):
    return TestClient(build_app(parts, has_ui=False), base_url="http://127.0.0.1")


def finished(client, job_id):
    deadline = monotonic() + 60
    while (job := client.get(f"/kb/jobs/{job_id}").json())["state"] not in ("done", "failed"):
        assert monotonic() < deadline, job
        sleep(0.05)
    return job


def asked(client):
    body = {"query": "where are the spare keys?", "collection": "default", "top_k": 1}
    return client.post("/kb/search", json=body).json()["hits"][0]["path"]


@pytest.mark.timeout(120)
def test_a_library_moves_to_another_model_stays_there_and_goes_back(opened):
    with opened(QUIRE_EMBED_MODEL=OLD) as parts:
        client = client_of(parts)
        job_id = parts.kb.submit("default", [(path, one.encode()) for path, one in FACTS.items()])
        assert parts.kb.wait(job_id, 60).n_stored == 2
        before = parts.kb.nearest("default", "where are the spare keys?", 2)

        assert client.post("/kb/migrations", json={"model": "none:1"}).status_code == 409
        assert client.post("/kb/migrations/revert", json={}).status_code == 409
        moved = client.post("/kb/migrations", json={"model": NEW, "collection": None})
        assert moved.status_code == 202
        job = finished(client, moved.json()["job_id"])
        assert (job["state"], job["n_stored"], job["errors"]) == ("done", 2, [])
        (way,) = client.get("/kb/migrations").json()
        assert (way["from_model"], way["to_model"], way["state"]) == (OLD, NEW, "done")
        assert client.get("/kb/status").json()["migrations"] == [way]
        assert parts.kb.collection("default").n_dimensions == 32
        assert asked(client) == "keys.md"

    with opened(QUIRE_EMBED_MODEL=OLD) as parts:  # the choice outlives the process
        client = client_of(parts)
        assert parts.kb.collection("default").model == NEW
        assert [one.state for one in parts.kb.migrations()] == ["done"]
        back = client.post("/kb/migrations/revert", json={"collection": "default"})
        assert finished(client, back.json()["job_id"])["state"] == "done"
        assert parts.kb.collection("default").model == OLD
        after = parts.kb.nearest("default", "where are the spare keys?", 2)
        assert [(one.path, round(one.score, 3)) for one in after] == [
            (one.path, round(one.score, 3)) for one in before
        ]
        assert asked(client) == "keys.md"


@pytest.mark.timeout(120)
def test_another_model_in_the_settings_is_moved_to_by_itself(opened):
    with opened(QUIRE_EMBED_MODEL=OLD) as parts:
        job_id = parts.kb.submit("default", [(path, one.encode()) for path, one in FACTS.items()])
        assert parts.kb.wait(job_id, 60).n_stored == 2

    with opened(QUIRE_EMBED_MODEL=NEW) as parts:
        assert asked(client_of(parts)) == "keys.md"  # whichever of the models answers
        deadline = monotonic() + 60
        while parts.kb.collection("default").model != NEW:
            assert monotonic() < deadline
            sleep(0.05)
        assert asked(client_of(parts)) == "keys.md"
