"""Bytes of a PDF in, its text in reading order out; the only file that touches pdfium.

pypdfium2 is the fastest of the free libraries here (about 900 pages a second for bare text) and
gives every character its place, from which columns, paragraphs and tables are rebuilt.
"""

from __future__ import annotations

import ctypes
import threading
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pypdfium2
import pypdfium2.raw as raw

from ingest.errors import BrokenFileError, EmptyFileError, EncryptedFileError
from ingest.load.build import TextBuilder
from ingest.load.pdf_layout import Glyph, lines, segments
from ingest.load.pdf_text import Page, write
from ingest.types import Loaded

_PDFIUM = threading.Lock()  # pdfium is not thread-safe, not even for two documents
_MAX_GLYPHS = 200_000  # of one page; a full page of small print has 20,000
_MEDIA_TYPE = "application/pdf"


Box = tuple[float, float, float, float]  # left, bottom, right, top; y upwards


@dataclass(frozen=True, slots=True)
class Shown:
    """How a page is turned when shown."""

    rotation: int  # degrees clockwise
    width: float  # as shown
    height: float

    def turn(self, x: float, y: float) -> tuple[float, float]:
        """Bring a point of the page to where it is shown, y downwards."""
        if self.rotation == 90:
            return y, x
        if self.rotation == 180:
            return self.width - x, y
        if self.rotation == 270:
            return self.width - y, self.height - x
        return x, self.height - y


def load(data: bytes, name: str) -> Loaded:
    """Load a PDF.

    Raises:
        EncryptedFileError: it does not open without a password.
        EmptyFileError: no page holds text; most likely it was scanned.
        BrokenFileError: damaged or cut off.
    """
    with _PDFIUM, _opened(data) as document:
        metadata = document.get_metadata_dict(skip_empty=True)
        pages, blank, broken = _read_pages(document)
    n_pages = len(pages) + len(blank) + len(broken)
    if not pages:
        raise EmptyFileError(_no_text(n_pages, broken))
    builder = TextBuilder()
    if blank:
        builder.warnings.append(f"no text on {_named(blank)} of {n_pages}: empty or scanned")
    if broken:
        builder.warnings.append(f"damaged, not read: {_named(broken)} of {n_pages}")
    write(builder, pages)
    told = {"pages": str(n_pages)}
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
def _opened(data: bytes) -> Iterator[pypdfium2.PdfDocument]:
    try:
        document = pypdfium2.PdfDocument(data)
        len(document)
    except pypdfium2.PdfiumError as error:
        if error.err_code == raw.FPDF_ERR_PASSWORD:
            raise EncryptedFileError("the PDF needs a password; save it without one") from error
        if error.err_code == raw.FPDF_ERR_SECURITY:
            raise EncryptedFileError("the PDF is encrypted in a way that cannot be read") from error
        raise BrokenFileError(f"damaged or cut off: {error}") from error
    try:
        yield document
    finally:
        document.close()


def _read_pages(document: pypdfium2.PdfDocument) -> tuple[list[Page], list[int], list[int]]:
    """Read all pages; page numbers without text and of damaged pages come beside."""
    pages: list[Page] = []
    blank: list[int] = []
    broken: list[int] = []
    for number in range(1, len(document) + 1):
        try:
            page = _read_page(document, number)
        except pypdfium2.PdfiumError:
            broken.append(number)
            continue
        if page.lines:
            pages.append(page)
        else:
            blank.append(number)
    return pages, blank, broken


def _read_page(document: pypdfium2.PdfDocument, number: int) -> Page:
    page = document[number - 1]
    try:
        width, height = page.get_size()  # as shown, so after rotation
        shown = Shown(page.get_rotation(), width, height)
        text = page.get_textpage()
        try:
            glyphs = list(_glyphs(text, shown))
        finally:
            text.close()
    finally:
        page.close()
    if _is_garbled(glyphs):
        return Page(number, height, ())
    return Page(number, height, tuple(lines(segments(glyphs))))


def _glyphs(text: pypdfium2.PdfTextPage, shown: Shown) -> Iterator[Glyph]:
    """Read characters in the file's order, in page coordinates; `bottom` is the base line.

    Base lines and sizes place a line; the ink of its letters would not ("a" is lower than "b").
    """
    left, right, bottom, top, x, y = (ctypes.c_double() for _ in range(6))
    seen: set[tuple[str, int, int]] = set()
    high = 0
    for at in range(min(text.count_chars(), _MAX_GLYPHS)):
        code = raw.FPDFText_GetUnicode(text, at)
        if 0xD800 <= code < 0xDC00:  # first half of a character outside the base plane
            high = code
            continue
        if 0xDC00 <= code < 0xE000:
            code = 0x10000 + ((high - 0xD800) << 10) + (code - 0xDC00) if high else 0xFFFD
        high = 0
        character = _character(code)
        if not character:
            continue
        raw.FPDFText_GetCharBox(text, at, left, right, bottom, top)
        raw.FPDFText_GetCharOrigin(text, at, x, y)
        size = raw.FPDFText_GetFontSize(text, at)
        if size < 1.5:  # a font of size 1, scaled by a matrix
            size = max(top.value - bottom.value, right.value - left.value, 1.5)
        place = (character, round(left.value * 2), round(bottom.value * 2))
        if not character.isspace():
            if place in seen and left.value != right.value:
                continue  # printed twice, a hair apart: how some writers make bold
            seen.add(place)
        box = (left.value, bottom.value, right.value, top.value)
        yield _placed(character, box, (x.value, y.value), size, shown)


def _character(code: int) -> str:
    if code in (0x0A, 0x0D):
        return chr(code)
    if code in (0x02, 0xFFFE):  # how pdfium marks a hyphen at a line's end
        return "-"
    if code < 0x20 or 0x7F <= code < 0xA0 or code > 0x10FFFF or code in (0xAD, 0xFEFF, 0x200B):
        return " " if code == 0x09 else ""
    character = chr(code)
    # Ligatures, and radicals that some fonts give in place of the ideographs they look like.
    if 0xFB00 <= code <= 0xFB06 or 0x2E80 <= code <= 0x2FDF:
        return unicodedata.normalize("NFKC", character)
    return character


def _placed(
    character: str, box: Box, origin: tuple[float, float], size: float, shown: Shown
) -> Glyph:
    """Bring a character into the coordinates of the page as shown, y downwards."""
    ends = (shown.turn(box[0], box[1]), shown.turn(box[2], box[3]))
    base = shown.turn(*origin)[1]
    left, right = sorted((ends[0][0], ends[1][0]))
    return Glyph(character, left, base - 0.75 * size, right, base, size)


def _is_garbled(glyphs: list[Glyph]) -> bool:
    """Tell whether a font without character codes left nothing but private or unknown ones."""
    inked = [glyph.text for glyph in glyphs if not glyph.text.isspace()]
    n_bad = sum("\ue000" <= text[0] <= "\uf8ff" or text == "\ufffd" for text in inked)
    return len(inked) > 20 and n_bad > 0.6 * len(inked)


def _named(numbers: list[int]) -> str:
    shown = ", ".join(str(number) for number in numbers[:20])
    more = f" and {len(numbers) - 20} more" if len(numbers) > 20 else ""
    return f"page{'s' if len(numbers) > 1 else ''} {shown}{more}"


def _no_text(n_pages: int, broken: list[int]) -> str:
    if broken:
        return f"none of {n_pages} pages holds text; damaged: {_named(broken)}"
    return (
        f"none of {n_pages} pages holds text: it looks scanned; recognise its text first "
        "(e.g. `ocrmypdf`), then add the result"
    )
