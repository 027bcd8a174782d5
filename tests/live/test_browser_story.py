"""The whole story as people live it: headless Chromium, the real server, the real models.

Every request of the browser is recorded, and every complaint in its console; one that leaves
this server, or any error, fails the story. Screenshots are kept in artifacts/ui.
"""

import shutil
import signal
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.live.conftest import all_documents, one_quire, settled
from tests.ui.conftest import ROOT
from tests.ui.test_browser import ARGS, CHROMIUM
from ui.words import Words

sync_api = pytest.importorskip("playwright.sync_api")
pytestmark = [
    pytest.mark.skipif(
        shutil.which(CHROMIUM) is None,
        reason="NO BROWSER TESTS: Chromium is missing; install it: sudo apt-get install chromium",
    ),
    pytest.mark.timeout(400),
]


@dataclass
class Look:
    """One way of looking, and what is done in it."""

    name: str
    language: str
    settings: dict
    file: str
    text: str
    question: str
    answer: str
    failures: list[str] = field(default_factory=list)

    @property
    def words(self):
        return Words(self.language)


ENGLISH = Look(
    "en",
    "en",
    {"locale": "en-US", "viewport": {"width": 1280, "height": 900}},
    "rocket-club.md",
    "# Rocket club\n\nThe rocket club meets on Thursdays in room 12.\n",
    "When does the rocket club meet?",
    "Thursday",
)
CHINESE = Look(
    "zh-dark-narrow",
    "zh",
    {"locale": "zh-CN", "color_scheme": "dark", "viewport": {"width": 390, "height": 844}},
    "火箭俱乐部.md",
    "# 火箭俱乐部\n\n火箭俱乐部每周四在十二号房间聚会。\n",
    "火箭俱乐部在哪里聚会？",
    "十二号房间",
)


class Visit:
    """A browser that looks at the server in one way."""

    def __init__(self, browser, process, look: Look) -> None:
        self.look, self.words, self.url = look, look.words, process.url
        self.context = browser.new_context(**look.settings)
        self.page = self.context.new_page()
        self.page.set_default_timeout(60_000)
        own = (process.url + "/", process.url.replace("http", "ws", 1) + "/", "data:", "blob:")
        failures = look.failures
        # On the context: also what workers and further pages ask for.
        self.context.on(
            "request", lambda one: one.url.startswith(own) or failures.append(f"asked {one.url}")
        )
        self.page.on(
            "console", lambda one: one.type == "error" and failures.append(f"console {one.text}")
        )
        self.page.on("pageerror", lambda error: failures.append(f"script {error}"))

    @property
    def is_narrow(self) -> bool:
        return self.page.viewport_size["width"] < 700

    def go(self, name: str) -> None:
        """Go to a page by the navigation, as people do."""
        if self.is_narrow:
            self.open_sidebar()
        link = self.page.get_by_test_id("stSidebarNav").get_by_role("link", name=self.words(name))
        link.first.click()
        self.page.wait_for_url(f"**/ui/{'' if name == 'ask' else name}*")
        if self.is_narrow:  # it covers the page, and goes away by itself
            self.page.locator("[data-testid=stSidebar][data-collapsed=true]").wait_for(
                state="attached"
            )
        self.rest()

    def open_sidebar(self) -> None:
        if self.page.get_by_test_id("stSidebar").get_attribute("data-collapsed") != "false":
            self.page.get_by_test_id("stExpandSidebarButton").click()

    def close_sidebar(self) -> None:
        self.page.get_by_test_id("stSidebarCollapseButton").get_by_role("button").click()

    def rest(self) -> None:
        """Wait until the script has ended: what is clicked before may be drawn anew."""
        self.page.wait_for_function(
            "document.querySelector('[data-testid=stApp]')?.dataset.testScriptState !== 'running'"
        )

    def ask(self, question: str) -> None:
        field = self.page.get_by_test_id("stChatInputTextArea")
        field.fill(question)
        field.press("Enter")

    def picture(self, name: str) -> None:
        folder = ROOT / "artifacts" / "ui"
        folder.mkdir(parents=True, exist_ok=True)
        file = folder / f"story-{self.look.name}-{name}.png"
        self.page.screenshot(path=file, animations="disabled")  # fades are over at once
        wide = self.page.evaluate("document.documentElement.scrollWidth")
        assert wide <= self.page.viewport_size["width"], name


@pytest.fixture(scope="module")
def served(tmp_path_factory, starter_models):
    """A server that has read the samples, with a client; in the end it goes without complaint."""
    home = tmp_path_factory.mktemp("story") / "quire"
    with one_quire(home, starter_models, "up") as process:
        client = process.start()
        settled(client)
        yield process, client
        assert process.end(signal.SIGTERM) == 0
        assert "Traceback" not in process.output()


