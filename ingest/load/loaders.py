"""Bytes and a name in, one Loaded text out, by the table of loaders."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from ingest.errors import EmptyFileError, UnsupportedFileError
from ingest.load import (
    delimited,
    docx,
    eml,
    epub,
    html,
    markdown,
    notebook,
    pdf,
    pptx,
    subtitles,
    text,
    unstructured_offline,
    xlsx,
)
from ingest.load.sniff import BINARY_SUFFIXES, TEXT_KINDS, kind_of
from ingest.types import Loaded

LOADER_VERSION = 1  # raised when any loader's output changes: stored texts are then made anew
SUFFIXES = (
    frozenset(f".{suffix}" for suffix in (*TEXT_KINDS, *BINARY_SUFFIXES)) | text.CODE_SUFFIXES
)
MAX_MAILS = 3  # mails attached to mails attached to mails

Loader = Callable[[bytes, str], Loaded]

LOADERS: dict[str, Loader] = {
    "text": text.load,
    "markdown": markdown.load,
    "html": html.load,
    "pdf": pdf.load,
    "docx": docx.load,
    "pptx": pptx.load,
    "xlsx": xlsx.load,
    "csv": delimited.load,
    "epub": epub.load,
    "ipynb": notebook.load,
    "srt": subtitles.load,
    "odt": partial(unstructured_offline.load, kind="odt"),
    "rtf": partial(unstructured_offline.load, kind="rtf"),
    "rst": partial(unstructured_offline.load, kind="rst"),
    "org": partial(unstructured_offline.load, kind="org"),
}


def load(data: bytes, name: str) -> Loaded:
    """Load a file by what it is: magic bytes first, then the suffix of its name.

    Raises:
        EmptyFileError: no bytes, or no text in them.
        UnsupportedFileError: nothing here reads it; the message says what would help.
        EncryptedFileError: it needs a password.
        BrokenFileError: damaged, cut off or not what its name says.
        TooLargeError: over a limit, or it would unpack to more than a document ever does.
    """
    return _load(data, name, depth=0)


def _load(data: bytes, name: str, depth: int) -> Loaded:
    if not data:
        raise EmptyFileError("the file has no bytes")
    kind = kind_of(data, name, text.CODE_SUFFIXES)
    if kind != "eml":
        return LOADERS[kind](data, name)
    if depth >= MAX_MAILS:
        raise UnsupportedFileError(f"mails within mails are read {MAX_MAILS} deep")
    return eml.load(data, name, lambda inner, inner_name: _load(inner, inner_name, depth + 1))
