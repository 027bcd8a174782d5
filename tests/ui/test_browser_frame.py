"""The frame of the pages in headless Chromium: look, language, keyboard, phone, server away."""

import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests.ui.conftest import ROOT, served
from tests.ui.fake_api import World
from tests.ui.fake_login import KEY
from tests.ui.test_browser import CHROMIUM, DRAWN, browser, picture, scene, visit

__all__ = ("browser", "scene", "visit")  # fixtures
pytestmark = [
    pytest.mark.timeout(300),  # a busy machine takes its time
    pytest.mark.skipif(
        shutil.which(CHROMIUM) is None,
        reason="NO BROWSER TESTS: Chromium is missing; install it: sudo apt-get install chromium",
    ),
]
PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True}
GROUND = "getComputedStyle(document.querySelector('.stApp')).backgroundColor"
DARK_GROUND = "rgb(20, 25, 23)"
LANGUAGE = "document.documentElement.lang"
# What can be pressed, is seen, and is lower than a thumb needs.
SMALL = """[...document.querySelectorAll('.stApp :is(button, a[href], summary, [role=tab])')]
  .filter(one => one.checkVisibility({visibilityProperty: true, opacityProperty: true}))
  .map(one => [one.innerText || one.ariaLabel, one.getBoundingClientRect()])
  .filter(([_, box]) => box.width > 1 && box.height < 40)
  .map(([name, box]) => `${name} ${Math.round(box.height)}`)"""
NAMELESS = """[...document.querySelectorAll(
    'button, a[href], input:not([type=hidden]), textarea, select, [role=button]')]
  .filter(one => one.checkVisibility({visibilityProperty: true}))
  .filter(one => !(one.innerText?.trim() || one.ariaLabel || one.title || one.labels?.length
    || document.getElementById(one.getAttribute('aria-labelledby') || '-')))
  .map(one => one.outerHTML.slice(0, 200))"""
PAGES = ("", "documents", "models", "evaluate", "status")


def rest(page) -> None:
    page.get_by_role("heading", level=1).first.wait_for()
    page.wait_for_function(DRAWN)


def test_the_theme_follows_the_system_and_a_choice_goes_before_it_and_is_kept(visit):
    page = visit(color_scheme="dark")
    rest(page)
    assert page.evaluate(GROUND) == DARK_GROUND

    page.emulate_media(color_scheme="light")
    page.wait_for_function(f"{GROUND} === 'rgb(255, 255, 255)'")
    page.get_by_role("radiogroup", name="Appearance").get_by_text("Dark").click()
    page.wait_for_function(f"{GROUND} === '{DARK_GROUND}'")
    page.wait_for_function("document.cookie.includes('quire_theme=dark')")
    page.reload()
    rest(page)
    assert page.evaluate(GROUND) == DARK_GROUND

    page.get_by_role("radiogroup", name="Appearance").get_by_text("Auto").click()
    page.wait_for_function(f"{GROUND} === 'rgb(255, 255, 255)'")


def test_the_language_is_kept_over_a_reload_and_told_to_the_browser(visit):
    page = visit()
    rest(page)
    assert page.evaluate(LANGUAGE).startswith("en")

    page.get_by_text("中文").click()
    page.get_by_role("heading", name="向您的文档提问").wait_for()
    page.wait_for_function(f"{LANGUAGE} === 'zh-CN' && document.cookie.includes('language=zh')")
    page.reload()

    page.get_by_role("heading", name="向您的文档提问").wait_for()
    assert page.evaluate(LANGUAGE) == "zh-CN"


def test_on_a_phone_nothing_is_too_wide_or_too_small_and_everything_has_a_name(visit):
    page = visit(**PHONE)
    found = {}
    for name in PAGES:
        page.goto(page.url.split("/ui")[0] + f"/ui/{name}")
        rest(page)
        assert page.locator("[data-testid=stSidebar][data-collapsed=false]").count() == 0
        wide = page.evaluate("document.documentElement.scrollWidth")
        inner = page.evaluate("document.querySelector('.stMain').scrollWidth")
        found[name] = (page.evaluate(SMALL), page.evaluate(NAMELESS), max(wide, inner))
    page.get_by_test_id("stExpandSidebarButton").click()
    page.get_by_text("Appearance").wait_for()
    found["sidebar"] = (page.evaluate(SMALL), page.evaluate(NAMELESS), 0)
    picture(page, "sidebar-en-narrow")

    assert {name: told[0] for name, told in found.items() if told[0]} == {}
    assert {name: told[1] for name, told in found.items() if told[1]} == {}
    assert {name: told[2] for name, told in found.items() if told[2] > 390} == {}