@pytest.mark.parametrize("look", [ENGLISH, CHINESE], ids=lambda look: look.name)
def test_the_whole_story(served, tmp_path, look):
    process, client = served
    note = tmp_path / look.file
    note.write_text(look.text, "utf-8")
    look.failures.clear()

    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGS)
        visit = Visit(browser, process, look)
        try:
            add(visit, note)
            ask_and_look(visit)
            opinion(visit)
            rename(visit, f"Rockets 火箭 {look.language}")
            delete(visit, client)
            ask_again(visit)
            look_around(visit)
        except Exception:
            visit.page.screenshot(path=ROOT / "artifacts" / "ui" / f"story-{look.name}-failed.png")
            raise
        browser.close()

    assert look.failures == []


def add(visit: Visit, note: Path) -> None:
    """Start at the server's address, then add a file."""
    page, words = visit.page, visit.words
    page.goto(visit.url + "/")
    page.get_by_role("heading", name=words("ask_title")).wait_for()
    assert page.url.startswith(visit.url + "/ui")
    visit.picture("1-first")
    visit.go("documents")
    page.get_by_role("heading", name=words("documents_title")).wait_for()
    page.locator("input[type=file]").first.set_input_files(note)
    page.get_by_role("button", name=words("add_button", n=1)).click()
    page.get_by_text(words("job_done", stored=1, skipped=0)).first.wait_for()
    visit.rest()
    visit.picture("2-added")


def ask_and_look(visit: Visit) -> None:
    """Ask, and open the source beside the answer."""
    page, look = visit.page, visit.look
    visit.go("ask")
    visit.ask(look.question)
    page.locator(".q-cite").first.wait_for()
    visit.rest()
    assert look.answer in page.locator(".q-text").last.inner_text()
    visit.picture("3-answer")
    page.get_by_role("button", name=look.file).first.click()
    page.locator("mark").first.wait_for()
    assert look.answer in "".join(page.locator("mark").all_inner_texts())
    visit.rest()
    visit.picture("4-source")


def ask_again(visit: Visit) -> None:
    """Ask for what was deleted: there is no answer."""
    visit.go("ask")
    visit.ask(visit.look.question)
    told = visit.words("refused_answer")
    visit.page.get_by_test_id("stAlert").filter(has_text=told).first.wait_for()
    visit.rest()
    visit.picture("6-refused")


def look_around(visit: Visit) -> None:
    """Open the other pages."""
    for name in ("models", "evaluate", "status"):
        visit.go(name)
        visit.page.get_by_role("heading", level=1).first.wait_for()
        visit.rest()
        visit.picture(f"7-{name}")
        assert not visit.page.get_by_text(visit.words("unexpected")).count()


def opinion(visit: Visit) -> None:
    """Say that the answer was good."""
    visit.page.get_by_test_id("stFeedback").last.get_by_role("radio").or_(
        visit.page.get_by_test_id("stFeedback").last.get_by_role("button")
    ).first.click()
    visit.page.get_by_text(visit.words("thanks").rstrip(".。")).first.wait_for()
    visit.rest()


def rename(visit: Visit, title: str) -> None:
    """Give the conversation another title."""
    page, words = visit.page, visit.words
    if visit.is_narrow:
        visit.open_sidebar()
    page.get_by_test_id("stSidebar").get_by_role("button", name="\u22ee").first.click()
    page.get_by_role("menuitem", name=words("chat_rename")).or_(
        page.get_by_role("option", name=words("chat_rename"))
    ).first.click()
    dialog = page.get_by_role("dialog").filter(has=page.get_by_label(words("chat_title")))
    dialog.get_by_label(words("chat_title")).fill(title)
    dialog.get_by_role("button", name=words("chat_save")).click()
    page.get_by_test_id("stSidebar").get_by_text(title).first.wait_for()
    visit.rest()
    visit.picture("5-renamed")
    if visit.is_narrow:
        visit.close_sidebar()


def delete(visit: Visit, client) -> None:
    """Delete what was uploaded, by the page."""
    page, words = visit.page, visit.words
    visit.go("documents")
    field = page.get_by_label(words("search_documents"))
    field.fill(visit.look.file[:6])
    field.press("Enter")
    found = page.get_by_test_id("stMain").get_by_role("button", name=words("delete"), exact=True)
    sync_api.expect(found).to_have_count(1, timeout=60_000)  # until then others are still listed
    page.get_by_text(visit.look.file).first.wait_for()
    visit.rest()
    found.click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("button", name=words("delete")).last.click()
    dialog.wait_for(state="detached")
    visit.rest()
    assert not any(
        one["path"].endswith(visit.look.file) for one in all_documents(client, "default")
    )
