"""Archives that nobody honest would write, with digests and sizes that fit what they say."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile

import zstandard


def unpacked(archive: bytes) -> tuple[dict, list[tuple[str, bytes]]]:
    """Take an archive apart: its table of contents, and (name in the archive, bytes)."""
    raw = zstandard.ZstdDecompressor().decompressobj().decompress(archive)
    with tarfile.open(fileobj=io.BytesIO(raw)) as tar:
        found = [(one.name, tar.extractfile(one).read()) for one in tar]
    return json.loads(found[0][1]), found[1:]


def packed(table: object, members: list, end: bytes = bytes(1024)) -> bytes:
    """Put an archive together; members are (name, bytes) or whole TarInfo."""
    raw = io.BytesIO()
    text = table if isinstance(table, bytes) else json.dumps(table).encode()
    for name, data in [("manifest.json", text), *members]:
        info = name if isinstance(name, tarfile.TarInfo) else tarfile.TarInfo(name)
        if not isinstance(name, tarfile.TarInfo):
            info.size = len(data)
        raw.write(info.tobuf(tarfile.GNU_FORMAT) + data + bytes(-len(data) % 512))
    return zstandard.ZstdCompressor().compress(raw.getvalue() + end)


def entry(name: str, stored: str, data: bytes) -> dict:
    """Describe a member as the table of contents does."""
    digest = hashlib.sha256(data).hexdigest()
    return {"name": name, "stored": stored, "size_bytes": len(data), "sha256": digest}


def forge(archive: bytes, *, table=None, members=None, add=(), end=bytes(1024)) -> bytes:
    """Change an archive.

    Args:
        table: changes its table of contents in place.
        members: changes its list of members in place.
        add: files that the table of contents names, as (name, bytes).
    """
    contents, found = unpacked(archive)
    for number, (name, data) in enumerate(add):
        contents["members"].append(entry(name, f"more/{number}", data))
        found.append((f"more/{number}", data))
    if table is not None:
        contents = table(contents) or contents
    if members is not None:
        members(found)
    return packed(contents, found, end)
