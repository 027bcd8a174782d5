"""The page of asking without a browser: what it says in each state."""

import pytest
from streamlit.testing.v1 import AppTest

from tests.ui.conftest import ROOT
from tests.ui.fake_api import HANDBOOK
from tests.ui.fake_ask import SUGGESTED, conversation
from ui.ask_state import under_way

LEAVE = "How many days of leave?"


@pytest.fixture
def page(api):
    return opened(api)


def opened(address: str, **params: str) -> AppTest:
    app = AppTest.from_file(str(ROOT / "ui" / "main.py"), default_timeout=30)
    app.secrets["quire"] = {"api_url": address}
    for name, value in params.items():
        app.query_params[name] = value
    return app.run()


def says(page: AppTest) -> str:
    kinds = ("title", "markdown", "caption", "info", "error", "warning", "success", "html")
    return "\n".join(one.value for kind in kinds for one in page.get(kind))


def ask(page: AppTest, question: str) -> AppTest:
    page.chat_input[0].set_value(question)
    page.run()
    assert not page.exception
    return page


def labels(page: AppTest) -> list[str]:
    return [one.label for one in page.button]


def test_a_question_is_answered_with_sources_and_models(page, world):
    ask(page, LEAVE)

    assert "26 days of annual leave" in says(page)
    assert "Answered by smollm2:135m" in says(page)
    assert "&lt;script&gt;alert(1)&lt;/script&gt; Ask **Bob**." in says(page)
    assert "<script>" not in says(page)
    assert any("handbook" in one for one in labels(page))
    assert world.questions[0]["conversation_id"] == "c1"
    assert page.query_params["c"] == "c1"


def test_what_was_looked_at_and_why_sentences_are_marked_is_one_click_away(page):
    ask(page, LEAVE)

    shown = [one.label for one in page.expander]
    assert "What was looked at" in shown
    assert "Why sentences are marked (2)" in shown
    assert "210 of 3,300 tokens" in says(page)
    assert "Bob is not in the passage" in says(page)
    assert "holds instructions to a machine" in says(page)


def test_a_source_opens_beside_its_answer_and_closes_again(page):
    ask(page, LEAVE)
    page.button(key="source_0_1").click().run()

    assert "Source" in says(page)
    assert "<mark>Employees have 26 days of annual leave per year.</mark>" in says(page)

    page.button(key="close_source").click().run()
    assert "<mark>" not in says(page)
    assert not page.exception


def test_an_answer_that_was_stored_earlier_opens_its_sources_too(api, world):
    ask(opened(api), LEAVE)
    page = opened(api, c="c1")  # as after a reload

    assert "26 days of annual leave" in says(page)
    page.button(key="source_0_1").click().run()
    assert "<mark>Employees have 26 days of annual leave per year.</mark>" in says(page)
    assert not page.exception


def test_a_refusal_is_friendly_and_tells_what_was_looked_at_and_what_to_do(page, world):
    ask(page, "Who lives on the moon?")

    assert "do not seem to answer this" in says(page)
    assert "too far from the question" in says(page)
    assert "Passages looked at: 1, in 1 document of default" in says(page)
    assert "I do not know" not in says(page)
    assert "Look in other collections" not in labels(page)  # the other one is empty


def test_a_question_that_another_collection_may_know_is_asked_there(page, world):
    world.more_collections = [{"name": "minutes", "n_documents": 3, "n_chunks": 9}]
    ask(page, "Who lives on the moon?")
    page.button(key="elsewhere_0").click().run()
    assert "The moon was discussed in May." in says(page)

    page.button(key="there_0_0").click().run()

    assert [one["collection"] for one in world.questions] == ["default", "minutes"]
    assert not page.exception


def test_an_error_in_the_answer_offers_another_try(page, world):
    ask(page, "break")
    assert "the model ran out of memory" in says(page)

    page.button(key="retry_0").click().run()

    assert [one["question"] for one in world.questions] == ["break", "break"]
    assert not page.exception


def test_a_busy_server_is_told_with_what_to_do(page):
    ask(page, "busy")

    assert "Wait a moment" in says(page)


@pytest.mark.parametrize("empty", ["   ", "\u200b\u2060", "\x00\x07"])
def test_a_question_that_nobody_can_see_is_not_asked(page, world, empty):
    ask(page, empty)

    assert world.questions == []
    assert page.toast[0].value == "Type a question first."


