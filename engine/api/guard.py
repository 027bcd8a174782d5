"""Origin and Host of a request in, yes or 403 out: CORS, and a defence against DNS rebinding."""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Sequence
from itertools import product

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

ALLOWED_METHODS = "GET,POST,PUT,PATCH,DELETE,HEAD,OPTIONS"
_STAINLESS = (
    "arch",
    "async",
    "custom-poll-interval",
    "helper-method",
    "lang",
    "os",
    "package-version",
    "poll-helper",
    "retry-count",
    "runtime",
    "runtime-version",
    "timeout",
)
ALLOWED_HEADERS = ",".join(
    ["Authorization", "Content-Type", "User-Agent", "Accept", "X-Requested-With", "OpenAI-Beta"]
    + [f"x-stainless-{name}" for name in _STAINLESS]
)
_LOCAL_NAMES = ("localhost", "127.0.0.1", "0.0.0.0")
_LOCAL_SUFFIXES = (".localhost", ".local", ".internal")
_PRIVATE_SUFFIXES = (".svc", ".lan", ".home.arpa")  # that the public DNS will never have
_UNKNOWN_HOST = b'{"error":"this server is not called so: name the host in QUIRE_HOSTS"}'
_APP_ORIGINS = ("app://*", "file://*", "tauri://*", "vscode-webview://*", "vscode-file://*")


def allowed_origins(further: Sequence[str]) -> tuple[str, ...]:
    """List the origin patterns that are let in; `*` in one stands for any text."""
    local = tuple(
        f"{scheme}://{name}{port}"
        for name, scheme, port in product(_LOCAL_NAMES, ("http", "https"), ("", ":*"))
    )
    return (*further, *local, *_APP_ORIGINS)


def is_loopback(host: str) -> bool:
    """Tell whether a listen address can be reached from this machine alone."""
    if host.lower() == "localhost":
        return True
    address = _address(host)
    return address is not None and address.is_loopback


def is_local_host(name: str, hostname: str) -> bool:
    """Tell whether a Host header, without port, names this machine or its own network."""
    name = name.lower()
    if name in ("", "localhost", hostname.lower()) or name.endswith(_LOCAL_SUFFIXES):
        return True
    address = _address(name)
    if address is None:
        return False
    is_near = address.is_loopback or address.is_private or address.is_unspecified
    return is_near or _is_own(address)


def can_be_rebound(name: str) -> bool:
    """Tell whether a web page could make a browser call this machine by such a name.

    It takes a name in the public DNS for that: no address, and no name without a dot, as those
    of containers and of machines in one's own network are.
    """
    is_private = name.rstrip(".").lower().endswith(_PRIVATE_SUFFIXES)
    return _address(name) is None and "." in name.rstrip(".") and not is_private


def without_port(host: str) -> str:
    """Cut the port from a Host header; brackets of an IPv6 address go too."""
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0] if host.count(":") == 1 else host


class Guard:
    """Refuses requests of foreign web pages; pure ASGI, so streams pass through untouched."""

    def __init__(
        self, app: ASGIApp, *, origins: Sequence[str], host: str, hosts: Sequence[str] | None = None
    ) -> None:
        """Prepare the rules.

        Args:
            origins: patterns let in besides the local ones.
            host: the address that the server listens at.
            hosts: further names, `*` for any text, by which it may be called; with them names
                are also checked where others can reach it. None = not checked there.
        """
        patterns = allowed_origins(origins)
        self._app = app
        self._allows_all = "*" in patterns
        self._patterns = re.compile("|".join(_pattern(one) for one in patterns), re.IGNORECASE)
        self._is_loopback = is_loopback(host)
        self._guards_host = self._is_loopback or hosts is not None
        self._hosts = re.compile("|".join(_pattern(one) for one in hosts or ()), re.IGNORECASE)
        self._hostname = socket.gethostname()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through, answer a preflight, or refuse."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        origin, host = headers.get("origin", ""), headers.get("host", "")
        is_foreign = bool(origin) and origin not in (f"http://{host}", f"https://{host}")
        if is_foreign and not self._allows(origin):
            await _refuse(scope, send)
        elif not self._knows(host):
            await _refuse(scope, send, b"" if self._is_loopback else _UNKNOWN_HOST)
        elif scope["type"] == "websocket":
            await self._app(scope, receive, send)
        elif scope["method"] == "OPTIONS":
            await _answer(send, 204, self._preflight(origin) if is_foreign else [])
        else:
            await self._app(scope, receive, self._marking(send, origin) if is_foreign else send)

    def _allows(self, origin: str) -> bool:
        return self._allows_all or self._patterns.fullmatch(origin) is not None

    def _knows(self, host: str) -> bool:
        if not self._guards_host:
            return True
        name = without_port(host)
        if is_local_host(name, self._hostname) or self._hosts.fullmatch(name):
            return True
        return not self._is_loopback and not can_be_rebound(name)

    def _shown(self, origin: str) -> str:
        return "*" if self._allows_all else origin

    def _preflight(self, origin: str) -> list[tuple[bytes, bytes]]:
        return [
            (b"access-control-allow-origin", self._shown(origin).encode("latin-1")),
            (b"access-control-allow-methods", ALLOWED_METHODS.encode()),
            (b"access-control-allow-headers", ALLOWED_HEADERS.encode()),
            (b"access-control-max-age", b"43200"),
            (b"vary", b"Origin"),
        ]

    def _marking(self, send: Send, origin: str) -> Send:
        async def marked(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers["access-control-allow-origin"] = self._shown(origin)
                headers.add_vary_header("Origin")
            await send(message)

        return marked


async def _refuse(scope: Scope, send: Send, text: bytes = b"") -> None:
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1008})
    else:
        kind = [(b"content-type", b"application/json; charset=utf-8")] if text else []
        await _answer(send, 403, kind, text)


async def _answer(
    send: Send, status: int, headers: list[tuple[bytes, bytes]], body: bytes = b""
) -> None:
    length = [] if status == 204 else [(b"content-length", b"%d" % len(body))]
    start = {"type": "http.response.start", "status": status, "headers": [*headers, *length]}
    await send(start)
    await send({"type": "http.response.body", "body": body})


def _pattern(entry: str) -> str:
    # Any port, but nothing else in its place: a name could end in what looks like one.
    head, port = (entry[:-2], r":\d{1,5}") if entry.endswith(":*") else (entry, "")
    return "(?:" + ".*".join(re.escape(part) for part in head.split("*")) + port + ")"


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(text.strip("[]"))
    except ValueError:
        return None


def _is_own(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    """Tell whether an interface of this machine has the address: only then it can be bound."""
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.bind((str(address), 0))
    except OSError:
        return False
    return True