def test_the_keyboard_is_seen_where_it_is(visit):
    page = visit()
    rest(page)
    page.wait_for_function(  # our style is there, not only the heading
        "[...document.querySelectorAll('style')].some(one => one.textContent.includes('3px solid'))"
    )
    seen = []
    for _ in range(12):
        page.keyboard.press("Tab")
        seen.append(
            page.evaluate(
                "(one => [one.innerText || one.ariaLabel || one.placeholder, "
                "getComputedStyle(one).outlineStyle, one.tagName])(document.activeElement)"
            )
        )

    links = [style for _, style, tag in seen if tag in ("A", "BUTTON")]
    assert len(links) >= 5
    assert set(links) == {"solid"}, seen


def test_who_must_log_in_does_so_in_the_page_and_out_again(visit, scene):
    scene(key=KEY)
    page = visit(**PHONE, locale="zh-CN", color_scheme="dark")
    page.get_by_role("heading", name="登录").wait_for()
    picture(page, "login-zh-dark-narrow")

    page.get_by_label("密钥").fill("wrong")
    page.get_by_role("button", name="登录").click()
    page.get_by_text("此密钥无效").wait_for()
    page.get_by_label("密钥").fill(KEY)
    page.get_by_role("button", name="登录").click()
    page.get_by_role("heading", name="向您的文档提问").wait_for()

    page.get_by_test_id("stExpandSidebarButton").click()
    page.get_by_role("button", name="退出登录").click()
    page.get_by_role("heading", name="登录").wait_for()
    scene(key="")


def test_a_page_goes_on_by_itself_when_the_server_is_back(browser, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as held:
        port = held.getsockname()[1]
    api = f"http://127.0.0.1:{port}"
    with socket.create_server(("127.0.0.1", 0)) as held:
        pages = f"http://127.0.0.1:{held.getsockname()[1]}"
    code = f"import sys; sys.path.insert(0, {str(ROOT)!r}); "
    alone = code + f"from ui.server import serve; serve({api!r}, port={pages.rsplit(':', 1)[1]})"
    page = browser.new_page(locale="en-US")
    page.set_default_timeout(60_000)
    with running([sys.executable, "-c", alone], tmp_path):
        answering(pages)
        page.goto(pages)
        page.get_by_text("does not answer").wait_for()
        picture(page, "gone-en-light")
        with served(World(), port):
            page.get_by_test_id("stChatInputTextArea").wait_for()
    page.close()


def test_a_restart_is_told_in_our_words_and_the_first_click_afterwards_counts(browser, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as held:
        port = held.getsockname()[1]
    code = f"import sys; sys.path.insert(0, {str(ROOT)!r}); "
    code += f"from tests.ui.fake_api import main; main({port})"
    command, site = [sys.executable, "-c", code], f"http://127.0.0.1:{port}"
    page = browser.new_page(locale="en-US")
    page.set_default_timeout(60_000)

    with running(command, tmp_path):
        answering(f"{site}/ui")
        page.goto(f"{site}/ui/models")
        rest(page)
    page.get_by_role("status").get_by_text("Quire does not answer just now").wait_for()
    page.get_by_text("Connection error").wait_for(state="hidden")
    picture(page, "away-en-light")

    with running(command, tmp_path):
        page.get_by_text("Quire does not answer just now").wait_for(state="detached")
        page.get_by_text("中文").click()
        page.get_by_role("heading", name="模型", level=1).wait_for()
    page.close()


@contextmanager
def running(command: list[str], folder: Path) -> Iterator[None]:
    """Run a program meanwhile; it ends also if the test fails."""
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL) as process:
        try:
            yield
        finally:
            process.terminate()


def answering(url: str) -> None:
    end = time.monotonic() + 90
    while time.monotonic() < end:
        try:
            httpx.get(f"{url}/_stcore/health", timeout=5, verify=False)
        except httpx.HTTPError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError(f"nobody answers at {url}")
