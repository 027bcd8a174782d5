"""The token that a server leaves for commands on its own machine, readable by its user alone."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from app.access.opening import Lock

TOKEN_FILE = "server.token"
ENGINE_TOKEN_FILE = "engine.token"  # of `quire serve --engine-only`, which may run beside


def token_here(home: Path, url: str) -> str:
    """Read the token that a server of this data directory left; empty if none did for this address.

    It is shown to nobody else: whoever has it may do everything.
    """
    for name in (TOKEN_FILE, ENGINE_TOKEN_FILE):
        with suppress(OSError, UnicodeDecodeError, ValueError):
            token, at = (home / name).read_text(encoding="ascii").split()
            if at == url:
                return token
    return ""


@contextmanager
def token_noted(home: Path, url: str, lock: Lock, name: str = TOKEN_FILE) -> Iterator[None]:
    """Leave a token for the time of the context, if keys are asked for at all.

    Args:
        url: where the server answers.
    """
    keyring, note = lock.keyring, home / name
    if not lock.rule.is_on or keyring is None:
        note.unlink(missing_ok=True)  # of a server that was killed
        yield
        return
    with suppress(OSError, UnicodeDecodeError):  # what one that was killed left opens no more
        keyring.log_out(note.read_text(encoding="ascii").partition(" ")[0])
    token = keyring.open_here()
    try:
        _write(note, f"{token} {url}\n")
        yield
    finally:
        note.unlink(missing_ok=True)
        keyring.log_out(token)


def _write(note: Path, text: str) -> None:
    new = note.with_suffix(".new-token")
    new.unlink(missing_ok=True)
    # 0600 from the first moment, and never through a link that somebody else laid there.
    handle = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w", encoding="ascii") as file:
        file.write(text)
    new.replace(note)
