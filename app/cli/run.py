"""`quire run`: one answer, or a conversation at the prompt."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.repl import Session, Step, read_line
from app.cli.session import client_of, note

if TYPE_CHECKING:
    from app.cli.wire import ChatIn, ShowIn
    from app.client import Client


def run(
    model: Annotated[str, typer.Argument(help="Name of the model.")],
    prompt: Annotated[list[str] | None, typer.Argument(help="The prompt.")] = None,
    verbose: Annotated[bool, typer.Option("--verbose", help="Show timings.")] = False,
    format_: Annotated[str, typer.Option("--format", help="json: answer in JSON.")] = "",
    insecure: Annotated[
        bool, typer.Option("--insecure", help="Allow a registry without encryption.")
    ] = False,
) -> None:
    """Run a model: answer a prompt, or talk at a terminal."""
    words = " ".join(prompt or ())
    is_conversation = not words and sys.stdin.isatty()
    piped = "" if sys.stdin.isatty() else sys.stdin.read()
    text = "\n\n".join(part for part in (words, piped.strip()) if part)
    with client_of("engine") as client:
        shown = _shown(client, model, insecure=insecure)
        if "completion" not in shown.capabilities and "embedding" in shown.capabilities:
            _embed(client, model, text)
            return
        session = Session(format=format_, is_verbose=verbose)
        if is_conversation:
            _converse(client, model, shown, session)
        elif text:
            _answer(client, model, session, text)


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


def _embed(client: Client, model: str, text: str) -> None:
    from app.cli.wire import EmbedIn

    if not text:
        note('error: embedding models require input text. Usage: quire run MODEL "your text here"')
        raise typer.Exit(1)
    found = client.post("/api/embed", {"model": model, "input": text}, EmbedIn)
    print(json.dumps(found.embeddings[0] if found.embeddings else []))


def _converse(client: Client, model: str, shown: ShowIn, session: Session) -> None:
    import readline  # noqa: F401 - editing and history at the prompt

    while True:
        try:
            line = input("... " if session.pending is not None else ">>> ")
        except EOFError:
            print()
            return
        except KeyboardInterrupt:
            print("\nUse Ctrl + d or /bye to exit.")
            session = replace(session, pending=None)
            continue
        step = read_line(session, line)
        session = step.session
        if step.kind == "bye":
            return
        session = _take(client, model, shown, step)


def _take(client: Client, model: str, shown: ShowIn, step: Step) -> Session:
    from app.client import ServerError

    if step.kind == "say":
        print(step.text)
    elif step.kind == "show":
        from app.cli.engine import describe

        part = describe(shown) if step.text == "info" else getattr(shown, step.text)
        print(part or f"No {step.text} was specified for this model.")
    elif step.kind == "ask":
        try:
            return _answer(client, model, step.session, step.text)
        except ServerError as error:
            note(f"error: {error}")
    return step.session


def _answer(client: Client, model: str, session: Session, text: str) -> Session:
    """Stream one answer; Ctrl-C ends it early, what was said is kept."""
    from app.cli.wire import ChatIn
    from app.client import ServerError

    asked = {"role": "user", "content": text}
    system = ({"role": "system", "content": session.system},) if session.system else ()
    body = {
        "model": model,
        "messages": [*system, *session.messages, asked],
        "options": dict(session.options),
        "format": session.format or None,
    }
    said = ""
    last = ChatIn()
    lines = client.lines("/api/chat", body)
    try:
        for line in lines:
            last = ChatIn.model_validate_json(line)
            if last.error:
                raise ServerError(last.error)
            said += last.message.content
            sys.stdout.write(last.message.content)
            sys.stdout.flush()
    except KeyboardInterrupt:
        if not sys.stdin.isatty():
            raise
    print("\n")
    if session.is_verbose and last.done:
        note(timings_of(last))
    answered = {"role": "assistant", "content": said}
    return replace(session, messages=(*session.messages, asked, answered))


def timings_of(last: ChatIn) -> str:
    """Word the counters of an answer."""
    rows = [
        ("total duration:", _seconds(last.total_duration)),
        ("load duration:", _seconds(last.load_duration)),
        ("prompt eval count:", f"{last.prompt_eval_count} token(s)"),
        ("prompt eval duration:", _seconds(last.prompt_eval_duration)),
        ("prompt eval rate:", _rate(last.prompt_eval_count, last.prompt_eval_duration)),
        ("eval count:", f"{last.eval_count} token(s)"),
        ("eval duration:", _seconds(last.eval_duration)),
        ("eval rate:", _rate(last.eval_count, last.eval_duration)),
    ]
    width = max(len(name) for name, _ in rows)
    return "\n".join(f"{name.ljust(width)} {value}" for name, value in rows)


def _seconds(duration_ns: int) -> str:
    return f"{duration_ns / 1e9:.3f}s"


def _rate(n_tokens: int, duration_ns: int) -> str:
    return f"{n_tokens / (duration_ns / 1e9):.2f} tokens/s" if duration_ns else "0.00 tokens/s"
