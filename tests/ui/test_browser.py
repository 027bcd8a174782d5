"""The interface as people see it: headless Chromium against a real server.

Screenshots are kept in artifacts/ui. Every request of the browser is recorded; one that
leaves this machine fails the test.
"""

import shutil
from pathlib import Path

import pytest

from tests.ui.conftest import ROOT
from tests.ui.fake_api import FIRST, SECOND

sync_api = pytest.importorskip("playwright.sync_api")

CHROMIUM = "/usr/bin/chromium"
pytestmark = pytest.mark.skipif(
    shutil.which(CHROMIUM) is None,
    reason="NO BROWSER TESTS: Chromium is missing; install it with: sudo apt-get install chromium",
)
ARGS = (
    "--no-sandbox --disable-gpu --disable-background-networking --disable-component-update "
    "--disable-sync --no-first-run"
).split()


@pytest.fixture(scope="module")
def browser():
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGS)
        yield browser
        browser.close()


@pytest.fixture
def visit(browser, site):
    """Open a page of the interface; at the end, check that nothing else was asked for."""
    outside, failures, contexts = [], [], []
    own = (site + "/", site.replace("http", "ws", 1) + "/", "data:", "blob:")

    def open_page(path: str = "/ui/", **settings):
        size = {"width": 1200, "height": 900}
        context = browser.new_context(**{"locale": "en-US", "viewport": size, **settings})
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(20_000)
        page.on("request", lambda one: one.url.startswith(own) or outside.append(one.url))
        page.on("pageerror", lambda error: failures.append(str(error)))
        page.on("dialog", lambda dialog: failures.append(f"script ran: {dialog.message}"))
        page.goto(site + path)
        return page

    yield open_page

    server_side = contexts[0].request.get(site + "/outside").json()["outside"]
    for context in contexts:
        context.close()
    assert outside == []
    assert server_side == []
    assert failures == []


def picture(page, name: str) -> None:
    folder = ROOT / "artifacts" / "ui"
    folder.mkdir(parents=True, exist_ok=True)
    page.wait_for_timeout(400)  # until fades are over; for the eye only
    page.screenshot(path=folder / f"{name}.png")


def ask(page, question: str) -> None:
    field = page.get_by_test_id("stChatInputTextArea")
    field.fill(question)
    field.press("Enter")


def test_an_answer_streams_and_its_source_opens_at_the_cited_words(visit):
    page = visit()

    ask(page, "How many days of leave?")
    page.wait_for_selector(".q-cursor")
    early = page.locator(".q-text").last.inner_text()
    page.wait_for_selector(".q-cite")

    assert 0 < len(early) < len(FIRST) + 20
    assert page.locator(".q-supported").inner_text() == FIRST
    assert page.locator(".q-cite").first.get_attribute("title").startswith("handbook.md · page 3")
    assert page.get_by_text("Answered by smollm2:135m").is_visible()
    assert page.get_by_text("<script>alert(1)</script> Ask **Bob**.").is_visible()
    picture(page, "ask-en-light")

    page.get_by_role("button", name="handbook.md").first.click()
    page.wait_for_selector(".q-box mark")

    assert page.locator(".q-box mark").all_inner_texts() == [FIRST, SECOND]
    assert "<b>Bold claims</b> & *stars*" in page.locator(".q-box").inner_text()
    picture(page, "source-en-light")


def test_stop_ends_the_answer_here_and_on_the_server(visit, site):
    page = visit()
    before = page.request.get(site + "/outside").json()["n_closed"]

    ask(page, "a long story")
    page.wait_for_selector(".q-cursor")
    page.get_by_role("button", name="Stop").click()
    page.get_by_text("Stopped before the end.").wait_for()

    assert page.get_by_role("button", name="Ask again").is_visible()
    for _ in range(100):
        if page.request.get(site + "/outside").json()["n_closed"] > before:
            break
        page.wait_for_timeout(50)
    assert page.request.get(site + "/outside").json()["n_closed"] > before


def test_files_are_added_with_progress_looked_at_and_deleted(visit, tmp_path):
    good, bad = tmp_path / "notes <i>.txt", tmp_path / "picture.bad"
    good.write_text("## One\nThe <u>first</u> part.\n## Two\nThe second.\n", encoding="utf-8")
    bad.write_bytes(b"\0")
    page = visit("/ui/documents")

    page.locator("input[type=file]").set_input_files([good, bad])
    page.get_by_role("button", name="Add 2 file(s)").click()
    page.get_by_role("progressbar").first.wait_for()
    picture(page, "upload-en-light")
    page.get_by_text("1 added, 0 already there").wait_for()

    assert page.get_by_text("no loader for .bad; try .txt").is_visible()
    page.get_by_text("notes <i>.txt").first.wait_for()
    picture(page, "documents-en-light")

    page.get_by_role("button", name="Preview").last.click()
    page.wait_for_selector(".q-box .q-chunk")
    assert page.locator(".q-box").inner_text().startswith("## One\nThe <u>first</u> part.")
    assert page.locator(".q-box .q-chunk").count() == 2
    picture(page, "preview-en-light")
    page.keyboard.press("Escape")

    page.get_by_role("button", name="Delete").last.click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("button", name="Delete").click()
    page.get_by_text("1–1 of 1").wait_for()
    assert page.get_by_text("handbook.md").first.is_visible()


def test_a_chinese_browser_gets_chinese_words_also_in_the_dark(visit):
    page = visit(locale="zh-CN", color_scheme="dark")
    page.get_by_text("向您的文档提问").wait_for()

    ask(page, "年假有几天？")
    page.wait_for_selector(".q-cite")
    page.get_by_text("回答模型：smollm2:135m").wait_for()
    picture(page, "ask-zh-dark")

    ask(page, "Who lives on the moon?")
    page.get_by_text("您的文档中似乎没有这个问题的答案。").wait_for()
    picture(page, "refused-zh-dark")

    page.get_by_role("link", name="文档").click()
    page.get_by_text("您的文档", exact=True).wait_for()
    picture(page, "documents-zh-dark")


def test_the_language_can_be_switched_and_an_empty_collection_says_what_to_do(visit):
    page = visit("/ui/documents", locale="zh-CN", viewport={"width": 420, "height": 860})
    page.get_by_text("您的文档", exact=True).wait_for()
    picture(page, "documents-zh-narrow")
    page.get_by_test_id("stExpandSidebarButton").click()
    page.get_by_text("English").click()
    page.get_by_text("Your documents", exact=True).wait_for()
    page.get_by_test_id("stSidebarCollapseButton").get_by_role("button").click()

    page.get_by_test_id("stSelectbox").locator("input, button").first.click()
    page.get_by_role("option", name="empty").click()

    page.get_by_text("No documents yet.").wait_for()
    assert page.get_by_text("/home/ann/.quire/inbox").is_visible()
    picture(page, "empty-en-narrow")


def test_pictures_lie_in_the_ignored_folder():
    assert "/artifacts/" in Path(ROOT / ".gitignore").read_text(encoding="utf-8").split()
