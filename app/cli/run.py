"""`quire run`: one answer, or a conversation at the prompt."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer
from typer.core import TyperCommand

from app.cli.session import client_of, note, settings_of

if TYPE_CHECKING:
    from app.cli.repl import Session
    from app.cli.wire import ShowIn
    from app.client import Client

_LEVELS = ("low", "medium", "high", "max")


class RunCommand(TyperCommand):
    """Lets `--think` stand alone, without taking the next word for its value."""

    def parse_args(self, ctx: typer.Context, args: list[str]) -> list[str]:  # type: ignore[override]
        """Write `--think` out before anything else reads the line."""
        return super().parse_args(ctx, spelled_out(args))


def spelled_out(args: Sequence[str]) -> list[str]:
    """Replace a bare `--think` by `--think=true`; what stands behind `--` stays."""
    end = args.index("--") if "--" in args else len(args)
    head = ["--think=true" if word == "--think" else word for word in args[:end]]
    return [*head, *args[end:]]


def run(  # noqa: PLR0913 - the flags that Ollama has
    model: Annotated[str, typer.Argument(help="Name of the model.")],
    prompt: Annotated[list[str] | None, typer.Argument(help="The prompt.")] = None,
    verbose: Annotated[bool, typer.Option("--verbose", help="Show timings.")] = False,
    format_: Annotated[
        str, typer.Option("--format", help="json, or a JSON schema: how to answer.")
    ] = "",
    keepalive: Annotated[
        str, typer.Option("--keepalive", help="How long to keep the model loaded, e.g. 5m.")
    ] = "",
    think: Annotated[
        str, typer.Option("--think", help="true, false, low, medium, high or max.")
    ] = "",
    hidethinking: Annotated[
        bool, typer.Option("--hidethinking", help="Do not show what the model thinks.")
    ] = False,
    nowordwrap: Annotated[
        bool, typer.Option("--nowordwrap", help="Leave lines as long as they are.")
    ] = False,
    insecure: Annotated[
        bool, typer.Option("--insecure", help="Allow a registry without encryption.")
    ] = False,
    truncate: Annotated[
        bool | None,
        typer.Option("--truncate/--no-truncate", help="Embeddings: cut a text that is too long."),
    ] = None,
    dimensions: Annotated[
        int, typer.Option("--dimensions", help="Embeddings: keep so many dimensions.")
    ] = 0,
) -> None:
    """Run a model: answer a prompt, or talk at a terminal."""
    from app.cli.repl import Session  # not at the top: it loads the engine's nouns

    session = Session(
        model=model,
        format=_format(format_),
        think=_thinking(think),
        keep_alive=_duration(keepalive),
        is_verbose=verbose,
        is_wrapping=not nowordwrap,
        is_thinking_hidden=hidethinking,
    )
    words = " ".join(prompt or ())
    is_terminal = sys.stdin.isatty() and sys.stdout.isatty()
    piped = "" if sys.stdin.isatty() else sys.stdin.read()
    text = "\n\n".join(part for part in (words, piped.strip()) if part)
    with client_of("engine") as client:
        shown = _shown(client, model, insecure=insecure)
        if "completion" not in shown.capabilities and "embedding" in shown.capabilities:
            _embed(client, session, text, truncate=truncate, dimensions=dimensions)
        elif text:
            _answer(client, shown, session, text)
        elif is_terminal:
            _converse(client, shown, session)


def _format(text: str) -> object:
    if not text.lstrip().startswith("{"):
        return text
    try:
        return json.loads(text)
    except ValueError as error:
        raise typer.BadParameter(f"not JSON: {error}", param_hint="--format") from error


def _thinking(text: str) -> bool | str | None:
    if not text:
        return None
    if text in {"true", "false"}:
        return text == "true"
    if text not in _LEVELS:
        allowed = ", ".join(("true", "false", *_LEVELS))
        raise typer.BadParameter(f"{text!r} is none of {allowed}", param_hint="--think")
    return text


def _duration(text: str) -> str:
    """Take a duration of Go; a bare number means seconds."""
    from engine.config import parse_duration

    if not text:
        return ""
    try:
        float(text)
    except ValueError:
        pass
    else:
        return f"{text}s"
    try:
        parse_duration(text)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--keepalive") from error
    return text


def _shown(client: Client, model: str, *, insecure: bool) -> ShowIn:
    """Describe the model; pull it first if it is missing."""
    from app.cli.engine import follow
    from app.cli.wire import ShowIn
    from app.client import ServerError

    try:
        return client.post("/api/show", {"model": model}, ShowIn)
    except ServerError as error:
        if "not found" not in str(error):
            raise
    follow(client, "/api/pull", {"model": model, "insecure": insecure})
    return client.post("/api/show", {"model": model}, ShowIn)


def _embed(
    client: Client, session: Session, text: str, *, truncate: bool | None, dimensions: int
) -> None:
    from app.cli.wire import EmbedIn

    if not text:
        note('error: embedding models require input text. Usage: quire run MODEL "your text here"')
        raise typer.Exit(1)
    body: dict[str, object] = {"model": session.model, "input": text}
    wanted = {"truncate": truncate, "dimensions": dimensions, "keep_alive": session.keep_alive}
    body |= {name: value for name, value in wanted.items() if value or value is False}
    found = client.post("/api/embed", body, EmbedIn)
    print(json.dumps(found.embeddings[0] if found.embeddings else []))


def _answer(client: Client, shown: ShowIn, session: Session, text: str) -> None:
    from app.cli.answer import stream_answer
    from app.cli.images import attach
    from app.cli.talk import request_of

    body: dict[str, object] = {"model": session.model, "prompt": text, **request_of(session)}
    if "vision" in shown.capabilities:
        found = attach(text)
        for name in found.names:
            note(f"Added image '{name}'")
        if found.images:
            body |= {"prompt": found.text, "images": list(found.images)}
    stream_answer(client, "/api/generate", body, session)


def _converse(client: Client, shown: ShowIn, session: Session) -> None:
    from app.cli.talk import converse

    settings = settings_of()
    converse(client, shown, session, settings.home / "history" if settings.has_history else None)
