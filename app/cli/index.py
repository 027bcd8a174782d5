"""`quire index rebuild`, `quire index compact`: the vector index and the bytes on disk."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import typer

from app.cli.session import client_of, note

if TYPE_CHECKING:
    from app.client import Client

_POLL_S = 0.2


def rebuild() -> None:
    """Make the vector index anew from the catalogue; search answers meanwhile."""
    with client_of() as client:
        _ask(client, "rebuild")
    print("the vector index was made anew")


def compact() -> None:
    """Remove the bytes of deleted documents from the disk now, instead of when idle."""
    with client_of() as client:
        _ask(client, "compact")
    print("nothing deleted is left on the disk")


def build_index() -> typer.Typer:
    """Put the commands together."""
    commands = typer.Typer(no_args_is_help=True, help="Keep the index and the disk in order.")
    commands.command("rebuild")(rebuild)
    commands.command("compact")(compact)
    return commands


def _ask(client: Client, step: str) -> None:
    from app.api.index_wire import CompactionOut

    found = client.post(f"/kb/index/{step}", {}, CompactionOut)
    while not found.is_done:
        time.sleep(_POLL_S)
        found = client.get("/kb/index", CompactionOut)
    if found.failed:
        note(f"error: {found.failed}")
        raise typer.Exit(1)
