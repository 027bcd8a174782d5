"""Bytes and a name in, the kind of file out, by its magic bytes before its suffix; pure."""

from __future__ import annotations

from ingest.errors import BrokenFileError, EncryptedFileError, UnsupportedFileError
from ingest.load.archive import open_archive

_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_ZIP = (b"PK\x03\x04", b"PK\x05\x06")
_OLE_KINDS = (  # a stream's name in an OLE container → what it is, what to do
    ("WordDocument", "an old Word document (.doc)", "docx"),
    ("PowerPoint Document", "an old PowerPoint deck (.ppt)", "pptx"),
    ("Workbook", "an old Excel workbook (.xls)", "xlsx"),
    ("Book", "an old Excel workbook (.xls)", "xlsx"),
)
_BINARY = (  # first bytes → what it is
    (b"\x89PNG", "a PNG image"),
    (b"\xff\xd8\xff", "a JPEG image"),
    (b"GIF8", "a GIF image"),
    (b"II*\x00", "a TIFF image"),
    (b"MM\x00*", "a TIFF image"),
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
TEXT_KINDS = {
    "txt": "text",
    "text": "text",
    "log": "text",
    "srt": "srt",
    "vtt": "text",
    "md": "markdown",
    "markdown": "markdown",
    "mdown": "markdown",
    "mkd": "markdown",
    "mdx": "markdown",
    "html": "html",
    "htm": "html",
    "xhtml": "html",
    "shtml": "html",
    "csv": "csv",
    "tsv": "csv",
    "tab": "csv",
    "eml": "eml",
    "mht": "eml",
    "mhtml": "eml",
    "ipynb": "ipynb",
    "rst": "rst",
    "org": "org",
    "rtf": "rtf",
}
BINARY_SUFFIXES = (
    "pdf",
    "docx",
    "docm",
    "dotx",
    "pptx",
    "pptm",
    "ppsx",
    "xlsx",
    "xlsm",
    "epub",
    "odt",
)
_OLD_SUFFIXES = {
    "doc": "docx",
    "dot": "docx",
    "ppt": "pptx",
    "pps": "pptx",
    "xls": "xlsx",
    "xlt": "xlsx",
}


def kind_of(data: bytes, name: str, text_suffixes: frozenset[str]) -> str:
    """Name the kind of a file.

    Args:
        text_suffixes: further suffixes, with dot, that are read as plain text.
    Raises:
        UnsupportedFileError: known, but nothing here reads it; says what would help.
        EncryptedFileError: an Office file behind a password.
        BrokenFileError: the name promises a format that the bytes are not.
    """
    suffix = name.rpartition(".")[2].casefold() if "." in name else ""
    if b"%PDF-" in data[:1024]:
        return "pdf"
    if data.startswith(_ZIP):
        return _kind_of_zip(data, name)
    if data.startswith(_OLE):
        raise _ole_error(data)
    if data.startswith(b"{\\rtf"):
        return "rtf"
    _refuse_binary(data, suffix)
    if suffix in _OLD_SUFFIXES or suffix in BINARY_SUFFIXES:
        raise _missing_magic(data, suffix)
    if suffix in TEXT_KINDS and suffix != "rtf":
        return TEXT_KINDS[suffix]
    if f".{suffix}" in text_suffixes or not suffix or suffix == "rtf":
        return "text"
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
    if name.casefold().rpartition(".")[2] in BINARY_SUFFIXES:
        raise BrokenFileError(
            "the archive lacks its main part: not what its name says; save the file anew"
        )
    raise UnsupportedFileError("an archive; unpack it and add the files in it")


def _ole_error(data: bytes) -> Exception:
    """Say what an OLE container holds; its directory names streams in UTF-16."""
    if "EncryptedPackage".encode("utf-16-le") in data:
        return EncryptedFileError("the document needs a password; save it without one and add that")
    if "__properties_version1.0".encode("utf-16-le") in data:
        return UnsupportedFileError("an Outlook message (.msg); save it as .eml and add that")
    for stream, what, better in _OLE_KINDS:
        if (stream + "\0").encode("utf-16-le") in data:
            return UnsupportedFileError(
                f"{what}; convert it first, e.g. "
                f"`soffice --headless --convert-to {better} FILE` (LibreOffice)"
            )
    return UnsupportedFileError("an old Office container; save it in a current format and add that")


def _missing_magic(data: bytes, suffix: str) -> Exception:
    if suffix in _OLD_SUFFIXES:
        better = _OLD_SUFFIXES[suffix]
        return UnsupportedFileError(
            f".{suffix} is an old Office format; convert it first, e.g. "
            f"`soffice --headless --convert-to {better} FILE` (LibreOffice)"
        )
    start = repr(data[:8])[2:-1]  # control characters and bytes beyond ASCII escaped
    return BrokenFileError(
        f"not a .{suffix} file: it starts with “{start}”; it may be damaged or cut off"
    )


def _refuse_binary(data: bytes, suffix: str) -> None:
    for magic, what in _BINARY:
        if data.startswith(magic):
            if suffix in TEXT_KINDS or suffix in BINARY_SUFFIXES:
                raise BrokenFileError(f"the name says .{suffix}, but this is {what}")
            raise UnsupportedFileError(f"this is {what}: no loader reads text in it")
    if data[4:8] == b"ftyp":
        raise UnsupportedFileError("this is a film or image: no loader reads text in it")
