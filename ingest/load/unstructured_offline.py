"""Bytes of an .odt, .rtf, .rst or .org file in, its text with structure out, by a child process.

unstructured converts these to HTML with the pandoc that it brings (in pandoc's sandbox, so includes
are not followed); the HTML goes through our loader of pages. Its own partitioning is left out: it
needs a spaCy model from the network and takes every Chinese paragraph for a title.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

from ingest.config import offline_environment
from ingest.errors import BrokenFileError, TooLargeError
from ingest.load import html
from ingest.load.archive import open_archive, refuse_entities
from ingest.load.build import TextBuilder
from ingest.load.cjk import clean, unspaced
from ingest.load.decode import decode
from ingest.types import Loaded

CONVERT_TIMEOUT_S = 120.0
MAX_BYTES = 64 * 1024**2  # pandoc holds a document in about a hundred times its size
MEDIA_TYPES = {
    "odt": "application/vnd.oasis.opendocument.text",
    "rtf": "application/rtf",
    "rst": "text/x-rst",
    "org": "text/x-org",
}
_CODE_PAGE = re.compile(rb"\\ansicpg(\d{1,5})")
_CHINESE_FONT = re.compile(rb"\\fcharset134")
_ESCAPES = re.compile(rb"(?:\\'[0-9a-fA-F]{2})+")
_BINARY = re.compile(rb"\\bin(\d{1,10}) ?")
_HEADING_STYLE = re.compile(
    rb"\{\\s(\d+)(?!\d)(?:[^{}]|\{[^{}]*\}){0,400}?[ }]heading ([1-9]);\}", re.IGNORECASE
)
_STYLE = re.compile(rb"\\s(\d+)(?!\d)")


def load(data: bytes, name: str, kind: str) -> Loaded:
    """Load a file that pandoc reads.

    Args:
        kind: one of MEDIA_TYPES.
    Raises:
        BrokenFileError: it cannot be converted.
        TooLargeError: too large for a conversion, or it takes too long.
        EmptyFileError: it holds no text.
    """
    if len(data) > MAX_BYTES:
        raise TooLargeError(
            f"{len(data):,} bytes; at most {MAX_BYTES:,} are converted from .{kind}; "
            "save it as .docx"
        )
    if kind == "odt":
        with open_archive(data) as archive:
            for part in ("content.xml", "styles.xml", "meta.xml"):
                if part == "content.xml" or part in archive.names():
                    refuse_entities(archive.read(part), part)
    elif kind == "rtf":
        data = _with_outline(_unicode_rtf(_without_binary(data)))
    else:
        data = clean(decode(data)).encode("utf-8")
    builder = TextBuilder()
    page = _convert(data, kind)
    if kind in ("rst", "org"):  # pandoc writes a line break as a blank, also within Chinese
        page = unspaced(page)
    metadata = html.feed(builder, page)
    return builder.finish(MEDIA_TYPES[kind], title=metadata.get("title", ""))


def _convert(data: bytes, kind: str) -> str:
    # -I keeps this folder, whose html.py is not the standard library's, out of the child's path.
    child = Path(__file__).with_name("unstructured_child.py")
    process = subprocess.Popen(
        [sys.executable, "-I", str(child), kind],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=offline_environment(),
        start_new_session=True,  # so that pandoc, its own child, can be stopped with it
    )
    with process:
        try:
            output, errors = process.communicate(data, timeout=CONVERT_TIMEOUT_S)
        except subprocess.TimeoutExpired as error:
            raise TooLargeError(
                f"its conversion took over {CONVERT_TIMEOUT_S:.0f} s; save it as .docx or PDF"
            ) from error
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
    if process.returncode != 0:
        told = (
            errors.decode("utf-8", "replace").rpartition("conversion failed: ")[2].split("\n\n")[0]
        )
        reason = " ".join(told.split()) or "no reason given"
        raise BrokenFileError(f"not a readable .{kind} file: {reason[:300]}")
    return output.decode("utf-8", "replace")


def _without_binary(data: bytes) -> bytes:
    r"""Take out what \bin announces: raw bytes of pictures, whose braces pandoc would count."""
    kept, at = [], 0
    while found := _BINARY.search(data, at):
        kept.append(data[at : found.start()])
        at = min(found.end() + int(found.group(1)), len(data))
    return b"".join(kept) + data[at:] if kept else data


def _with_outline(data: bytes) -> bytes:
    """Write the level of a heading beside its style: pandoc knows only that, not the style."""
    if b"\\outlinelevel" in data:
        return data
    levels = dict(_HEADING_STYLE.findall(data))

    def rewrite(match: re.Match[bytes]) -> bytes:
        level = levels.get(match.group(1))
        return match.group() + (b"\\outlinelevel%d" % (int(level) - 1) if level else b"")

    return _STYLE.sub(rewrite, data) if levels else data


def _unicode_rtf(data: bytes) -> bytes:
    r"""Write the bytes of old code pages as \u escapes: pandoc knows only the Western one."""
    found = _CODE_PAGE.search(data)
    page = found.group(1).decode("ascii") if found else "1252"
    if page == "1252" and _CHINESE_FONT.search(data):
        page = "936"
    encoding = {"936": "gb18030", "950": "big5hkscs", "65001": "utf-8"}.get(page, f"cp{page}")

    def rewrite(match: re.Match[bytes]) -> bytes:
        raw = bytes.fromhex(match.group().replace(b"\\'", b"").decode("ascii"))
        try:
            text = raw.decode(encoding)
        except (UnicodeDecodeError, LookupError):
            return match.group()
        units = text.encode("utf-16-le")
        numbers = [
            int.from_bytes(units[at : at + 2], "little", signed=True)
            for at in range(0, len(units), 2)
        ]
        return b"".join(b"\\u%d?" % number for number in numbers)

    return data if page == "1252" else _ESCAPES.sub(rewrite, data)
