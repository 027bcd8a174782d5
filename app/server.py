"""Open parts in, one ASGI application out; `serving` listens with it until told to stop."""

from __future__ import annotations

import signal
import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from types import FrameType
from typing import TYPE_CHECKING

from fastapi import FastAPI, Request, Response
from fastapi.responses import PlainTextResponse, RedirectResponse

from app.access.installing import install_access
from app.api.errors import install_errors
from app.api.health import health_router
from app.api.openapi import docs_router
from app.compose import Parts
from app.config import url_of
from app.headers import SecurityHeaders
from app.library_figures import LibraryFigures
from app.limiting import KeyLimits, Limits
from app.recorded import Recorded
from app.stopping import Halting, Stop
from app.version import VERSION
from engine.api.bridge import Bridge
from engine.api.guard import Guard
from engine.api.metrics import Counted, HttpMeter, metrics_router
from engine.api.router import engine_router, root_text

if TYPE_CHECKING:
    from starlette.types import ASGIApp

    from app.audit.log import AuditLog
    from app.conversations.store import Conversations
    from app.exam.examiner import Examiner
    from app.serving import Server
    from app.tls import Tls
    from ingest.knowledge_base import KnowledgeBase

START_S = 30.0  # that the private server may take until it answers
STOP_S = 30.0


class PortTakenError(Exception):
    """Somebody else listens at the address; the message says who, if that can be told."""


