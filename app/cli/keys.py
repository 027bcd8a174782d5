"""`quire keys`: keys for this data directory made, listed, revoked, with a server or without."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.documents import JsonOption
from app.cli.format import table
from app.cli.session import note, settings_of

if TYPE_CHECKING:
    from app.access.keyring import Keyring
    from app.access.keys import Key


def add(
    name: Annotated[str, typer.Argument(help="What the key is for, or whose it is.")],
    scopes: Annotated[
        list[str] | None,
        typer.Option("--scope", help="read, ask, ingest or admin; repeat it. [default: read, ask]"),
    ] = None,
    collections: Annotated[
        list[str] | None,
        typer.Option("--collection", help="Only this one; repeat it. [default: all]"),
    ] = None,
    expires: Annotated[
        str, typer.Option("--expires", help="90d, 12h, 4w, 1y, or a date. [default: never]")
    ] = "",
) -> None:
    """Make a key; it is printed this once, and works at once."""
    with _keyring() as keyring:
        key, text = keyring.make(name, scopes, collections, expires)
    print(text, flush=True)
    note(f"key {key.id} ({key.name}): {_holds(key)}. It is shown this once; keep it safe.")
    note("  clients   Authorization: Bearer KEY   (or X-API-Key: KEY)")
    note("  browsers  open /ui/ and paste it")
    note("  quire     QUIRE_KEY=KEY quire ...")


def list_(as_json: JsonOption = False) -> None:
    """List the keys, newest first; their secrets are kept nowhere."""
    from app.api.keys_wire import KeyOut, KeysOut

    with _keyring() as keyring:
        now, found = keyring.now(), keyring.listed()
    if as_json:
        print(KeysOut(keys=[KeyOut.of(one, now) for one in found]).model_dump_json())
        return
    if not found:
        print("no keys yet; `quire keys add NAME` makes one")
        return
    header = ("ID", "NAME", "SCOPES", "COLLECTIONS", "CREATED", "LAST USED", "STATE")
    print(table(header, [_row(key, now) for key in found]))


def revoke(
    id_or_name: Annotated[str, typer.Argument(metavar="ID|NAME", help="Which key.")],
) -> None:
    """End a key and its logins for good, at once, also at a server that runs."""
    with _keyring() as keyring:
        key = keyring.revoke(id_or_name)
    print(f"key {key.id} ({key.name}) opens nothing any more")


def build_keys() -> typer.Typer:
    """Put the commands together."""
    commands = typer.Typer(no_args_is_help=True, help="Who may use the server, and for what.")
    commands.command("add")(add)
    commands.command("list")(list_)
    commands.command("ls", hidden=True)(list_)
    commands.command("revoke")(revoke)
    return commands


@contextmanager
def _keyring() -> Iterator[Keyring]:
    from contextlib import closing

    from app.access.keyring import Keyring
    from app.access.store import FILE, AccessStore

    with closing(AccessStore(settings_of().home / FILE)) as store:
        yield Keyring(store)


def _holds(key: Key) -> str:
    where = "all collections" if key.collections is None else ", ".join(sorted(key.collections))
    until = f", until {_day(key.expires_at)}" if key.expires_at else ""
    return f"{', '.join(sorted(key.scopes))}; {where}{until}"


def _row(key: Key, now: str) -> tuple[str, ...]:
    bound = "all" if key.collections is None else ", ".join(sorted(key.collections))
    return (
        key.id,
        key.name,
        ", ".join(sorted(key.scopes)),
        bound,
        _day(key.created_at),
        _day(key.last_used_at) or "never",
        _state(key, now),
    )


def _state(key: Key, now: str) -> str:
    if key.revoked_at:
        return f"revoked {_day(key.revoked_at)}"
    if not key.holds(now):
        return f"over since {_day(key.expires_at)}"
    return f"until {_day(key.expires_at)}" if key.expires_at else "open"


def _day(moment: str) -> str:
    """Show a moment to the minute, as it is kept: in UTC."""
    return moment[:16].replace("T", " ")
