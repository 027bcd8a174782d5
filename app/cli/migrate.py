"""`quire migrate`: move to another embedding model while the old one answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.format import clock
from app.cli.session import client_of, counted, warn_of

if TYPE_CHECKING:
    from app.api.migrations_wire import MigrationOut
    from app.client import Client


def migrate(
    to: Annotated[str, typer.Option("--to", help="The embedding model to move to.")] = "",
    collection: Annotated[
        str, typer.Option("--collection", "-c", help="Only this one; empty means all.")
    ] = "",
    is_status: Annotated[bool, typer.Option("--status", help="Tell how far it is.")] = False,
    is_revert: Annotated[
        bool, typer.Option("--revert", help="Go back to the embedding model of before.")
    ] = False,
) -> None:
    """Move to another embedding model; the old one answers until the new one knows everything."""
    if sum((bool(to), is_status, is_revert)) != 1:
        raise typer.BadParameter("give one of --to MODEL, --status and --revert")
    with client_of() as client:
        if not is_status:
            _follow(client, to, collection)
        found = [
            one for one in _migrations(client) if not collection or one.collection == collection
        ]
    for one in found:
        print(line_of(one))
    if not found:
        print("no collection moves to another embedding model, and none can go back")
    if any(one.state == "failed" for one in found):
        raise typer.Exit(1)


def line_of(one: MigrationOut) -> str:
    """Word how far a migration is."""
    way = f"{one.collection}: {one.from_model} -> {one.to_model}"
    done = f"{one.n_done:,} of {counted(one.n_documents, 'document')}"
    if one.state == "done":
        back = "; `quire migrate --revert` goes back" if one.can_revert else ""
        return f"{way}: done{back}"
    if one.state == "failed":
        return f"{way}: failed with {done} done: {one.message}"
    left = f", about {clock(one.eta_s)} left" if one.eta_s is not None else ""
    return f"{way}: {one.state}, {done}{left}"


def _follow(client: Client, to: str, collection: str) -> None:
    """Ask for it and wait; whoever stops waiting leaves the rest to the server."""
    from app.api.wire import JobIdOut
    from app.cli.waiting import wait_for_jobs

    asked: dict[str, object] = {"collection": collection or None}
    path = "/kb/migrations/revert"
    if to:
        path, asked = "/kb/migrations", asked | {"model": to}
    job_id = client.post(path, asked, JobIdOut).job_id
    n_documents = client.job(job_id).n_files
    for job in wait_for_jobs(client, iter([(job_id, n_documents)]), n_documents):
        warn_of(job)


def _migrations(client: Client) -> list[MigrationOut]:
    from app.api.migrations_wire import MigrationsOut

    return client.get("/kb/migrations", MigrationsOut).root
