"""Files outside the store in, blobs that refer to them out; touches one JSON file and symlinks.

A store may hold a GGUF file by reference: `blobs/sha256-<hex>` is then a symbolic link. A link
that is not written down here was made by somebody else and could lead to any file of the
machine, so it is refused.
"""

from __future__ import annotations

import json
import os
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

from engine.errors import LibraryError

LINKS_FILE = "quire-links.json"
_MAX_BYTES = 8 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Link:
    """A file outside the store as it was when its digest was taken."""

    path: str  # absolute
    size_bytes: int
    mtime_ns: int


class Links:
    """Which blobs of one store are links of ours; read anew when the file has changed."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._known: tuple[tuple[int, int], dict[str, Link]] | None = None

    def status(self, path: Path, digest: str) -> os.stat_result | None:
        """Give the status of what a blob's symbolic link leads to; None if that is gone.

        Raises:
            LibraryError: the link is none of ours, or its file has changed.
        """
        link = self._read().get(digest)
        try:
            is_ours = link is not None and str(path.readlink()) == link.path
        except OSError:  # gone meanwhile
            return None
        if link is None or not is_ours:
            raise LibraryError(
                f"blob {digest} is a link to a file outside the store that was not made by "
                "`create`; delete the link and create the model again"
            )
        try:
            status = path.stat()
        except OSError as error:
            raise LibraryError(
                f"{link.path} cannot be read ({error.strerror}); bring it back, or create the "
                "model again"
            ) from error
        if (status.st_size, status.st_mtime_ns) != (link.size_bytes, link.mtime_ns):
            raise LibraryError(
                f"{link.path} has changed since it was linked; create the model again"
            )
        return status

    def write(self, digest: str, link: Link | None) -> None:
        """Write a link down, or strike it out; the caller holds the store's lock.

        Raises:
            LibraryError: the file cannot be written.
        """
        try:
            links = self._all(is_adding=link is not None)
            if links.get(digest) == link:
                return
            if link is None:
                links.pop(digest)
            else:
                links[digest] = link
            text = json.dumps({key: asdict(value) for key, value in links.items()}, indent=1)
            self._replace(text.encode() + b"\n")
        except OSError as error:
            raise LibraryError(f"cannot write {self._file}: {error.strerror or error}") from error

    def _replace(self, data: bytes) -> None:
        number, name = tempfile.mkstemp(prefix=".new-", dir=self._file.parent)
        new = Path(name)
        try:
            with os.fdopen(number, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            new.chmod(0o644)
            new.replace(self._file)
        finally:
            new.unlink(missing_ok=True)

    def _all(self, *, is_adding: bool) -> dict[str, Link]:
        """Give what is written down; unlike `_read` never less, as the others would be lost."""
        try:
            with self._file.open("rb") as file:
                raw = file.read()
        except FileNotFoundError:
            return {}
        found = _parsed(raw)
        if not found and is_adding and raw.strip() not in {b"", b"{}"}:
            raise LibraryError(
                f"{self._file} is damaged; delete it, and create linked models again"
            )
        return found

    def _read(self) -> dict[str, Link]:
        """Give what is written down; a file that cannot be read permits nothing."""
        try:
            status = self._file.stat()
            stamp = (status.st_mtime_ns, status.st_ino)
            known = self._known
            if known is not None and known[0] == stamp:
                return known[1]
            with self._file.open("rb") as file:
                found = _parsed(file.read(_MAX_BYTES))
        except OSError:
            return {}
        self._known = (stamp, found)
        return found


def link_to(path: Path) -> Link:
    """Describe a file as it is now.

    Raises:
        LibraryError: it is not a file that can be read.
    """
    try:
        whole = path.resolve(strict=True)
        status = whole.stat()
    except OSError as error:
        raise LibraryError(f"cannot read {path}: {error.strerror}") from error
    if not whole.is_file():
        raise LibraryError(f"{path} is not a file")
    return Link(str(whole), status.st_size, status.st_mtime_ns)


def _parsed(raw: bytes) -> dict[str, Link]:
    try:
        data = json.loads(raw)
    except (ValueError, RecursionError):
        return {}
    found: dict[str, Link] = {}
    for digest, value in data.items() if isinstance(data, dict) else ():
        match value:
            case {"path": str(path), "size_bytes": int(size), "mtime_ns": int(mtime)}:
                found[str(digest)] = Link(path, size, mtime)
    return found
