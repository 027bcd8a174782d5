"""A folder's files and what is catalogued of them in, the changes to make out; pure."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

# Of more files than this, more deletions than this share want a confirmation.
MASS_DELETION_FILES = 10
MASS_DELETION_SHARE = 0.3


@dataclass(frozen=True, slots=True)
class Seen:
    """A file in the folder."""

    size_bytes: int
    mtime_ns: int


@dataclass(frozen=True, slots=True)
class Known:
    """A file in the catalogue."""

    digest: str  # hex SHA-256
    size_bytes: int
    mtime_ns: int


@dataclass(frozen=True, slots=True)
class Changes:
    """What makes the catalogue equal to the folder, by relative paths."""

    added: tuple[str, ...] = ()  # new, also copies of known content
    updated: tuple[str, ...] = ()  # same path, other content as far as one can tell unread
    touched: tuple[str, ...] = ()  # same path and content, other time
    moved: tuple[tuple[str, str], ...] = ()  # from, to: same content, embeds nothing; all at once
    removed: tuple[str, ...] = ()
    held_back: tuple[str, ...] = ()  # would be removed, if somebody confirmed it


def unhashed(seen: Mapping[str, Seen], known: Mapping[str, Known]) -> list[str]:
    """List the new and changed files that may have come from here: something of that size left.

    What left a path is gone from it or was replaced there, as by an exchange of two files.
    """
    left_sizes = {one.size_bytes for path, one in known.items() if _has_left(path, seen, known)}
    return [
        path
        for path, one in seen.items()
        if one.size_bytes in left_sizes and (path not in known or _differs(path, seen, known))
    ]


def reconcile(
    seen: Mapping[str, Seen],
    known: Mapping[str, Known],
    digests: Mapping[str, str],
    *,
    is_root_there: bool = True,
    is_confirmed: bool = False,
) -> Changes:
    """Decide what to do so that the catalogue says what the folder says.

    Args:
        digests: content digests of the files that `unhashed` asked for.
        is_root_there: whether the folder is mounted; if not, nothing is ever removed.
        is_confirmed: somebody wants mass deletions done.
    """
    if not is_root_there:
        return Changes()
    digests = {path: digest for path, digest in digests.items() if path in seen}
    differing = sorted(path for path in seen if path in known and _differs(path, seen, known))
    touched = [path for path in differing if digests.get(path) == known[path].digest]
    replaced = sorted(set(differing).difference(touched))
    gone = [path for path in known if path not in seen]
    moved = _moves([*gone, *replaced], known, digests)
    targets = {new for _, new in moved}
    sources = {old for old, _ in moved}
    removed = sorted(path for path in gone if path not in sources)
    is_mass = len(known) > MASS_DELETION_FILES and len(removed) > MASS_DELETION_SHARE * len(known)
    is_held = is_mass and not is_confirmed
    return Changes(
        added=tuple(sorted(path for path in seen if path not in known and path not in targets)),
        updated=tuple(path for path in replaced if path not in targets),
        touched=tuple(touched),
        moved=moved,
        removed=() if is_held else tuple(removed),
        held_back=tuple(removed) if is_held else (),
    )


def out_of_sight(known: Mapping[str, Known], unreadable: Iterable[str]) -> dict[str, Seen]:
    """List the known files that lie where nobody could look: they count as seen, unchanged.

    Args:
        unreadable: files and folders by relative path; "." is the whole folder.
    """
    blind = frozenset(unreadable)
    if not blind:
        return {}
    return {
        path: Seen(one.size_bytes, one.mtime_ns)
        for path, one in known.items()
        if not blind.isdisjoint((".", path, *_folders_of(path)))
    }


def _folders_of(path: str) -> Iterator[str]:
    while "/" in path:
        path = path.rpartition("/")[0]
        yield path


def _moves(
    left: list[str], known: Mapping[str, Known], digests: Mapping[str, str]
) -> tuple[tuple[str, str], ...]:
    """Pair contents that left a path with those that came to another, same names first."""
    by_digest: dict[str, dict[str, None]] = {}
    by_name: dict[tuple[str, str], dict[str, None]] = {}
    for path in sorted(left):
        digest = known[path].digest
        by_digest.setdefault(digest, {})[path] = None
        by_name.setdefault((digest, _name(path)), {})[path] = None
    arrived = [
        (path, digest)
        for path, digest in sorted(digests.items())
        if path not in known or known[path].digest != digest
    ]
    moved: dict[str, str] = {}
    for is_by_name in (True, False):
        for path, digest in arrived:
            same = by_name.get((digest, _name(path))) if is_by_name else by_digest.get(digest)
            if path in moved or not same:
                continue
            old = moved[path] = next(iter(same))
            del by_digest[digest][old]
            del by_name[digest, _name(old)][old]
    return tuple((old, path) for path, old in sorted(moved.items()))


def _name(path: str) -> str:
    """Give a file's own name; those that differ in case or in how accents are written are one."""
    return unicodedata.normalize("NFC", path.rpartition("/")[2]).casefold()


def _has_left(path: str, seen: Mapping[str, Seen], known: Mapping[str, Known]) -> bool:
    return path not in seen or _differs(path, seen, known)


def _differs(path: str, seen: Mapping[str, Seen], known: Mapping[str, Known]) -> bool:
    now, before = seen[path], known[path]
    return (now.size_bytes, now.mtime_ns) != (before.size_bytes, before.mtime_ns)
