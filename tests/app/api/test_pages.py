import io
from contextlib import ExitStack

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from reportlab.pdfgen.canvas import Canvas

from app.access.caller import Caller, Facts, handling
from app.api.documents import documents_router
from app.api.errors import install_errors
from app.api.library import library_router
from app.api.pages import pages_router
from engine.api.bridge import Bridge
from ingest.knowledge_base import KnowledgeBase
from tests.fakes import FakeModel

pytestmark = pytest.mark.timeout(120)

LONG = "\n\n".join(f"Passage number {n} about tea. " + "word " * 30 for n in range(40))


def a_pdf():
    buffer = io.BytesIO()
    canvas = Canvas(buffer)
    for text in ("The heron lamp weighs three kilograms.", "It hangs on a wall."):
        canvas.drawString(72, 700, text)
        canvas.showPage()
    canvas.save()
    return buffer.getvalue()


class Talks:
    """Conversations that quote one document."""

    def quoting(self, document_id, limit):
        return (), 3


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    """Open the routes on a library that holds a PDF, notes and what a folder brought."""
    home = tmp_path_factory.mktemp("pages")
    folder = home / "docs"
    folder.mkdir()
    (folder / "sub_1").mkdir()
    (folder / "sub_1" / "tea.md").write_text("# Tea\n\nTwo spoons a pot.\n")
    with ExitStack() as opened:
        kb = opened.enter_context(
            KnowledgeBase(
                home / "home", FakeModel().embedder(), chunk_tokens=60, max_file_bytes=1_000_000
            )
        )
        kb.wait(kb.submit("default", [("manual.pdf", a_pdf())]), 60)
        kb.wait(kb.submit("notes", [("a/long.txt", LONG.encode()), ("b.txt", b"Short.")]), 60)
        kb.wait(kb.sync(folder, "notes"), 60)
        app = FastAPI()
        install_errors(app)
        app.include_router(documents_router(kb, Bridge(), home=home, max_file_bytes=10**6))
        app.include_router(library_router(kb, Talks()))
        app.include_router(pages_router(kb))
        yield TestClient(app), kb, folder


def get(library, path, status=200, **params):
    found = library[0].get(path, params=params)
    assert found.status_code == status, found.text
    return found


def names(library, **asked):
    found = get(library, "/kb/documents", **asked).json()["documents"]
    return [one["path"].rpartition("/")[2] for one in found]


def pdf_of(library):
    return get(library, "/kb/documents", collection="default").json()["documents"][0]


def test_a_page_comes_as_a_picture_that_says_how_well_it_is_marked(library):
    id_ = pdf_of(library)["id"]
    at = get(library, f"/kb/documents/{id_}/text").json()["text"].index("hangs")

    found = get(library, f"/kb/documents/{id_}/pages/2/image", start=at, end=at + 5, scale=1)

    assert found.headers["content-type"] == "image/png"
    assert found.headers["x-quire-mark"] == "exact"
    assert found.headers["x-quire-pages"] == "2"
    assert found.content.startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("page", "asked", "status"),
    [
        ("3", {}, 404),
        ("0", {}, 400),
        ("x", {}, 400),
        ("99999999999999999999", {}, 400),
        ("1", {"scale": 99}, 400),
        ("1", {"scale": "nan"}, 400),
        ("1", {"start": 4}, 400),
        ("1", {"start": -1, "end": 4}, 400),
        ("1", {"start": 10**30, "end": 10**31}, 400),
        ("1", {"start": [1] * 40, "end": [2] * 40}, 400),
        ("..%2F..%2Fetc", {}, 404),
    ],
)
def test_what_is_no_page_is_refused_in_words(library, page, asked, status):
    id_ = pdf_of(library)["id"]

    found = library[0].get(f"/kb/documents/{id_}/pages/{page}/image", params=asked)

    assert found.status_code == status, found.text
    if "%2F" not in page:
        assert found.json()["error"]


def test_what_has_no_pages_and_what_is_not_there_are_404(library):
    note = next(
        one
        for one in get(library, "/kb/documents", collection="notes").json()["documents"]
        if one["path"] == "b.txt"
    )

    assert "shown as text" in get(library, f"/kb/documents/{note['id']}/pages/1/image", 404).text
    get(library, "/kb/documents/nothing/pages/1/image", 404)


