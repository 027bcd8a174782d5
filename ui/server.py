"""The interface as an ASGI application: Streamlit, set up to keep to itself."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from ui.palette import theme_options

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

    from ui.static import Static

_log = logging.getLogger(__name__)

_SERVER_LOGS = ("uvicorn", "uvicorn.access", "uvicorn.asgi", "uvicorn.error", "websockets")
_OPTIONS: Mapping[str, object] = {
    "browser.gatherUsageStats": False,  # else every browser fetches data.streamlit.io
    "client.allowedOrigins": [],  # else pages of streamlit.app may steer this one from a frame
    "client.showErrorDetails": "none",  # no tracebacks in the page
    "client.toolbarMode": "minimal",
    "runner.magicEnabled": False,
    "server.enableAgentApi": False,
    "server.fileWatcherType": "none",
    "server.showEmailPrompt": False,
}
_WARM_PATIENCE_S = 120.0


def ui_app(api_url: str, *, max_upload_mb: int = 512) -> Interface:
    """Return the interface to mount, e.g. at /ui; nothing heavy happens before the first request.

    A process serves one interface: Streamlit keeps its state per process.

    Args:
        api_url: where the API answers, as seen from this process.
        max_upload_mb: largest file that the page accepts.
    """
    return Interface(api_url, max_upload_mb)


def serve(api_url: str, *, host: str = "127.0.0.1", port: int = 8501) -> None:
    """Serve the interface alone until interrupted, for an API that runs elsewhere."""
    import uvicorn

    pages = ui_app(api_url)
    pages.warm_soon(pages.api_url, patience_s=0)
    uvicorn.run(pages, host=host, port=port, log_level="warning")


def is_same_origin(origin: str | None, host: str | None) -> bool:
    """Tell whether a request comes from this server's own page, or from no page at all."""
    return origin is None or urlsplit(origin).netloc.casefold() == (host or "").casefold()


class Interface:
    """Builds Streamlit's application at the first request, or before, and guards its door.

    Pages of other origins are turned away here. Streamlit would do so too, but asks an
    outside service for this machine's public address before it does.
    """

    def __init__(self, api_url: str, max_upload_mb: int) -> None:
        self.api_url, self._max_upload_mb = api_url, max_upload_mb
        self._built: tuple[ASGIApp, Static] | None = None
        self._lock = threading.Lock()

    def warm_soon(self, url: str, *, patience_s: float = _WARM_PATIENCE_S) -> None:
        """Load what is heavy in a thread, once somebody answers at `url`.

        The thread keeps the usual priority: one of low priority that holds the interpreter's
        lock would hold up the server whenever models compute.

        Args:
            patience_s: how long to wait for an answer; 0 waits for nobody.
        """
        threading.Thread(target=self._warm, args=(url, patience_s), daemon=True).start()

    def _warm(self, url: str, patience_s: float) -> None:
        if patience_s and not _answers(url, patience_s):
            return
        _, static = self._build()
        import ui.pages  # noqa: F401

        for name in static.first_names():
            static.compressed(name)

    def _build(self) -> tuple[ASGIApp, Static]:
        with self._lock:
            if self._built is None:
                self._built = _streamlit(self.api_url, self._max_upload_mb), _static()
            return self._built

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, as ASGI has it."""
        if scope["type"] != "lifespan":
            headers = {key: value.decode("latin-1") for key, value in scope["headers"]}
            origin, host = headers.get(b"origin"), headers.get(b"host")
            if not is_same_origin(origin, host):
                _log.warning("page of another origin refused: origin=%s host=%s", origin, host)
                await _refuse(scope["type"], send)
                return
        if self._built is None:
            from anyio import to_thread

            # In a thread: the import takes a second, in which others are served.
            await to_thread.run_sync(self._build)
        app, static = self._build()
        if not await static.answer(scope, send):
            await app(scope, receive, send)


def _answers(url: str, patience_s: float) -> bool:
    """Wait until somebody listens where `url` points."""
    import socket

    parts = urlsplit(url)
    deadline = time.monotonic() + patience_s
    while time.monotonic() < deadline:
        try:
            socket.create_connection((parts.hostname or "", parts.port or 80), timeout=1).close()
        except OSError:
            time.sleep(0.1)
        else:
            return True
    return False


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
        options = {**_OPTIONS, **theme_options(), "server.maxUploadSize": max_upload_mb}
        for name, value in options.items():
            config.set_option(name, value)
    return app


def _static() -> Static:
    from streamlit import file_util

    from ui.static import Static

    return Static(Path(file_util.get_static_dir()))


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
