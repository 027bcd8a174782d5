"""A document and a page in, its picture with marked words out; drawn by a child process.

A file that hangs or kills its drawer costs one picture, never the server. No path comes from
whoever asks: a document's original is found by its digest, or at the places that its catalogue
knows, and is drawn only if its bytes are still the document's.
"""

from __future__ import annotations

import base64
import binascii
import threading
import time
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from ingest.documents_store import Documents
from ingest.errors import IngestError, NoPictureError, QueueFullError
from ingest.originals import Originals
from ingest.types import Document, Loaded

if TYPE_CHECKING:
    from ingest.load.page_picture import Span
    from ingest.load_pool import LoadPool

PDF = "application/pdf"
MAX_SCALE = 4.0
MIN_SCALE = 0.2
MAX_SPANS = 20
MAX_SPAN = 20_000  # characters that are marked
MAX_BYTES = 256 * 1024**2  # of a file that is drawn
_WAIT_S = 20.0  # for a drawer that is busy
_MAX_WAITING = 8  # who wait hold a thread of the server each
_FOUND = ("exact", "partial", "none")
_REASONS = ("scan", "not found")
_CACHED = 32
_CACHED_BYTES = 24 * 1024**2
_FAILED = 256  # pages of which it is remembered that they cannot be drawn
_FAILED_S = 600.0  # not for ever: the machine may have been too busy


@dataclass(frozen=True, slots=True)
class PagePicture:
    """A page as a PNG, and how well the words were found on it."""

    png: bytes
    n_pages: int
    found: str = "none"  # exact, partial, none
    reason: str = ""  # why they were not: scan, not found, other page


