"""The pages without a browser: what they say in each state."""

import pytest
from streamlit.testing.v1 import AppTest

from tests.ui.conftest import ROOT


@pytest.fixture
def page(api):
    return opened(api)


def opened(address: str) -> AppTest:
    app = AppTest.from_file(str(ROOT / "ui" / "main.py"), default_timeout=30)
    app.secrets["quire"] = {"api_url": address}
    return app.run()


def says(page: AppTest) -> str:
    kinds = ("title", "markdown", "caption", "info", "error", "warning", "success", "html")
    return "\n".join(one.value for kind in kinds for one in page.get(kind))


def test_a_question_is_answered_with_sources_and_models(page, world):
    page.chat_input[0].set_value("How many days of leave?").run()

    assert not page.exception
    assert "26 days of annual leave" in says(page)
    assert "Answered by smollm2:135m" in says(page)
    assert "&lt;script&gt;" in says(page)
    assert "<script>" not in says(page)
    assert any("handbook" in one.label for one in page.button)
    assert world.questions[0]["history"] == []


def test_what_was_looked_at_and_why_sentences_are_marked_is_one_click_away(page):
    page.chat_input[0].set_value("How many days of leave?").run()

    assert not page.exception
    labels = [one.label for one in page.expander]
    assert "What was looked at" in labels
    assert "Why sentences are marked (2)" in labels
    assert "210 of 3,300 tokens" in says(page)
    assert "not among the best" in says(page)
    assert "Bob is not in the passage" in says(page)
    assert "holds instructions to a machine" in says(page)


def test_a_refusal_tells_what_was_looked_at(page):
    page.chat_input[0].set_value("Who lives on the moon?").run()

    assert "too far from the question" in says(page)


def test_earlier_exchanges_go_along_without_marks(page, world):
    page.chat_input[0].set_value("How many days of leave?").run()
    page.chat_input[0].set_value("And until when?").run()

    asked, answered = world.questions[1]["history"]
    assert asked == {"role": "user", "content": "How many days of leave?"}
    assert answered["content"].startswith("Employees have 26 days")
    assert "[1]" not in answered["content"]


def test_a_refusal_is_friendly(page):
    page.chat_input[0].set_value("Who lives on the moon?").run()

    assert "do not seem to answer this" in says(page)
    assert "I do not know" not in says(page)


def test_an_error_in_the_answer_offers_another_try(page, world):
    page.chat_input[0].set_value("break").run()
    assert "the model ran out of memory" in says(page)

    page.button(key="retry_0").click().run()

    assert [one["question"] for one in world.questions] == ["break", "break"]
    assert not page.exception


def test_a_busy_server_is_told_with_what_to_do(page):
    page.chat_input[0].set_value("busy").run()

    assert "Wait a moment" in says(page)


def test_a_new_conversation_starts_empty(page):
    page.chat_input[0].set_value("How many days of leave?").run()
    new = next(one for one in page.button if one.label == "New conversation")
    new.click().run()

    assert "26 days" not in says(page)


def test_notices_of_the_server_are_shown_as_plain_text(page):
    assert "small starter model" in says(page)


def test_the_language_can_be_switched(page):
    page.session_state["quire"].language = "zh"
    page.run()

    assert page.title[0].value == "向您的文档提问"


def test_a_server_that_is_gone_is_told_with_a_retry(closed_address):
    page = opened(closed_address)

    assert "does not answer" in page.error[0].value
    assert page.button(key="retry_status").label == "Try again"
    assert not page.exception
