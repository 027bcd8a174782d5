from __future__ import annotations

import sqlite3
import stat
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.access.errors import KeyNotFoundError, KeyRefusedError, KeyStoreError
from app.access.keyring import FROM_FILE, Keyring, admin_key_of
from app.access.keys import (
    Token,
    checked_collections,
    checked_name,
    checked_scopes,
    digest_of,
    expiry_of,
    is_same,
    make_token,
    parse_token,
)
from app.access.store import MAX_SESSIONS, AccessStore

NOW = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)
SIGNS = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"


@given(
    st.sampled_from(["qk", "qs"]),
    st.text(SIGNS, min_size=8, max_size=8),
    st.text(SIGNS, min_size=43, max_size=43),
)
def test_what_is_written_as_a_key_is_read_as_the_same(kind, key_id, secret):
    token = Token(kind, key_id, secret)

    assert parse_token(str(token)) == token


@given(st.text())
def test_no_text_that_is_none_is_read_as_a_key(text):
    found = parse_token(text)

    assert found is None or str(found) == text


@given(st.text(), st.text())
def test_only_the_same_text_is_the_same(one, other):
    assert is_same(one, digest_of(one))
    assert is_same(one, digest_of(other)) is (one == other)
    assert not is_same(one, None)


def test_no_two_keys_are_alike_and_each_has_256_bits():
    made = {str(make_token("qk")) for _ in range(200)}

    assert len(made) == 200
    assert len(SIGNS) ** 43 > 2**256
    assert all(parse_token(one) for one in made)


@pytest.mark.parametrize(
    ("text", "end"),
    [
        ("", ""),
        ("90d", "2026-08-02T12:00:00+00:00"),
        ("12H", "2026-05-05T00:00:00+00:00"),
        ("2w", "2026-05-18T12:00:00+00:00"),
        ("1y", "2027-05-04T12:00:00+00:00"),
        ("2030-01-31", "2030-01-31T00:00:00+00:00"),
        ("2030-01-31T10:00+02:00", "2030-01-31T08:00:00+00:00"),
    ],
)
def test_an_end_is_read_as_a_span_or_a_date(text, end):
    assert expiry_of(text, NOW) == end


@pytest.mark.parametrize(
    "text", ["soon", "0d", "-1d", "90", "2020-01-01", "99999999y", "99999y", "31.1.2030"]
)
def test_an_end_that_is_none_or_is_over_is_refused(text):
    with pytest.raises(KeyRefusedError):
        expiry_of(text, NOW)


@pytest.mark.parametrize("name", ["", "   ", "a" * 65, "a\nb", "a\x1b[31mb", "a\u202eb"])
def test_a_name_that_cannot_be_shown_is_refused(name):
    with pytest.raises(KeyRefusedError):
        checked_name(name)


def test_scopes_and_collections_are_checked():
    assert checked_scopes([]) == {"read", "ask"}
    assert checked_scopes(["admin", "admin"]) == {"admin"}
    with pytest.raises(KeyRefusedError, match=r"'root'.*read, ask, ingest, admin"):
        checked_scopes(["read", "root"])
    assert checked_collections([]) is None
    assert checked_collections(["a", "b", "a"]) == {"a", "b"}
    with pytest.raises(KeyRefusedError):
        checked_collections([""])


def test_the_file_holds_no_secret_and_nobody_else_may_read_it(store, keyring, tmp_path):
    _, text = keyring.make("one")
    session = keyring.log_in(text)

    for path in tmp_path.iterdir():
        held = path.read_bytes()
        for shown in (text, session):
            assert shown.encode() not in held
            assert parse_token(shown).secret.encode() not in held
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_two_keys_that_hold_have_not_one_name(keyring):
    keyring.make("one")
    with pytest.raises(KeyRefusedError, match="'one'"):
        keyring.make("one")
    keyring.revoke("one")
    keyring.make("one")
    assert [bool(key.revoked_at) for key in keyring.listed()].count(True) == 1


def test_a_key_is_revoked_by_id_or_name_and_only_once(keyring):
    key, _ = keyring.make("one")
    assert keyring.revoke(key.id).revoked_at
    for name in (key.id, "one", "", "nobody"):
        with pytest.raises(KeyNotFoundError):
            keyring.revoke(name)


def test_a_name_that_is_the_id_of_another_key_does_not_end_that_one_by_mistake(keyring):
    first, _ = keyring.make("first")
    keyring.make(first.id)

    assert keyring.revoke(first.id).name == "first"


