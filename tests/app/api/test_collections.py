from fastapi import FastAPI
from fastapi.testclient import TestClient

from app.api.collections import collections_router


class Shelves:
    def __init__(self):
        self.deleted = []

    def delete_collection(self, name):
        self.deleted.append(name)


def test_what_an_exam_found_of_a_collection_goes_with_it():
    kb, forgotten, app = Shelves(), [], FastAPI()
    app.include_router(collections_router(kb, forgotten.append))

    reply = TestClient(app).delete("/kb/collections/papers")

    assert reply.status_code == 200
    assert (kb.deleted, forgotten) == (["papers"], ["papers"])
