"""`quire audit`: who did what, from the files of the audit log; needs no server."""

from __future__ import annotations

import json
import sys
from collections import deque
from pathlib import Path
from typing import Annotated

import typer

from app.cli.session import note, settings_of


def build_audit() -> typer.Typer:
    """Put the commands of the audit log together."""
    app = typer.Typer(help="Show and check the audit log of this data directory.")
    app.callback(invoke_without_command=True)(show)
    app.command("verify")(verify)
    return app


def show(
    context: typer.Context,
    last: Annotated[int, typer.Option("--last", help="How many entries.", min=1)] = 50,
    key: Annotated[str, typer.Option("--key", help="Only of the key with this id.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="As JSON lines.")] = False,
    engine_only: Annotated[
        bool, typer.Option("--engine-only", help="The log of `serve --engine-only`.")
    ] = False,
) -> None:
    """Show the latest entries, the newest last."""
    if context.invoked_subcommand is not None:
        return
    from app.audit.files import entries_of

    path = _path(is_engine_only=engine_only)
    found = deque(
        (one for one in entries_of(path) if not key or one.get("key") == key), maxlen=last
    )
    for entry in found:
        print(json.dumps(entry) if as_json else line_of(entry))


def verify(
    engine_only: Annotated[
        bool, typer.Option("--engine-only", help="The log of `serve --engine-only`.")
    ] = False,
) -> None:
    """Check that no line was changed, taken out or put in; exit 1 if one was."""
    from app.audit.files import verify as look_through

    path = _path(is_engine_only=engine_only)
    verdict = look_through(path)
    for fault in verdict.faults:
        note(f"error: {fault}")
    if not verdict.is_whole:
        sys.exit(1)
    older = f" (older ones were turned over; it begins at {verdict.n_first})"
    begins = older if verdict.n_first > 1 else ""
    print(f"{verdict.n_lines} lines, the chain holds{begins}")
    print(f"line {verdict.end.n} has {verdict.end.hash}: keep that elsewhere to notice a cut end")


def line_of(entry: dict[str, object]) -> str:
    """Put an entry into one line for people; nothing in it can begin another line."""
    from app.redacting import one_line

    who = entry.get("key_name") or entry.get("key") or "-"
    if "event" in entry:
        rest = {name: value for name, value in entry.items() if name not in ("prev", "n", "time")}
        return one_line(f"{entry.get('time')}  {json.dumps(rest)}")
    names = entry.get("collections")
    collections = ",".join(map(str, names)) if isinstance(names, list) else ""
    cut = "  cut off" if entry.get("is_cut") else ""
    return one_line(
        f"{entry.get('time')}  {who}  {entry.get('address')}  {entry.get('method')} "
        f"{entry.get('route')}  {entry.get('status')}  {entry.get('duration_ms')} ms"
        f"  {collections}{cut}".rstrip()
    )


def _path(*, is_engine_only: bool) -> Path:
    from app.audit.files import files_of
    from app.audit.log import audit_path

    path = audit_path(settings_of().home, is_engine_only=is_engine_only)
    if not files_of(path):
        note(
            f"there is no audit log at {path}: one is kept where keys are asked for, "
            "or with QUIRE_AUDIT=on"
        )
        sys.exit(1)
    return path
