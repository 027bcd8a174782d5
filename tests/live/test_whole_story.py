"""The main job on the real thing: start, ask, open a citation, upload, delete, ask again."""

import shutil
import signal

import pytest

from tests.live.conftest import all_documents, finished, settled
from tests.ui.conftest import ROOT
from tests.ui.test_browser import ARGS, CHROMIUM

QUESTION = "How long is the warranty on the Heron lamp?"


def test_citations_of_the_sample_documents_are_slices_of_their_texts(quire):
    client = quire("up", "--no-ui").start()
    settled(client)
    samples = all_documents(client, "default")
    assert len(samples) >= 13
    assert {one["path"].rsplit(".", 1)[-1] for one in samples} >= {
        "md", "docx", "pdf", "xlsx", "csv", "html", "eml", "epub", "pptx", "txt",
    }  # fmt: skip

    told = client.post("/kb/query", json={"question": QUESTION}).json()

    assert told["refused"] is False
    assert "two years" in told["answer"].lower() or "2 years" in told["answer"].lower()
    assert told["citations"]
    for cited in told["citations"]:
        text = client.get(f"/kb/documents/{cited['document_id']}/text").json()["text"]
        assert text[cited["start"] : cited["end"]] == cited["text"]
    numbers = {cited["n"] for cited in told["citations"]}
    assert all(set(one["citations"]) <= numbers for one in told["sentences"])
    assert told["models"]["chat"] == "smollm2:135m"
    status = client.get("/kb/status").json()
    assert any("starter model" in notice for notice in status["notices"])


def test_what_the_documents_do_not_say_is_not_invented(quire):
    client = quire("up", "--no-ui").start()
    settled(client)

    for question in ("Who won the football world cup in 1998?", "谁发现了青霉素？"):
        told = client.post("/kb/query", json={"question": question}).json()

        assert told["refused"] is True
        assert told["citations"] == []


@pytest.mark.timeout(300)
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


@pytest.mark.skipif(
    shutil.which(CHROMIUM) is None,
    reason="NO BROWSER TESTS: Chromium is missing; install it with: sudo apt-get install chromium",
)
def test_in_the_browser(quire, tmp_path):
    sync_api = pytest.importorskip("playwright.sync_api")
    process = quire("up")
    client = process.start()
    settled(client)
    note = tmp_path / "rocket-club.md"
    note.write_text("# Rocket club\n\nThe rocket club meets on Thursdays in room 12.\n", "utf-8")
    outside = []

    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGS)
        page = browser.new_page(viewport={"width": 1200, "height": 1000}, locale="en-US")
        page.set_default_timeout(60_000)
        own = (process.url, process.url.replace("http", "ws", 1), "data:", "blob:")
        page.on("request", lambda one: one.url.startswith(own) or outside.append(one.url))
        page.goto(process.url + "/")
        assert page.url.startswith(process.url + "/ui")

        ask(page, QUESTION)
        page.wait_for_selector(".q-cite")
        picture(page, "1-answer")
        page.get_by_role("button", name="warranty.html").first.click()
        page.wait_for_selector(".q-box mark")
        assert "two years" in page.locator(".q-box mark").first.inner_text()
        picture(page, "2-source")
        page.keyboard.press("Escape")

        page.goto(process.url + "/ui/documents")
        page.locator("input[type=file]").set_input_files(note)
        page.get_by_role("button", name="Add 1 file(s)").click()
        page.get_by_text("1 added, 0 already there").wait_for()
        picture(page, "3-documents")

        page.goto(process.url + "/ui/")
        ask(page, "When does the rocket club meet?")
        page.wait_for_selector(".q-cite")
        assert "Thursday" in page.locator(".q-text").last.inner_text()
        browser.close()

    document = next(one for one in all_documents(client, "default") if "rocket" in one["path"])
    client.delete(f"/kb/documents/{document['id']}")
    told = client.post("/kb/query", json={"question": "When does the rocket club meet?"}).json()
    assert "rocket" not in str(told["passages"]).lower()
    assert outside == []
    assert process.end(signal.SIGTERM) == 0


def test_an_upload_reports_each_bad_file_and_keeps_the_good_ones(quire):
    client = quire().start()
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


def ask(page, question):
    field = page.get_by_test_id("stChatInputTextArea")
    field.fill(question)
    field.press("Enter")


def picture(page, name):
    folder = ROOT / "artifacts" / "story"
    folder.mkdir(parents=True, exist_ok=True)
    page.wait_for_timeout(400)  # until fades are over; for the eye only
    page.screenshot(path=folder / f"{name}.png")
