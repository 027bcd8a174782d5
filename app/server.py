"""Open parts in, one ASGI application out; `serving` listens with it until told to stop."""

from __future__ import annotations

import logging
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import TYPE_CHECKING

from fastapi import FastAPI, Request, Response
from fastapi.responses import PlainTextResponse, RedirectResponse

from app.api.errors import install_errors
from app.api.health import health_router
from app.api.openapi import docs_router
from app.compose import Parts
from app.version import VERSION
from engine.api.bridge import Bridge
from engine.api.guard import Guard
from engine.api.metrics import Counted, HttpMeter, metrics_router
from engine.api.router import engine_router, root_text

if TYPE_CHECKING:
    import uvicorn

GRACE_S = 5  # that running requests get when the server is told to stop
START_S = 30.0  # that the private server may take until it answers
STOP_S = 30.0


class PortTakenError(Exception):
    """Somebody else listens at the address; the message says who, if that can be told."""


def build_app(parts: Parts, *, has_ui: bool = True) -> FastAPI:
    """Build the application: the engine's routes, ours if there is a knowledge base, the pages.

    Args:
        has_ui: mount the interface at /ui; without a knowledge base there is none.
    """
    # The usual pages at /docs load scripts from elsewhere; ours does not.
    app = FastAPI(title="Quire", version=VERSION, docs_url=None, redoc_url=None, openapi_url=None)
    install_errors(app)
    app.add_middleware(Guard, origins=parts.settings.engine.origins, host=parts.settings.host)
    http = HttpMeter(VERSION)
    app.add_middleware(Counted, meter=http)  # outside: also what Guard refuses
    app.include_router(engine_router(parts.engine))
    app.include_router(health_router(parts))
    app.include_router(metrics_router(parts.engine.meter, http))
    app.include_router(docs_router(app))
    if parts.kb is not None:
        _include_kb(app, parts)
    is_with_pages = has_ui and parts.kb is not None
    if is_with_pages:
        from ui.server import ui_app

        max_mb = max(1, parts.settings.max_file_bytes // 1024**2)
        app.mount("/ui", ui_app(parts.settings.url, max_upload_mb=max_mb))

    @app.api_route("/", methods=["GET", "HEAD"], include_in_schema=False)
    def root(request: Request) -> Response:
        """Send browsers to the pages; tell clients of Ollama what they ask for."""
        if is_with_pages and prefers_html(request.headers.get("accept", "")):
            return RedirectResponse("/ui/", status_code=302)
        return PlainTextResponse(root_text)

    return app


def prefers_html(accept: str) -> bool:
    """Tell whether an Accept header is a browser's: it names text/html before any other type."""
    first = accept.split(",")[0].partition(";")[0].strip().casefold()
    return first in {"text/html", "application/xhtml+xml"}


def bind(host: str, port: int) -> socket.socket:
    """Take a port; 0 takes any free one.

    Raises:
        PortTakenError: it is in use, or not allowed.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    taken = socket.socket(family, socket.SOCK_STREAM)
    taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        taken.bind((host, port))
    except OSError as error:
        taken.close()
        raise PortTakenError(
            f"cannot listen at {host}, port {port}: {error.strerror}. Choose another with --host "
            "and --port, or QUIRE_HOST and QUIRE_PORT"
        ) from error
    return taken


def is_answering(url: str) -> bool:
    """Tell whether anybody listens where `url` points; a bind alone does not see every listener."""
    from urllib.parse import urlsplit

    parts = urlsplit(url)
    try:
        socket.create_connection((parts.hostname or "", parts.port or 80), timeout=0.5).close()
    except OSError:
        return False
    return True


def run(app: FastAPI, at: socket.socket) -> None:
    """Serve until SIGINT or SIGTERM; running requests get a grace period."""
    # The server raises the signal again once it has ended; that is how it is meant to end.
    with suppress(KeyboardInterrupt):
        _server(app).run(sockets=[at])


@contextmanager
def running(app: FastAPI, at: socket.socket) -> Iterator[str]:
    """Serve in a thread of this process while the context is open; gives the URL."""
    server = _server(app)
    thread = threading.Thread(target=server.run, args=([at],), name="server", daemon=True)
    thread.start()
    try:
        _wait_until_started(server, thread)
        host, port = at.getsockname()[:2]
        yield f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
    finally:
        server.should_exit = True
        thread.join(STOP_S)
        at.close()


@contextmanager
def stopping_cleanly() -> Iterator[None]:
    """Turn SIGTERM into KeyboardInterrupt, so that everything open is closed on both."""

    def stop(_: int, __: FrameType | None) -> None:
        raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _server(app: FastAPI) -> uvicorn.Server:
    import uvicorn

    config = uvicorn.Config(
        app,
        log_config=None,
        log_level=logging.WARNING,
        access_log=False,
        timeout_graceful_shutdown=GRACE_S,
        lifespan="on",
        server_header=False,
    )
    return uvicorn.Server(config)


def _wait_until_started(server: uvicorn.Server, thread: threading.Thread) -> None:
    from time import monotonic, sleep

    deadline = monotonic() + START_S
    while not server.started:
        if not thread.is_alive() or monotonic() > deadline:
            raise PortTakenError("the private server did not start; see the log above")
        sleep(0.01)


def _nothing(_: str) -> None:
    pass


def _include_kb(app: FastAPI, parts: Parts) -> None:
    from app.api.collections import collections_router
    from app.api.conversations import conversations_router, install_conversation_errors
    from app.api.documents import documents_router
    from app.api.exam import exam_router, install_exam_errors
    from app.api.index import index_router
    from app.api.jobs import jobs_router
    from app.api.migrations import migrations_router
    from app.api.query import query_router
    from app.api.watched import watched_router

    kb, beats, bridge = parts.kb, parts.beats, Bridge()
    if kb is None or beats is None or parts.conversations is None:
        raise TypeError("a knowledge base comes with its pipeline")
    settings = parts.settings
    app.include_router(
        documents_router(kb, bridge, home=settings.home, max_file_bytes=settings.max_file_bytes)
    )
    forget = parts.exams.forget_verdict if parts.exams is not None else _nothing
    app.include_router(collections_router(kb, forget))
    install_conversation_errors(app)
    app.include_router(conversations_router(parts.conversations, kb.collection))
    install_exam_errors(app)
    if parts.exams is not None:
        app.include_router(exam_router(parts.exams, bridge))
    app.include_router(index_router(kb.compactor))
    app.include_router(jobs_router(kb))
    app.include_router(migrations_router(kb))
    app.include_router(query_router(beats, bridge, parts.conversations))
    app.include_router(watched_router(kb))
