"""`quire up`, `serve`, `ui`, `prepare`: what starts and keeps running."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.session import note, settings_of

if TYPE_CHECKING:
    import socket

    from app.audit.log import AuditLog
    from app.compose import Parts
    from app.config import Settings

HostOption = Annotated[str, typer.Option("--host", help="Address to listen at (QUIRE_HOST).")]
PortOption = Annotated[str, typer.Option("--port", help="Port to listen at (QUIRE_PORT).")]
NoUiOption = Annotated[bool, typer.Option("--no-ui", help="Leave the pages away.")]


def up(host: HostOption = "", port: PortOption = "", no_ui: NoUiOption = False) -> None:
    """Start everything: fetch models, index the samples, watch the inbox, serve on one port."""
    settings = settings_of({"QUIRE_HOST": host, "QUIRE_PORT": port})
    with _listening(settings) as (at, listening):
        _serve_all(listening, at, has_ui=not no_ui, is_first_time_kind=True)


def serve(
    host: HostOption = "",
    port: PortOption = "",
    no_ui: NoUiOption = False,
    engine_only: Annotated[
        bool, typer.Option("--engine-only", help="Models alone, in place of Ollama.")
    ] = False,
) -> None:
    """Serve the knowledge base, or the engine alone."""
    flags = {"QUIRE_HOST": host, "QUIRE_PORT": port}
    settings = settings_of(flags)
    if engine_only and settings.ollama_host:
        # In Ollama's place, at Ollama's address; a knowledge base is not moved by that variable.
        said_host, said_port = settings.ollama_host
        settings = settings_of(
            {"QUIRE_HOST": host or said_host, "QUIRE_PORT": port or str(said_port)}
        )
    with _listening(settings) as (at, listening):
        if engine_only:
            _serve_engine(listening, at)
        else:
            _serve_all(listening, at, has_ui=not no_ui, is_first_time_kind=False)


def ui(
    api: Annotated[str, typer.Option("--api", help="Where the API answers.")] = "",
    host: Annotated[str, typer.Option("--host", help="Address to listen at.")] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", help="Port to listen at.")] = 8501,
) -> None:
    """Serve the pages alone, for an API that runs elsewhere."""
    from app.server import bind
    from ui.server import serve as serve_pages

    api_url = api.rstrip("/") or settings_of().url
    bind(host, port).close()  # says who is there already, before anything heavy is loaded
    note(f"open http://{host}:{port}/ (API at {api_url})")
    serve_pages(api_url, host=host, port=port)


def prepare() -> None:
    """Fetch the models that are missing, then end."""
    from app.compose import prepare_models
    from app.server import stopping_cleanly

    with stopping_cleanly():
        models = prepare_models(settings_of(), tell)
    print(f"embedding model: {models.embedding}")
    print(f"chat model: {models.chat}")
    for text in models.notices:
        print(f"note: {text}")


def tell(text: str) -> None:
    """Say on standard output what takes long."""
    print(text, flush=True)


def warn(text: str) -> None:
    """Say loudly, if there is anything to say, what whoever starts the server must know."""
    if text:
        line = "!" * 78
        note(f"{line}\nWARNING: {text}\n{line}")


@contextmanager
def _listening(settings: Settings) -> Iterator[tuple[socket.socket, Settings]]:
    """Take the port before anything slow; settings come back with the port really taken."""
    from dataclasses import replace

    from app.client import who_listens
    from app.server import PortTakenError, bind, is_answering, stopping_cleanly
    from app.tls import tls_of, trust_of

    tls_of(settings)  # says what is wrong with them before anything else uses them
    trust = trust_of(settings, settings.url)
    if settings.port and is_answering(settings.url):
        raise PortTakenError(
            f"port {settings.port} is taken: {who_listens(settings.url, trust)} answers at "
            f"{settings.url}. Stop it, or choose another port with --port or QUIRE_PORT"
        )
    at = bind(settings.host, settings.port)
    with stopping_cleanly():
        try:
            yield at, replace(settings, port=at.getsockname()[1])
        finally:
            at.close()


def _serve_engine(settings: Settings, at: socket.socket) -> None:
    from app.access.here import ENGINE_TOKEN_FILE, token_noted
    from app.compose import compose_engine
    from app.logs import set_up
    from app.server import build_app, run
    from app.tls import tls_of

    set_up(settings.keeping.log_level, settings.keeping.log_format)
    tls = tls_of(settings)
    with (
        compose_engine(settings) as parts,
        auditing(parts) as audit,
        token_noted(settings.home, settings.url, parts.lock, ENGINE_TOKEN_FILE),
    ):
        warn(parts.lock.rule.notice)
        tell(f"engine at {settings.url}, models in {settings.engine.models_dir}")
        run(build_app(parts, has_ui=False, audit=audit), at, tls)


def _serve_all(
    settings: Settings, at: socket.socket, *, has_ui: bool, is_first_time_kind: bool
) -> None:
    from app.access.here import token_noted
    from app.client import noting
    from app.compose import compose
    from app.config import url_of
    from app.logs import set_up
    from app.server import bind, build_app, run
    from app.tls import tls_of

    set_up(settings.keeping.log_level, settings.keeping.log_format)
    tls = tls_of(settings)
    with ExitStack() as opened:
        parts = opened.enter_context(compose(settings, tell))
        if is_first_time_kind:
            _index_samples(parts)
        _watch_all(parts)
        opened.enter_context(token_noted(settings.home, settings.url, parts.lock))
        opened.enter_context(noting(settings.home, settings.url))
        warn(parts.lock.rule.notice)
        audit = opened.enter_context(auditing(parts))
        # The pages of this process need no certificate to trust: they have a door of their own.
        inner = [opened.enter_context(closing(bind("127.0.0.1", 0)))] if tls and has_ui else []
        api_url = url_of(*inner[0].getsockname()) if inner else ""
        app = build_app(parts, has_ui=has_ui, audit=audit, api_url=api_url)
        _welcome(settings, parts.notices, has_ui=has_ui)
        run(app, at, tls, inner)


@contextmanager
def auditing(parts: Parts) -> Iterator[AuditLog | None]:
    """Keep an audit log, if one is to be kept; a disk that refuses it does not stop the server."""
    from app.audit.log import AuditLog, audit_path

    settings = parts.settings
    if not settings.keeping.is_audited(is_locked=parts.lock.rule.is_on):
        yield None
        return
    path = audit_path(settings.home, is_engine_only=parts.kb is None)
    try:
        audit = AuditLog(path)
    except OSError as error:
        warn(f"no audit log is kept: {path}: {error.strerror or error}")
        yield None
        return
    try:
        yield audit
    finally:
        audit.close()


def _index_samples(parts: Parts) -> None:
    """Give an empty library something to ask about; it is read while the server starts."""
    from app.compose import DEFAULT_COLLECTION
    from app.samples import find_samples

    if parts.kb is None or any(one.n_documents for one in parts.kb.collections()):
        return
    samples = find_samples()
    if samples is None:
        tell("no sample documents here (they come with the source checkout); starting empty")
        return
    parts.kb.sync(samples.folder, DEFAULT_COLLECTION)
    tell(f"indexing the sample documents of {samples.folder}")


def _watch_all(parts: Parts) -> None:
    from app.compose import DEFAULT_COLLECTION

    if parts.kb is None:
        return
    parts.settings.inbox.mkdir(parents=True, exist_ok=True)
    for folder in (parts.settings.inbox, *parts.settings.watch):
        if folder.is_dir():
            parts.kb.watch(folder, DEFAULT_COLLECTION)
        else:
            tell(f"QUIRE_WATCH names {folder}, which is no folder; it is not watched")
    parts.kb.roots.resume()


def _welcome(settings: Settings, notices: tuple[str, ...], *, has_ui: bool) -> None:
    for text in notices:
        tell(f"note: {text}")
    if has_ui:
        tell(f"open {settings.url}/ui/ in a browser")
    tell(f"API at {settings.url} (list of routes: {settings.url}/docs)")
    tell(f"put documents into {settings.inbox}, or run `quire ingest PATH`")
    tell("Ctrl-C ends")
    sys.stdout.flush()
