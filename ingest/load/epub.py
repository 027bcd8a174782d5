"""Bytes of an EPUB in, its chapters' text in reading order out; pure but for lexbor.

Its chapters are pages of HTML, so the loader of pages reads them: pandoc, which unstructured uses,
takes seconds, and flattens tables.
"""

from __future__ import annotations

import posixpath
import re
from urllib.parse import unquote
from xml.etree import ElementTree

from ingest.errors import BrokenFileError, EncryptedFileError
from ingest.load import html
from ingest.load.archive import Archive, open_archive, refuse_entities
from ingest.load.build import TextBuilder
from ingest.load.decode import decode
from ingest.types import Loaded

_MARKUP = ("application/xhtml+xml", "text/html", "application/x-dtbook+xml")
_FONT_SCRAMBLING = ("http://www.idpf.org/2008/embedding", "http://ns.adobe.com/pdf/enc#RC")
_ENCODING = re.compile(rb"^\s*<\?xml[^>]{0,100}?encoding\s*=\s*[\"']([\w.:-]+)")


def load(data: bytes, name: str) -> Loaded:
    """Load a book.

    Raises:
        EncryptedFileError: protected against reading (DRM).
        EmptyFileError: no chapter holds text.
        BrokenFileError: damaged, cut off or not a book.
        TooLargeError: it unpacks to more than a document ever does.
    """
    builder = TextBuilder()
    with open_archive(data) as archive:
        _refuse_protected(archive)
        path = _package_path(archive)
        package = _xml(archive, path)
        listed = _chapters(package, posixpath.dirname(path))
        _read(builder, archive, _spine(package, listed, builder.warnings))
        if not builder.blocks:
            _read(builder, archive, list(listed.values()))
            if builder.blocks:
                builder.warnings.append("its reading order names no chapter; read as listed")
    return builder.finish(
        "application/epub+zip",
        title=_told(package, "title"),
        metadata={"author": _told(package, "creator"), "language": _told(package, "language")},
        nothing="no chapter holds text; a book of pictures is not read",
    )


def _read(builder: TextBuilder, archive: Archive, parts: list[str]) -> None:
    known = {name.casefold(): name for name in archive.names()}
    for part in parts:
        there = known.get(part.casefold())  # some books were made where case does not matter
        if there is None:
            builder.warnings.append(f"chapter {part!r} is missing")
            continue
        page = archive.read(there)
        found = _ENCODING.match(page)
        builder.close_sections(1)
        html.feed(builder, decode(page, found.group(1).decode("ascii") if found else None))


def _refuse_protected(archive: Archive) -> None:
    if "META-INF/encryption.xml" not in archive.names():
        return
    for method in _xml(archive, "META-INF/encryption.xml").iter():
        algorithm = method.get("Algorithm") or ""
        if method.tag.endswith("}EncryptionMethod") and algorithm not in _FONT_SCRAMBLING:
            raise EncryptedFileError("the book is protected (DRM); its text cannot be read")


def _package_path(archive: Archive) -> str:
    for node in _xml(archive, "META-INF/container.xml").iter():
        if node.tag.endswith("}rootfile") and node.get("full-path"):
            return str(node.get("full-path"))
    raise BrokenFileError("the book does not say where its package file is")


def _chapters(package: ElementTree.Element, folder: str) -> dict[str, str]:
    """List the chapters as the book's manifest does: id → part."""
    parts: dict[str, str] = {}
    for node in package.iter():
        if node.tag.endswith("}item") and node.get("media-type") in _MARKUP:
            is_contents = "nav" in (node.get("properties") or "").split()
            target = posixpath.normpath(posixpath.join(folder, unquote(node.get("href") or "")))
            if not is_contents:
                parts[node.get("id") or ""] = target
    return parts


def _spine(package: ElementTree.Element, listed: dict[str, str], warnings: list[str]) -> list[str]:
    """Put the chapters' parts into reading order, each once."""
    order: dict[str, None] = {}
    known = {node.get("id") for node in package.iter() if node.tag.endswith("}item")}
    for node in package.iter():
        if not node.tag.endswith("}itemref"):
            continue
        name = node.get("idref") or ""
        if name in listed:
            order[listed[name]] = None
        elif name not in known:
            warnings.append(f"its reading order names {name!r}, which is not in the book")
    return list(order)


def _told(package: ElementTree.Element, name: str) -> str:
    for node in package.iter():
        if node.tag == "{http://purl.org/dc/elements/1.1/}" + name and node.text:
            return node.text
    return ""


def _xml(archive: Archive, name: str) -> ElementTree.Element:
    data = archive.read(name)
    refuse_entities(data, name)
    try:
        return ElementTree.fromstring(data)
    except ElementTree.ParseError as error:
        raise BrokenFileError(f"part {name!r} of the book is damaged: {error}") from error