def test_a_key_is_asked_for_as_a_whole(keyring):
    _, text = keyring.make("one")
    token = parse_token(text)
    other = make_token("qk")

    assert keyring.caller_of(text).name == "one"
    assert keyring.caller_of(str(replace(token, secret=other.secret))) is None
    assert keyring.caller_of(str(replace(token, id=other.id))) is None
    assert keyring.caller_of(str(replace(token, kind="qs"))) is None
    assert keyring.caller_of(text + "0") is None
    assert keyring.caller_of("") is None


def test_a_session_ends_with_its_time_with_its_key_or_when_it_is_ended(keyring, clock):
    _, text = keyring.make("one")
    first, second = keyring.log_in(text), keyring.log_in(text)
    assert keyring.caller_of(first).name == "one"

    keyring.log_out(first)
    assert keyring.caller_of(first) is None
    assert keyring.caller_of(second).name == "one"

    clock.go_on(hours=11, minutes=59)
    assert keyring.caller_of(second)
    clock.go_on(minutes=1)
    assert keyring.caller_of(second) is None

    third = keyring.log_in(text)
    keyring.revoke("one")
    assert keyring.caller_of(third) is None
    assert keyring.log_in(text) is None


def test_a_session_is_asked_for_as_a_whole(keyring):
    _, text = keyring.make("one")
    session = parse_token(keyring.log_in(text))

    for other in (replace(session, secret="0" * 43), replace(session, id="0" * 8)):
        assert keyring.caller_of(str(other)) is None


def test_a_session_ends_with_a_key_that_is_over_before_it(keyring, clock):
    _, text = keyring.make("one", expires="2h")
    session = keyring.log_in(text)
    clock.go_on(hours=2)

    assert keyring.caller_of(session) is None


def test_with_a_key_its_sessions_leave_the_file(keyring):
    _, text = keyring.make("one")
    session = parse_token(keyring.log_in(text))
    assert keyring.store.session(session.id)
    keyring.revoke("one")

    assert keyring.store.session(session.id) is None


def test_a_session_opens_no_further_session(keyring):
    _, text = keyring.make("one")

    assert keyring.log_in(keyring.log_in(text)) is None
    assert keyring.log_in("nonsense") is None


def test_who_guesses_the_id_of_a_session_cannot_end_it(keyring):
    _, text = keyring.make("one")
    session = keyring.log_in(text)
    keyring.log_out(str(replace(parse_token(session), secret="0" * 43)))

    assert keyring.caller_of(session)


def test_a_key_has_a_bounded_number_of_sessions(keyring, clock):
    _, text = keyring.make("one")
    made = []
    for _ in range(MAX_SESSIONS + 5):
        clock.go_on(seconds=1)
        made.append(keyring.log_in(text))

    assert [bool(keyring.caller_of(one)) for one in made] == [False] * 5 + [True] * MAX_SESSIONS


def test_the_key_of_a_file_may_everything_until_the_file_says_another(store):
    first = Keyring(store, admin_key="a" * 32)
    session = first.log_in("a" * 32)

    assert first.caller_of("a" * 32).key_id == first.caller_of(session).key_id == FROM_FILE
    assert first.caller_of("b" * 32) is None
    assert Keyring(store, admin_key="b" * 32).caller_of(session) is None
    assert Keyring(store).caller_of(session) is None


@pytest.mark.parametrize("text", ["", "short", "a" * 30 + "\n" + "b" * 30, "ä" * 40, "a b" * 20])
def test_a_file_without_one_good_key_is_refused_without_repeating_it(text):
    with pytest.raises(KeyRefusedError) as told:
        admin_key_of(text, "QUIRE_ADMIN_KEY_FILE=/run/secrets/key")
    assert "/run/secrets/key" in str(told.value)
    assert not text or text not in str(told.value)


def test_a_file_that_is_none_of_keys_is_told_by_its_name(tmp_path):
    path = tmp_path / "access.sqlite3"
    path.write_bytes(b"this is no database, but it is long enough to look at" * 40)

    with pytest.raises(KeyStoreError, match=r"access\.sqlite3"):
        AccessStore(path)


def test_a_file_of_a_newer_version_is_left_alone(tmp_path):
    path = tmp_path / "access.sqlite3"
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version=99")
    connection.close()

    with pytest.raises(KeyStoreError, match="update the program"):
        AccessStore(path)
