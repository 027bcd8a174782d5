"""What a request did in, one line of the audit log out; each line seals the one before; pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass

NOTHING = "0" * 64  # what the very first line has in place of a hash
MAX_COLLECTIONS = 20
MAX_TEXT = 200


@dataclass(frozen=True, slots=True)
class Entry:
    """What is kept of one request: never a question, a text, a path or a query string."""

    time: str  # ISO 8601, UTC, when the answer had ended
    request_id: str
    key: str  # id of the key; empty = none was asked for or shown
    key_name: str
    address: str
    method: str
    route: str  # the template, not the path
    collections: tuple[str, ...]
    status: int
    duration_ms: float
    is_cut: bool = False  # the client went away before the end

    def fields(self) -> dict[str, object]:
        """Give it as JSON knows it, every text bounded."""
        told = {name: _bounded(value) for name, value in asdict(self).items()}
        told["collections"] = [_cut(one) for one in sorted(self.collections)[:MAX_COLLECTIONS]]
        return told


@dataclass(frozen=True, slots=True)
class Link:
    """Where the chain is: the number of the last line, and its hash."""

    n: int = 0
    hash: str = NOTHING


def sealed(link: Link, fields: Mapping[str, object]) -> tuple[bytes, Link]:
    """Write the next line, which holds the hash of the last one; give it and the new end."""
    body = {"n": link.n + 1, **fields, "prev": link.hash}
    raw = json.dumps(body, ensure_ascii=True, separators=(",", ":")).encode("ascii")
    return raw + b"\n", Link(link.n + 1, hash_of(raw))


def hash_of(raw: bytes) -> str:
    """Hash a line, without its line feed."""
    return hashlib.sha256(raw).hexdigest()


def parsed(raw: bytes) -> dict[str, object] | None:
    """Read a line; None if it is not a whole one."""
    try:
        found = json.loads(raw)
    except ValueError:
        return None
    is_line = isinstance(found, dict) and isinstance(found.get("n"), int) and "prev" in found
    return found if is_line else None


def _bounded(value: object) -> object:
    return _cut(value) if isinstance(value, str) else value


def _cut(text: str) -> str:
    return text if len(text) <= MAX_TEXT else text[: MAX_TEXT - 1] + "…"
