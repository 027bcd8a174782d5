"""The page of exams as people see it: headless Chromium, nothing asked of another machine."""

import shutil

import pytest

from tests.ui.fake_exams import a_run, exam
from tests.ui.test_browser import CHROMIUM, browser, picture, scene, visit

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
    "zh-narrow": {"locale": "zh-CN", "viewport": {"width": 390, "height": 844}},
}


@pytest.mark.parametrize("look", [pytest.param("en-light", marks=pytest.mark.slow), "zh-narrow"])
def test_an_exam_before_and_after_looks_well(visit, scene, look):
    scene(exams=[exam()], runs=[a_run("r2"), a_run("r1")])
    page = visit("/ui/evaluate", **LOOKS[look])

    page.get_by_text("首位命中" if "zh" in look else "Found first").first.wait_for()
    page.locator("[data-testid=stVegaLiteChart] :is(canvas, svg)").first.wait_for()
    picture(page, f"evaluate-{look}", is_whole=True)
    n_wide = page.evaluate("document.querySelector('.stMain').scrollWidth")
    assert n_wide <= page.viewport_size["width"]


def test_an_exam_is_made_and_taken(visit, scene):
    scene(exams=[], runs=[])
    page = visit("/ui/evaluate")

    page.get_by_role("button", name="Make an exam").click()
    page.get_by_text("Not taken yet").wait_for()
    page.get_by_role("button", name="Take the exam").click()
    page.get_by_role("progressbar").first.wait_for()
    picture(page, "evaluate-progress")
    page.get_by_text("What went wrong (2)").wait_for()
