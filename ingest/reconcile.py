"""A folder's files and what is catalogued of them in, the changes to make out; pure."""

from __future__ import annotations

from collections.abc import Mapping
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
    updated: tuple[str, ...] = ()  # same path, other time or size
    moved: tuple[tuple[str, str], ...] = ()  # from, to: same content, embeds nothing
    removed: tuple[str, ...] = ()
    held_back: tuple[str, ...] = ()  # would be removed, if somebody confirmed it


def unhashed(seen: Mapping[str, Seen], known: Mapping[str, Known]) -> list[str]:
    """List the new files that may have been moved here: something known of that size is gone."""
    gone_sizes = {one.size_bytes for path, one in known.items() if path not in seen}
    return [
        path for path, one in seen.items() if path not in known and one.size_bytes in gone_sizes
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
    gone = [path for path in known if path not in seen]
    moved = _moves(gone, known, digests)
    targets = {new for _, new in moved}
    sources = {old for old, _ in moved}
    removed = sorted(path for path in gone if path not in sources)
    is_mass = len(known) > MASS_DELETION_FILES and len(removed) > MASS_DELETION_SHARE * len(known)
    is_held = is_mass and not is_confirmed
    return Changes(
        added=tuple(sorted(path for path in seen if path not in known and path not in targets)),
        updated=tuple(
            sorted(path for path in seen if path in known and _differs(path, seen, known))
        ),
        moved=moved,
        removed=() if is_held else tuple(removed),
        held_back=tuple(removed) if is_held else (),
    )


def _moves(
    gone: list[str], known: Mapping[str, Known], digests: Mapping[str, str]
) -> tuple[tuple[str, str], ...]:
    """Pair files that are gone with new ones of the same content, same names first."""
    by_digest: dict[str, list[str]] = {}
    for path in sorted(gone):
        by_digest.setdefault(known[path].digest, []).append(path)
    moved = []
    for path, digest in sorted(digests.items()):
        candidates = by_digest.get(digest, [])
        if path in known or not candidates:
            continue
        name = path.rpartition("/")[2]
        old = next((one for one in candidates if one.rpartition("/")[2] == name), candidates[0])
        candidates.remove(old)
        moved.append((old, path))
    return tuple(moved)


def _differs(path: str, seen: Mapping[str, Seen], known: Mapping[str, Known]) -> bool:
    now, before = seen[path], known[path]
    return (now.size_bytes, now.mtime_ns) != (before.size_bytes, before.mtime_ns)
