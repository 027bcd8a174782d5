"""A stream of an archive in, its members out, each proven; nothing of it is believed unchecked."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import BinaryIO, Protocol

from app.backup import manifest, tar
from app.backup.errors import ArchiveError
from app.backup.manifest import Manifest, Member

_CHUNK = 1 << 20
_MAX_WINDOW_BYTES = 1 << 27  # of memory that the packer's window may ask for


class Sink(Protocol):
    """Where the bytes of members go; nothing counts before all of them are proven."""

    def begin(self, table: Manifest) -> None:
        """Get ready, or refuse what the archive says that it holds."""

    def open(self, member: Member) -> AbstractContextManager[BinaryIO]:
        """Give a file to write one member to."""


def read(file: BinaryIO, sink: Sink | None = None) -> Manifest:
    """Read a whole archive and hold every byte of it against its table of contents.

    Args:
        sink: takes the members; without one the archive is only looked through.
    Raises:
        NewerArchiveError: its format is newer than this program knows.
        ArchiveError: it is damaged, cut off, or holds what its table of contents does not name.
    """
    import zstandard

    unpacker = zstandard.ZstdDecompressor(max_window_size=_MAX_WINDOW_BYTES)
    try:
        with unpacker.stream_reader(file, read_across_frames=True, closefd=False) as stream:
            table = _table(stream)
            if sink is not None:
                sink.begin(table)
            for member in table.members:
                _member(stream, member, sink)
            if _exactly(stream, len(tar.END)) != tar.END or stream.read(1):
                raise ArchiveError("it holds more than its table of contents names")
    except zstandard.ZstdError as error:
        raise ArchiveError(f"it is damaged, or no backup: {error}") from error
    return table


def _table(stream: BinaryIO) -> Manifest:
    name, size = tar.read_header(_exactly(stream, tar.BLOCK))
    if name != manifest.NAME:
        raise ArchiveError(f"it does not begin with {manifest.NAME}")
    if size > manifest.MAX_BYTES:
        raise ArchiveError("its table of contents is too long")
    raw = _exactly(stream, size)
    _skip_padding(stream, size)
    return manifest.parse(raw)


def _member(stream: BinaryIO, member: Member, sink: Sink | None) -> None:
    found = tar.read_header(_exactly(stream, tar.BLOCK))
    if found != (member.stored, member.size_bytes):
        raise ArchiveError(
            f"it holds {found[0][:100]!r} of {found[1]} bytes where {member.name!r} of "
            f"{member.size_bytes} bytes should be"
        )
    digest = hashlib.sha256()
    if sink is None:
        for chunk in _pieces(stream, member.size_bytes):
            digest.update(chunk)
    else:
        with sink.open(member) as target:
            for chunk in _pieces(stream, member.size_bytes):
                digest.update(chunk)
                target.write(chunk)
    if digest.hexdigest() != member.sha256:
        raise ArchiveError(f"{member.name!r} is damaged: its digest is another")
    _skip_padding(stream, member.size_bytes)


def _pieces(stream: BinaryIO, n_bytes: int) -> Iterator[bytes]:
    while n_bytes:
        chunk = _exactly(stream, min(n_bytes, _CHUNK))
        n_bytes -= len(chunk)
        yield chunk


def _skip_padding(stream: BinaryIO, size_bytes: int) -> None:
    padding = tar.padding_of(size_bytes)
    if _exactly(stream, len(padding)) != padding:
        raise ArchiveError("it holds bytes that belong to no file")


def _exactly(stream: BinaryIO, n_bytes: int) -> bytes:
    found = bytearray()
    while len(found) < n_bytes:
        chunk = stream.read(n_bytes - len(found))
        if not chunk:
            raise ArchiveError("it is cut off: take the file from its source again")
        found += chunk
    return bytes(found)
