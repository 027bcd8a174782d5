"""Bytes of a mailbox (.mbox) in, its mails one section each out; pure.

The standard library's mailbox wants a file on disk; parting the mails takes two expressions.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from ingest.errors import BrokenFileError, FileRefusedError
from ingest.load import eml
from ingest.load.build import TextBuilder
from ingest.types import Loaded

_FROM = re.compile(rb"(?:\A|(?<=\n\n)|(?<=\r\n\r\n))From [^\r\n]*\d{4}[^\r\n]*\r?\n(?=[!-9;-~]+:)")
_QUOTED_FROM = re.compile(rb"^>(>*From )", re.MULTILINE)


def is_mailbox(data: bytes) -> bool:
    """Tell whether bytes start like a mailbox."""
    return _FROM.match(data) is not None


def load(data: bytes, name: str, load_attachment: eml.LoadAttachment) -> Loaded:
    """Load a mailbox; a mail that cannot be read becomes a warning.

    Raises:
        BrokenFileError: no mail begins in it.
        EmptyFileError: no mail holds text.
    """
    builder = TextBuilder()
    n_mails = n_read = 0
    for n_mails, mail in enumerate(_mails(data), start=1):
        builder.close_sections(1)
        try:
            eml.feed(builder, mail, load_attachment)
            n_read += 1
        except FileRefusedError as error:
            builder.warnings.append(f"mail {n_mails} not read: {error}")
    if not n_mails:
        raise BrokenFileError("not a mailbox: no line in it begins a mail with “From ” and a date")
    return builder.finish(
        "application/mbox", metadata={"mails": str(n_read)}, nothing="no mail holds text"
    )


def _mails(data: bytes) -> Iterator[bytes]:
    starts = [(found.start(), found.end()) for found in _FROM.finditer(data)]
    ends = [*(start for start, _ in starts[1:]), len(data)][: len(starts)]
    for (_, start), end in zip(starts, ends, strict=True):
        yield _QUOTED_FROM.sub(rb"\1", data[start:end])
