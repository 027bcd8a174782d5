"""Jobs over HTTP: how far, once more, not at all."""

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from app.api.jobs import jobs_router
from ingest.knowledge_base import KnowledgeBase
from tests.fakes import FakeModel, load_plain


@pytest.fixture
def kb(tmp_path):
    model = FakeModel()
    is_broken = [True]

    def embed(texts, is_query):
        if is_broken[0]:
            raise RuntimeError("out of memory")
        return model.embed(texts, is_query)

    limits = {"chunk_tokens": 60, "max_file_bytes": 10**6}
    with KnowledgeBase(tmp_path, model.embedder(embed=embed), load=load_plain, **limits) as kb:
        kb.is_broken = is_broken
        yield kb


def test_a_failed_file_is_tried_again_on_request(kb):
    app = FastAPI()
    app.include_router(jobs_router(kb))
    client = TestClient(app)
    job_id = kb.submit("default", [("a.txt", b"green tea")])
    assert kb.wait(job_id, 20).state == "failed"
    kb.is_broken[0] = False

    other = client.post(f"/kb/jobs/{job_id}/retry", params={"path": "b.txt"}).json()
    asked = client.post(f"/kb/jobs/{job_id}/retry", params={"path": "a.txt"}).json()

    assert [one["path"] for one in other["errors"]] == ["a.txt"]
    assert asked["id"] == job_id
    assert kb.wait(job_id, 20).n_stored == 1
    told = client.post(f"/kb/jobs/{job_id}/cancel").json()
    assert (told["state"], told["eta_s"], told["errors"]) == ("done", None, [])
