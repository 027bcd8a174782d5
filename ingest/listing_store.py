"""What is wanted of a list of documents in, SQL out; what a library holds, counted; touches SQLite.

Only words of this file become SQL; whatever comes from outside is a parameter.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

Sort = Literal["newest", "oldest", "title", "largest", "smallest", "longest"]
State = Literal["", "warnings", "watched", "uploaded"]
SORTS: tuple[Sort, ...] = get_args(Sort)
STATES: tuple[State, ...] = get_args(State)

MAX_FOLDERS = 50
MAX_DAYS = 92  # more are told by month
_MAX_PLACES = 200_000  # that are looked through for folders

_ORDER: Mapping[Sort, str] = {
    "newest": "d.added_at DESC, d.id",
    "oldest": "d.added_at, d.id",
    "title": "d.title COLLATE NOCASE, d.id",
    "largest": "d.size_bytes DESC, d.id",
    "smallest": "d.size_bytes, d.id",
    "longest": "d.n_characters DESC, d.id",
}
_STATE: Mapping[State, str] = {
    "": "",
    "warnings": "d.warnings <> '[]'",
    "watched": "EXISTS (SELECT 1 FROM places p WHERE p.document_id = d.id AND p.root <> '')",
    "uploaded": "EXISTS (SELECT 1 FROM places p WHERE p.document_id = d.id AND p.root = '')",
}
_WHOLE = "CASE WHEN p.root = '' THEN p.path ELSE p.root || '/' || p.path END"


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which documents are listed, and in which order."""

    collections: tuple[str, ...] | None = None  # None = all
    query: str = ""  # that the title or a path contains
    media_type: str = ""  # "image/*" means all of them
    state: State = ""
    folder: str = ""  # that they lie in, or below
    since: str = ""  # ISO date or moment, in UTC; the first that is wanted
    until: str = ""  # the last day that is wanted
    sort: Sort = "newest"


@dataclass(frozen=True, slots=True)
class Share:
    """One part of a library."""

    name: str
    n: int  # documents
    n_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Statistics:
    """What a library holds."""

    n_documents: int
    n_bytes: int
    n_characters: int
    n_chunks: int
    types: tuple[Share, ...]  # by media type, most first
    collections: tuple[Share, ...]
    folders: tuple[Share, ...]  # most first, so many at most
    days: tuple[Share, ...]  # on which documents were added, in order; months if that is many
    passages: tuple[Share, ...]  # documents by their number of passages: "1", "2-3", "4-7" …


def clauses(wanted: Wanted) -> tuple[str, str, dict[str, object]]:
    """Write the condition, the order and the values of a list; `d` is a document, `c` its home."""
    found: list[str] = []
    values: dict[str, object] = {}
    if wanted.collections is not None:
        names = [f"c{at}" for at in range(len(wanted.collections))]
        values |= dict(zip(names, wanted.collections, strict=True))
        found.append(f"c.name IN ({','.join(f':{one}' for one in names)})")
    if wanted.query:
        values["query"] = f"%{_escaped(wanted.query)}%"
        found.append(
            r"(d.title LIKE :query ESCAPE '\' OR EXISTS (SELECT 1 FROM places p"
            rf" WHERE p.document_id = d.id AND {_WHOLE} LIKE :query ESCAPE '\'))"
        )
    if wanted.media_type:
        values["type"] = _escaped(wanted.media_type.removesuffix("*"))
        values["type"] = (
            f"{values['type']}%" if wanted.media_type.endswith("/*") else values["type"]
        )
        found.append(r"d.media_type LIKE :type ESCAPE '\'")
    if _STATE[wanted.state]:
        found.append(_STATE[wanted.state])
    if wanted.folder:
        folder = wanted.folder.rstrip("/") or "/"
        values |= {"folder": folder, "below": f"{_escaped(folder.rstrip('/'))}/%"}
        found.append(
            "EXISTS (SELECT 1 FROM places p WHERE p.document_id = d.id AND"
            rf" ({_WHOLE} = :folder OR {_WHOLE} LIKE :below ESCAPE '\'))"
        )
    if wanted.since:
        values["since"] = wanted.since
        found.append("d.added_at >= :since")
    if wanted.until:
        values["until"] = wanted.until
        found.append("substr(d.added_at, 1, length(:until)) <= :until")
    where = f"WHERE {' AND '.join(found)}" if found else ""
    return where, f"ORDER BY {_ORDER[wanted.sort]}", values


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace("%", r"\%").replace("_", r"\_")


def statistics_of(
    connection: sqlite3.Connection, collections: Sequence[str] | None = None
) -> Statistics:
    """Count what is stored.

    Args:
        collections: that are counted; None counts all.
    """
    names = None if collections is None else tuple(collections)
    where, _, values = clauses(Wanted(names))
    base = f"FROM documents d JOIN collections c ON c.id = d.collection_id {where}"

    def shares(what: str) -> list[Share]:
        found = connection.execute(
            f"SELECT {what}, count(*), sum(d.size_bytes) {base} GROUP BY 1 ORDER BY 2 DESC, 1",
            values,
        )
        return [Share(str(name), n, n_bytes or 0) for name, n, n_bytes in found]

    n, n_bytes, n_characters = connection.execute(
        f"SELECT count(*), sum(d.size_bytes), sum(d.n_characters) {base}", values
    ).fetchone()
    chunks = connection.execute(
        "SELECT count(k.id) FROM documents d JOIN collections c ON c.id = d.collection_id"
        " JOIN spaces s ON s.collection_id = c.id AND s.state = 'current'"
        f" LEFT JOIN chunks k ON k.document_id = d.id AND k.collection_id = s.id {where}"
        " GROUP BY d.id",
        values,
    ).fetchall()
    counts = [row[0] for row in chunks]
    days = sorted(shares("substr(d.added_at, 1, 10)"), key=lambda one: one.name)
    if len(days) > MAX_DAYS:
        days = sorted(shares("substr(d.added_at, 1, 7)"), key=lambda one: one.name)
    return Statistics(
        n,
        n_bytes or 0,
        n_characters or 0,
        sum(counts),
        tuple(shares("d.media_type")),
        tuple(shares("c.name")),
        tuple(_folders(connection, base, values)),
        tuple(days),
        tuple(passages_of(counts)),
    )


def passages_of(counts: Sequence[int]) -> list[Share]:
    """Sort documents by how many passages each has, doubling from bar to bar; pure."""
    by_size = Counter(one.bit_length() for one in counts)
    return (
        [Share(_range(size), by_size[size]) for size in range(min(by_size), max(by_size) + 1)]
        if by_size
        else []
    )


def _range(size: int) -> str:
    if size <= 1:
        return str(size)
    return f"{2 ** (size - 1)}-{2**size - 1}"


def _folders(
    connection: sqlite3.Connection, base: str, values: Mapping[str, object]
) -> list[Share]:
    """Count by the folder in which a document lies; an upload without one is not counted."""
    found: Counter[str] = Counter()
    sizes: Counter[str] = Counter()
    places = connection.execute(
        f"SELECT {_WHOLE}, d.size_bytes {base.replace('documents d', _PLACES, 1)} LIMIT :most",
        {**values, "most": _MAX_PLACES},
    )
    for path, n_bytes in places:
        folder = str(path).rpartition("/")[0]
        if folder:
            found[folder] += 1
            sizes[folder] += n_bytes
    return [Share(name, n, sizes[name]) for name, n in found.most_common(MAX_FOLDERS)]


_PLACES = "documents d JOIN places p ON p.document_id = d.id"
