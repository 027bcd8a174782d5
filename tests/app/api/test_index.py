import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from app.api.index import index_router


class Asked:
    """Stands for the compactor: remembers what it was asked for."""

    def __init__(self):
        self.steps = []

    def request(self, *steps):
        self.steps += steps

    def status(self):
        return {"is_done": not self.steps, "failed": "", "n_texts": 2, "n_index": 1}


@pytest.fixture
def asked():
    return Asked()


@pytest.fixture
def client(asked):
    api = FastAPI()
    api.include_router(index_router(asked))
    return TestClient(api)


def test_a_rebuild_touches_the_vectors_alone(client, asked):
    answer = client.post("/kb/index/rebuild")

    assert answer.status_code == 202
    assert answer.json() == {"is_done": False, "failed": "", "n_texts": 2, "n_index": 1}
    assert asked.steps == ["index"]


def test_compaction_does_every_step(client, asked):
    assert client.get("/kb/index").json()["is_done"]

    assert client.post("/kb/index/compact").status_code == 202

    assert asked.steps == ["texts", "index"]
    assert not client.get("/kb/index").json()["is_done"]
