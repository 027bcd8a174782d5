"""The models of a library and those of a machine in, what is missing and its cure out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from app.backup.errors import BackupError
from app.backup.manifest import ModelUse
from app.backup.members import MODELS

if TYPE_CHECKING:
    from app.config import Settings
    from engine.library.store import Library


def judge_models(models: Sequence[ModelUse], installed: Mapping[str, str]) -> list[str]:
    """Say which models of a library are missing here or are others, and what gets them; pure.

    Args:
        installed: digests by name, as `names_of` writes them.
    """
    found = []
    for one in models:
        here = installed.get(_plain(one.name))
        if here is None:
            found.append(
                f"{one.role} model {one.name} is not installed ({_short(one.digest)}): run "
                f"`quire pull {one.name}`"
            )
        elif one.digest and here != one.digest:
            found.append(_differing(one, here))
    return found


def _differing(one: ModelUse, here: str) -> str:
    text = (
        f"{one.role} model {one.name} is another one here ({_short(here)}, the library was used "
        f"with {_short(one.digest)})"
    )
    if one.role != "embedding":
        return f"{text}: answers may differ; `quire pull {one.name}` gets the newest one"
    return (
        f"{text}: until that one is back only words are searched; run `quire pull {one.name}`, or "
        f"`quire migrate --to {one.name}` to embed everything with the one that is here"
    )


def in_use(settings: Settings, chat_model: str, library: Library) -> tuple[ModelUse, ...]:
    """Name the models that answer, beside those that embedded the documents."""
    digests = installed_in(library)
    named = ((chat_model, "chat"), (settings.reranker, "reranker"))
    return tuple(
        ModelUse(name, digests.get(_plain(name), ""), "chat" if role == "chat" else "reranker")
        for name, role in named
        if name
    )


def installed_in(library: Library) -> dict[str, str]:
    """Give the digests of all installed models by plain name."""
    return {_plain(one.name): one.model_digest for one in library.entries() if one.is_readable}


def files_in(
    library: Library, folders: Sequence[Path]
) -> Callable[[ModelUse], list[tuple[str, Path]]]:
    """Give a function that lists the files of a model, for an archive with weights.

    Args:
        folders: the models folders, the one that is written first.
    """
    from engine.errors import EngineError
    from engine.library.manifest import mentioned_digests
    from engine.library.names import parse

    def files_of(model: ModelUse) -> list[tuple[str, Path]]:
        try:
            entry = library.find(model.name)
            place = Path("manifests", *parse(entry.name).parts)
            digests = sorted(mentioned_digests(library.manifest_bytes(entry.name)))
            blobs = [library.blob_path(one) for one in digests]
        except EngineError as error:
            raise BackupError(
                f"the {model.role} model {model.name} cannot go into the backup: {error}; install "
                "it, or leave --with-models away"
            ) from error
        there = next((one / place for one in folders if (one / place).is_file()), None)
        if there is None:
            raise BackupError(f"{place} is not there: run `quire pull {model.name}`")
        names = [f"{MODELS}/blobs/sha256-{one.removeprefix('sha256:')}" for one in digests]
        return [*zip(names, blobs, strict=True), (f"{MODELS}/{place.as_posix()}", there)]

    return files_of


def _plain(name: str) -> str:
    from engine.errors import EngineError
    from engine.library.names import parse

    try:
        return parse(name).full.lower()
    except EngineError:
        return name


def _short(digest: str) -> str:
    return digest.removeprefix("sha256:")[:12] or "digest not known"