def test_a_part_of_a_text_comes_with_the_chunks_that_reach_into_it(library):
    id_ = get(library, "/kb/documents", query="long").json()["documents"][0]["id"]
    whole = get(library, f"/kb/documents/{id_}/text").json()

    part = get(library, f"/kb/documents/{id_}/text", start=1000, end=1400).json()

    assert part["text"] == whole["text"][1000:1400] == LONG[1000:1400]
    assert (part["start"], part["n_characters"]) == (1000, len(LONG))
    assert part["n_chunks"] == len(whole["chunks"])
    assert part["chunks"] == [
        one for one in whole["chunks"] if one["start"] < 1400 and one["end"] > 1000
    ]
    assert whole["chunks"][part["first_chunk"]] == part["chunks"][0]
    assert part["chunks"][0]["n_tokens"] > 0
    beyond = get(library, f"/kb/documents/{id_}/text", start=10**9, end=10**9 + 5).json()
    assert (beyond["text"], beyond["chunks"]) == ("", [])


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ({"media_type": "application/pdf"}, ["manual.pdf"]),
        ({"media_type": "application/*"}, ["manual.pdf"]),
        ({"media_type": "text/_lain"}, []),
        ({"state": "watched"}, ["tea.md"]),
        ({"state": "uploaded", "sort": "smallest"}, ["b.txt", "manual.pdf", "long.txt"]),
        ({"state": "warnings"}, []),
        ({"folder": "a"}, ["long.txt"]),
        ({"folder": "a/"}, ["long.txt"]),
        ({"folder": "a_"}, []),
        ({"since": "2999-01-01"}, []),
        ({"until": "2001-01-01"}, []),
        ({"since": "2001-01-01", "until": "2999-01-01", "query": "long"}, ["long.txt"]),
        ({"sort": "largest", "limit": 1}, ["long.txt"]),
        ({"sort": "largest", "limit": 1, "offset": 3}, ["b.txt"]),
    ],
)
def test_documents_are_listed_by_type_state_folder_and_day_in_any_order(library, asked, found):
    assert names(library, **asked) == found


def test_a_watched_folder_is_one_that_can_be_asked_for(library):
    folder = library[2]

    assert names(library, folder=str(folder)) == ["tea.md"]
    assert names(library, folder=str(folder / "sub_1")) == ["tea.md"]
    assert names(library, folder=str(folder / "subx1")) == []
    assert names(library, query=folder.name + "/sub_1") == ["tea.md"]


@pytest.mark.parametrize(
    "asked",
    [
        {"sort": "id; DROP TABLE documents"},
        {"state": "1=1"},
        {"since": "yesterday"},
        {"query": "x" * 5000},
        {"limit": 0},
        {"offset": -1},
    ],
)
def test_a_wish_that_makes_no_sense_is_refused(library, asked):
    assert get(library, "/kb/documents", 400, **asked).json()["error"]


def test_a_library_is_counted_whole_and_by_collection(library):
    whole = get(library, "/kb/statistics").json()
    notes = get(library, "/kb/statistics", collection="notes").json()

    assert (whole["n_documents"], notes["n_documents"]) == (4, 3)
    assert {one["name"]: one["n"] for one in whole["collections"]} == {"default": 1, "notes": 3}
    assert {one["name"] for one in notes["types"]} == {"text/plain", "text/markdown"}
    assert sum(one["n"] for one in whole["days"]) == 4
    assert sum(one["n"] for one in whole["passages"]) == 4
    assert str(library[2] / "sub_1") in {one["name"] for one in notes["folders"]}
    assert whole["n_originals"] == 1
    assert whole["original_bytes"] == pdf_of(library)["size_bytes"]
    get(library, "/kb/statistics", 404, collection="nothing")


def test_what_a_deletion_means_is_told_before(library):
    watched = get(library, "/kb/documents", state="watched").json()["documents"][0]

    told = get(library, f"/kb/documents/{watched['id']}/consequences").json()
    of_pdf = get(library, f"/kb/documents/{pdf_of(library)['id']}/consequences").json()

    assert told["watched"] == [str(library[2] / "sub_1" / "tea.md")]
    assert (told["n_conversations"], told["has_original"]) == (3, False)
    assert (of_pdf["watched"], of_pdf["has_original"]) == ([], True)
    get(library, "/kb/documents/nothing/consequences", 404)


def test_a_bound_key_is_counted_and_shown_its_own_collections_only(library):
    from app.api.seen import seen_document, seen_documents
    from ingest.errors import DocumentNotFoundError
    from ingest.listing_store import Wanted

    kb = library[1]
    bound = Caller("k", "ann", frozenset({"read"}), frozenset({"notes"}))
    with handling(Facts(caller=bound)):
        found, total = seen_documents(kb, Wanted(), 10, 0)
        with pytest.raises(DocumentNotFoundError):
            seen_document(kb, pdf_of_kb(kb))

    assert (len(found), total) == (3, 3)


def pdf_of_kb(kb):
    return kb.documents("default")[0][0].id
