"""Bytes and a name in, one Loaded text out, by the table of loaders."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

from ingest.errors import EmptyFileError, UnsupportedFileError
from ingest.load import (
    code,
    data,
    delimited,
    docx,
    eml,
    epub,
    html,
    images,
    markdown,
    mbox,
    notebook,
    office,
    pdf,
    pptx,
    subtitles,
    text,
    unstructured_offline,
    xlsx,
)
from ingest.load.hidden import warnings_in
from ingest.load.sniff import SUFFIXES, kind_of
from ingest.types import Loaded

LOADER_VERSION = 3  # raised when any loader's output changes: stored texts are then made anew
MAX_MAILS = 3  # mails attached to mails attached to mails

Loader = Callable[[bytes, str], Loaded]

__all__ = ["LOADERS", "LOADER_VERSION", "MAIL_LOADERS", "MAX_MAILS", "SUFFIXES", "load"]

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
    "image": images.load,
    "code": code.load,
    **{kind: partial(data.load, kind=kind) for kind in data.MEDIA_TYPES},
    "doc": partial(office.load, kind="doc"),
    "ppt": partial(office.load, kind="ppt"),
    "xls": partial(office.load, kind="xls"),
}
# Loaders that hand attachments back to be loaded.
MAIL_LOADERS: dict[str, Callable[[bytes, str, Loader], Loaded]] = {
    "eml": eml.load,
    "mbox": mbox.load,
}


def load(content: bytes, name: str) -> Loaded:
    """Load a file by what it is: magic bytes first, then the suffix of its name.

    Raises:
        EmptyFileError: no bytes, or no text in them.
        UnsupportedFileError: nothing here reads it; the message says what would help.
        EncryptedFileError: it needs a password.
        BrokenFileError: damaged, cut off or not what its name says.
        TooLargeError: over a limit, or it would unpack to more than a document ever does.
    """
    return _load(content, name, depth=0)


def _load(content: bytes, name: str, depth: int) -> Loaded:
    if not content:
        raise EmptyFileError("the file has no bytes")
    kind = kind_of(content, name)
    if kind in MAIL_LOADERS:
        if depth >= MAX_MAILS:
            raise UnsupportedFileError(f"mails within mails are read {MAX_MAILS} deep")
        loaded = MAIL_LOADERS[kind](
            content, name, lambda inner, inner_name: _load(inner, inner_name, depth + 1)
        )
    else:
        loaded = LOADERS[kind](content, name)
    if not loaded.text or loaded.text.isspace():
        raise EmptyFileError(f"its loader ({kind}) found no text in {len(content):,} bytes")
    unseen = warnings_in(loaded.text, has_comments=kind in ("markdown", "ipynb"))
    return replace(loaded, warnings=(*loaded.warnings, *unseen)) if unseen else loaded
