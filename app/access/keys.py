"""Keys and sessions: made, taken apart, compared; pure but for the randomness.

A key is `qk_<id>_<secret>`, a session `qs_<id>_<secret>`. The id is shown everywhere, the secret
once. Only its SHA-256 is kept: the secret has 256 random bits, so nobody finds it by trying, and a
slow hash, which makes guessing passwords of people dear, would only make each request dear.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import string
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal, get_args
from unicodedata import category

from app.access.caller import SCOPES, Caller, Scope
from app.access.errors import KeyRefusedError

Kind = Literal["qk", "qs"]  # a key, a session
ID_LENGTH = 8
SECRET_LENGTH = 43  # signs of 62: the first length that holds 256 bits
MAX_NAME = 64
MAX_COLLECTIONS = 1000
DEFAULT_SCOPES: tuple[Scope, ...] = ("read", "ask")

_SIGNS = string.digits + string.ascii_letters
_FORM = re.compile(rf"(qk|qs)_([0-9A-Za-z]{{{ID_LENGTH}}})_([0-9A-Za-z]{{{SECRET_LENGTH}}})")
_SPAN = re.compile(r"([1-9][0-9]{0,4})([hdwy])")
_HOURS = {"h": 1, "d": 24, "w": 24 * 7, "y": 24 * 365}


@dataclass(frozen=True, slots=True)
class Token:
    """What a client shows, taken apart."""

    kind: Kind
    id: str
    secret: str

    def __str__(self) -> str:
        return f"{self.kind}_{self.id}_{self.secret}"


@dataclass(frozen=True, slots=True)
class Key:
    """A key as it is kept, without its secret; times are ISO 8601 in UTC, empty = never."""

    id: str
    name: str
    scopes: frozenset[Scope]
    collections: frozenset[str] | None  # None = all
    created_at: str
    last_used_at: str = ""  # to the minute
    expires_at: str = ""
    revoked_at: str = ""

    def holds(self, now: str) -> bool:
        """Tell whether the key still opens anything."""
        return not self.revoked_at and (not self.expires_at or now < self.expires_at)

    def caller(self) -> Caller:
        """Say who comes with this key."""
        return Caller(self.id, self.name, self.scopes, self.collections)


def make_token(kind: Kind) -> Token:
    """Draw a new key or session."""
    return Token(kind, _drawn(ID_LENGTH), _drawn(SECRET_LENGTH))


def parse_token(text: str) -> Token | None:
    """Take apart what a client shows; None if nothing of ours looks so."""
    found = _FORM.fullmatch(text)
    if found is None:
        return None
    kind: Kind = "qk" if found[1] == "qk" else "qs"
    return Token(kind, found[2], found[3])


def digest_of(text: str) -> bytes:
    """Give what is kept of a key or session."""
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).digest()


def is_same(text: str, kept: bytes | None) -> bool:
    """Compare what is shown with what is kept, in the same time whether it fits, or is known."""
    fits = hmac.compare_digest(digest_of(text), kept if kept is not None else _NOBODYS)
    return fits and kept is not None


_NOBODYS = bytes(32)  # no text that anybody knows has this digest


def checked_name(name: str, taken: Collection[str] = ()) -> str:
    """Take a name for a key.

    Raises:
        KeyRefusedError: it is empty, too long, cannot be shown, or is taken.
    """
    name = name.strip()
    if not name or len(name) > MAX_NAME or any(category(sign)[0] == "C" for sign in name):
        raise KeyRefusedError(f"a key's name has 1 to {MAX_NAME} visible characters, got {name!r}")
    if name in taken:
        raise KeyRefusedError(
            f"there is a key called {name!r} already: choose another name, or revoke that one first"
        )
    return name


def checked_scopes(scopes: Collection[str]) -> frozenset[Scope]:
    """Take scopes; none means the usual ones.

    Raises:
        KeyRefusedError: one is unknown.
    """
    known = {str(one): one for one in SCOPES}
    unknown = sorted(set(scopes) - set(known))
    if unknown:
        raise KeyRefusedError(
            f"no scope is called {unknown[0]!r}; there are {', '.join(get_args(Scope))}"
        )
    return frozenset(known[one] for one in scopes) or frozenset(DEFAULT_SCOPES)


def checked_collections(names: Collection[str] | None) -> frozenset[str] | None:
    """Take the collections that a key is bound to; they need not exist yet.

    Raises:
        KeyRefusedError: there are too many, or one has no name.
    """
    if not names:
        return None
    if len(names) > MAX_COLLECTIONS or not all(0 < len(one) <= 512 for one in names):
        raise KeyRefusedError(f"bind a key to 1 to {MAX_COLLECTIONS} collections, each by its name")
    return frozenset(names)


def expiry_of(text: str, now: datetime) -> str:
    """Read when a key ends: a span such as 90d, 12h, 4w, 1y, or a date such as 2030-01-31.

    Raises:
        KeyRefusedError: it cannot be read, or is over.
    """
    text = text.strip()
    if not text:
        return ""
    span = _SPAN.fullmatch(text.casefold())
    try:
        if span is not None:
            return stamp(now + timedelta(hours=int(span[1]) * _HOURS[span[2]]))
        end = datetime.fromisoformat(text)
        end = (end if end.tzinfo else end.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise KeyRefusedError(
            f"cannot read {text!r}: write a span such as 90d, 12h, 4w or 1y, or a date "
            "such as 2030-01-31"
        ) from error
    if end <= now:
        raise KeyRefusedError(f"{text} is over: choose a date to come")
    return stamp(end)


def stamp(moment: datetime) -> str:
    """Write a moment in UTC so that texts sort as moments do."""
    return moment.astimezone(UTC).isoformat(timespec="seconds")


def _drawn(length: int) -> str:
    return "".join(secrets.choice(_SIGNS) for _ in range(length))
