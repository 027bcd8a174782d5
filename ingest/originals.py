"""Bytes of uploaded PDFs and pictures in, kept beside the catalogue; touches one folder.

A citation is shown on the picture of its page, and for that the file itself is needed. A file lies
at `<aa>/<digest>` while any document of that digest is stored. The catalogue is the truth: what it
does not know is removed, at once where a document is deleted, and when the library is opened or
has nothing to do for what a crash left.
"""

from __future__ import annotations

import logging
import os
import secrets
import shutil
import threading
from collections.abc import Callable, Iterable, Set
from contextlib import suppress
from pathlib import Path

from ingest.errors import BrokenFileError
from ingest.faults import reach
from ingest.folders import digest_of

log = logging.getLogger(__name__)

_HEAD_BYTES = 1024  # in which a PDF says what it is
_PICTURES = (b"\x89PNG\r\n", b"\xff\xd8\xff", b"II*\0", b"MM\0*", b"BM")
_NEW = ".new-"  # begins the name of what is being written


class Originals:
    """The folder of originals; thread-safe."""

    def __init__(self, folder: Path, stored: Callable[[Iterable[str]], Set[str]]) -> None:
        """Prepare.

        Args:
            stored: tells which of some digests are those of documents, as they are now.
        """
        self.is_kept = True  # False keeps none, and the next sweep removes what was kept
        self._folder = folder
        self._stored = stored
        self._lock = threading.Lock()

    def keep(self, source: Path) -> None:
        """Keep a file that was just stored, if it is one whose pages can be shown.

        Nothing fails for want of it: without it a citation is shown in the text only.
        """
        if not self.is_kept:
            return
        try:
            if not is_shown_in_pages(source):
                return
            digest = digest_of(source)
            with self._lock:
                self._put(source, digest)
                reach("original kept")
                # It may have been deleted since; who deletes later looks here later.
                if digest not in self._stored([digest]):
                    self.path(digest).unlink(missing_ok=True)
        except (OSError, BrokenFileError) as error:
            log.warning("original_not_kept %s", error)

    def path(self, digest: str) -> Path:
        """Tell where the original of a digest lies, if it is kept."""
        return self._folder / digest[:2] / digest

    def release(self, digest: str) -> None:
        """Remove an original that no document has any more; one that is still used stays."""
        with self._lock:
            path = self.path(digest)
            if path.exists() and digest not in self._stored([digest]):
                self._remove(path)

    def sweep(self) -> None:
        """Remove all that no document has any more, and what a crash left half written."""
        with self._lock:
            held = [one for folder in _entries(self._folder) for one in _entries(folder)]
            names = [one.name for one in held]
            stored = self._stored(names) if names and self.is_kept else set()
            for one in held:
                if one.name not in stored:
                    self._remove(one)
            for folder in _entries(self._folder):
                with suppress(OSError):
                    folder.rmdir()  # only empty ones go

    def size(self) -> tuple[int, int]:
        """Count the files and their bytes."""
        sizes = []
        for folder in _entries(self._folder):
            for one in _entries(folder):
                with suppress(OSError):  # removed just now
                    sizes.append(one.stat().st_size)
        return len(sizes), sum(sizes)

    def _put(self, source: Path, digest: str) -> None:
        path = self.path(digest)
        if path.exists():
            return
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        new = path.with_name(f"{_NEW}{secrets.token_hex(4)}")
        try:
            try:
                os.link(source, new)  # the staged copy goes, its bytes stay: nothing is written
            except OSError:
                shutil.copyfile(source, new)
            new.replace(path)
        finally:
            new.unlink(missing_ok=True)

    def _remove(self, path: Path) -> None:
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            log.warning("original_not_removed %s", error)


def is_shown_in_pages(path: Path) -> bool:
    """Tell by its first bytes whether a file is a PDF or a picture."""
    with path.open("rb") as file:
        head = file.read(_HEAD_BYTES)
    return b"%PDF-" in head or head.startswith(_PICTURES) or head[8:12] == b"WEBP"


def _entries(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return []
