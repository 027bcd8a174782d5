"""Bytes of a PDF in, its text in reading order out, scanned pages by OCR; touches pdfium.

pypdfium2 is the fastest of the free libraries here (about 900 pages a second for bare text) and
gives every character its place, from which columns, paragraphs and tables are rebuilt.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import pypdfium2
import pypdfium2.raw as raw

from ingest.errors import BrokenFileError, EmptyFileError, EncryptedFileError
from ingest.load import ocr, pdf_page
from ingest.load.build import TextBuilder
from ingest.load.hidden import Hidden, warning_of_zero_width, warnings_of
from ingest.load.pdf_labels import ranges_of
from ingest.load.pdf_layout import lines, segments
from ingest.load.pdf_text import Page, write
from ingest.types import Loaded

_PDFIUM = threading.Lock()  # pdfium is not thread-safe, not even for two documents
_MEDIA_TYPE = "application/pdf"
_BLANK_DPI = 72  # is anything drawn on a page? a small picture tells
_LOCKS = (  # what a handler of rights is called in the file → whose it is
    (b"EBX_HANDLER", "Adobe Digital Editions"),
    (b"Adobe.APS", "Adobe LiveCycle"),
    (b"Adobe.PubSec", "a certificate"),
    (b"MicrosoftIRM", "Microsoft Information Protection"),
    (b"FOPN_", "FileOpen"),
)


@dataclass(slots=True)
class _Read:
    """What was found so far; page numbers count from 1."""

    n_pages: int = 0
    pages: list[Page] = field(default_factory=list)
    scans: list[int] = field(default_factory=list)  # something is drawn, but no usable text
    empty: list[int] = field(default_factory=list)
    broken: list[int] = field(default_factory=list)
    recognised: list[int] = field(default_factory=list)  # read by OCR
    silent: list[int] = field(default_factory=list)  # OCR ran and found nothing
    failed: list[str] = field(default_factory=list)  # OCR did not run: why, by page
    hidden: list[Hidden] = field(default_factory=list)
    n_zero_width: int = 0


def load(data: bytes, name: str, *, find_ocr: ocr.FindOcr = ocr.find) -> Loaded:
    """Load a PDF; pages without usable text are read from their picture.

    Raises:
        EncryptedFileError: it does not open without a password, or is under a lock of rights.
        EmptyFileError: no page holds text, nor could any be recognised.
        BrokenFileError: damaged or cut off.
    """
    with opened(data) as document:
        with _PDFIUM:
            metadata = document.get_metadata_dict(skip_empty=True)
            labels = _labels(document)
        read = _read_pages(document)
        reader = find_ocr() if read.scans else None
        if reader is not None:
            _recognise(document, read, reader)
    if not any(page.lines or page.paragraphs for page in read.pages):
        raise EmptyFileError(_no_text(read, reader))
    builder = TextBuilder()
    builder.warnings += _warnings(read, reader)
    write(builder, sorted(read.pages, key=lambda page: page.number))
    told = {"pages": str(read.n_pages), "page_labels": labels}
    if read.recognised:
        told["ocr_pages"] = _ranges(read.recognised)
    for key in ("Author", "Subject", "Keywords"):
        if not _is_placeholder(metadata.get(key, "")):
            told[key.casefold()] = metadata[key]
    title = metadata.get("Title", "")
    return builder.finish(_MEDIA_TYPE, title="" if _is_placeholder(title) else title, metadata=told)


def _is_placeholder(value: str) -> bool:
    """Tell whether a writer put this in by itself."""
    folded = value.strip().casefold()
    return (
        not folded
        or folded.strip("()") in ("untitled", "anonymous", "unspecified")
        or (folded.startswith(("microsoft word", "microsoft powerpoint")))
    )


@contextmanager
def opened(data: bytes) -> Iterator[pypdfium2.PdfDocument]:
    """Open a PDF; closed when the context ends.

    Raises:
        EncryptedFileError: it does not open without a password, or is under a lock of rights.
        BrokenFileError: damaged or cut off.
    """
    try:
        with _PDFIUM:
            document = pypdfium2.PdfDocument(data)
            len(document)
    except pypdfium2.PdfiumError as error:
        locked = next((who for mark, who in _LOCKS if mark in data), "")
        if locked or error.err_code == raw.FPDF_ERR_SECURITY:
            raise EncryptedFileError(
                f"the PDF is under digital rights management ({locked or 'of an unknown kind'}) "
                "and opens only in its own reader; add a copy without it"
            ) from error
        if error.err_code == raw.FPDF_ERR_PASSWORD:
            raise EncryptedFileError("the PDF needs a password; save it without one") from error
        raise BrokenFileError(f"damaged or cut off: {error}") from error
    try:
        yield document
    finally:
        with _PDFIUM:
            document.close()


def _labels(document: pypdfium2.PdfDocument) -> str:
    """Read what the pages call themselves, as ranges; nothing if they are just numbered."""
    n_pages = len(document)
    if not n_pages or not (document.get_page_label(0) or document.get_page_label(n_pages - 1)):
        return ""
    return ranges_of([document.get_page_label(index) for index in range(n_pages)])


def _read_pages(document: pypdfium2.PdfDocument) -> _Read:
    with _PDFIUM:
        read = _Read(len(document))
    for number in range(1, read.n_pages + 1):
        try:
            with _PDFIUM:
                _read_page(document, number, read)
        except pypdfium2.PdfiumError:
            read.broken.append(number)
    return read


def _read_page(document: pypdfium2.PdfDocument, number: int, read: _Read) -> None:
    page = document[number - 1]
    try:
        found = pdf_page.read_page(page, number)
        if not found.words and pdf_page.render(page, _BLANK_DPI).is_blank():
            read.empty.append(number)
        elif found.is_scan:
            read.scans.append(number)
    finally:
        page.close()
    read.hidden += found.hidden
    read.n_zero_width += found.n_zero_width
    if found.words:
        read.pages.append(Page(number, found.height, tuple(lines(segments(found.words)))))


def _recognise(document: pypdfium2.PdfDocument, read: _Read, reader: ocr.Ocr) -> None:
    """Read pictures of pages; pdfium is free for others while tesseract looks at one."""
    written = {page.number: page for page in read.pages}
    for number in read.scans:
        try:
            with _PDFIUM:
                picture = _picture(document, number)
            found = tuple(reader.recognise(picture))
        except ocr.OcrError as error:
            read.failed.append(f"page {number}: {error}")
            continue
        except pypdfium2.PdfiumError:
            read.broken.append(number)
            continue
        stamp = written.get(number)
        n_stamp = sum(len(line.text) for line in stamp.lines) if stamp else 0
        if sum(map(len, found)) > n_stamp:
            written[number] = Page(number, float(picture.height), (), found)
            read.recognised.append(number)
        elif not stamp:
            read.silent.append(number)
    read.pages = list(written.values())


def _picture(document: pypdfium2.PdfDocument, number: int) -> ocr.Picture:
    page = document[number - 1]
    try:
        return pdf_page.render(page)
    finally:
        page.close()


def _warnings(read: _Read, reader: ocr.Ocr | None) -> list[str]:
    told = []
    of = f"of {read.n_pages}"
    if read.scans and reader is None:
        told.append(f"scanned, not read: {_named(read.scans)} {of}; to read them {ocr.INSTALL}")
    if read.recognised and reader is not None:
        told.append(reader.warning(f"{_named(read.recognised)} {of}"))
    if read.silent:
        told.append(f"no text on {_named(read.silent)} {of}: OCR found none")
    if read.empty:
        told.append(f"no text on {_named(read.empty)} {of}: empty")
    if read.broken:
        told.append(f"damaged, not read: {_named(read.broken)} {of}")
    told += [f"OCR failed on {failure}" for failure in read.failed[:5]]
    if len(read.failed) > 5:
        told.append(f"OCR failed on {len(read.failed) - 5} more pages")
    if read.n_zero_width:
        told.append(warning_of_zero_width(read.n_zero_width))
    return told + warnings_of(read.hidden)


def _named(numbers: list[int]) -> str:
    return f"page{'s' if len(numbers) > 1 else ''} {_ranges(numbers)}"


def _ranges(numbers: list[int]) -> str:
    """Write numbers as ranges: 1, 3-7 …; of a long row the first."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][1] + 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    shown = ", ".join(str(a) if a == b else f"{a}-{b}" for a, b in runs[:20])
    more = sum(b - a + 1 for a, b in runs[20:])
    return f"{shown} and {more} more" if more else shown


def _no_text(read: _Read, reader: ocr.Ocr | None) -> str:
    told = f"none of {read.n_pages} pages holds text"
    if read.broken:
        return f"{told}; damaged: {_named(read.broken)}"
    if read.failed:
        return f"{told}; OCR failed on {read.failed[0]}"
    if read.scans and reader is None:
        return f"{told}: it looks scanned; {ocr.INSTALL}"
    if read.hidden:
        return f"{told} that a reader sees; {warnings_of(read.hidden)[0]}"
    if read.scans:
        return f"{told}: it looks scanned, but OCR found none either"
    return f"{told}: they are empty"
