from __future__ import annotations

import pytest

from app.access.errors import KeyRefusedError, LockedOutError
from app.access.opening import open_lock
from app.access.policy import is_shared, rule_of
from app.config import ConfigError, settings_from


@pytest.mark.parametrize(
    ("auth", "host", "has_key", "is_on"),
    [
        ("auto", "127.0.0.1", False, False),
        ("auto", "localhost", True, False),
        ("auto", "::1", False, False),
        ("auto", "127.8.9.1", False, False),
        ("auto", "0.0.0.0", True, True),
        ("auto", "::", True, True),
        ("auto", "192.168.1.5", True, True),
        ("auto", "quire.example", True, True),
        ("auto", "", True, True),
        ("on", "127.0.0.1", True, True),
        ("on", "0.0.0.0", True, True),
        ("off", "127.0.0.1", False, False),
        ("off", "0.0.0.0", False, False),
        ("off", "0.0.0.0", True, False),
    ],
)
def test_keys_are_asked_for_by_setting_and_address(auth, host, has_key, is_on):
    rule = rule_of(auth, host, has_key=has_key)

    assert rule.is_on is is_on
    is_loud = auth == "off" and host == "0.0.0.0"
    assert bool(rule.notice) is is_loud


@pytest.mark.parametrize(
    ("auth", "host", "why"),
    [
        ("auto", "0.0.0.0", "0.0.0.0 can be reached from other machines"),
        ("auto", "", "every address can be reached"),
        ("on", "127.0.0.1", "QUIRE_AUTH=on asks for keys"),
    ],
)
def test_a_server_that_nobody_could_enter_does_not_start_and_says_the_cure(auth, host, why):
    with pytest.raises(LockedOutError) as told:
        rule_of(auth, host, has_key=False)

    for words in (why, "quire keys add NAME --scope admin", "QUIRE_AUTH=off"):
        assert words in str(told.value)


def settings(home, **variables):
    return settings_from({"QUIRE_HOME": str(home), **variables})


def test_a_revoked_key_is_no_key_to_start_with(tmp_path, keyring):
    at = settings(tmp_path, QUIRE_AUTH="on")
    keyring.make("one")
    with open_lock(at, is_kept=False) as lock:
        assert lock.rule.is_on
    keyring.revoke("one")
    with pytest.raises(LockedOutError), open_lock(at, is_kept=False):
        pass


def test_the_key_of_a_file_is_enough_to_start(tmp_path):
    file = tmp_path / "secret"
    file.write_text("k" * 40 + "\n")

    with open_lock(
        settings(tmp_path, QUIRE_AUTH="on", QUIRE_ADMIN_KEY_FILE=str(file)), is_kept=False
    ) as lock:
        assert lock.keyring.caller_of("k" * 40).may("admin")


def test_a_file_that_is_not_there_keeps_the_server_from_starting(tmp_path):
    at = settings(tmp_path, QUIRE_AUTH="on", QUIRE_ADMIN_KEY_FILE=str(tmp_path / "none"))

    with pytest.raises(KeyRefusedError, match="No such file"), open_lock(at, is_kept=False):
        pass


def test_an_open_engine_alone_makes_no_file(tmp_path):
    with open_lock(settings(tmp_path / "home"), is_kept=False) as lock:
        assert (lock.keyring, lock.rule.is_on) == (None, False)
    assert not (tmp_path / "home").exists()


def test_settings_name_what_would_do(tmp_path):
    with pytest.raises(ConfigError, match="QUIRE_AUTH='perhaps': expected auto, on or off"):
        settings(tmp_path, QUIRE_AUTH="perhaps")
    with pytest.raises(ConfigError) as told:
        settings(tmp_path, QUIRE_KEY="qk_secret\x07")
    assert "secret" not in str(told.value)
    assert "qk_mine" not in repr(settings(tmp_path, QUIRE_KEY="qk_mine"))


@pytest.mark.parametrize(
    ("auth", "host", "is_others"),
    [
        ("auto", "127.0.0.1", False),
        ("off", "localhost", False),
        ("on", "127.0.0.1", True),
        ("auto", "0.0.0.0", True),
        ("off", "0.0.0.0", True),  # without keys too: others reach it
    ],
)
def test_a_server_is_shared_where_keys_are_asked_for_or_others_reach_it(auth, host, is_others):
    assert is_shared(auth, host) is is_others
