"""What a client shows in, who it is out: keys, sessions, the key of a file, this machine's own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

from app.access.caller import Caller, Scope
from app.access.errors import KeyRefusedError
from app.access.keys import (
    Key,
    Token,
    checked_collections,
    checked_name,
    checked_scopes,
    digest_of,
    expiry_of,
    is_same,
    make_token,
    parse_token,
    stamp,
)
from app.access.store import AccessStore, SessionRow

SESSION_H = 12
USED_S = 60  # how old the note of a key's last use may grow
FROM_FILE = "file"  # in place of an id: the key of QUIRE_ADMIN_KEY_FILE
OF_HERE = "local"  # the sessions that servers make for commands on their own machine
MIN_SECRET = 24  # characters of a key that a person chose

_ADMIN: frozenset[Scope] = frozenset({"admin"})
_FILES_CALLER = Caller(FROM_FILE, "QUIRE_ADMIN_KEY_FILE", _ADMIN)
_LOCAL_CALLER = Caller(OF_HERE, "this machine", _ADMIN)


class Keyring:
    """Knows who comes with what."""

    def __init__(
        self,
        store: AccessStore,
        *,
        admin_key: str = "",
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """Prepare.

        Args:
            admin_key: one more key, of a file, that may everything; empty = none.
            clock: tells the time.
        """
        self.store = store
        self._admin_digest = digest_of(admin_key) if admin_key else None
        self._clock = clock
        self._used: dict[str, datetime] = {}  # by key id: when its use was noted last

    # Who is it?

    def caller_of(self, shown: str) -> Caller | None:
        """Tell who comes with a key or session; None if it opens nothing, whyever.

        Raises:
            KeyStoreError: the file cannot be read.
        """
        if self._admin_digest is not None and is_same(shown, self._admin_digest):
            return _FILES_CALLER
        token = parse_token(shown)
        if token is None:
            return None
        return self._by_key(token) if token.kind == "qk" else self._by_session(token)

    def is_unnoted(self, caller: Caller) -> bool:
        """Tell whether the last use of a caller's key should be noted again."""
        if caller.key_id in ("", FROM_FILE, OF_HERE):
            return False
        noted = self._used.get(caller.key_id)
        return noted is None or abs((self._clock() - noted).total_seconds()) >= USED_S

    def note_use(self, caller: Caller) -> None:
        """Note that a caller's key is in use; takes a write to the disk."""
        self._used[caller.key_id] = self._clock()  # first: one of many requests writes
        self.store.used(caller.key_id, self.now())

    # Sessions

    def log_in(self, shown: str) -> str | None:
        """Begin a session for who shows a key; None if the key opens nothing.

        A session opens no further session, or one would never end.
        """
        token = parse_token(shown)
        if token is not None and token.kind == "qs":
            return None
        caller = self.caller_of(shown)
        if caller is None:
            return None
        return self._begun(caller.key_id, digest_of(shown), timedelta(hours=SESSION_H))

    def log_out(self, shown: str) -> None:
        """End a session; whoever shows none that holds has none to end."""
        token = parse_token(shown)
        if token is None or token.kind != "qs":
            return
        row = self.store.session(token.id)
        if is_same(shown, row.digest if row is not None else None):
            self.store.end(token.id)

    def open_here(self) -> str:
        """Begin a session for commands on this machine; whoever made it ends it."""
        return self._begun(OF_HERE, b"", timedelta(days=3650))

    # Keys

    def make(
        self,
        name: str,
        scopes: Sequence[str] | None = None,
        collections: Sequence[str] | None = None,
        expires: str = "",
    ) -> tuple[Key, str]:
        """Make a key; its text is given here and nowhere else.

        Raises:
            KeyRefusedError: the name, a scope, a collection or the end is none.
        """
        token, now = make_token("qk"), self._clock()
        key = Key(
            token.id,
            checked_name(name),
            checked_scopes(scopes or ()),
            checked_collections(collections),
            stamp(now),
            expires_at=expiry_of(expires, now),
        )
        self.store.add(key, digest_of(str(token)))
        return key, str(token)

    def listed(self) -> list[Key]:
        """List all keys, revoked ones too, newest first."""
        return self.store.listed()

    def revoke(self, id_or_name: str) -> Key:
        """End a key with its sessions.

        Raises:
            KeyNotFoundError: there is none, or it is revoked already.
        """
        return self.store.revoke(id_or_name, self.now())

    def now(self) -> str:
        """Tell the time as it is kept."""
        return stamp(self._clock())

    def _by_key(self, token: Token) -> Caller | None:
        key, digest = self.store.find(token.id) or (None, None)
        fits = is_same(str(token), digest)
        return key.caller() if key is not None and fits and key.holds(self.now()) else None

    def _by_session(self, token: Token) -> Caller | None:
        row = self.store.session(token.id)
        fits = is_same(str(token), row.digest if row is not None else None)
        if row is None or not fits or row.expires_at <= self.now():
            return None
        if row.by == OF_HERE:
            return _LOCAL_CALLER
        if row.by == FROM_FILE:
            return _FILES_CALLER if row.by_digest == self._admin_digest else None
        key, digest = self.store.find(row.by) or (None, None)
        is_open = key is not None and digest == row.by_digest and key.holds(self.now())
        return key.caller() if key is not None and is_open else None

    def _begun(self, by: str, by_digest: bytes, span: timedelta) -> str:
        token, now = make_token("qs"), self._clock()
        row = SessionRow(token.id, digest_of(str(token)), by, by_digest, stamp(now + span))
        self.store.begin(row, stamp(now))
        return str(token)


def admin_key_of(text: str, source: str) -> str:
    """Read the one key of a file, as Docker and Kubernetes hand out secrets.

    Raises:
        KeyRefusedError: it is too short to be safe, or more than one line.
    """
    key = text.strip()
    if len(key) < MIN_SECRET or not key.isascii() or not key.isprintable() or " " in key:
        raise KeyRefusedError(
            f"{source}: expected one key of at least {MIN_SECRET} visible ASCII characters in one "
            "line, such as `openssl rand -hex 32` writes"
        )
    return key
