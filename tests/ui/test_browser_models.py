"""The pages of models and of the server's state as people see them: headless Chromium."""

import shutil

import pytest

from tests.ui.fake_models import CHAT, EMBEDDING, a_pull, at_first, running
from tests.ui.fake_status import FINDINGS, KEY, LOGS, metrics_text
from tests.ui.test_browser import CHROMIUM, browser, click_until, picture, scene, visit

__all__ = ("browser", "scene", "visit")  # fixtures
pytestmark = [
    pytest.mark.timeout(300),  # a busy machine takes its time
    pytest.mark.skipif(
        shutil.which(CHROMIUM) is None,
        reason="NO BROWSER TESTS: Chromium is missing; install it: sudo apt-get install chromium",
    ),
]
LOOKS = {
    "en-light": {},
    "zh-dark": {"locale": "zh-CN", "color_scheme": "dark"},
    "zh-narrow": {"locale": "zh-CN", "viewport": {"width": 390, "height": 844}},
    "en-narrow": {"viewport": {"width": 390, "height": 844}, "color_scheme": "dark"},
}
HELD = {"name": "default", "model": EMBEDDING, "n_chunks": 12_000, "n_documents": 8}


@pytest.fixture
def at_work(scene):
    """Let the server hold two models, one in memory, and one on its way."""
    scene(
        models=at_first(),
        running=[running()],
        pulls=[a_pull("p2", is_stuck=True), a_pull("p1", state="failed", why="unreachable")],
        metrics=metrics_text(),
        lock={"logs": LOGS, "findings": FINDINGS, "keys": [KEY]},
        more_status={"collections": [HELD], "n_chunks": 12_000, "uptime_s": 7_260.0},
    )


def fits(page) -> bool:
    """Tell whether nothing sticks out to the right."""
    wide = page.evaluate("document.querySelector('.stMain').scrollWidth")
    return wide <= page.viewport_size["width"]


@pytest.mark.parametrize(
    "look",
    [one if one == "zh-narrow" else pytest.param(one, marks=pytest.mark.slow) for one in LOOKS],
)
def test_both_pages_look_well(visit, at_work, look):
    page = visit("/ui/models", **LOOKS[look])
    page.get_by_text("推荐" if "zh" in look else "our choice").first.wait_for()
    page.get_by_role("progressbar").first.wait_for()
    picture(page, f"models-{look}", is_whole=True)
    assert fits(page)

    page.goto(page.url.replace("/models", "/status"))
    page.locator(".q-tile").first.wait_for()
    page.wait_for_selector(".q-drawn")  # comes with the second look
    picture(page, f"status-{look}", is_whole=True)
    assert fits(page)


def test_deleting_asks_and_can_be_left_by_keyboard(visit, at_work):
    page = visit("/ui/models")

    page.get_by_text(EMBEDDING.split(":")[0]).last.wait_for()
    page.locator("summary", has_text=EMBEDDING.split(":")[0]).click()
    page.get_by_role("button", name="Delete").last.click()
    page.get_by_text("cannot be deleted").wait_for()
    picture(page, "models-delete-refused")
    page.keyboard.press("Escape")
    page.get_by_text("cannot be deleted").wait_for(state="detached")

    page.locator("summary", has_text=CHAT.split(":")[0]).click()
    page.get_by_role("button", name="Delete").first.click()
    page.get_by_role("dialog").get_by_role("button", name="Delete").wait_for()
    picture(page, "models-delete")
    page.get_by_role("dialog").get_by_role("button", name="Cancel").click()
    page.get_by_role("dialog").wait_for(state="detached")
    page.get_by_text("Installed (2").wait_for()


def test_mistakes_in_a_modelfile_show_and_a_pull_goes_on_while_the_page_is_left(
    visit, at_work, scene
):
    scene(pulls=[])
    page = visit("/ui/models")

    page.get_by_role("tab", name="From a Modelfile").click()
    area = page.locator("textarea").first
    area.fill(f"FROM {CHAT}\nPARAMETER warmth <script>alert(1)</script>")
    area.blur()
    page.get_by_role("button", name="Check").click()
    page.get_by_text("Line 2: unknown parameter").wait_for()
    page.get_by_text("<script>alert(1)</script>").last.wait_for()
    picture(page, "models-modelfile", is_whole=True)

    page.get_by_role("tab", name="By name").click()
    page.get_by_label("Name, such as").fill("qwen2.5:1.5b")
    page.keyboard.press("Enter")
    page.get_by_text("the server goes on").wait_for()

    pages = page.get_by_test_id("stSidebarNav")
    pages.locator("a[href$='/status']").click()
    page.locator(".q-tile").first.wait_for()
    pages.locator("a[href$='/models']").click()

    page.get_by_text("is installed.").wait_for()


def test_the_doctor_and_a_new_key(visit, at_work):
    page = visit("/ui/status")
    page.get_by_role("button", name="Examine").click()
    page.get_by_text("The index lags behind").wait_for()
    page.get_by_text("New key").click()
    page.get_by_label("For whom or what").fill("A script \u202e <b>x</b>")
    made = page.get_by_text("qk_made-only-once")
    click_until(page.get_by_role("button", name="Make a key"), made)
    assert page.get_by_text("The index lags behind").is_visible()  # it did not move meanwhile
    picture(page, "status-key", is_whole=True)
