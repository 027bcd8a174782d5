"""A path in, the headers that keep browsers from harm out; pure, and the ASGI part that adds them.

Ollama's and OpenAI's clients are no browsers and do not look at any of them.
"""

from __future__ import annotations

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

# Nothing of ours may be put into another page; what a page may load is in its own policy below.
_FRAMES = "frame-ancestors 'none'; base-uri 'self'; form-action 'self'; object-src 'none'"
# Streamlit styles its elements one by one, runs WebAssembly, and its charts build functions of
# text. Scripts come from files of this server alone, and no other host is ever asked, whatever a
# document says.
PAGES_POLICY = "; ".join(
    (
        "default-src 'self'",
        "script-src 'self' 'unsafe-eval'",
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data: blob:",
        "font-src 'self' data:",
        "media-src 'self' data: blob:",
        "connect-src 'self' ws: wss: data: blob:",
        "worker-src 'self' blob:",
        "frame-src 'self' blob: data:",
        _FRAMES,
    )
)
DOCS_POLICY = f"default-src 'none'; style-src 'unsafe-inline'; img-src 'self' data:; {_FRAMES}"
DATA_POLICY = "default-src 'none'; frame-ancestors 'none'"
HSTS = "max-age=31536000"
_STATIC = "/ui/static/"


def headers_for(path: str, *, is_tls: bool) -> dict[str, str]:
    """List the headers of an answer below `path`."""
    is_page = path == "/ui" or path.startswith("/ui/")
    found = {
        "x-content-type-options": "nosniff",
        "referrer-policy": "no-referrer",
        "x-frame-options": "DENY",
        "content-security-policy": _policy(path, is_page=is_page),
        "cross-origin-resource-policy": "same-origin",
    }
    if not is_page:
        found["cache-control"] = "no-store"
    if is_tls:
        found["strict-transport-security"] = HSTS
    return found


def _policy(path: str, *, is_page: bool) -> str:
    if is_page:
        return PAGES_POLICY
    if path == "/docs" or path == "/login" or path.startswith("/login/"):
        return DOCS_POLICY
    return DATA_POLICY


class SecurityHeaders:
    """Adds them to each answer that does not say something else itself; pure ASGI."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on and mark its answer."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        wanted = headers_for(scope["path"], is_tls=scope.get("scheme") == "https")

        async def marking(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in wanted.items():
                    headers.setdefault(name, value)
                if "access-control-allow-origin" in headers:
                    headers["cross-origin-resource-policy"] = "cross-origin"
            await send(message)

        await self._app(scope, receive, marking)