def test_a_question_of_more_characters_than_fit_is_told(page, world):
    ask(page, "x" * 4_001)

    assert world.questions == []
    assert "4,001 characters" in says(page)
    assert page.code[0].value == "x" * 4_001  # given back, not lost


@pytest.mark.parametrize(
    "hostile",
    ["<script>alert(1)</script>", "\u202eelbatpecca ton", "![x](http://e.vil/x)", "🦆" * 9],
)
def test_hostile_questions_are_shown_as_they_are(page, world, hostile):
    ask(page, hostile)

    assert world.questions[0]["question"] == hostile
    assert "<script>alert" not in "\n".join(one.value for one in page.get("html"))


def test_an_answer_of_a_hundred_sentences_is_shown_whole(page, world):
    ask(page, "hundred sentences, please")

    assert says(page).count('data-open="source_0_1"') == 100
    assert not page.exception


# Conversations


def test_conversations_are_listed_opened_and_left(api, world):
    world.conversations["c7"] = conversation("c7", "About <b>travel</b>")
    page = opened(api)
    ask(page, LEAVE)
    assert page.button(key="open_c2").label == "How many days of leave?"

    page.button(key="new_chat").click().run()
    assert "26 days" not in says(page)
    assert "c" not in page.query_params

    page.button(key="open_c2").click().run()
    assert "26 days" in says(page)
    assert page.query_params["c"] == "c2"


def test_one_that_was_never_answered_is_not_listed(api, world):
    world.conversations["c1"] = conversation("c1", "")
    page = opened(api)

    assert "Nothing asked yet." in says(page)


def test_a_thousand_conversations_are_shown_a_page_at_a_time(api, world):
    asked = [{"role": "user", "text": "?"}]
    for n in range(1_000):
        world.conversations[f"x{n}"] = conversation(f"x{n}", f"Talk {n}", messages=asked)
    page = opened(api)

    assert sum((one.key or "").startswith("open_") for one in page.button) == 30
    assert page.button(key="open_x999").label == "Talk 999"
    page.button(key="more_conversations").click().run()
    assert sum((one.key or "").startswith("open_") for one in page.button) == 60

    page.text_input(key="conversation_query").set_value("Talk 77").run()
    assert sum((one.key or "").startswith("open_") for one in page.button) == 11


def test_a_conversation_is_renamed(page, world):
    ask(page, LEAVE)
    page.menu_button(key="menu_c1").click("chat_rename")
    page.run()
    page.text_input(key="title_c1").set_value("Holidays")
    next(one for one in page.button if one.label == "Save").click().run()

    assert world.conversations["c1"]["title"] == "Holidays"
    assert page.button(key="open_c1").label == "Holidays"


def test_a_conversation_is_deleted_only_when_that_is_meant(page, world):
    ask(page, LEAVE)
    page.menu_button(key="menu_c1").click("chat_delete")
    page.run()
    assert "is wiped from the disk" in says(page)
    assert "c1" in world.conversations

    page.button(key="delete_conversation").click().run()

    assert world.conversations == {}
    assert "26 days" not in says(page)
    assert "The conversation is deleted." in says(page)


def test_a_conversation_that_was_deleted_elsewhere_is_told(api, world):
    first, second = opened(api), opened(api)
    ask(first, LEAVE)
    second.run()
    del world.conversations["c1"]
    second.button(key="open_c1").click().run()
    assert "no longer there" in says(second)

    ask(first, "And until when?")

    assert "begins a new one" in says(first)
    assert len(world.conversations) == 1
    assert [one["question"] for one in world.questions] == [LEAVE, "And until when?"]


def test_two_tabs_with_one_conversation_see_what_the_other_asked(api):
    first = opened(api)
    ask(first, LEAVE)
    second = opened(api, c="c1")
    ask(second, "Who lives on the moon?")
    ask(first, "And until when?")

    assert len(first.chat_message) == 6
    assert "do not seem to answer this" in says(first)


def test_a_tab_tells_what_another_one_is_asking(api, world):
    ask(opened(api), LEAVE)
    with under_way("c1", "What about trains?"):
        page = opened(api, c="c1")
        assert "What about trains?" in says(page)
        assert "answered in another tab" in says(page)


