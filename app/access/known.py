"""A key's id in, a mark out that says "this browser has logged in with it before"; and back.

Only this process can write such a mark, and it opens nothing: the throttle tells by it who mistyped
from who guesses, where both come from the one address of a proxy.
"""

from __future__ import annotations

import hmac
import secrets

COOKIE = "quire_known"
KEPT_S = 90 * 24 * 3600
_MAX_SHOWN = 200  # characters of a mark that are looked at


class Known:
    """Writes marks and reads them."""

    def __init__(self, secret: bytes | None = None) -> None:
        """Prepare.

        Args:
            secret: what marks are signed with; None = a new one, so older marks say nothing.
        """
        self._secret = secrets.token_bytes(32) if secret is None else secret

    def mark(self, key_id: str) -> str:
        """Write a mark for who has just logged in."""
        return f"{key_id}.{self._signed(key_id)}"

    def key_id(self, mark: str) -> str:
        """Tell which key a mark was written for; empty if it is none of ours."""
        key_id, _, signed = mark[:_MAX_SHOWN].partition(".")
        is_ours = hmac.compare_digest(
            signed.encode("utf-8", "replace"), self._signed(key_id).encode()
        )
        return key_id if is_ours else ""

    def _signed(self, key_id: str) -> str:
        return hmac.new(self._secret, key_id.encode("utf-8", "replace"), "sha256").hexdigest()
