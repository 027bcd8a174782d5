"""The door of the pages without a browser: who may enter, what is said to the others."""

import pytest
from streamlit.testing.v1 import AppTest

from tests.ui.fake_login import KEY, POOR_KEY
from tests.ui.test_pages import opened, says
from ui.login import Who, who_from


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


def test_a_key_that_may_read_but_not_ask_is_told_what_is_missing(locked):
    enter(locked, POOR_KEY)
    locked.chat_input[0].set_value("How many days of leave?").run()

    assert "Your key does not allow this" in says(locked)
    assert "needs the scope ask" in says(locked)


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


@pytest.mark.parametrize(("scopes", "is_barred"), [(["admin"], False), (["read", "ask"], True)])
def test_what_a_key_may_not_change_cannot_be_pressed_and_says_why(api, scopes, is_barred):
    script = "from ui.views import models\nmodels.show()\n"
    page = AppTest.from_string(script, default_timeout=30)
    page.secrets["quire"] = {"api_url": api}
    answer = {"is_asked": True, "name": "ann", "scopes": scopes, "collections": None}
    page.session_state["who"] = who_from(answer, KEY)
    page.run()

    for key in ("delete_0", "copy_0", "create_check", "create_do"):
        assert page.button(key=key).disabled is is_barred, key
    assert not page.button(key="load_0").disabled
    assert ("needs the scope admin" in page.button(key="delete_0").help) is is_barred


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
