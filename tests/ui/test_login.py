"""The door of the pages without a browser: who may enter, what is said to the others."""

import pytest
from streamlit.testing.v1 import AppTest

from tests.ui.fake_login import KEY, POOR_KEY
from tests.ui.test_pages import opened, says
from ui.login import Who, rights_text, who_from
from ui.words import Words


@pytest.fixture
def locked(api, world):
    world.key = KEY
    return opened(api)


def enter(page: AppTest, key: str) -> AppTest:
    page.text_input(key="login_key").set_value(key)
    return page.button[0].click().run()


def test_without_a_key_there_is_the_form_and_nothing_else(locked):
    assert locked.title[0].value == "Log in"
    assert not locked.chat_input
    assert "handbook" not in says(locked)


@pytest.mark.parametrize(
    ("key", "told"),
    [
        ("", "Type the key first"),
        ("   ", "Type the key first"),
        ("wrong", "opens nothing here"),
        ("密钥", "opens nothing here"),
        ("a\r\nX-Evil: 1", "opens nothing here"),
        ("<script>alert(1)</script>", "opens nothing here"),
    ],
)
def test_what_is_no_key_is_told_so(locked, key, told):
    enter(locked, key)

    assert told in says(locked)
    assert not locked.chat_input
    assert not locked.exception


def test_a_right_key_opens_the_pages_and_is_kept_in_the_session_only(locked):
    enter(locked, KEY)

    assert locked.chat_input
    assert "Logged in as ann" in says(locked)
    assert locked.session_state["token"] == KEY
    assert KEY not in says(locked)


def test_whoever_logs_out_meets_the_form_again(locked):
    enter(locked, KEY)
    locked.button(key="logout").click().run()

    assert locked.title[0].value == "Log in"
    assert "token" not in locked.session_state


def test_whoever_logs_in_next_finds_nothing_of_what_was_asked_before(locked):
    enter(locked, KEY)
    locked.chat_input[0].set_value("How many days of leave?").run()
    assert "26 days" in says(locked)
    locked.button(key="logout").click().run()

    enter(locked, KEY)

    assert locked.chat_input
    assert "26 days" not in says(locked)
    assert "c" not in locked.query_params


def test_a_key_that_may_read_but_not_ask_is_told_so_and_finds_no_field(locked):
    enter(locked, POOR_KEY)

    assert "Your key lets you: search and read documents. It does not let you: ask" in says(locked)
    assert not locked.chat_input


@pytest.mark.parametrize(
    ("answer", "scope", "is_whole", "is_lacking"),
    [
        ({}, "admin", True, False),  # a server that knows of no keys
        ({"is_asked": False, "scopes": []}, "admin", True, False),
        ({"is_asked": True}, "admin", True, False),  # it did not say: it decides each time
        ({"is_asked": True, "scopes": ["read"], "collections": None}, "read", True, False),
        ({"is_asked": True, "scopes": ["read"], "collections": None}, "ingest", False, True),
        ({"is_asked": True, "scopes": ["admin"], "collections": None}, "ingest", True, False),
        ({"is_asked": True, "scopes": ["admin"], "collections": ["a"]}, "ingest", False, False),
        ({"is_asked": True, "scopes": ["admin"], "collections": ["a"]}, "admin", True, True),
    ],
)
def test_what_a_key_may_not_do_is_known_beforehand(answer, scope, is_whole, is_lacking):
    assert who_from(answer, "k").lacks(scope, is_whole=is_whole) is is_lacking


@pytest.mark.parametrize(
    ("scopes", "collections", "told"),
    [
        (["admin"], None, ""),
        (["read", "ask", "ingest", "admin"], None, ""),
        (["ask"], None, "lets you: ask questions. It does not let you: search and read"),
        (["read", "ingest"], ["a", "b"], "It is for these collections: a, b."),
        (["admin"], ["a"], "It does not let you: manage models"),
        ([], None, "opens nothing"),
    ],
)
def test_what_a_key_may_do_is_one_sentence(scopes, collections, told):
    answer = {"is_asked": True, "scopes": scopes, "collections": collections}
    said = rights_text(who_from(answer, "k"), Words("en"))

    assert told in said
    assert bool(told) == bool(said)


@pytest.mark.parametrize(
    ("view", "scopes", "hidden", "shown"),
    [
        ("models", ["read", "ask"], ("delete_0", "copy_0", "create_do", "change_chat"), "load_0"),
        ("models", ["ask"], ("where_0",), "load_0"),
        ("documents", ["ask"], ("preview_d1", "reindex_0", "drop_0", "delete_d1"), ""),
        ("documents", ["read"], ("delete_d1", "pick_page", "drop_0"), "preview_d1"),
        ("status", ["read", "ask"], ("doctor",), ""),
        ("status", ["ask"], ("doctor", "logs_refresh"), ""),
        ("evaluate", ["ask"], ("make_exam",), ""),
        ("evaluate", ["read"], ("make_exam", "take"), ""),
    ],
)
def test_what_a_key_may_not_do_is_not_offered_and_one_sentence_says_so(
    api, view, scopes, hidden, shown
):
    page = AppTest.from_string(f"from ui.views import {view}\n{view}.show()\n", default_timeout=30)
    page.secrets["quire"] = {"api_url": api}
    answer = {"is_asked": True, "name": "ann", "scopes": scopes, "collections": None}
    page.session_state["who"] = who_from(answer, KEY)
    page.run()

    keys = {one.key for one in page.button}
    assert not keys & set(hidden)
    assert not shown or shown in keys
    assert not page.error
    assert sum("Your key lets you" in one.value for one in page.info) == 1
    assert not page.exception


def test_who_came_by_the_cookie_may_log_out_too():
    answer = {"is_asked": True, "name": "ann", "scopes": ["read"], "collections": None}
    assert who_from(answer, "") == Who("in", "ann", "", True, frozenset({"read"}))


def test_a_login_that_ends_is_asked_for_again(locked, world):
    enter(locked, KEY)
    world.key = "another"
    locked.run()

    assert "Your login has ended" in says(locked)
    assert not locked.exception


def test_where_no_keys_are_asked_for_nobody_is_asked(api):
    page = opened(api)

    assert page.chat_input
    assert "Logged in" not in says(page)
    assert "logout" not in [one.key for one in page.button]
