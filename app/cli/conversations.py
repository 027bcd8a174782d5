"""`quire chats`: conversations listed, searched, shown, renamed, exported, imported, deleted."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from app.cli.documents import CollectionOption, JsonOption
from app.cli.format import place, table
from app.cli.session import client_of, note

if TYPE_CHECKING:
    from app.api.conversations_wire import CitedOut, ConversationOut, MessageOut, SummaryOut
    from app.client import Client

_SHOWN_TITLE = 60
_PATH = "/kb/conversations"
_SUPPORT = {"partly": "only partly in the documents", "not_found": "not found in the documents"}
_MODES = {
    "extractive": "(quoted from your documents word for word; no model wrote this)",
    "broken_off": "(broken off: only what was checked by then)",
    "pending": "(being answered)",
}

ChatArgument = Annotated[str, typer.Argument(metavar="ID", help="As `quire chats` lists it.")]
Format = Literal["markdown", "json"]


def build_chats() -> typer.Typer:
    """Put the commands together."""
    commands = typer.Typer(
        invoke_without_command=True, help="List, read and keep conversations in order."
    )
    commands.callback()(chats)
    for name, command in (
        ("new", new),
        ("show", show),
        ("rename", rename),
        ("rm", rm),
        ("export", export),
        ("import", import_),
    ):
        commands.command(name)(command)
    return commands


def chats(
    context: typer.Context,
    query: Annotated[
        str, typer.Option("--search", "-s", help="Words of titles, questions and answers.")
    ] = "",
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=1000, help="How many.")] = 20,
    before: Annotated[
        str, typer.Option("--before", help="Go on where the list before ended.")
    ] = "",
    as_json: JsonOption = False,
) -> None:
    """List conversations, last used first; `quire chats show ID` reads one."""
    from app.api.conversations_wire import ConversationsOut

    if context.invoked_subcommand is not None:
        return
    asked: dict[str, str | int] = {"q": query, "limit": limit, "before": before}
    with client_of() as client:
        found = client.get(_PATH, ConversationsOut, asked)
    if as_json:
        print(found.model_dump_json())
        return
    if not found.conversations:
        note("no conversation holds that" if query.strip() else "no conversations yet")
        return
    header = ("ID", "TITLE", "COLLECTION", "MESSAGES", "LAST USED")
    print(table(header, [_row(one) for one in found.conversations]))
    if found.next:
        note(f"there are more: add --before {found.next}")


def new(
    title: Annotated[
        list[str] | None, typer.Argument(help="Without one, the first question names it.")
    ] = None,
    collection: CollectionOption = "default",
) -> None:
    """Begin a conversation and print its id."""
    with client_of() as client:
        print(begin(client, collection, " ".join(title or ())))


def show(chat_id: ChatArgument, as_json: JsonOption = False) -> None:
    """Read a conversation with the sources of its answers."""
    from app.api.conversations_wire import ConversationOut

    with client_of() as client:
        found = client.get(_at(chat_id), ConversationOut)
    print(found.model_dump_json() if as_json else described(found))


def rename(
    chat_id: ChatArgument,
    title: Annotated[list[str], typer.Argument(help="The new title.")],
) -> None:
    """Give a conversation another title."""
    with client_of() as client:
        client.tell("PATCH", _at(chat_id), {"title": " ".join(title)})
    print(f"renamed {chat_id}")


def rm(
    chat_ids: Annotated[list[str], typer.Argument(metavar="ID...", help="One or more.")],
) -> None:
    """Delete conversations; nothing of them stays on the disk."""
    with client_of() as client:
        for chat_id in chat_ids:
            client.tell("DELETE", _at(chat_id), {})
            print(f"deleted {chat_id}")


def export(
    chat_id: ChatArgument,
    kind: Annotated[
        Format, typer.Option("--format", "-f", help="json can be imported again.")
    ] = "markdown",
    target: Annotated[
        Path | None, typer.Option("--output", "-o", help="A file; else to standard output.")
    ] = None,
) -> None:
    """Write a conversation as Markdown with footnotes, or as JSON."""
    with client_of() as client:
        text = client.text(f"{_at(chat_id)}/export", {"format": kind})
    if target is None:
        sys.stdout.write(text if text.endswith("\n") else f"{text}\n")
        return
    target.write_text(text, encoding="utf-8")
    note(f"wrote {target}")


def import_(
    file: Annotated[Path, typer.Argument(help="A conversation exported as JSON.")],
) -> None:
    """Take in a conversation that was exported as JSON."""
    import json

    from app.api.conversations_wire import SummaryOut

    try:
        body = json.loads(file.read_bytes())
    except (ValueError, RecursionError) as error:
        note(f"error: {file}: not JSON ({error})")
        raise typer.Exit(1) from error
    if not isinstance(body, dict):
        note(f"error: {file}: not an exported conversation")
        raise typer.Exit(1)
    with client_of() as client:
        print(client.post(f"{_PATH}/import", body, SummaryOut).id)


def begin(client: Client, collection: str, title: str = "") -> str:
    """Begin a conversation; gives its id."""
    from app.api.conversations_wire import SummaryOut

    return client.post(_PATH, {"title": title, "collection": collection}, SummaryOut).id


def last_used(client: Client, collection: str) -> str:
    """Find the conversation that was used last, or begin one; gives its id."""
    from app.api.conversations_wire import ConversationsOut

    found = client.get(_PATH, ConversationsOut, {"limit": 1}).conversations
    return found[0].id if found else begin(client, collection)


def described(one: ConversationOut) -> str:
    """Word a conversation for a terminal."""
    lines = [f"{_title(one)}  ({_line(one.collection)}, {one.created_at[:10]})"]
    for message in one.messages:
        lines += ["", *_said(message)]
    return "\n".join(lines)


def _said(message: MessageOut) -> list[str]:
    if message.role == "user":
        return [f">>> {line}" for line in _lines(message.text)]
    lines = _lines(message.text)
    if message.mode in _MODES:
        lines.append(_MODES[message.mode])
    for sentence in message.sentences:
        if sentence.support in _SUPPORT:
            lines.append(f"  {_SUPPORT[sentence.support]}: {_line(sentence.text)}")
    return [*lines, *(line for cited in message.citations for line in _source(cited))]


def _source(cited: CitedOut) -> list[str]:
    where = place(_line(cited.path), cited.page, cited.start, cited.end, _line(cited.page_label))
    changed = "  (changed since, or gone)" if cited.is_current is False else ""
    return [f"[{cited.n}] {where}{changed}", f"    {_line(cited.text)}"]


def _row(one: SummaryOut) -> tuple[str, ...]:
    from app.conversations.titles import shortened

    title = shortened(_title(one), _SHOWN_TITLE)
    used = one.updated_at[:16].replace("T", " ")
    return (one.id, title, _line(one.collection), f"{one.n_messages:,}", used)


def _title(one: SummaryOut) -> str:
    return _line(one.title) or "(nothing asked yet)"


def _line(text: str) -> str:
    """Leave out what would steer the terminal."""
    from app.conversations.titles import one_line

    return one_line(text)


def _lines(text: str) -> list[str]:
    return [_line(line) for line in text.splitlines()]


def _at(chat_id: str) -> str:
    from urllib.parse import quote

    return f"{_PATH}/{quote(chat_id, safe='')}"
