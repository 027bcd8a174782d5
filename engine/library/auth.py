"""A registry's challenge in, the request for a token that answers it out; reads, or makes, a key.

Source: Ollama's `auth` and `server/auth.go` (read, not copied): the query is signed with an
ed25519 key in OpenSSH's format, whose public half the user has told the registry.
"""

from __future__ import annotations

import logging
import os
import re
import secrets
import tempfile
import time
from base64 import b64encode
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import httpx
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_ssh_private_key,
)

log = logging.getLogger(__name__)

_PART = re.compile(r'(\w+)="([^"]*)"')
_MAX_KEY_BYTES = 64 * 1024
_OF_NOTHING = b64encode(sha256(b"").hexdigest().encode()).decode()


@dataclass(frozen=True, slots=True)
class Challenge:
    """What a registry wants before it answers."""

    realm: str  # the address that gives tokens
    service: str
    scopes: tuple[str, ...]


def parse_challenge(header: str) -> Challenge | None:
    """Read a WWW-Authenticate header; None if it does not ask for a Bearer token."""
    scheme, _, rest = header.strip().partition(" ")
    parts = dict(_PART.findall(rest))
    if scheme.lower() != "bearer" or not parts.get("realm"):
        return None
    return Challenge(
        parts["realm"], parts.get("service", ""), tuple(parts.get("scope", "").split())
    )


def token_url(challenge: Challenge, *, now_s: float, nonce: str) -> httpx.URL:
    """Give the address to ask for a token.

    Raises:
        httpx.InvalidURL: the realm is none.
    """
    query = [("service", challenge.service)] if challenge.service else []
    query += [("scope", scope) for scope in challenge.scopes]
    query += [("ts", str(int(now_s))), ("nonce", nonce)]
    realm = httpx.URL(challenge.realm)
    return realm.copy_with(params=[*realm.params.multi_items(), *query])


def fresh_token_url(challenge: Challenge) -> httpx.URL:
    """Give the address to ask for a token now, which nobody can use a second time.

    Raises:
        httpx.InvalidURL: the realm is none.
    """
    return token_url(challenge, now_s=time.time(), nonce=secrets.token_urlsafe(16))


def signature(key: Ed25519PrivateKey, url: str) -> str:
    """Give the Authorization header for getting that very address."""
    signed = key.sign(f"GET,{url},{_OF_NOTHING}".encode())
    public = key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
    return f"{public.split()[1].decode()}:{b64encode(signed).decode()}"


def read_or_make_key(path: Path) -> Ed25519PrivateKey | None:
    """Read the user's key; make one if there is none.

    Returns:
        None if it cannot be read (another kind, a passphrase, no permission) or made.
    """
    try:
        try:
            with path.open("rb") as file:
                found = load_ssh_private_key(file.read(_MAX_KEY_BYTES), password=None)
        except FileNotFoundError:
            return _make_key(path)
    except (OSError, ValueError, TypeError, UnsupportedAlgorithm) as error:
        log.warning("key_unusable path=%s reason=%s", path, error)
        return None
    if not isinstance(found, Ed25519PrivateKey):
        log.warning("key_unusable path=%s reason=not an ed25519 key", path)
        return None
    return found


def _make_key(path: Path) -> Ed25519PrivateKey:
    key = Ed25519PrivateKey.generate()
    path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    private = key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption())
    public = key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
    # Nobody else may read it, from the first byte on; under its name it is whole, for a real
    # Ollama does not start with half a key.
    number, name = tempfile.mkstemp(prefix=".new-", dir=path.parent)
    try:
        with os.fdopen(number, "wb") as file:
            file.write(private)
            file.flush()
            os.fsync(file.fileno())
        os.link(name, path)  # never over a file that is there
    finally:
        Path(name).unlink()
    path.with_name(path.name + ".pub").write_bytes(public + b"\n")
    log.info("key_made path=%s", path)
    return key
