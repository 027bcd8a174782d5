"""Bytes of a zip file in, its parts out, bounded before and while reading; pure."""

from __future__ import annotations

import re
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO

from ingest.errors import BrokenFileError, EncryptedFileError, TooLargeError

MAX_PARTS = 50_000
MAX_TOTAL = 2 * 1024**3  # bytes unpacked, all parts
MAX_MARKUP = 256 * 1024**2  # bytes unpacked, one part of XML: it becomes a tree of many times that
MAX_RATIO = 250  # unpacked to packed, once it matters; sheets of equal cells reach about 100
_FREE = 20 * 1024**2  # bytes unpacked that may have any ratio
# The latter is found in UTF-16-BE, too.
_ENTITIES = (b"<!ENTITY", "<!ENTITY".encode("utf-16-le")[:-1])
_PROLOG = 4096  # bytes of a part that are looked at first; most prologs have a hundred
_ASIDES = re.compile(rb"<!--.*?(?:-->|\Z)|<\?.*?(?:\?>|\Z)", re.DOTALL)
_ROOT = re.compile(rb"<[A-Za-z_]")
_MARKUP = (".xml", ".rels", ".xhtml", ".html", ".htm", ".opf", ".ncx", ".vml")


class Archive:
    """A zip file whose parts have been weighed."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._zip = archive

    def names(self) -> list[str]:
        """List the parts in their order."""
        return self._zip.namelist()

    def read(self, name: str, n_bytes: int = -1) -> bytes:
        """Unpack one part, or so many bytes of its beginning.

        Raises:
            BrokenFileError: not there, or damaged.
        """
        try:
            # zipfile never hands out more than the declared size, which has been checked.
            with self._zip.open(name) as part:
                return part.read(n_bytes)
        except KeyError as error:
            raise BrokenFileError(f"the archive lacks its part {name!r}") from error
        except (zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError) as error:
            raise BrokenFileError(f"the archive's part {name!r} is damaged: {error}") from error


@contextmanager
def open_archive(data: bytes) -> Iterator[Archive]:
    """Open a zip file if its size unpacked is sane.

    Raises:
        BrokenFileError: damaged or cut off.
        TooLargeError: it unpacks to more than a document ever does.
        EncryptedFileError: its parts need a password.
    """
    try:
        archive = zipfile.ZipFile(BytesIO(data))
    except (zipfile.BadZipFile, EOFError, OSError, ValueError, NotImplementedError) as error:
        raise BrokenFileError(f"damaged or cut off: {error}") from error
    with archive:
        _weigh(archive.infolist(), len(data))
        yield Archive(archive)


def check_office(data: bytes) -> None:
    """Check an Office file before a library opens it: sizes, no declarations of entities.

    Raises:
        BrokenFileError: damaged, or with declarations that Office never writes.
        TooLargeError: it unpacks to more than a document ever does.
    """
    with open_archive(data) as archive:
        for name in archive.names():
            if name.casefold().endswith(_MARKUP) and _may_declare(archive.read(name, _PROLOG)):
                refuse_entities(archive.read(name), name)


def refuse_entities(xml: bytes, name: str) -> None:
    """Refuse XML that declares entities: no writer of documents does, bombs do.

    Raises:
        BrokenFileError: it does.
    """
    if any(mark in xml for mark in _ENTITIES):
        raise BrokenFileError(
            f"part {name!r} declares XML entities, which no document needs; not read"
        )


def _may_declare(head: bytes) -> bool:
    """Tell whether declarations stand, or may stand, before the first element."""
    text = _ASIDES.sub(b"", head.replace(b"\0", b""))  # ASCII within UTF-16, too
    root = _ROOT.search(text)
    return root is None or b"<!DOCTYPE" in text[: root.start()]


def _weigh(parts: list[zipfile.ZipInfo], size: int) -> None:
    if len(parts) > MAX_PARTS:
        raise TooLargeError(f"the archive has {len(parts):,} parts; at most {MAX_PARTS:,} are read")
    total = sum(part.file_size for part in parts)
    if total > MAX_TOTAL or (total > _FREE and total > MAX_RATIO * max(size, 1)):
        raise TooLargeError(
            f"{size:,} bytes would unpack to {total:,} bytes; at most {MAX_TOTAL:,} bytes and "
            f"{MAX_RATIO} times its size are read"
        )
    for part in parts:
        if part.flag_bits & 1:
            raise EncryptedFileError(
                f"part {part.filename!r} needs a password; save it without one"
            )
        if part.file_size > MAX_MARKUP and part.filename.casefold().endswith(_MARKUP):
            raise TooLargeError(
                f"part {part.filename!r} has {part.file_size:,} bytes unpacked; "
                f"at most {MAX_MARKUP:,} are read"
            )