class Pages:
    """Draws pages of stored documents; thread-safe."""

    def __init__(self, documents: Documents, folder: Path) -> None:
        """Prepare.

        Args:
            folder: where originals of uploads lie.
        """
        self._documents = documents
        self._originals = Originals(folder, documents.stored)
        self._lock = threading.Lock()
        self._turn = threading.Semaphore(1)
        self._waiting = threading.Semaphore(_MAX_WAITING)
        self._pool: LoadPool | None = None
        self._drawn: OrderedDict[tuple[object, ...], PagePicture] = OrderedDict()
        # By digest and page: what was told, and when.
        self._failed: OrderedDict[tuple[str, int], tuple[str, float]] = OrderedDict()

    def picture(
        self,
        document_id: str,
        page: int,
        spans: Sequence[tuple[int, int]] = (),
        *,
        scale: float = 1.5,
    ) -> PagePicture:
        """Draw a page.

        Args:
            spans: of the document's text, to be marked.
            scale: pixels for a point of the page; bounded.
        Raises:
            DocumentNotFoundError: there is none of that id.
            NoPictureError: the original is gone, or has no pages, or not this one.
            QueueFullError: other pages are being drawn.
        """
        document = self._documents.document(document_id)
        if not _has_pages(document):
            raise NoPictureError(
                f"{document.title[:80]!r} is shown as text: only PDFs and pictures have page images"
            )
        scale = round(min(max(scale, MIN_SCALE), MAX_SCALE), 2)
        spans = tuple(spans[:MAX_SPANS])
        key = (document_id, page, scale, spans)
        with self._lock:
            if key in self._drawn:
                self._drawn.move_to_end(key)
                return self._drawn[key]
        wanted, is_elsewhere = self._wanted(document, page, spans)
        drawn = self._draw(document, page, scale, wanted)
        if is_elsewhere:
            drawn = PagePicture(drawn.png, drawn.n_pages, "none", "other page")
        self._remember(key, drawn)
        return drawn

    def keep_none(self) -> None:
        """Keep no originals from now on, and remove those that were kept."""
        self._originals.is_kept = False
        self.forget()

    def keep(self, source: Path) -> None:
        """Keep an upload that was just stored, if its pages can be shown."""
        self._originals.keep(source)

    def forget(self, digest: str = "") -> None:
        """Let go of what no document has any more: one that was deleted, or all such."""
        with self._lock:
            self._drawn.clear()
            self._failed.clear()
        if digest:
            self._originals.release(digest)
        else:
            self._originals.sweep()

    def has_original(self, digest: str) -> bool:
        """Tell whether a copy of an upload is kept."""
        return self._originals.path(digest).is_file()

    def watched(self, document_id: str) -> list[str]:
        """List the files of a document that lie in watched folders, with their whole path."""
        places = self._documents.places_of(document_id)
        return [str(Path(one.root) / one.path) for one in places if one.root]

    def size(self) -> tuple[int, int]:
        """Count the originals that are kept, and their bytes."""
        return self._originals.size()

    def close(self) -> None:
        """End the drawer."""
        with self._lock:
            if self._pool is not None:
                self._pool.close()

    def _draw(
        self, document: Document, page: int, scale: float, spans: Sequence[Span]
    ) -> PagePicture:
        from ingest.load.page_picture import Wish

        key = (document.digest, page)
        self._refuse_known(key)
        with self._drawer() as pool:
            self._refuse_known(key)  # whoever had the turn before may have asked for the same
            wish = Wish(page, scale, tuple(spans))
            asked = wish.before(self._original(document))
            try:
                return _picture_of(pool.load(asked, f"page {page}"), document, page)
            except NoPictureError as error:
                self._note_failure(key, str(error))
                raise
            except IngestError as error:
                told = f"the page cannot be drawn: {str(error)[:300]}"
                self._note_failure(key, told)
                raise NoPictureError(told) from error

    def _refuse_known(self, key: tuple[str, int]) -> None:
        """Refuse a page that could not be drawn just now: it would take as long to fail again."""
        with self._lock:
            told, at = self._failed.get(key, ("", 0.0))
        if told and time.monotonic() - at < _FAILED_S:
            raise NoPictureError(told)

    def _note_failure(self, key: tuple[str, int], told: str) -> None:
        with self._lock:
            self._failed[key] = told, time.monotonic()
            self._failed.move_to_end(key)
            while len(self._failed) > _FAILED:
                self._failed.popitem(last=False)

    def _wanted(
        self, document: Document, page: int, spans: Sequence[tuple[int, int]]
    ) -> tuple[list[Span], bool]:
        """Cut the words to be marked out of what stands on the page; are all on another one?"""
        from ingest.load.page_picture import Span

        if not spans:
            return [], False
        loaded = self._documents.loaded(document.id)
        blocks = [(one.start, one.end) for one in loaded.blocks if one.page == page]
        if not blocks:
            return [], True
        first, last = blocks[0][0], blocks[-1][1]
        found = []
        for start, end in spans:
            start, end = max(start, first), min(end, last, start + MAX_SPAN)
            if end > start:
                share = (start - first) / max(last - first, 1)
                found.append(Span(loaded.text[start:end], share))
        return found, not found

    def _original(self, document: Document) -> bytes:
        """Read the file that a document was made from.

        Raises:
            NoPictureError: it is gone, changed, or too large.
        """
        if document.size_bytes > MAX_BYTES:
            raise NoPictureError(
                f"{document.size_bytes:,} bytes: only files up to {MAX_BYTES:,} are drawn"
            )
        places = self._documents.places_of(document.id)
        found = [Path(one.root) / one.path for one in places if one.root]
        for path in (self._originals.path(document.digest), *found):
            data = _read(path, document.size_bytes)
            if data is not None and sha256(data).hexdigest() == document.digest:
                return data
        if found:
            raise NoPictureError(f"the file is gone from its folder, or changed: {found[0]}")
        raise NoPictureError(
            "the original file was not kept (QUIRE_KEEP_ORIGINALS): send it again to see its pages"
        )

    @contextmanager
    def _drawer(self) -> Iterator[LoadPool]:
        from ingest.load_pool import LoadPool, PoolLimits

        if not self._turn.acquire(blocking=False) and not self._wait():
            raise QueueFullError("other pages are being drawn: try again in a moment")
        try:
            with self._lock:
                if self._pool is None:
                    # Somebody waits for it, and all others for him: it is tried once, not long.
                    limits = PoolLimits(
                        1024 * 1024**2, time_limit_s=10.0, time_per_mib_s=0.05, n_tries=1
                    )
                    self._pool = LoadPool(1, limits, target="ingest.load.page_picture:draw")
                pool = self._pool
            yield pool
        finally:
            self._turn.release()

    def _wait(self) -> bool:
        if not self._waiting.acquire(blocking=False):
            return False
        try:
            return self._turn.acquire(timeout=_WAIT_S)
        finally:
            self._waiting.release()

    def _remember(self, key: tuple[object, ...], drawn: PagePicture) -> None:
        with self._lock:
            self._drawn[key] = drawn
            n_bytes = sum(len(one.png) for one in self._drawn.values())
            while self._drawn and (len(self._drawn) > _CACHED or n_bytes > _CACHED_BYTES):
                n_bytes -= len(self._drawn.popitem(last=False)[1].png)


def _has_pages(document: Document) -> bool:
    return document.media_type == PDF or document.media_type.startswith("image/")


def _picture_of(loaded: Loaded, document: Document, page: int) -> PagePicture:
    told = loaded.metadata  # of a process that a hostile file may have taken over
    n_pages = int(told["pages"]) if told.get("pages", "").isdecimal() else 0
    if not loaded.text:
        raise NoPictureError(f"{document.title[:80]!r} has no page {page}: it has {n_pages}")
    try:
        png = base64.b64decode(loaded.text, validate=True)
    except binascii.Error:
        png = b""
    if not png.startswith(b"\x89PNG\r\n"):
        raise NoPictureError("the page cannot be drawn: no picture came back")
    found, reason = told.get("found", ""), told.get("reason", "")
    return PagePicture(
        png, n_pages, found if found in _FOUND else "none", reason if reason in _REASONS else ""
    )


def _read(path: Path, n_bytes: int) -> bytes | None:
    """Read a file of just so many bytes; none if it is another, or no plain file."""
    from ingest.errors import BrokenFileError, TooLargeError
    from ingest.folders import read_settled

    try:
        if path.stat().st_size != n_bytes:
            return None
        return read_settled(path, n_bytes)[0]
    except (OSError, BrokenFileError, TooLargeError):
        return None
