"""Registries' challenges are answered as Ollama answers them, and only to the registry itself."""

from __future__ import annotations

import errno
import os
import stat
from base64 import b64decode

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_ssh_public_key,
)

from engine.errors import RegistryError
from engine.library.auth import (
    Challenge,
    parse_challenge,
    read_or_make_key,
    signature,
    token_url,
)
from engine.library.store import Library
from tests.engine.library.hub import NOTHING, fetch


@pytest.fixture
def key_path(tmp_path):
    return tmp_path / "home" / "id_ed25519"


@pytest.mark.parametrize(
    ("header", "challenge"),
    [
        (
            'Bearer realm="https://h/token",service="hub",scope="a:b:pull,push c:d:pull"',
            Challenge("https://h/token", "hub", ("a:b:pull,push", "c:d:pull")),
        ),
        ('bearer realm="https://h/token"', Challenge("https://h/token", "", ())),
        ('Basic realm="x"', None),
        ("Bearer", None),
        ("", None),
    ],
)
def test_challenges_are_read(header, challenge):
    assert parse_challenge(header) == challenge


def test_the_address_for_a_token_names_service_scopes_time_and_chance():
    challenge = Challenge("https://h/token?a=1", "hub", ("x", "y"))

    url = token_url(challenge, now_s=12.9, nonce="n")

    assert str(url) == "https://h/token?a=1&service=hub&scope=x&scope=y&ts=12&nonce=n"


def test_the_signature_covers_the_address():
    key = Ed25519PrivateKey.generate()

    public, _, signed = signature(key, "https://h/token?ts=1").partition(":")

    found = load_ssh_public_key(f"ssh-ed25519 {public}".encode())
    found.verify(b64decode(signed), f"GET,https://h/token?ts=1,{NOTHING}".encode())


def test_a_key_is_made_once_and_only_for_its_owner(key_path):
    made, again = read_or_make_key(key_path), read_or_make_key(key_path)

    assert made.private_bytes_raw() == again.private_bytes_raw()
    assert stat.S_IMODE(key_path.stat().st_mode) == 0o600
    assert key_path.read_bytes().startswith(b"-----BEGIN OPENSSH PRIVATE KEY-----")
    public = key_path.with_name("id_ed25519.pub").read_bytes()
    assert load_ssh_public_key(public) == made.public_key()


def test_keys_of_other_kinds_are_left_alone(key_path):
    other = ec.generate_private_key(ec.SECP256R1())
    raw = other.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption())
    key_path.parent.mkdir()

    for content in (raw, b"", b"-----BEGIN OPENSSH PRIVATE KEY-----\nxx", b"\xff" * 100_000):
        key_path.write_bytes(content)
        assert read_or_make_key(key_path) is None
        assert key_path.read_bytes() == content


def test_a_key_that_cannot_be_made_is_done_without(tmp_path):
    (tmp_path / "file").write_bytes(b"")

    assert read_or_make_key(tmp_path / "file" / "id_ed25519") is None


def test_a_challenge_is_answered_with_a_signature(tmp_path, hub, weights, key_path):
    hub.put(weights)
    hub.token, hub.is_signed = "t0ken", True
    library = Library(tmp_path / "models", key_path=key_path)

    fetch(library, hub)

    assert library.find(hub.name()).is_readable
    assert len(hub.asked("GET", "/token")) == 1


def test_without_a_challenge_no_key_is_made(tmp_path, hub, weights, key_path):
    hub.put(weights)

    fetch(Library(tmp_path / "models", key_path=key_path), hub)

    assert not key_path.parent.exists()


def test_a_server_that_knows_no_signatures_is_asked_without(tmp_path, hub, weights, key_path):
    hub.put(weights)
    hub.token, hub.failures = "t0ken", []
    library = Library(tmp_path / "models", key_path=key_path)
    hub.failures = [None, 400]  # the challenge, then the signed request

    fetch(library, hub)

    signed = ["Authorization" in headers for headers in hub.asked("GET", "/token")]
    assert signed == [True, False]


def test_without_a_key_a_signature_is_not_given(library, hub, weights):
    hub.put(weights)
    hub.token, hub.is_signed = "t0ken", True

    with pytest.raises(RegistryError, match="unauthorized: access denied"):
        fetch(library, hub)


def test_a_realm_elsewhere_gets_nothing(tmp_path, hub, make_hub, weights, key_path):
    other = make_hub()
    hub.put(weights)
    hub.token, hub.realm = "t0ken", f"http://127.0.0.1:{other.port}/token"

    with pytest.raises(RegistryError, match="elsewhere"):
        fetch(Library(tmp_path / "models", key_path=key_path), hub)

    assert other.requests == []
    assert not key_path.exists()


@pytest.mark.parametrize("realm", ["", "gopher://[bad", "/token", "http://"])
def test_a_realm_that_is_no_address_is_refused(library, hub, weights, realm):
    hub.put(weights)
    hub.token, hub.realm = "t0ken", realm or '"'

    with pytest.raises(RegistryError, match="pull model manifest"):
        fetch(library, hub)


def test_a_full_disk_leaves_no_half_key(key_path, monkeypatch):
    def full(_):
        raise OSError(errno.ENOSPC, "no space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        assert read_or_make_key(key_path) is None
        assert list(key_path.parent.iterdir()) == []

    assert read_or_make_key(key_path) is not None
