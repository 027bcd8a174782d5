"""Bytes to a server as they are, no client tidies them; and what a request asks for by itself."""

from __future__ import annotations

import json
import re
import socket
from contextlib import suppress
from urllib.parse import quote, urlsplit

SENT = "qqq"  # stands for any text in a body that is made from a description


def raw(url: str, request: bytes, source: str = "", timeout_s: float = 20) -> bytes:
    """Send bytes, read until the other side closes.

    Args:
        source: address of this machine that they are to come from; empty = the usual one.
    """
    at = urlsplit(url)
    with socket.create_connection(
        (at.hostname, at.port), timeout=timeout_s, source_address=(source, 0) if source else None
    ) as line:
        answer = b""
        with suppress(ConnectionResetError, BrokenPipeError):  # closed before all of it was sent
            line.sendall(request)
        with suppress(ConnectionResetError):  # closed with some of what was sent unread
            while part := line.recv(65536):
                answer += part
        return answer


def get(path: str, *headers: str, host: str = "localhost", method: str = "GET") -> bytes:
    """Write a request without a body."""
    lines = (f"{method} {path} HTTP/1.1", f"Host: {host}", *headers, "Connection: close", "", "")
    return "\r\n".join(lines).encode("latin-1")


def status_of(answer: bytes) -> int:
    """Read the status of an answer; 0 = there was none."""
    found = re.match(rb"HTTP/1\.1 (\d{3})", answer)
    return int(found[1]) if found else 0


def operations(description):
    """List (METHOD, path, operation) of a description."""
    return [
        (method.upper(), path, operation)
        for path, found in description["paths"].items()
        for method, operation in found.items()
    ]


def filled(path: str, value: str) -> str:
    """Put a value in place of every parameter of a path."""
    return re.sub(r"\{[^}]*\}", quote(value, safe=""), path)


def body_of(operation, text: str = SENT):
    """Make a body with every text of the described one; None if none is described."""
    content = (operation.get("requestBody") or {}).get("content", {})
    schema = (content.get("application/json") or {}).get("schema")
    if schema is None:
        return None
    fields = schema.get("properties") or {}
    texts = [name for name, one in fields.items() if '"string"' in json.dumps(one)]
    return dict.fromkeys([*texts, *(schema.get("required") or [])], text)
