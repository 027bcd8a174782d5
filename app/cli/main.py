"""The command line: a name in, its function called, an error in one line; exit 0, 1 or 2."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from app.cli import (
    ask,
    audit,
    backup,
    conversations,
    doctor,
    documents,
    engine,
    exam,
    explain,
    index,
    jobs,
    keys,
    migrate,
    run,
    serve,
)
from app.cli.session import settings_of
from app.version import VERSION

_KNOWLEDGE = (
    ("up", serve.up),
    ("serve", serve.serve),
    ("ui", serve.ui),
    ("ingest", documents.ingest),
    ("watch", documents.watch),
    ("search", ask.search),
    ("ask", ask.ask),
    ("explain", explain.explain),
    ("status", documents.status),
    ("jobs", jobs.jobs),
    ("job", jobs.job),
    ("reindex", documents.reindex),
    ("migrate", migrate.migrate),
    ("doctor", doctor.doctor),
    ("backup", backup.backup),
    ("restore", backup.restore),
    ("demo", ask.demo),
    ("prepare", serve.prepare),
)
_ALIASES = (("ls", engine.list_), ("start", serve.serve))
_MODELS = (
    ("list", engine.list_),
    ("show", engine.show),
    ("run", run.run),
    ("ps", engine.ps),
    ("pull", engine.pull),
    ("push", engine.push),
    ("create", engine.create),
    ("rm", engine.rm),
    ("cp", engine.cp),
    ("stop", engine.stop),
)


def main() -> None:
    """Run the command line of this process."""
    from app.cli.failures import explain

    try:
        build()()
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        sys.exit(0)  # the reader of our output had enough
    except Exception as error:
        text = explain(error)
        if text is None:
            raise
        print(f"error: {text}", file=sys.stderr)
        sys.exit(1)


def build() -> typer.Typer:
    """Put the commands together."""
    app = typer.Typer(
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        add_completion=True,
        help="A private knowledge base with its inference engine inside.",
    )
    for title, commands in (("Knowledge", _KNOWLEDGE), ("Models", _MODELS)):
        for name, function in commands:
            kind = run.RunCommand if function is run.run else None
            app.command(name, cls=kind, rich_help_panel=title)(function)
    for name, function in _ALIASES:
        app.command(name, hidden=True)(function)
    app.add_typer(index.build_index(), name="index", rich_help_panel="Knowledge")
    app.add_typer(conversations.build_chats(), name="chats", rich_help_panel="Knowledge")
    app.add_typer(keys.build_keys(), name="keys", rich_help_panel="Knowledge")
    app.add_typer(exam.build_eval(), name="eval", rich_help_panel="Knowledge")
    app.add_typer(audit.build_audit(), name="audit", rich_help_panel="Knowledge")
    app.callback()(_root)
    return app


def _print_version(is_asked: bool) -> None:
    if is_asked:
        from app.client import ask_status, key_for
        from app.tls import trust_of

        print(f"quire version is {VERSION}")
        settings = settings_of()
        trust = trust_of(settings, settings.url)
        status = ask_status(settings.url, key_for(settings, settings.url), trust)
        if status is not None and status.version != VERSION:
            print(f"Warning: the server's version is {status.version}")
        raise typer.Exit


def _root(
    version: Annotated[
        bool,
        typer.Option(
            "--version", "-v", help="Print the version.", callback=_print_version, is_eager=True
        ),
    ] = False,
) -> None:
    """Take the options that stand before the command."""


if __name__ == "__main__":
    main()
