"""Setting, address and keys in; whether keys are asked for out, or why the server may not start."""

from __future__ import annotations

from dataclasses import dataclass

from app.access.errors import LockedOutError
from app.config import Auth
from app.notices import Notice
from engine.api.guard import is_loopback

CURE = (
    "make a key with `quire keys add NAME --scope admin`, or name a file that holds one with "
    "QUIRE_ADMIN_KEY_FILE; QUIRE_AUTH=off lets everybody in who reaches the address"
)


@dataclass(frozen=True, slots=True)
class Rule:
    """What holds for one server."""

    is_on: bool
    notice: str = ""  # to be said loudly


def wants_keys(auth: Auth, host: str) -> bool:
    """Tell whether a server at an address asks for keys."""
    return auth == "on" or (auth == "auto" and not is_loopback(host))


def is_shared(auth: Auth, host: str) -> bool:
    """Tell whether others than the person at this machine may ask a server for something."""
    return wants_keys(auth, host) or not is_loopback(host)


def rule_of(auth: Auth, host: str, *, has_key: bool) -> Rule:
    """Decide for a server that is about to start.

    Args:
        host: the address that it listens at.
        has_key: there is a key that opens something.
    Raises:
        LockedOutError: keys would be asked for, and nobody has one; the message says the cure.
    """
    if wants_keys(auth, host):
        if not has_key:
            why = "QUIRE_AUTH=on asks for keys" if auth == "on" else _far(host)
            raise LockedOutError(f"{why}, and there is no key yet: {CURE}")
        return Rule(is_on=True)
    if is_loopback(host):
        return Rule(is_on=False)
    return Rule(
        is_on=False,
        notice=Notice(
            f"QUIRE_AUTH=off at {host}: everybody who reaches this address may read, ask, change "
            "and delete everything",
            "open_server",
            where=host,
        ),
    )


def _far(host: str) -> str:
    return f"{host or 'every address'} can be reached from other machines, so keys are asked for"
