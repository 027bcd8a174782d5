"""`quire list`, `show`, `ps`, `pull`, `push`, `create`, `rm`, `cp`, `stop`: Ollama's verbs."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.format import ago, processor, size, table, until
from app.cli.session import client_of, note, settings_of

if TYPE_CHECKING:
    from pathlib import Path

    from app.cli.wire import ProgressIn
    from app.client import Body, Client

_ID_CHARACTERS = 12

ModelArgument = Annotated[str, typer.Argument(help="Name of the model.")]
InsecureOption = Annotated[
    bool, typer.Option("--insecure", help="Allow a registry without encryption.")
]


def list_(prefix: Annotated[str, typer.Argument(help="Only names that begin so.")] = "") -> None:
    """List the installed models."""
    with client_of("engine") as client:
        print(installed(client, prefix))


def installed(client: Client, prefix: str) -> str:
    """Lay the installed models out as a table."""
    from app.cli.wire import TagsIn

    models = client.get("/api/tags", TagsIn).models
    now = datetime.now(UTC)
    rows = [
        (one.name, one.digest[:_ID_CHARACTERS], size(one.size), ago(one.modified_at, now))
        for one in models
        if one.name.casefold().startswith(prefix.casefold())
    ]
    return table(("NAME", "ID", "SIZE", "MODIFIED"), rows)


def ps(prefix: Annotated[str, typer.Argument(help="Only names that begin so.")] = "") -> None:
    """List the models in memory."""
    from app.cli.wire import RunningIn

    with client_of("engine") as client:
        models = client.get("/api/ps", RunningIn).models
    now = datetime.now(UTC)
    rows = [
        (
            one.name,
            one.digest[:_ID_CHARACTERS],
            size(one.size),
            processor(one.size, one.size_vram),
            str(one.context_length),
            until(one.expires_at, now),
        )
        for one in models
        if one.name.startswith(prefix)
    ]
    print(table(("NAME", "ID", "SIZE", "PROCESSOR", "CONTEXT", "UNTIL"), rows))


def show(  # noqa: PLR0913 - the flags that Ollama has
    model: ModelArgument,
    modelfile: Annotated[bool, typer.Option("--modelfile")] = False,
    parameters: Annotated[bool, typer.Option("--parameters")] = False,
    template: Annotated[bool, typer.Option("--template")] = False,
    system: Annotated[bool, typer.Option("--system")] = False,
    license_: Annotated[bool, typer.Option("--license")] = False,
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Also metadata and tensors.")
    ] = False,
    placement: Annotated[
        bool, typer.Option("--placement", help="Where on this machine it would go now, and why.")
    ] = False,
) -> None:
    """Describe a model, or print one part of it."""
    if placement:
        print(_explained(model))
        return
    from app.cli.describe import describe
    from app.cli.wire import ShowIn

    asked = [modelfile, parameters, template, system, license_]
    if sum(asked) > 1:
        note(
            "error: only one of '--license', '--modelfile', '--parameters', '--system', or "
            "'--template' can be specified"
        )
        raise typer.Exit(2)
    with client_of("engine") as client:
        found = client.post("/api/show", {"model": model, "verbose": verbose}, ShowIn)
    parts = (found.modelfile, found.parameters, found.template, found.system, found.license)
    chosen = next((part for wanted, part in zip(asked, parts, strict=True) if wanted), None)
    print(describe(found, is_verbose=verbose) if chosen is None else chosen)


def _explained(model: str) -> str:
    """Say where a model would go; needs no server, for this machine is asked itself."""
    from engine.library.store import Library
    from engine.options import merge_options
    from engine.placing import Placer
    from engine.types import Options

    settings = settings_of().engine
    entry = Library(settings.models_dir, settings.extra_models_dirs).find(model)
    options = merge_options(Options(), entry.params)
    return "\n".join(Placer(settings).explained(entry, options))


def pull(model: ModelArgument, insecure: InsecureOption = False) -> None:
    """Fetch a model from a registry."""
    with client_of("engine") as client:
        follow(client, "/api/pull", {"model": model, "insecure": insecure})


def push(model: ModelArgument, insecure: InsecureOption = False) -> None:
    """Send a model to a registry."""
    with client_of("engine") as client:
        follow(client, "/api/push", {"model": model, "insecure": insecure})


def create(
    model: ModelArgument,
    file: Annotated[
        str, typer.Option("--file", "-f", help="Modelfile (by default ./Modelfile); - is stdin.")
    ] = "",
    quantize: Annotated[
        str, typer.Option("--quantize", "-q", help="Quantize to this type, e.g. q4_K_M.")
    ] = "",
    draft_quantize: Annotated[
        str, typer.Option("--draft-quantize", help="Quantize the DRAFT model to this type.")
    ] = "",
    link: Annotated[
        bool, typer.Option("--link", help="Use GGUF files where they lie, without copying them.")
    ] = False,
) -> None:
    """Make a model from a Modelfile."""
    from dataclasses import replace

    from app.cli.create import body_of, read_modelfile, uploads_to

    parsed, folder = read_modelfile(file)
    with client_of("engine") as client:
        uploads = uploads_to(client)
        if link:
            uploads = replace(uploads, link=_link_blob)
        body = body_of(model, parsed, folder, uploads)
        wanted = {"quantize": quantize, "draft_quantize": draft_quantize}
        follow(client, "/api/create", body | {key: text for key, text in wanted.items() if text})


def _link_blob(digest: str, path: Path) -> None:
    """Refer to a file from the models folder of this machine.

    The server is never told a path: whoever may write the folder may link, nobody else.
    """
    from engine.library.store import Library

    Library(settings_of().engine.models_dir).link_blob(path.resolve(), digest)


def rm(models: Annotated[list[str], typer.Argument(help="Names of models.")]) -> None:
    """Delete models."""
    with client_of("engine") as client:
        for model in models:
            unload(client, model)
            client.tell("DELETE", "/api/delete", {"model": model})
            print(f"deleted '{model}'")


def cp(source: ModelArgument, destination: ModelArgument) -> None:
    """Give a model a second name."""
    with client_of("engine") as client:
        client.tell("POST", "/api/copy", {"source": source, "destination": destination})
    print(f"copied '{source}' to '{destination}'")


def stop(model: ModelArgument) -> None:
    """Take a model out of memory."""
    from app.client import ServerError

    with client_of("engine") as client:
        try:
            unload(client, model)
        except ServerError as error:
            if "not found" not in str(error):
                raise
            note(f'error: couldn\'t find model "{model}" to stop')
            raise typer.Exit(1) from error


def unload(client: Client, model: str) -> None:
    """Ask the engine to forget a model; one that is not loaded is fine."""
    from app.client import ServerError

    body: Body = {"model": model, "keep_alive": 0, "stream": False}
    try:
        client.tell("POST", "/api/generate", body)
    except ServerError as error:
        if "does not support generate" not in str(error):
            raise
        client.tell("POST", "/api/embed", {"model": model, "input": "", "keep_alive": 0})


def follow(client: Client, path: str, body: Body) -> None:
    """Show progress to its end.

    Raises:
        ServerError: the last line is an error.
    """
    from app.cli.progress import show_progress

    show_progress(_steps(client, path, body))


def _steps(client: Client, path: str, body: Body) -> Iterator[ProgressIn]:
    from app.cli.wire import ProgressIn
    from app.client import ServerError

    for line in client.lines(path, body):
        step = ProgressIn.model_validate_json(line)
        if step.error:
            raise ServerError(step.error)
        yield step
