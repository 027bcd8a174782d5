"""Settings in, the keys of this server out, and whether they are asked for; closed afterwards."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from app.access.errors import KeyRefusedError
from app.access.keyring import Keyring, admin_key_of
from app.access.policy import Rule, rule_of, wants_keys
from app.access.store import FILE, AccessStore
from app.config import Settings

_MAX_FILE_BYTES = 4096


@dataclass(frozen=True, slots=True)
class Lock:
    """The keys of a server, and the rule that it goes by."""

    rule: Rule = Rule(is_on=False)
    keyring: Keyring | None = None  # None: no keys are asked for, and none are kept either


@contextmanager
def open_lock(settings: Settings, *, is_kept: bool) -> Iterator[Lock]:
    """Open the keys and decide whether they are asked for.

    Args:
        is_kept: open the file of keys also if none are asked for, so that they can be made.
    Raises:
        LockedOutError: keys are asked for, and nobody has one.
        KeyRefusedError: QUIRE_ADMIN_KEY_FILE names no file with one good key.
        KeyStoreError: the file of keys cannot be opened.
    """
    is_wanted = wants_keys(settings.auth, settings.host)
    if not is_wanted and not is_kept:
        yield Lock(rule_of(settings.auth, settings.host, has_key=False))
        return
    admin_key = _from_file(settings.admin_key_file) if is_wanted else ""
    with closing(AccessStore(settings.home / FILE)) as store:
        keyring = Keyring(store, admin_key=admin_key)
        now = keyring.now()
        has_key = bool(admin_key) or any(one.holds(now) for one in keyring.listed())
        yield Lock(rule_of(settings.auth, settings.host, has_key=has_key), keyring)


def _from_file(path: Path | None) -> str:
    if path is None:
        return ""
    source = f"QUIRE_ADMIN_KEY_FILE={path}"
    try:
        with path.open("rb") as file:
            text = file.read(_MAX_FILE_BYTES).decode("ascii")
    except OSError as error:
        raise KeyRefusedError(f"{source}: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise KeyRefusedError(f"{source}: not a text with one key") from error
    return admin_key_of(text, source)
