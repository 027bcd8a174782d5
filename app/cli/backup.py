"""`quire backup`, `quire restore`: the whole library in one file, and back."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Annotated, BinaryIO

import typer

from app.cli.session import counted, note, settings_of

if TYPE_CHECKING:
    from app.backup.manifest import Manifest
    from app.backup.take import Backup
    from app.config import Settings

FileArgument = Annotated[str, typer.Argument(help="The archive; - for standard input or output.")]


def backup(
    file: FileArgument,
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
    with_models: Annotated[
        bool, typer.Option("--with-models", help="Weights too; large, but nothing is missing.")
    ] = False,
    verify: Annotated[
        bool, typer.Option("--verify", help="Check an archive instead; nothing is changed.")
    ] = False,
) -> None:
    """Take a backup of the library; the server may run and ingest meanwhile."""
    if verify:
        _verify(file)
        return
    from app.backup.record import Taken
    from app.backup.record import note as remember
    from app.backup.write import require_free, write_to
    from app.server import stopping_cleanly

    settings, started_s = settings_of(), monotonic()
    if file == "-":
        _refuse_terminal()
    else:
        require_free(Path(file), is_replacing=force)
    with stopping_cleanly(), _taken(settings, with_models=with_models) as taken:
        if file == "-":
            n_bytes = _to_stdout(taken)
        else:
            n_bytes = write_to(taken, Path(file), is_replacing=force)
        table = taken.manifest
    target = "-" if file == "-" else str(Path(file).absolute())
    remember(settings.home, Taken(table.made_at, target, n_bytes))
    note(f"{_holds(table)} in {_size(n_bytes)}, in {monotonic() - started_s:.1f} s: {file}")
    for text in table.left_out:
        note(f"left out: {text}")
    if not table.has_models and table.models:
        names = ", ".join(dict.fromkeys(one.name for one in table.models))
        note(f"models are not in it (--with-models puts them in): {names}")


def restore(
    file: FileArgument,
    home: Annotated[
        str, typer.Option("--home", help="Data directory to restore into (QUIRE_HOME).")
    ] = "",
    force: Annotated[
        bool, typer.Option("--force", help="Keep the library that is there aside, as HOME.before-…")
    ] = False,
) -> None:
    """Put the library of a backup in place; the server must not run."""
    from app.backup.members import ACCESS
    from app.backup.models import installed_in, judge_models
    from app.backup.put import restore as put
    from engine.library.store import Library

    started_s = monotonic()
    target = Path(home).expanduser() if home else settings_of().home
    with _opened(file) as archive, _named(file):
        done = put(archive, target, is_replacing=force)
    note(f"{_holds(done.manifest)} restored in {target}, in {monotonic() - started_s:.1f} s")
    if done.before is not None:
        note(f"the library of before lies in {done.before}; delete it when you are sure")
    for name, beside in done.beside.items():
        note(
            f"{target / name} is a mount of its own and stayed as it was; what the archive holds "
            f"of it lies in {beside}: copy it there before the start"
        )
    # Read now: the settings of the archive are in place, and may name another models folder.
    settings = settings_of({"QUIRE_HOME": str(target)})
    engine = settings.engine
    here = installed_in(Library(engine.models_dir, engine.extra_models_dirs))
    for text in judge_models(done.manifest.models, here):
        note(f"note: {_plain(text)}")
    if any(one.name == ACCESS for one in done.manifest.members):
        note("note: keys are as they were then, also those revoked since: see `quire keys list`")
    note("the vector index is made anew at the next start; `quire up` starts")


def _verify(file: str) -> None:
    from app.backup.put import verify

    with _opened(file) as archive, _named(file):
        table = verify(archive)
    note(f"whole: {_holds(table)}, {counted(len(table.members), 'file')}")
    note(_plain(f"taken {table.made_at} from {table.home} by Quire {table.program}"))
    for one in table.models:
        note(_plain(f"{one.role} model {one.name} {one.digest}"))


def _taken(settings: Settings, *, with_models: bool) -> Backup:
    from app.backup.models import files_in, in_use
    from app.backup.take import Backup, Wanted
    from app.client import ask_status, find_server, key_for
    from app.tls import trust_of
    from engine.library.store import Library

    url = find_server(settings, "knowledge")
    status = ask_status(url, key_for(settings, url), trust_of(settings, url)) if url else None
    models = status.models if status else None
    chat = models.chat.name if models else settings.chat_model
    engine = settings.engine
    library = Library(engine.models_dir, engine.extra_models_dirs)
    folders = (engine.models_dir, *engine.extra_models_dirs)
    files_of = files_in(library, folders) if with_models else None
    return Backup(settings.home, Wanted(in_use(settings, chat, library), files_of))


def _to_stdout(taken: Backup) -> int:
    n_bytes = 0
    for piece in taken.stream():
        n_bytes += sys.stdout.buffer.write(piece)
    sys.stdout.buffer.flush()
    return n_bytes


def _refuse_terminal() -> None:
    if sys.stdout.isatty():
        note("error: an archive is no text: name a file, or send it through a pipe")
        raise typer.Exit(1)


@contextmanager
def _opened(file: str) -> Iterator[BinaryIO]:
    if file == "-":
        yield sys.stdin.buffer
        return
    with Path(file).open("rb") as opened:
        yield opened


@contextmanager
def _named(file: str) -> Iterator[None]:
    """Say which file it is that is damaged."""
    from app.backup.errors import ArchiveError, NewerArchiveError

    try:
        yield
    except (ArchiveError, NewerArchiveError) as error:
        text = _plain(f"{file} cannot be used: {error}; nothing was changed")
        raise type(error)(text) from error


def _plain(text: str) -> str:
    """Show what an archive says without letting it speak to the terminal."""
    return "".join(one if one.isprintable() else "?" for one in text)


def _holds(table: Manifest) -> str:
    return f"{counted(table.n_documents, 'document')}, {counted(table.n_chunks, 'passage')}"


def _size(n_bytes: int) -> str:
    return f"{n_bytes / 1e6:,.1f} MB"
