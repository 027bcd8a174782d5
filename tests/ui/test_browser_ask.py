"""Conversations as people lead them: headless Chromium, with pictures in artifacts/ui."""

import shutil

import httpx
import pytest

from tests.ui.fake_api import FIRST, SECOND
from tests.ui.fake_ask import conversation
from tests.ui.test_browser import CHROMIUM, LOOKS, ask, browser, picture, visit

__all__ = ("browser", "visit")  # fixtures
pytestmark = [
    pytest.mark.timeout(300),  # a busy machine takes its time
    pytest.mark.skipif(
        shutil.which(CHROMIUM) is None,
        reason="NO BROWSER TESTS: Chromium is missing; install it: sudo apt-get install chromium",
    ),
]
LEAVE = "How many days of leave?"


@pytest.fixture
def talks(site):
    """Let the server hold some conversations; afterwards it holds none."""

    def hold(**held: dict) -> None:
        scene = {"conversations": held, "opinions": {}}
        httpx.post(site + "/scene", json=scene, timeout=60, verify=False).raise_for_status()

    hold()
    yield hold
    hold()


def fits(page) -> bool:
    """Tell whether nothing reaches over the right edge."""
    width = page.evaluate("document.querySelector('.stMain').scrollWidth")
    return width <= page.viewport_size["width"]


def rest(page) -> None:
    """Wait until the script has ended: until then what was there before is still drawn."""
    page.wait_for_timeout(100)
    page.wait_for_function(
        "document.querySelector('[data-testid=stApp]')?.dataset.testScriptState !== 'running'"
    )


def test_a_mark_opens_its_source_beside_the_answer_and_a_thumb_asks_why(visit, talks, site):
    page = visit()
    ask(page, LEAVE)
    page.locator("button.q-cite").first.wait_for()
    page.get_by_test_id("stFeedback").wait_for()

    page.locator("button.q-cite").first.click()
    page.locator(".st-key-ask_aside mark").first.wait_for()

    assert page.locator(".st-key-ask_aside mark").all_inner_texts() == [FIRST, SECOND]
    answer, source = page.locator(".q-answer"), page.locator(".st-key-ask_aside")
    assert source.bounding_box()["x"] > answer.bounding_box()["x"] + 200  # beside it
    picture(page, "source-beside-en-light")

    page.keyboard.press("Escape")
    source.wait_for(state="detached")
    page.locator("button.q-cite").nth(1).focus()
    page.keyboard.press("Enter")
    page.locator(".st-key-ask_aside mark").first.wait_for()
    rest(page)

    thumbs = page.get_by_test_id("stFeedback")
    thumbs.get_by_role("radio").or_(thumbs.get_by_role("button")).nth(1).click()
    page.get_by_role("button", name="Say more").click()
    page.get_by_text("It is not in the documents").click()
    picture(page, "opinion-en-light")
    page.get_by_role("button", name="Send", exact=True).click()
    page.get_by_text("It is a question of the exam now.").wait_for()

    assert page.request.get(site + "/outside").json()["done"][-1] == "feedback down"


def test_a_reload_brings_the_conversation_back_and_one_in_the_middle_what_was_kept(visit, talks):
    page = visit()
    ask(page, LEAVE)
    page.get_by_test_id("stFeedback").wait_for()
    assert "c=c1" in page.url

    page.reload()
    page.locator("button.q-cite").first.wait_for()
    page.get_by_role("button", name=LEAVE).wait_for()

    ask(page, "a long story")
    page.locator(".q-cursor").wait_for()
    page.reload()
    page.get_by_text("Broken off").wait_for()
    page.get_by_role("button", name="Ask again").wait_for()
    assert page.locator(".q-answer").count() == 2
    picture(page, "broken-off-en-light")


