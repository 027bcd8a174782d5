"""Bytes of a mail or a web archive (.mht) in, its headers, body and attachments as text out.

The standard library parses mail; unstructured takes Chinese bodies for titles, drops the headers.
"""

from __future__ import annotations

import email
import email.policy
from collections.abc import Callable, Iterator
from email.message import EmailMessage, Message

from ingest.errors import BrokenFileError, EmptyFileError, EncryptedFileError, FileRefusedError
from ingest.load import html
from ingest.load.build import TextBuilder
from ingest.load.cjk import clean, one_line
from ingest.load.decode import decode
from ingest.load.text import paragraphs
from ingest.types import Loaded

MAX_ATTACHMENTS = 50
_HEADERS = ("From", "To", "Cc", "Date")
_QUOTED_PRINTABLE_TROUBLE = (LookupError, ValueError, AttributeError, TypeError, IndexError)
LoadAttachment = Callable[[bytes, str], Loaded]


def load(data: bytes, name: str, load_attachment: LoadAttachment) -> Loaded:
    """Load a mail.

    Args:
        load_attachment: reads one attachment; what it refuses becomes a warning.
    Raises:
        EmptyFileError: no header, no body, no attachment holds text.
        BrokenFileError: not a mail.
        EncryptedFileError: the body is encrypted.
    """
    builder = TextBuilder()
    told = feed(builder, data, load_attachment)
    subject = told.pop("subject", "")
    return builder.finish(
        "message/rfc822", title=subject, metadata=told, nothing="the mail holds no text"
    )


def feed(builder: TextBuilder, data: bytes, load_attachment: LoadAttachment) -> dict[str, str]:
    """Add a mail as a section to a builder and give back what its headers tell, names in small.

    Raises:
        BrokenFileError: not a mail.
        EncryptedFileError: the body is encrypted.
    """
    try:
        return _feed(builder, data.lstrip(), load_attachment)
    except RecursionError as error:  # the standard library's parser goes as deep as the parts
        raise BrokenFileError("its parts are nested deeper than those of any mail") from error


def _feed(builder: TextBuilder, data: bytes, load_attachment: LoadAttachment) -> dict[str, str]:
    message = email.message_from_bytes(data, policy=email.policy.default)
    if not message.keys():
        raise BrokenFileError("not a mail: it does not start with header lines such as From:")
    if message.get_content_type() in ("multipart/encrypted", "application/pkcs7-mime"):
        raise EncryptedFileError("the mail is encrypted; save it decrypted")
    n_before = len(builder.blocks)
    subject = _header(message, "Subject") or _header(message, "Snapshot-Content-Location")
    builder.heading(subject or "(no subject)", 1)
    told = {key: value for key in _HEADERS if (value := _header(message, key))}
    bodies, attachments = _parts(message)
    named = ", ".join(_name(part) for part in attachments[:MAX_ATTACHMENTS])
    shown = told | ({"Attachments": named} if named else {})
    builder.paragraph("\n".join(f"{key}: {value}" for key, value in shown.items()))
    n_headings = len(builder.blocks)
    _read_bodies(builder, bodies)
    for part in attachments[:MAX_ATTACHMENTS]:
        _read_attachment(builder, part, load_attachment)
    if len(attachments) > MAX_ATTACHMENTS:
        builder.warnings.append(
            f"{len(attachments) - MAX_ATTACHMENTS} further attachments not read"
        )
    if len(builder.blocks) == n_headings and not subject:
        builder.drop_blocks(n_before)
    return {"subject": subject} | {key.casefold(): value for key, value in told.items()}


def _header(message: Message, name: str) -> str:
    raw = next(
        (value for key, value in message.raw_items() if key.casefold() == name.casefold()), ""
    )
    try:
        if _is_raw(str(raw)):
            return one_line(_recoded(str(raw)))
        return one_line(str(message.get(name) or ""))
    except _QUOTED_PRINTABLE_TROUBLE:  # the standard library raises on some broken headers
        return ""


def _recoded(text: str) -> str:
    """Repair raw 8-bit headers, which the parser hides in surrogates."""
    return decode(text.encode("utf-8", "surrogateescape")) if _is_raw(text) else text


def _is_raw(text: str) -> bool:
    return any("\udc80" <= character <= "\udcff" for character in text)


def _parts(message: Message) -> tuple[list[Message], list[Message]]:
    """Sort the leaves of a mail into bodies and attachments, one of several alternatives taken."""
    bodies: list[Message] = []
    attachments: list[Message] = []
    for part in _leaves(message):
        is_attached = part.get_content_disposition() == "attachment" or bool(part.get_filename())
        if part.get_content_type() in ("text/plain", "text/html") and not is_attached:
            bodies.append(part)
        elif part.get_filename() or part.get_content_type() == "message/rfc822":
            attachments.append(part)
    return bodies, attachments


def _leaves(message: Message) -> Iterator[Message]:
    """Walk a mail; of alternatives the one with most structure, attached mails as they are."""
    stack = [message]
    while stack:
        part = stack.pop()
        if part.get_content_type() == "message/rfc822" or not part.is_multipart():
            yield part
            continue
        children: list[Message] = list(part.iter_parts()) if isinstance(part, EmailMessage) else []
        if part.get_content_type() == "multipart/alternative" and children:
            children = [_best(children)]
        stack.extend(reversed(children))


def _best(alternatives: list[Message]) -> Message:
    """Choose HTML, for its tables and headings, unless plain text is all there is to read."""
    for part in reversed(alternatives):
        if part.is_multipart():
            return part
        if part.get_content_type() == "text/html" and _content(part).strip():
            return part
    plain = [part for part in alternatives if part.get_content_type() == "text/plain"]
    return plain[0] if plain else alternatives[-1]


def _payload(part: Message) -> bytes:
    payload = part.get_payload(decode=True)
    return payload if isinstance(payload, bytes) else b""


def _content(part: Message) -> str:
    return decode(_payload(part), part.get_content_charset()) if _payload(part) else ""


def _read_bodies(builder: TextBuilder, bodies: list[Message]) -> None:
    for part in bodies:
        text = _content(part)
        if part.get_content_type() == "text/html":
            html.feed(builder, text)
            continue
        text = clean(text).replace("\r\n", "\n").replace("\r", "\n")
        for start, end in paragraphs(text):
            builder.paragraph(text[start:end])


def _name(part: Message) -> str:
    try:
        return one_line(_recoded(part.get_filename() or "")) or "message.eml"
    except _QUOTED_PRINTABLE_TROUBLE:
        return "attachment"


def _read_attachment(builder: TextBuilder, part: Message, load_attachment: LoadAttachment) -> None:
    name = _name(part)
    inner = part.get_payload(0) if part.get_content_type() == "message/rfc822" else None
    data = inner.as_bytes() if isinstance(inner, Message) else _payload(part)
    kind, is_attached = part.get_content_maintype(), part.get_content_disposition() == "attachment"
    if kind in ("audio", "video", "font") or (kind == "image" and not is_attached):
        return  # logos and the like; their names stand among the headers
    try:
        loaded = load_attachment(data, name)
    except EmptyFileError:
        if kind != "image":  # a photograph says nothing, which is no fault
            builder.warnings.append(f"attachment {name!r} holds no text")
        return
    except FileRefusedError as error:
        builder.warnings.append(f"attachment {name!r} not read: {error}")
        return
    builder.close_sections(2)
    builder.heading(name, 2)
    builder.append(loaded)
    builder.warnings += [f"attachment {name!r}: {warning}" for warning in loaded.warnings]
