from contextlib import ExitStack
from pathlib import Path

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from app.api.errors import install_errors
from app.api.watched import is_local, is_own, watched_router
from ingest.knowledge_base import KnowledgeBase
from tests.fakes import FakeModel, load_plain


@pytest.fixture
def ask(tmp_path):
    """Open the routes on a library of plain texts; `ask(host)` speaks from that address."""
    with ExitStack() as opened:
        kb = opened.enter_context(
            KnowledgeBase(
                tmp_path / "home",
                FakeModel().embedder(),
                chunk_tokens=60,
                max_file_bytes=1_000_000,
                load=load_plain,
            )
        )
        app = FastAPI()
        install_errors(app)
        app.include_router(watched_router(kb))
        yield lambda host="127.0.0.1": TestClient(app, client=(host, 50_000))


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "docs"
    folder.mkdir()
    return str(folder)


def test_a_watch_is_begun_listed_and_ended(ask, folder):
    http = ask()

    begun = http.post("/kb/watched", json={"folder": folder, "collection": "notes"})
    listed = http.get("/kb/watched").json()["watched"]
    ended = http.delete("/kb/watched", params={"folder": folder, "collection": "notes"})

    assert begun.status_code == 201
    assert [(one["folder"], one["collection"], one["is_kept"]) for one in listed] == [
        (folder, "notes", True)
    ]
    assert (ended.status_code, ended.json()) == (200, {"job_id": ""})
    assert http.get("/kb/watched").json() == {"watched": []}


def test_a_confirmation_is_a_job(ask, folder):
    http = ask()
    http.post("/kb/watched", json={"folder": folder})

    confirmed = http.post("/kb/watched/confirm", json={"folder": folder})

    assert confirmed.status_code == 202
    assert confirmed.json()["job_id"]


@pytest.mark.parametrize(
    ("method", "path"), [("DELETE", "/kb/watched"), ("POST", "/kb/watched/confirm")]
)
def test_what_is_not_watched_is_404_and_says_what_is(ask, folder, method, path):
    http = ask()
    http.post("/kb/watched", json={"folder": folder, "collection": "notes"})
    body = {"params": {"folder": folder}} if method == "DELETE" else {"json": {"folder": folder}}

    refused = http.request(method, path, **body)

    assert refused.status_code == 404
    assert "is not watched into 'default'; watched: " in refused.json()["error"]


@pytest.mark.parametrize(
    ("named", "error"),
    [("relative", "absolute"), ("/no/such/folder", "not a folder"), ("/a\0b", "absolute")],
)
def test_a_folder_that_cannot_be_one_is_refused(ask, named, error):
    refused = ask().post("/kb/watched", json={"folder": named})

    assert refused.status_code == 400
    assert error in refused.json()["error"]


def test_others_cannot_name_folders_of_this_machine(ask, folder):
    refused = ask("192.168.1.7").post("/kb/watched", json={"folder": folder})

    assert refused.status_code == 403
    assert ask().get("/kb/watched").json() == {"watched": []}


@pytest.mark.parametrize(
    ("host", "expected"),
    [("127.0.0.1", True), ("::1", True), ("10.0.0.1", False), ("", False), ("testclient", False)],
)
def test_loopback_is_known(host, expected):
    assert is_local(host) is expected


@pytest.mark.parametrize("place", ["/proc", "/sys", "/dev"])
def test_folders_of_the_system_itself_are_refused(ask, place):
    http = ask()

    reply = http.post("/kb/watched", json={"folder": place})

    assert reply.status_code == 400
    assert "no documents" in reply.json()["error"]
    assert http.get("/kb/watched").json()["watched"] == []


@pytest.mark.parametrize(
    ("folder", "own"),
    [
        ("/srv/quire", True),
        ("/srv/quire/audit", True),
        ("/srv/quire/inbox", False),
        ("/srv/quire/inbox/deep", False),
        ("/srv/quire/inbox-of-others", True),
        ("/srv", True),  # above it: the way down leads into it
        ("/", True),
        ("/srv/quire2", False),
        ("/srv/other", False),
    ],
)
def test_the_data_directory_is_no_folder_of_documents(folder, own):
    assert is_own(Path(folder), Path("/srv/quire")) is own
    assert not is_own(Path("/home/me"), Path("/home/me/.quire"))  # hidden: never looked into
