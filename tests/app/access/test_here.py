"""The token that a server leaves for commands on its machine."""

from __future__ import annotations

import stat
from dataclasses import replace

from app.access.here import ENGINE_TOKEN_FILE, TOKEN_FILE, token_here, token_noted
from app.access.opening import Lock
from app.access.policy import Rule
from app.client import key_for, shown
from app.config import settings_from

URL = "http://127.0.0.1:11434"


def lock(keyring, *, is_on=True):
    return Lock(Rule(is_on), keyring)


def test_a_token_lies_there_while_the_server_runs_and_opens_nothing_afterwards(keyring, tmp_path):
    with token_noted(tmp_path, URL, lock(keyring)):
        file = tmp_path / TOKEN_FILE
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        token = token_here(tmp_path, URL)
        assert keyring.caller_of(token).may("admin")
    assert not file.exists()
    assert keyring.caller_of(token) is None


def test_an_open_server_leaves_none_and_removes_what_a_killed_one_left(keyring, tmp_path):
    (tmp_path / TOKEN_FILE).write_text("old")
    with token_noted(tmp_path, URL, lock(keyring, is_on=False)):
        assert not (tmp_path / TOKEN_FILE).exists()


def test_what_a_killed_server_left_opens_nothing_once_another_has_started(keyring, tmp_path):
    old = keyring.open_here()
    (tmp_path / TOKEN_FILE).write_text(f"{old} {URL}\n")
    with token_noted(tmp_path, URL, lock(keyring)):
        assert token_here(tmp_path, URL) != old
        assert keyring.caller_of(old) is None


def test_the_token_is_shown_to_no_other_address(keyring, tmp_path):
    with token_noted(tmp_path, URL, lock(keyring)):
        assert token_here(tmp_path, "http://192.0.2.1:11434") == ""
        assert token_here(tmp_path / "none", URL) == ""


def test_an_engine_alone_beside_a_server_has_a_token_of_its_own(keyring, tmp_path):
    other = "http://127.0.0.1:1"
    with (
        token_noted(tmp_path, URL, lock(keyring)),
        token_noted(tmp_path, other, lock(keyring), ENGINE_TOKEN_FILE),
    ):
        both = token_here(tmp_path, URL), token_here(tmp_path, other)
        assert all(keyring.caller_of(one) for one in both)
        assert both[0] != both[1]


def test_a_link_that_somebody_laid_is_not_followed(keyring, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_text("mine")
    (tmp_path / "server.new-token").symlink_to(elsewhere)
    (tmp_path / TOKEN_FILE).symlink_to(elsewhere)

    with token_noted(tmp_path, URL, lock(keyring)):
        assert token_here(tmp_path, URL)
    assert elsewhere.read_text() == "mine"


def test_a_key_that_was_set_goes_before_the_token_and_ollamas_comes_last(keyring, tmp_path):
    settings = settings_from({"QUIRE_HOME": str(tmp_path), "OLLAMA_API_KEY": "cloud"})
    assert key_for(settings, URL) == "cloud"
    with token_noted(tmp_path, URL, lock(keyring)):
        assert key_for(settings, URL) == token_here(tmp_path, URL)
        assert key_for(settings, "http://192.0.2.1:11434") == "cloud"
        assert key_for(replace(settings, own_key="mine"), URL) == "mine"
    assert key_for(replace(settings, ollama_key=""), URL) == ""
    assert shown("") == {}
