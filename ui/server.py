"""The interface as an ASGI application: Streamlit, set up to keep to itself."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

_log = logging.getLogger(__name__)

_SERVER_LOGS = ("uvicorn", "uvicorn.access", "uvicorn.asgi", "uvicorn.error", "websockets")
_OPTIONS: Mapping[str, object] = {
    "browser.gatherUsageStats": False,  # else every browser fetches data.streamlit.io
    "client.showErrorDetails": "none",  # no tracebacks in the page
    "client.toolbarMode": "minimal",
    "runner.magicEnabled": False,
    "server.fileWatcherType": "none",
    "server.showEmailPrompt": False,
    "theme.light.primaryColor": "#2b8a6e",
    "theme.dark.primaryColor": "#4fb896",
}


def ui_app(api_url: str, *, max_upload_mb: int = 512) -> ASGIApp:
    """Return the interface to mount, e.g. at /ui; nothing heavy happens before the first request.

    A process serves one interface: Streamlit keeps its state per process.

    Args:
        api_url: where the API answers, as seen from this process.
        max_upload_mb: largest file that the page accepts.
    """
    return _Interface(api_url, max_upload_mb)


def serve(api_url: str, *, host: str = "127.0.0.1", port: int = 8501) -> None:
    """Serve the interface alone until interrupted, for an API that runs elsewhere."""
    import uvicorn

    uvicorn.run(ui_app(api_url), host=host, port=port, log_level="warning")


def is_same_origin(origin: str | None, host: str | None) -> bool:
    """Tell whether a request comes from this server's own page, or from no page at all."""
    return origin is None or urlsplit(origin).netloc.casefold() == (host or "").casefold()


class _Interface:
    """Builds Streamlit's application at the first request and guards its door.

    Pages of other origins are turned away here. Streamlit would do so too, but asks an
    outside service for this machine's public address before it does.
    """

    def __init__(self, api_url: str, max_upload_mb: int) -> None:
        self._api_url, self._max_upload_mb = api_url, max_upload_mb
        self._app: ASGIApp | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "lifespan":
            headers = {key: value.decode("latin-1") for key, value in scope["headers"]}
            origin, host = headers.get(b"origin"), headers.get(b"host")
            if not is_same_origin(origin, host):
                _log.warning("page of another origin refused: origin=%s host=%s", origin, host)
                await _refuse(scope["type"], send)
                return
        if self._app is None:
            self._app = _streamlit(self._api_url, self._max_upload_mb)
        await self._app(scope, receive, send)


async def _refuse(kind: str, send: Send) -> None:
    if kind == "websocket":
        await send({"type": "websocket.close", "code": 1008})
        return
    await send({"type": "http.response.start", "status": 403, "headers": []})
    await send({"type": "http.response.body", "body": b"this page may only be used by itself\n"})


def _streamlit(api_url: str, max_upload_mb: int) -> ASGIApp:
    with _server_logs_kept():
        import streamlit as st
        from streamlit import config

        app: ASGIApp = st.App(
            Path(__file__).with_name("main.py"),
            # In a table of its own: secrets at the top level are copied into the environment.
            secrets={"quire": {"api_url": api_url}},
            on_script_error=_explain,
        )
        # After st.App, which settles what files are read; a set option then holds against
        # them and against the environment.
        for name, value in {**_OPTIONS, "server.maxUploadSize": max_upload_mb}.items():
            config.set_option(name, value)
    return app


@contextmanager
def _server_logs_kept() -> Iterator[None]:
    """Undo what importing Streamlit does to the logs of the server that it runs in."""
    loggers = [logging.getLogger(name) for name in _SERVER_LOGS]
    before = [(one.level, one.propagate, list(one.handlers)) for one in loggers]
    yield
    for one, (level, propagate, handlers) in zip(loggers, before, strict=True):
        one.setLevel(level)
        one.propagate, one.handlers = propagate, handlers


def _explain(error: Exception) -> bool:
    """Log what a page stumbled over and show one sentence instead of a traceback."""
    import streamlit as st

    from ui.state import session

    _log.error("page failed", exc_info=error)
    st.error(session().words("unexpected"))
    return True
