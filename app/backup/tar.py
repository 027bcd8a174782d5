"""A name and a size in, a block of tar out, and back; pure.

`tarfile` reads headers of any kind and believes their sizes. An archive of ours holds plain files
under short names and nothing else, so that a block can be judged by itself.
"""

from __future__ import annotations

import tarfile

from app.backup.errors import ArchiveError

BLOCK = 512
END = bytes(2 * BLOCK)


def header_of(name: str, size_bytes: int, mtime_s: int) -> bytes:
    """Make the block that stands before a file.

    Args:
        name: up to 100 plain characters.
    """
    info = tarfile.TarInfo(name)
    info.size, info.mtime, info.mode = size_bytes, mtime_s, 0o600
    block = info.tobuf(tarfile.GNU_FORMAT, "ascii", "strict")  # which knows more than 8 GiB
    if len(block) != BLOCK:
        raise ValueError(f"{name} does not fit into one block")
    return block


def read_header(block: bytes) -> tuple[str, int]:
    """Read the block that stands before a file: its name and its size.

    Raises:
        ArchiveError: the block is torn, or not of a plain file.
    """
    try:
        info = tarfile.TarInfo.frombuf(block, "ascii", "strict")
    except (tarfile.HeaderError, UnicodeDecodeError, ValueError) as error:
        raise ArchiveError("it is damaged: a file's header cannot be read") from error
    if info.type != tarfile.REGTYPE or info.size < 0:
        raise ArchiveError(f"it holds something that is no plain file: {info.name[:100]!r}")
    return info.name, info.size


def padding_of(size_bytes: int) -> bytes:
    """Give the zeros that fill a file's last block."""
    return bytes(-size_bytes % BLOCK)