def build_app(
    parts: Parts, *, has_ui: bool = True, audit: AuditLog | None = None, api_url: str = ""
) -> FastAPI:
    """Build the application: the engine's routes, ours if there is a knowledge base, the pages.

    Args:
        has_ui: mount the interface at /ui; without a knowledge base there is none.
        audit: gets an entry of every request; None = none is kept.
        api_url: where the pages reach the API; empty = where everybody does.
    """
    # The usual pages at /docs load scripts from elsewhere; ours does not.
    app = _App(title="Quire", version=VERSION, docs_url=None, redoc_url=None, openapi_url=None)
    app.state.audit = audit
    install_errors(app)
    keeping, bridges = parts.settings.keeping, (Bridge(), Bridge())
    stop = app.state.stop = Stop(bridges, keeping.grace_s)
    per_minute = keeping.per_minute(is_locked=parts.lock.rule.is_on)
    # Innermost: only there it is known whose key it is.
    app.add_middleware(KeyLimits, per_minute=per_minute)
    is_with_pages = has_ui and parts.kb is not None
    # Further in than the others, which refuse at less cost.
    install_access(app, parts.lock, home="/ui/" if is_with_pages else "/docs")
    limit = keeping.max_body_bytes
    is_locked = parts.lock.rule.is_on
    app.add_middleware(Limits, max_body_bytes=limit, per_minute=per_minute, is_locked=is_locked)
    app.add_middleware(Halting, stop=stop)
    origins, host = parts.settings.engine.origins, parts.settings.host
    app.add_middleware(Guard, origins=origins, host=host, hosts=keeping.hosts)
    http = HttpMeter(VERSION)
    app.add_middleware(Counted, meter=http)  # outside: also what Guard refuses
    app.include_router(engine_router(parts.engine, bridge=bridges[0]))
    app.include_router(health_router(parts, stop, audit))
    app.include_router(metrics_router(parts.engine.meter, http))
    app.include_router(docs_router(app))
    if parts.kb is not None:
        _include_kb(app, parts, bridges[1])
        http.registry.register(LibraryFigures(parts.kb))
    if is_with_pages:
        from ui.server import ui_app

        max_mb = max(1, parts.settings.max_file_bytes // 1024**2)
        app.state.pages = ui_app(api_url or parts.settings.url, max_upload_mb=max_mb)
        app.mount("/ui", app.state.pages)

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


def run(
    app: FastAPI,
    at: socket.socket,
    tls: Tls | None = None,
    plain: Sequence[socket.socket] = (),
) -> None:
    """Serve until SIGINT or SIGTERM; running requests get a grace period.

    Args:
        plain: served without TLS in any case; for the pages of this very process.
    """
    pages = getattr(app.state, "pages", None)
    if pages is not None:
        pages.warm_soon(pages.api_url)
    # The server raises the signal again once it has ended; that is how it is meant to end.
    with suppress(KeyboardInterrupt):
        _server(app, tls, plain).run(sockets=[at])


@contextmanager
def running(app: FastAPI, at: socket.socket, tls: Tls | None = None) -> Iterator[str]:
    """Serve in a thread of this process while the context is open; gives the URL."""
    server = _server(app, tls)
    thread = threading.Thread(target=server.run, args=([at],), name="server", daemon=True)
    thread.start()
    try:
        _wait_until_started(server, thread)
        host, port = at.getsockname()[:2]
        yield url_of(host, port, is_tls=tls is not None)
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


class _App(FastAPI):
    """Starlette answers what nobody expected outside of all middleware; these two go around it."""

    def build_middleware_stack(self) -> ASGIApp:
        """Source: starlette.applications.Starlette."""
        audit = self.state.audit
        inside = SecurityHeaders(super().build_middleware_stack())
        return Recorded(inside, audit=audit.add if audit is not None else None)


def _server(app: FastAPI, tls: Tls | None, plain: Sequence[socket.socket] = ()) -> Server:
    from app.serving import make_server

    return make_server(app, getattr(app.state, "stop", None) or Stop(), tls, plain)


def _wait_until_started(server: Server, thread: threading.Thread) -> None:
    from time import monotonic, sleep

    deadline = monotonic() + START_S
    while not server.started:
        if not thread.is_alive() or monotonic() > deadline:
            raise PortTakenError("the private server did not start; see the log above")
        sleep(0.01)


def _nothing(_: str) -> None:
    pass


def _include_kb(app: FastAPI, parts: Parts, bridge: Bridge) -> None:
    from app.api.backup import backup_router, install_backup_errors
    from app.api.collections import collections_router
    from app.api.conversations import conversations_router, install_conversation_errors
    from app.api.doctor import doctor_router
    from app.api.documents import documents_router
    from app.api.index import index_router
    from app.api.jobs import jobs_router
    from app.api.library import library_router
    from app.api.logs import logs_router
    from app.api.migrations import migrations_router
    from app.api.models_advice import install_pull_errors, models_router
    from app.api.pages import pages_router
    from app.api.query import query_router
    from app.api.watched import watched_router

    kb, beats = parts.kb, parts.beats
    if kb is None or beats is None or parts.conversations is None:
        raise TypeError("a knowledge base comes with its pipeline")
    settings = parts.settings
    app.include_router(
        documents_router(kb, bridge, home=settings.home, max_file_bytes=settings.max_file_bytes)
    )
    forget = parts.exams.forget_verdict if parts.exams is not None else _nothing
    app.include_router(collections_router(kb, forget))
    install_backup_errors(app)
    app.include_router(backup_router(parts))
    app.include_router(doctor_router(parts))
    install_conversation_errors(app)
    drop = parts.exams.store.drop_opinions if parts.exams is not None else _nothing
    app.include_router(conversations_router(parts.conversations, kb.collection, drop))
    if parts.exams is not None:
        _include_exams(app, parts.exams, kb, parts.conversations, bridge)
    app.include_router(index_router(kb.compactor))
    app.include_router(jobs_router(kb))
    app.include_router(migrations_router(kb))
    install_pull_errors(app)
    app.include_router(models_router(parts))
    app.include_router(logs_router())
    app.include_router(library_router(kb, parts.conversations))
    app.include_router(pages_router(kb))
    app.include_router(query_router(beats, bridge, parts.conversations))
    app.include_router(watched_router(kb, parts.settings.home))


def _include_exams(
    app: FastAPI, exams: Examiner, kb: KnowledgeBase, conversations: Conversations, bridge: Bridge
) -> None:
    from app.api.exam import exam_router, install_exam_errors
    from app.api.feedback import feedback_router
    from app.api.seen import seen_document
    from app.api.suggestions import suggestions_router
    from app.exam.opinions import Opinions

    install_exam_errors(app)
    app.include_router(exam_router(exams, bridge))
    opinions = Opinions(exams, partial(seen_document, kb))
    app.include_router(feedback_router(opinions, conversations, bridge))
    app.include_router(suggestions_router(kb, exams, bridge))