def test_conversations_are_found_renamed_exported_and_deleted(visit, talks):
    asked = [{"role": "user", "text": "?"}, {"role": "assistant", "text": "So."}]
    talks(
        c1=conversation("c1", "<b>Travel</b> & hotels", messages=asked),
        c2=conversation("c2", "Leave", "2026-10-02T10:00:00+00:00", messages=asked),
    )
    page = visit()
    page.get_by_role("button", name="Leave", exact=True).wait_for()
    picture(page, "conversations-en-light")

    page.get_by_placeholder("Search conversations").fill("travel")
    page.get_by_placeholder("Search conversations").press("Enter")
    page.get_by_role("button", name="Leave", exact=True).wait_for(state="detached")
    page.get_by_role("button", name="<b>Travel</b> & hotels").first.click()
    page.get_by_text("So.", exact=True).wait_for()

    menu = page.locator(".st-key-menu_c1 button").locator("visible=true")
    rest(page)
    menu.click()
    page.get_by_role("menuitem", name="Rename").click()
    page.get_by_role("dialog").get_by_label("Title").fill("旅行 🦆")
    page.get_by_role("dialog").get_by_role("button", name="Save").click()
    page.get_by_role("dialog").wait_for(state="detached")
    page.get_by_placeholder("Search conversations").fill("")
    page.get_by_placeholder("Search conversations").press("Enter")
    page.get_by_role("button", name="旅行 🦆").wait_for()

    rest(page)
    menu.click()
    page.get_by_role("menuitem", name="Export").click()
    with page.expect_download() as loaded:
        page.get_by_role("button", name="Markdown").click()
    assert loaded.value.path().read_text("utf-8") == "# 旅行 🦆"
    page.keyboard.press("Escape")
    page.get_by_role("dialog").wait_for(state="detached")

    rest(page)
    menu.click()
    page.get_by_role("menuitem", name="Delete").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    page.get_by_role("button", name="旅行 🦆").wait_for(state="detached")
    page.get_by_text("The conversation is deleted.").wait_for()


def test_files_are_dropped_into_the_chat_and_asked_about(visit, talks, tmp_path):
    good, bad = tmp_path / "notes <i>.txt", tmp_path / "picture.bad"
    good.write_text("## One\nThe first part.\n", encoding="utf-8")
    bad.write_bytes(b"\0")
    page = visit()

    page.get_by_test_id("stChatInput").locator("input[type=file]").set_input_files([good, bad])
    page.get_by_text("picture.bad").wait_for()
    page.get_by_test_id("stChatInputTextArea").fill(LEAVE)
    page.get_by_test_id("stChatInputSubmitButton").click()  # not before the files are there
    page.get_by_text("1 added, 0 already there").wait_for()
    page.locator("button.q-cite").first.wait_for()

    page.get_by_text("no loader for .bad; try .txt").wait_for()
    page.get_by_text("notes <i>.txt").first.wait_for()
    picture(page, "dropped-en-light")


@pytest.mark.parametrize(
    "look",  # in the usual run: zh-dark in test_browser, narrow ones below and in the story
    [pytest.param(one, marks=pytest.mark.slow) for one in (*LOOKS, "zh-dark-narrow")],
)
def test_the_page_looks_well(visit, talks, look):
    narrow = {"viewport": {"width": 390, "height": 844}}
    given = LOOKS["zh-dark"] | narrow if look == "zh-dark-narrow" else LOOKS[look]
    page = visit(**given)
    page.locator(".st-key-suggestion_0 button").wait_for()
    assert fits(page)
    picture(page, f"ask-empty-{look}")

    ask(page, LEAVE)
    page.get_by_test_id("stFeedback").wait_for()
    page.locator("button.q-cite").first.click()
    page.locator(".st-key-ask_aside mark").first.wait_for()
    assert fits(page)
    picture(page, f"ask-source-{look}")

    ask(page, "Who lives on the moon?")
    page.get_by_test_id("stFeedback").nth(1).wait_for()
    assert fits(page)
    picture(page, f"ask-refused-{look}")


def test_hostile_and_long_texts_do_no_harm(visit, talks):
    page = visit(**LOOKS["en-narrow"])
    for question in ("<img src=x onerror=alert(1)>", "x" * 3_000, "\u202e" + "שלום עולם"):
        n = page.get_by_test_id("stFeedback").count()
        ask(page, question)
        page.get_by_test_id("stFeedback").nth(n).wait_for()
    assert fits(page)

    ask(page, "y" * 4_500)
    page.get_by_text("That has 4,500 characters").wait_for()
    assert fits(page)
    picture(page, "ask-hostile-en-narrow")