def test_an_answer_that_broke_off_is_shown_as_far_as_it_was_kept(api, world):
    sentence = {"text": "Leave is 26 days.", "citations": [], "support": "supported"}
    said = [
        {"role": "user", "text": "Tell me all"},
        {"role": "assistant", "mode": "broken_off", "text": "Leave is 26 days."},
    ]
    said[1]["sentences"] = [sentence]
    world.conversations["c1"] = conversation("c1", "All", messages=said)
    page = opened(api, c="c1")

    assert "Leave is 26 days." in says(page)
    assert "Broken off" in says(page)
    page.button(key="again_0").click().run()
    assert [one["question"] for one in world.questions] == ["Tell me all"]
    assert "again_0" not in [one.key for one in page.button]  # in its own place, not below it


def test_the_model_is_chosen_and_goes_along(api, world):
    able = {"smollm2:135m": ["completion"], "qwen3:4b": ["completion"]}
    able |= {"all-minilm:latest": ["embedding"], "kb/default": ["completion"]}
    world.models = [{"name": name, "capabilities": can} for name, can in able.items()]
    page = opened(api)
    assert page.selectbox(key="ask_model").options == [
        "Default: smollm2:135m",
        "smollm2:135m",
        "qwen3:4b",
    ]
    page.selectbox(key="ask_model").select("qwen3:4b").run()
    ask(page, LEAVE)

    assert world.questions[0]["model"] == "qwen3:4b"
    assert page.query_params["m"] == "qwen3:4b"


# Files


def test_a_file_that_is_dropped_is_read_before_the_question_is_asked(page, world):
    page.chat_input[0].set_value("What does it say?").upload("notes.md", b"## One\nText.")
    page.run()

    assert not page.exception
    assert "1 added, 0 already there" in says(page)
    assert [one["question"] for one in world.questions] == ["What does it say?"]
    assert len(world.documents) == 2


def test_a_file_that_cannot_be_read_is_told_with_the_reason(page, world):
    page.chat_input[0].upload("picture.bad", b"\0")
    page.run()

    assert "1 could not be read" in says(page)
    assert "no loader for" in says(page)
    assert world.questions == []
    assert len(page.chat_message) == 1


def test_an_upload_that_is_refused_is_told_and_the_question_is_asked(page, world):
    page.chat_input[0].set_value("Why?").upload("refused.md", b"x")
    page.run()

    assert "The upload did not work." in says(page)
    assert [one["question"] for one in world.questions] == ["Why?"]


# Feedback


def test_a_thumb_is_kept_and_can_be_taken_back(page, world):
    ask(page, LEAVE)
    page.feedback[0].set_value(1).run()
    assert world.given[-1]["verdict"] == "up"
    assert "It is a question of the exam now." in says(page)

    page.feedback[0].set_value(None).run()
    assert world.given[-1]["verdict"] == "none"
    assert "Thank you" not in says(page)


def test_what_would_have_been_right_is_named(page, world):
    ask(page, LEAVE)
    page.feedback[0].set_value(0).run()
    page.radio[0].set_value(1)
    page.text_area[0].set_value("It is the travel section.")
    next(one for one in page.button if one.label == "Send").click().run()

    given = world.given[-1]
    assert given["verdict"] == "down"
    assert given["comment"] == "It is the travel section."
    assert HANDBOOK[given["right"]["start"] :].startswith("## Travel")


def test_that_the_documents_do_not_hold_it_can_be_said(page, world):
    ask(page, LEAVE)
    page.feedback[0].set_value(0).run()
    page.radio[0].set_value(-2)
    next(one for one in page.button if one.label == "Send").click().run()

    assert world.given[-1]["is_missing"] is True
    assert "right" not in world.given[-1]


def test_feedback_that_was_not_kept_is_told(page, world):
    ask(page, LEAVE)
    page.feedback[0].set_value(0).run()
    page.text_area[0].set_value("full")
    next(one for one in page.button if one.label == "Send").click().run()

    assert "2,000 questions are kept already" in says(page).replace("\\", "")
    assert not page.exception


# An empty conversation, and the frame


def test_an_empty_conversation_suggests_questions(page, world):
    assert [page.button(key=f"suggestion_{n}").label for n in (0, 1)] == SUGGESTED
    page.button(key="suggestion_0").click().run()

    assert [one["question"] for one in world.questions] == SUGGESTED[:1]


def test_notices_of_the_server_are_shown_as_plain_text(page):
    assert "small starter model" in says(page)


def test_the_language_can_be_switched(page):
    page.segmented_control(key="language").set_value("zh").run()

    assert page.title[0].value == "向您的文档提问"


def test_a_server_that_is_gone_is_told_with_a_retry(closed_address):
    page = opened(closed_address)

    assert "does not answer" in page.error[0].value
    assert page.button(key="retry_status").label == "Try again"
    assert not page.exception
