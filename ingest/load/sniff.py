"""Bytes and a name in, the kind of file out, by its magic bytes before its suffix; pure."""

from __future__ import annotations

import re

from ingest.errors import BrokenFileError, EncryptedFileError, UnsupportedFileError
from ingest.load.archive import open_archive
from ingest.load.code import LANGUAGES, PLAIN
from ingest.load.mbox import is_mailbox

_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_ZIP = (b"PK\x03\x04", b"PK\x05\x06")
_OLE_KINDS = (  # a stream's name in an OLE container → what kind of file it is
    ("WordDocument", "doc"),
    ("PowerPoint Document", "ppt"),
    ("Workbook", "xls"),
    ("Book", "xls"),
)
_PICTURES = (  # first bytes of what OCR reads → what it is
    (b"\x89PNG", "a PNG image"),
    (b"\xff\xd8\xff", "a JPEG image"),
    (b"II*\x00", "a TIFF image"),
    (b"MM\x00*", "a TIFF image"),
)
_BINARY = (  # first bytes → what it is
    (b"GIF8", "a GIF image"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
    (b"Rar!", "a RAR archive"),
    (b"BZh", "a bzip2 archive"),
    (b"\xfd7zXZ", "an xz archive"),
    (b"\x7fELF", "a program"),
    (b"MZ\x90", "a program"),
    (b"SQLite format 3", "an SQLite database"),
    (b"OggS", "a sound or film"),
    (b"ID3", "a sound"),
    (b"fLaC", "a sound"),
    (b"RIFF", "a sound, film or image"),
    (b"\x00\x00\x01\x00", "an icon"),
    (b"GGUF", "a language model"),
    (b"\xca\xfe\xba\xbe", "a program"),
    (b"wOFF", "a font"),
    (b"OTTO", "a font"),
    (b"ITSF", "a compiled help file (.chm)"),
)
# kind → suffixes whose files are told by their first bytes
MAGIC_KINDS = {
    "pdf": "pdf",
    "docx": "docx docm dotx",
    "pptx": "pptx pptm ppsx",
    "xlsx": "xlsx xlsm",
    "epub": "epub",
    "odt": "odt",
    "doc": "doc dot",
    "ppt": "ppt pps",
    "xls": "xls xlt",
    "image": "png jpg jpeg tif tiff webp bmp",
}
# kind → suffixes whose files are text, so that only the name tells
TEXT_KINDS = {
    "text": "txt text log vtt",
    "markdown": "md markdown mdown mkd mdx",
    "html": "html htm xhtml shtml",
    "csv": "csv tsv tab",
    "eml": "eml mht mhtml",
    "mbox": "mbox mbx",
    "ipynb": "ipynb",
    "srt": "srt",
    "rtf": "rtf",
    "rst": "rst",
    "org": "org",
    "json": "json jsonc geojson",
    "jsonl": "jsonl ndjson",
    "yaml": "yaml yml",
    "toml": "toml",
    "ini": "ini cfg conf properties",
    "xml": "xml xsd xsl xslt svg rss atom",
    "code": " ".join(sorted((*LANGUAGES, *PLAIN))),
}
_MAGIC_SUFFIXES = {one: kind for kind, names in MAGIC_KINDS.items() for one in names.split()}
_TEXT_SUFFIXES = {one: kind for kind, names in TEXT_KINDS.items() for one in names.split()}
SUFFIXES = frozenset(f".{suffix}" for suffix in (*_MAGIC_SUFFIXES, *_TEXT_SUFFIXES))
_MAIL = re.compile(rb"\s*MIME-Version:", re.IGNORECASE)
_PAGE = re.compile(rb"\s*<(?:!doctype html|html|table|head|meta)\b", re.IGNORECASE)


def kind_of(data: bytes, name: str) -> str:
    """Name the kind of a file.

    Raises:
        UnsupportedFileError: known, but nothing here reads it; says what would help.
        EncryptedFileError: an Office file behind a password.
        BrokenFileError: the name promises a format that the bytes are not.
    """
    suffix = name.rpartition(".")[2].casefold() if "." in name else ""
    if b"%PDF-" in data[:1024] and _TEXT_SUFFIXES.get(suffix) not in ("code", "mbox", "eml"):
        return "pdf"
    if data.startswith(_ZIP):
        return _kind_of_zip(data, name)
    if data.startswith(_OLE):
        return _kind_of_ole(data)
    if data.startswith(b"{\\rtf"):
        return "rtf"
    if _is_picture(data, suffix):
        return "image"
    _refuse_binary(data, suffix)
    if suffix in _MAGIC_SUFFIXES:
        return _kind_without_magic(data, suffix)
    if suffix in _TEXT_SUFFIXES and suffix != "rtf":
        return _TEXT_SUFFIXES[suffix]
    if not suffix or suffix == "rtf":
        return "mbox" if is_mailbox(data) else "text"
    raise UnsupportedFileError(
        f"no loader reads .{suffix} files; save it as PDF, .docx, .html, .md or .txt and add that"
    )


def _kind_of_zip(data: bytes, name: str) -> str:
    with open_archive(data) as archive:
        names = set(archive.names())
        if "word/document.xml" in names or any(one.startswith("word/document") for one in names):
            return "docx"
        if "ppt/presentation.xml" in names:
            return "pptx"
        if "xl/workbook.xml" in names:
            return "xlsx"
        if "xl/workbook.bin" in names:
            raise UnsupportedFileError("a binary workbook (.xlsb); save it as .xlsx and add that")
        manifest = "META-INF/manifest.xml"
        if manifest in names and b":encryption-data" in archive.read(manifest):
            raise EncryptedFileError(
                "the document needs a password; save it without one and add that"
            )
        mimetype = (
            archive.read("mimetype")[:100].decode("ascii", "replace") if "mimetype" in names else ""
        )
    if "epub" in mimetype or "META-INF/container.xml" in names:
        return "epub"
    if "opendocument.text" in mimetype:
        return "odt"
    if "opendocument" in mimetype:
        raise UnsupportedFileError(
            f"{mimetype.strip()} has no loader; save it as .xlsx, .pptx or PDF "
            "(LibreOffice does) and add that"
        )
    if name.casefold().rpartition(".")[2] in _MAGIC_SUFFIXES:
        raise BrokenFileError(
            "the archive lacks its main part: not what its name says; save the file anew"
        )
    raise UnsupportedFileError("an archive; unpack it and add the files in it")


def _kind_of_ole(data: bytes) -> str:
    """Name what an OLE container holds; its directory names streams in UTF-16."""
    if "EncryptedPackage".encode("utf-16-le") in data:
        raise EncryptedFileError("the document needs a password; save it without one and add that")
    if "__properties_version1.0".encode("utf-16-le") in data:
        raise UnsupportedFileError("an Outlook message (.msg); save it as .eml and add that")
    for stream, kind in _OLE_KINDS:
        if (stream + "\0").encode("utf-16-le") in data:
            return kind
    raise UnsupportedFileError("an old Office container; save it in a current format and add that")


def _kind_without_magic(data: bytes, suffix: str) -> str:
    """Refuse what is not what its name says, but for what programs save as .xls or .doc.

    That is a page, a web archive or, as .xls, values parted by tabs.
    """
    if _MAGIC_SUFFIXES[suffix] in ("doc", "xls"):
        if _PAGE.match(data[:1000]):
            return "html"
        if _MAIL.match(data[:1000]):
            return "eml"
    if suffix == "xls" and _is_tabbed(data[:4096]):
        return "csv"
    start = repr(data[:8])[2:-1]  # control characters and bytes beyond ASCII escaped
    raise BrokenFileError(
        f"not a .{suffix} file: it starts with “{start}”; it may be damaged or cut off"
    )


def _is_tabbed(head: bytes) -> bool:
    """Tell whether at least two lines of text hold tabs, without rubbish between."""
    lines = head.replace(b"\0", b"").split(b"\n")[:20]
    is_text = not any(byte < 9 or 13 < byte < 32 for byte in b"".join(lines))
    return is_text and sum(b"\t" in line for line in lines) > 1


def _is_picture(data: bytes, suffix: str) -> bool:
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return True
    for magic, what in _PICTURES:
        if data.startswith(magic):
            if suffix in _TEXT_SUFFIXES:
                raise BrokenFileError(f"the name says .{suffix}, but this is {what}")
            return True
    return suffix == "bmp" and data.startswith(b"BM")


def _refuse_binary(data: bytes, suffix: str) -> None:
    for magic, what in _BINARY:
        if data.startswith(magic):
            if suffix in _TEXT_SUFFIXES or suffix in _MAGIC_SUFFIXES:
                raise BrokenFileError(f"the name says .{suffix}, but this is {what}")
            raise UnsupportedFileError(f"this is {what}: no loader reads text in it")
    if data[4:8] == b"ftyp":
        raise UnsupportedFileError("this is a film or image: no loader reads text in it")
