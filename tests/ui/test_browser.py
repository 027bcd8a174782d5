"""The interface as people see it: headless Chromium against a real server.

Screenshots are kept in artifacts/ui. Every request of the browser is recorded; one that
leaves this machine fails the test.
"""

import shutil
from contextlib import suppress
from pathlib import Path

import httpx
import pytest

from tests.ui.conftest import ROOT
from tests.ui.fake_api import FIRST, SECOND, migration, watched_folder

sync_api = pytest.importorskip("playwright.sync_api")

CHROMIUM = "/usr/bin/chromium"
pytestmark = [
    pytest.mark.timeout(300),  # a busy machine takes its time
    pytest.mark.skipif(
        shutil.which(CHROMIUM) is None,
        reason="NO BROWSER TESTS: Chromium is missing; install it: sudo apt-get install chromium",
    ),
]
ARGS = (
    "--no-sandbox --disable-gpu --in-process-gpu --disable-background-networking "
    "--disable-component-update --disable-sync --no-first-run"
).split()


@pytest.fixture(scope="module")
def browser():
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGS)
        yield browser
        browser.close()


# Whether all that Streamlit sent is on the page; a click before may hit what is about to move.
DRAWN = "document.querySelector('[data-testid=stApp]')?.dataset.testScriptState === 'notRunning'"


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
        page.set_default_timeout(60_000)
        page.on("request", lambda one: one.url.startswith(own) or outside.append(one.url))
        page.on("pageerror", lambda error: failures.append(str(error)))
        page.on("dialog", lambda dialog: failures.append(f"script ran: {dialog.message}"))
        page.goto(site + path)
        with suppress(sync_api.TimeoutError):  # a page whose server is away never is
            page.wait_for_function(DRAWN, timeout=15_000)
        return page

    yield open_page

    server_side = contexts[0].request.get(site + "/outside").json()["outside"]
    for context in contexts:
        context.close()
    assert outside == []
    assert server_side == []
    assert failures == []


def picture(page, name: str, *, is_whole: bool = False) -> None:
    folder = ROOT / "artifacts" / "ui"
    folder.mkdir(parents=True, exist_ok=True)
    size = page.viewport_size
    if is_whole:  # the page scrolls inside its frame, so the window must grow
        height = page.evaluate("document.querySelector('.stMain').scrollHeight")
        page.set_viewport_size({"width": size["width"], "height": max(size["height"], height)})
    page.screenshot(path=folder / f"{name}.png", animations="disabled")  # fades are over at once
    if is_whole:
        page.set_viewport_size(size)


def click_until(button, shown) -> None:
    """Click, and again if nothing comes of it, as people do.

    Streamlit loses a click that falls into the moment when the page is drawn anew.
    """
    for _ in range(4):
        with suppress(sync_api.TimeoutError):
            button.click(timeout=15_000)
            shown.wait_for(timeout=15_000)
            return
    shown.wait_for()


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
    assert (
        page.locator(".q-cite")
        .first.get_attribute("title")
        .startswith("handbook.md · page 3 (printed iii)")
    )
    page.get_by_text("Answered by smollm2:135m").wait_for()
    page.get_by_text("<script>alert(1)</script> Ask **Bob**.").first.wait_for()
    picture(page, "ask-en-light")

    page.get_by_text("What was looked at").click()
    page.get_by_text("210 of 3,300 tokens").wait_for()
    assert page.locator(".q-ranks tr").count() == 4
    picture(page, "trace-en-light", is_whole=True)

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

    page.get_by_role("button", name="Ask again").wait_for()
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

    page.get_by_text("no loader for .bad; try .txt").wait_for()
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
    page.get_by_text("handbook.md").first.wait_for()


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

    page.get_by_test_id("stSidebar").get_by_role("link", name="文档").click()
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
    page.get_by_text("1–1 of 1").wait_for()  # until then the old page is still being replaced

    page.get_by_test_id("stSelectbox").locator("input, button").first.click()
    page.get_by_role("option", name="empty").click()

    page.get_by_text("No documents yet.").wait_for()
    page.get_by_text("/home/ann/.quire/inbox").wait_for()
    picture(page, "empty-en-narrow")


FOLDERS = [
    watched_folder("/home/ann/papers", synced_at="2026-11-20T10:05:00+00:00"),
    watched_folder(
        "/mnt/nas/a rather long name of a shared folder/minutes of meetings",
        "minutes",
        is_polling=True,
        reason="nfs4 reports no events: looked through every 15 s",
    ),
    watched_folder("/home/ann/photos", "photos", state="needs confirmation", n_held=812),
    watched_folder("/mnt/usb", state="missing", reason="/mnt/usb is not there: nothing is removed"),
]
INDEX = {"is_done": False, "failed": False, "n_texts": 2, "n_index": 1}
MIGRATIONS = [
    migration(),
    migration(collection="minutes", state="done", n_done=80, n_documents=80, can_revert=True),
]
LOOKS = {
    "en-light": {},
    "en-dark": {"color_scheme": "dark"},
    "en-narrow": {"viewport": {"width": 390, "height": 844}},
    "zh-light": {"locale": "zh-CN"},
    "zh-dark": {"locale": "zh-CN", "color_scheme": "dark"},
    "zh-narrow": {"locale": "zh-CN", "viewport": {"width": 390, "height": 844}},
}

