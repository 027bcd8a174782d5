"""The files of the audit log: which there are, their lines in order, whether the chain holds."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from app.audit.entry import NOTHING, Link, hash_of, parsed

FOLDER = "audit"
N_KEPT = 10  # older files beside the one that is written
_TAIL_BYTES = 256 * 1024  # no line is longer


@dataclass(frozen=True, slots=True)
class Verdict:
    """What looking through the whole log came to."""

    n_lines: int
    n_first: int  # number of the oldest line that is kept
    end: Link  # note it elsewhere: then nobody can shorten the log unseen
    faults: tuple[str, ...]  # empty = the chain holds

    @property
    def is_whole(self) -> bool:
        """Whether nothing was changed, taken out or put in."""
        return not self.faults


def files_of(path: Path) -> list[Path]:
    """List the files of a log, the oldest first; `path` is the one that is written."""
    found = []
    for one in path.parent.glob(f"{path.name}.*"):
        number = one.name.removeprefix(f"{path.name}.")
        if number.isdecimal():
            found.append((int(number), one))
    older = [one for _, one in sorted(found, reverse=True)]
    return [*older, path] if path.exists() else older


def lines_of(path: Path) -> Iterator[tuple[Path, int, bytes]]:
    """Read every line of a log, the oldest first: (file, line number in it, the line)."""
    for file in files_of(path):
        with file.open("rb") as opened:
            for number, raw in enumerate(opened, 1):
                yield file, number, raw


def entries_of(path: Path) -> Iterator[dict[str, object]]:
    """Read every entry of a log, the oldest first; lines that are none are left out."""
    for _, _, raw in lines_of(path):
        found = parsed(raw)
        if found is not None:
            yield found


def verify(path: Path) -> Verdict:
    """Look through a whole log."""
    return judged((file.name, number, raw) for file, number, raw in lines_of(path))


def judged(lines: Iterable[tuple[str, int, bytes]], max_faults: int = 20) -> Verdict:
    """Check that each line holds the hash of the one before; pure."""
    link: Link | None = None
    torn = False  # a crash may tear one line; the next one then says so
    n_lines, n_first, faults = 0, 0, list[str]()
    for name, number, raw in lines:
        where = f"{name}, line {number}"
        body = raw.removesuffix(b"\n")
        n_lines += 1
        found = parsed(body)
        if found is None:
            if torn:
                faults.append(f"{where}: two broken lines in a row")
            torn = True
            link = Link(link.n if link else 0, hash_of(body))
            continue
        n = found["n"]
        assert isinstance(n, int)
        faults += [f"{where}: {what}" for what in _wrong(link, n, found, is_after_torn=torn)]
        n_first = n_first or n
        link, torn = Link(n, hash_of(body)), False
    if torn:
        faults.append("the last line is broken; the next start of the server marks it")
    return Verdict(n_lines, n_first, link or Link(), tuple(faults[:max_faults]))


def end_of(path: Path) -> tuple[Link, int]:
    """Find where the chain is: (its end, bytes of a torn last line, which has no line feed)."""
    digest, n_torn = "", 0
    for file in reversed(files_of(path)):
        raw = _tail(file)
        *whole, rest = raw.split(b"\n")
        if raw and not digest:
            digest, n_torn = hash_of(rest or whole[-1]), len(rest)
        for one in map(parsed, reversed(whole)):
            n = one["n"] if one is not None else None
            if isinstance(n, int):
                return Link(n, digest), n_torn
    return Link(0, digest or NOTHING), n_torn


def _wrong(
    link: Link | None, n: int, found: dict[str, object], *, is_after_torn: bool
) -> Iterator[str]:
    if link is None:
        if n == 1 and found["prev"] != NOTHING:
            yield "the first line claims to have one before it"
        return
    if found["prev"] != link.hash:
        yield "it does not follow the line before: that one was changed, or lines are missing"
    elif n != link.n + 1:
        yield f"its number is {n}, expected {link.n + 1}"
    if is_after_torn and found.get("event") != "mended":
        yield "the line before is broken, and nothing says that a crash did it"


def _tail(file: Path) -> bytes:
    size = file.stat().st_size
    with file.open("rb") as opened:
        opened.seek(max(0, size - _TAIL_BYTES))
        return opened.read()
