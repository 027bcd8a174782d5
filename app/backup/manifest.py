"""The table of contents of an archive: to JSON and, without trust, back; pure."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Literal

from app.backup.errors import ArchiveError, NewerArchiveError
from app.backup.members import CATALOGUE, DATABASES, digest_in, problem_of

FORMAT = 1  # raise it when an older program could not read the archive any more
NAME = "manifest.json"
MAX_BYTES = 64 << 20  # of a manifest

Role = Literal["embedding", "chat", "reranker"]
_ROLES: tuple[Role, ...] = ("embedding", "chat", "reranker")
_HEX = re.compile("[0-9a-f]{64}")
_MAX_NUMBER = 1 << 60


@dataclass(frozen=True, slots=True)
class Member:
    """One file of the archive."""

    name: str  # path below the data directory
    stored: str  # name in the archive: short and plain, whatever the file is called
    size_bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class ModelUse:
    """A model that the library answers with."""

    name: str
    digest: str  # empty = not known, as of a reranker in a folder
    role: Role


@dataclass(frozen=True, slots=True)
class Manifest:
    """What an archive holds."""

    program: str  # version of the program that wrote it
    made_at: str  # ISO 8601, UTC
    home: str  # the data directory that it was taken from
    n_documents: int
    n_chunks: int
    schemas: Mapping[str, int]  # version of each SQLite file
    members: tuple[Member, ...]  # in the order of the archive
    models: tuple[ModelUse, ...]
    left_out: tuple[str, ...] = ()  # files that could not be taken in, with the reason

    @property
    def size_bytes(self) -> int:
        """Add up what the members take when they are unpacked."""
        return sum(one.size_bytes for one in self.members)

    @property
    def has_models(self) -> bool:
        """Tell whether weights are in it."""
        return any(digest_in(one.name) for one in self.members)


def render(manifest: Manifest) -> bytes:
    """Write a manifest as JSON."""
    text = json.dumps({"format": FORMAT, **asdict(manifest)}, indent=1)
    return text.encode("ascii")


def parse(raw: bytes) -> Manifest:
    """Read a manifest; nothing in it is believed unchecked.

    Raises:
        NewerArchiveError: its format is newer than this program knows.
        ArchiveError: it is none, or names what no archive of ours holds.
    """
    try:
        data = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise ArchiveError("its table of contents is not readable") from error
    fields = _fields(data)
    number = _number(fields, "format")
    if number > FORMAT:
        program = fields.get("program")
        raise NewerArchiveError(
            f"the archive has format {number} and was written by Quire {program!s:.40}; this "
            f"program knows formats up to {FORMAT}: update the program"
        )
    schemas = _fields(fields.get("schemas"))
    found = Manifest(
        program=_text(fields, "program"),
        made_at=_text(fields, "made_at"),
        home=_text(fields, "home"),
        n_documents=_number(fields, "n_documents"),
        n_chunks=_number(fields, "n_chunks"),
        schemas={name: _number(schemas, name) for name in schemas},
        members=tuple(_member(_fields(one)) for one in _list(fields, "members")),
        models=tuple(_model(_fields(one)) for one in _list(fields, "models")),
        left_out=tuple(str(one) for one in _list(fields, "left_out")),
    )
    _check_names(found)
    return found


def _check_names(manifest: Manifest) -> None:
    for kind in ("name", "stored"):
        names = [getattr(one, kind) for one in manifest.members]
        if len(set(names)) != len(names):
            raise ArchiveError("it names a file twice")
    held = {one.name for one in manifest.members}
    if CATALOGUE not in held:
        raise ArchiveError(f"it holds no {CATALOGUE}")
    if not held.intersection(DATABASES) <= set(manifest.schemas):
        raise ArchiveError("it does not tell the version of every file")


def _member(fields: Mapping[str, object]) -> Member:
    found = Member(
        _text(fields, "name"),
        _text(fields, "stored"),
        _number(fields, "size_bytes"),
        _text(fields, "sha256"),
    )
    if why := problem_of(found.name):
        raise ArchiveError(f"it names the file {found.name[:200]!r}, which is refused: {why}")
    if not _HEX.fullmatch(found.sha256):
        raise ArchiveError(f"the digest of {found.name!r} is none")
    if digest_in(found.name) not in ("", found.sha256):
        raise ArchiveError(f"{found.name!r} does not hold what its name says")
    return found


def _model(fields: Mapping[str, object]) -> ModelUse:
    role = next((one for one in _ROLES if one == fields.get("role")), None)
    if role is None:
        raise ArchiveError("it names a model without a known role")
    return ModelUse(_text(fields, "name"), _text(fields, "digest"), role)


def _fields(data: object) -> Mapping[str, object]:
    if not isinstance(data, dict):
        raise ArchiveError("its table of contents is not one of ours")
    return data


def _list(fields: Mapping[str, object], name: str) -> list[object]:
    found = fields.get(name)
    if not isinstance(found, list):
        raise ArchiveError(f"its table of contents has no list {name!r}")
    return found


def _text(fields: Mapping[str, object], name: str) -> str:
    found = fields.get(name)
    if not isinstance(found, str):
        raise ArchiveError(f"its table of contents has no text {name!r}")
    return found


def _number(fields: Mapping[str, object], name: str) -> int:
    found = fields.get(name)
    if not isinstance(found, int) or isinstance(found, bool) or not 0 <= found <= _MAX_NUMBER:
        raise ArchiveError(f"its table of contents has no number {name!r}")
    return found
