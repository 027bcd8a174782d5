"""The structure record of an FTS5 index in, the same without most of its empty levels out; pure.

Each merge into one segment puts that segment one level higher and leaves an empty level behind. A
record of more than 2,000 levels counts as malformed: after as many merges neither a search nor a
write works any more (seen with SQLite 3.40). So empty levels are taken out long before.

Source: the comment on "structure record" in https://sqlite.org/src/file/ext/fts5/fts5_index.c
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

RECORD_ID = 10  # of the structure record in the table `…_data`

_COOKIE_BYTES = 4
_VERSION_2 = b"\xff\x00\x00\x01"  # written only by indexes that are told to forget rows by id
_LONGEST = 9  # bytes of a number


@dataclass(frozen=True, slots=True)
class _Level:
    n_merging: int
    segments: tuple[tuple[int, int, int], ...]  # id, first page, last page


def count_levels(record: bytes) -> int:
    """Tell how many levels an index has; 0 if the record is of another kind."""
    return 0 if _is_foreign(record) else _number(record, _COOKIE_BYTES)[0]


def without_empty_levels(record: bytes, n_kept: int) -> bytes:
    """Take empty levels out, but for the lowest ones, where new segments begin to gather.

    Raises:
        ValueError: the record is not what it should be.
    """
    if _is_foreign(record):
        return record
    n_levels, at = _number(record, _COOKIE_BYTES)
    n_segments, at = _number(record, at)
    n_writes, at = _number(record, at)
    levels: list[_Level] = []
    for _ in range(n_levels):
        level, at = _level(record, at)
        levels.append(level)
    if at != len(record) or sum(len(one.segments) for one in levels) != n_segments:
        raise ValueError(f"a structure record of {len(record)} bytes ends at {at}")
    kept = [one for n, one in enumerate(levels) if one.segments or n < n_kept]
    numbers = [len(kept), n_segments, n_writes]
    for one in kept:
        numbers += [one.n_merging, len(one.segments)]
        numbers += [number for segment in one.segments for number in segment]
    return record[:_COOKIE_BYTES] + _written(numbers)


def _is_foreign(record: bytes) -> bool:
    return record[_COOKIE_BYTES : _COOKIE_BYTES + len(_VERSION_2)] == _VERSION_2


def _level(record: bytes, at: int) -> tuple[_Level, int]:
    n_merging, at = _number(record, at)
    n_segments, at = _number(record, at)
    segments: list[tuple[int, int, int]] = []
    for _ in range(n_segments):
        name, at = _number(record, at)
        first, at = _number(record, at)
        last, at = _number(record, at)
        segments.append((name, first, last))
    return _Level(n_merging, tuple(segments)), at


def _number(record: bytes, at: int) -> tuple[int, int]:
    """Read one of SQLite's numbers: seven bits a byte, eight in the ninth."""
    value = 0
    for n, byte in enumerate(record[at : at + _LONGEST], start=1):
        if n == _LONGEST:
            return value << 8 | byte, at + n
        value = value << 7 | byte & 0x7F
        if byte < 0x80:
            return value, at + n
    raise ValueError(f"a structure record of {len(record)} bytes breaks off at {at}")


def _written(numbers: Sequence[int]) -> bytes:
    found = bytearray()
    for number in numbers:
        if number >= 1 << 56:
            raise ValueError(f"{number} is too large for a structure record")
        groups = [number & 0x7F]
        while number := number >> 7:
            groups.append(number & 0x7F | 0x80)
        found += bytes(reversed(groups))
    return bytes(found)