QUICK = ("zh-narrow",)  # the story shows the others


@pytest.fixture
def scene(site):
    """Set what the server holds; afterwards it is as it was."""
    plain = {
        "key": "",
        "watched": [],
        "migrations": None,
        "index": None,
        "jobs": {},
        "exams": [],
        "runs": [],
    }

    def set_to(**values: object) -> None:
        # A connection of its own each time: one that was kept may be closed just now.
        told = {**plain, **values}
        httpx.post(site + "/scene", json=told, timeout=60, verify=False).raise_for_status()

    yield set_to
    set_to()


def a_job(id_: str, *names: str, **more: object) -> dict:
    files = [(name, "?") for name in names]
    plain = {"collection": "default", "state": "queued", "n_polls": 0, "errors": []}
    return {"id": id_, **plain, "files": files, **more}


@pytest.mark.parametrize(
    "look",
    [one if one in QUICK else pytest.param(one, marks=pytest.mark.slow) for one in LOOKS],
)
def test_jobs_folders_and_index_look_well(visit, scene, look):
    errors = [
        {"path": "papers/2019/scan of a contract.pdf", "reason": "encrypted: remove its password"},
        {"path": "papers/list.xyz", "reason": "no loader for .xyz; try .txt"},
    ]
    failed = a_job("j1", "a.pdf", "b.xyz", "c.md", state="done", errors=errors, n_done=3)
    running = a_job("j2", "one.md", "minutes of the meeting.slow", "three.md", n_polls=3)
    scene(watched=FOLDERS, index=INDEX, migrations=MIGRATIONS, jobs={"j1": failed, "j2": running})
    page = visit("/ui/documents", **LOOKS[look])
    is_chinese = "locale" in LOOKS[look]

    page.get_by_text("段落/秒" if is_chinese else "passages/s").first.wait_for()
    page.get_by_text("以往的读取记录" if is_chinese else "What was read before").click()
    page.get_by_text("encrypted: remove its password").wait_for()
    picture(page, f"jobs-{look}", is_whole=True)

    page.get_by_role("tab").nth(1).click()
    page.get_by_text("/mnt/usb", exact=True).wait_for()
    picture(page, f"folders-{look}", is_whole=True)

    page.get_by_role("tab").nth(2).click()
    page.get_by_text("all-minilm").first.wait_for()
    picture(page, f"index-{look}", is_whole=True)
    n_wide = page.evaluate("document.querySelector('.stMain').scrollWidth")
    assert n_wide <= page.viewport_size["width"]


def test_folders_and_the_model_before_are_changed_in_dialogs_that_ask_first(visit, scene, site):
    scene(watched=FOLDERS[2:3], migrations=MIGRATIONS[1:], index=INDEX)
    page = visit("/ui/documents")
    page.get_by_role("tab", name="Watched folders").click()

    page.get_by_role("button", name="They are meant to be gone").click()
    page.get_by_text("Take out what is gone?").wait_for()
    page.wait_for_timeout(3500)  # longer than until the list behind is drawn again
    picture(page, "confirm-en-light")
    page.get_by_role("button", name="Take them out").click()
    page.get_by_text("Needs your word").wait_for(state="detached")

    page.get_by_label("Folder on the machine").fill("/home/ann/new")
    page.get_by_role("button", name="Watch this folder").click()
    page.get_by_text("/home/ann/new", exact=True).wait_for()

    page.get_by_role("button", name="Stop watching").first.click()
    page.get_by_text("Take its documents out of Quire too").click()
    picture(page, "unwatch-en-light")
    page.get_by_role("dialog").get_by_role("button", name="Stop watching").click()
    page.get_by_role("dialog").wait_for(state="detached")
    page.get_by_text("/home/ann/photos", exact=True).wait_for(state="detached")

    done = page.request.get(site + "/outside").json()["done"]
    assert done[-2:] == ["confirm /home/ann/photos", "unwatch /home/ann/photos True"]

    page.get_by_role("tab", name="Search index").click()

    page.get_by_role("button", name="Go back").click()
    page.get_by_role("dialog").get_by_role("button", name="Go back").click()
    page.get_by_text("No change of model is under way").wait_for()

    assert page.request.get(site + "/outside").json()["done"][-1] == "revert minutes"


def test_a_running_job_is_cancelled_and_a_failed_one_tried_again(visit, scene):
    failed = a_job(
        "j1", "a.bad", state="done", errors=[{"path": "a.bad", "reason": "broken"}], n_done=1
    )
    scene(jobs={"j1": failed, "j2": a_job("j2", "one.slow")})
    page = visit("/ui/documents")

    page.get_by_role("button", name="Cancel").click()
    page.get_by_text("Cancelled. What was read so far stays.").wait_for()
    page.get_by_role("progressbar").wait_for(state="detached")
    page.get_by_text("What was read before").click()
    page.get_by_role("button", name="Try again").click()
    page.get_by_test_id("stAlert").get_by_text("1 added, 0 already there").wait_for()


def test_pictures_lie_in_the_ignored_folder():
    assert "/artifacts/" in Path(ROOT / ".gitignore").read_text(encoding="utf-8").split()
