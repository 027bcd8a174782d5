"""One open page of a PDF in, its visible words with their places out; touches pdfium.

Most of the time of reading a PDF goes into asking pdfium for places. So a piece of a line is asked
for its first and its last character's box, not each character for its own (about 5 calls a line
instead of 4 a character), through functions that leave the interpreter's lock alone.
"""

from __future__ import annotations

import ctypes
import math
import re
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import repeat
from typing import NamedTuple

import numpy as np
import pypdfium2
import pypdfium2.raw as raw
from numpy.typing import NDArray

from ingest.load.hidden import Hidden, smuggled, strip_zero_width
from ingest.load.ocr import DPI, MAX_PIXELS, Picture
from ingest.load.pdf_layout import Word

MAX_CHARACTERS = 200_000  # of one page; a full page of small print has 20,000
SCAN_SHARE = 0.5  # of a page that pictures cover, at least, when it was scanned
FEW_CHARACTERS = 100  # a scan may carry a stamp: date, name of the scanner, page number
_WHITE = 230  # of 255, in each colour
_CONTRAST = 24  # of 255; less is not seen

_LINE = re.compile("[^\r\n\x02\ufffe]*[\x02\ufffe]|[^\r\n\x02\ufffe]+")  # the two mark a cut word
_PIECE = re.compile(r"[^\s\x00]+")
_ODD = re.compile(
    "[\x01-\x08\x0e-\x1f\x7f-\x9f\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2069\u2e80-\u2fdf"
    "\ud800-\udfff\ue000-\uf8ff\ufb00-\ufb06\ufeff\ufffe\uffff\U000e0000-\U000e007f]"
)
_UNKNOWN = re.compile("[\x00\x01\x03-\x08\x0e-\x1f\ue000-\uf8ff\ufffd\U000f0000-\U0010ffff]")
_LEADERS = re.compile("[.…·_—–-]+")  # between a heading and its page number
_LIGATURE = re.compile("[\ufb00-\ufb06\u2e80-\u2fdf]+")
_RUBBISH = re.compile("[\x01\x03-\x1f\x7f-\x9f\u00ad]")

_UNPAINTED = "not painted"
_TRANSPARENT = "transparent"
_PALE = "the colour of the ground"
_TINY = "too small to see"


@dataclass(frozen=True, slots=True)
class PageText:
    """What one page holds."""

    height: float  # as shown
    words: tuple[Word, ...]  # visible ones, in the file's order
    hidden: tuple[Hidden, ...]
    n_zero_width: int  # characters dropped
    is_scan: bool  # its text is missing, garbled or a mere stamp on a picture


class _Ink(NamedTuple):
    word: Word
    reason: str  # why it may be hidden; mostly empty


@dataclass(frozen=True, slots=True)
class _Natives:
    """Functions of pdfium that are called for every word."""

    box: Callable[..., int]
    origin: Callable[..., int]
    text_object: Callable[..., int | None]
    is_generated: Callable[..., int]
    render_mode: Callable[..., int]
    fill: Callable[..., int]


@lru_cache(maxsize=1)
def _natives() -> _Natives:
    """Bind them anew: untyped pointers, and no hand-over of the interpreter's lock per call."""
    pointer, number = ctypes.c_void_p, ctypes.c_int

    def bound(name: str, *signature: type) -> Callable[..., int]:
        address = ctypes.cast(getattr(raw, name), pointer).value
        return ctypes.PYFUNCTYPE(*signature)(address or 0)

    four = (pointer,) * 4
    return _Natives(
        bound("FPDFText_GetCharBox", number, pointer, number, *four),
        bound("FPDFText_GetCharOrigin", number, pointer, number, pointer, pointer),
        bound("FPDFText_GetTextObject", pointer, pointer, number),
        bound("FPDFText_IsGenerated", number, pointer, number),
        bound("FPDFTextObj_GetTextRenderMode", number, pointer),
        bound("FPDFPageObj_GetFillColor", number, pointer, *four),
    )


def read_page(page: pypdfium2.PdfPage, number: int) -> PageText:
    """Read the words of a page; text that no reader sees comes apart from them."""
    text = page.get_textpage()
    try:
        reader = _Reader(page, text)
        ink = list(reader.ink())
    finally:
        text.close()
    words = [one.word for one in ink if not one.reason]
    hidden: list[Hidden] = []
    is_garbled = reader.is_garbled
    if len(words) < len(ink):
        words, hidden = _parted(page, ink, number)
        is_garbled = is_garbled or (_is_noise(words) and _is_covered(page))
    if reader.smuggled:
        hidden.append(Hidden("characters without width", reader.smuggled, number))
    is_scan = is_garbled or not words
    if not is_scan and sum(len(word.text) for word in words) < FEW_CHARACTERS:
        is_scan = _is_covered(page)
    shown = () if is_garbled else tuple(words)
    return PageText(page.get_height(), shown, tuple(hidden), reader.n_zero_width, is_scan)


def render(page: pypdfium2.PdfPage, dpi: int = DPI) -> Picture:
    """Draw a page in grey; a huge one smaller."""
    pixels, scale = _drawn(page, dpi / 72)
    height, width = pixels.shape
    return Picture(width, height, pixels.tobytes(), max(round(scale * 72), 1))


def _drawn(page: pypdfium2.PdfPage, scale: float) -> tuple[NDArray[np.uint8], float]:
    width, height = page.get_size()
    scale = min(scale, math.sqrt(MAX_PIXELS / max(width * height, 1.0)))
    bitmap = page.render(scale=scale, grayscale=True)
    try:
        pixels = bitmap.to_numpy().reshape(bitmap.height, -1)
        return np.array(pixels[:, : bitmap.width]), scale  # a copy: the bitmap is closed
    finally:
        bitmap.close()


class _Reader:
    """Asks one page for its words."""

    def __init__(self, page: pypdfium2.PdfPage, text: pypdfium2.PdfTextPage) -> None:
        self.n_zero_width = 0
        self.smuggled = ""
        self._text = text
        self._handle = ctypes.cast(text.raw, ctypes.c_void_p).value
        self._characters = characters_of(text, min(text.count_chars(), MAX_CHARACTERS))
        self._is_odd = _ODD.search(self._characters) is not None
        self.is_garbled = _is_garbled(self._characters)
        self._width, self._height = page.get_size()  # as shown, so after rotation
        self._rotation = page.get_rotation()
        self._corner = page.get_bbox()[:2]
        self._objects: dict[int | None, tuple[float, str]] = {}  # → size, reason to doubt
        self._natives = _natives()
        self._numbers = (ctypes.c_double * 4)()  # where pdfium writes to
        at = ctypes.addressof(self._numbers)
        self._places = (at, at + 8, at + 16, at + 24)  # left, right, bottom, top
        self._colour = (ctypes.c_uint * 4)()
        at = ctypes.addressof(self._colour)
        self._colour_places = (at, at + 4, at + 8, at + 12)  # red, green, blue, opacity
        self._matrix = raw.FS_MATRIX()

    def ink(self) -> Iterator[_Ink]:
        """Read pieces in the file's order; `bottom` of each is its base line.

        Base lines and sizes place a line; the ink of its letters would not ("a" is lower than "b").
        """
        seen: set[tuple[str, int, int]] = set()
        for line in _LINE.finditer(self._characters):
            before = "\n"
            for start, end, blank in self._pieces(*line.span()):
                for word, reason in self._words(start, end, before or blank):
                    place = (word.text, round(word.left * 2), round(word.bottom * 2))
                    if place in seen and word.left != word.right:
                        continue  # printed twice, a hair apart: how some writers make bold
                    seen.add(place)
                    before = ""
                    yield _Ink(word, reason)

    def _pieces(self, start: int, end: int) -> Iterator[tuple[int, int, str]]:
        """Cut a line where a gap may be: between runs of text, and where no blank was written.

        Yields: first character, end, blank before.
        """
        spans = [match.span() for match in _PIECE.finditer(self._characters, start, end)]
        if not spans:
            return
        object_of, is_generated = self._natives.text_object, self._natives.is_generated
        handle = self._handle
        first, last = spans[0][0], spans[-1][1]
        run = object_of(handle, first)
        is_one = run is not None and run == object_of(handle, last - 1)
        if is_one and self._is_unbroken(spans):
            yield first, last, " "
            return
        ended = first
        for at, (left, right) in enumerate(spans):
            if at == 0:
                ended = right
                continue
            text_object = run if is_one else object_of(handle, left)
            if text_object == run and left - ended == 1 and not is_generated(handle, ended):
                ended = right
                continue
            yield first, ended, " "
            first, ended, run = left, right, text_object
        yield first, ended, " "

    def _is_unbroken(self, spans: Sequence[tuple[int, int]]) -> bool:
        """Tell whether one written blank, no more and none that pdfium put in, is between words."""
        n_characters = sum(end - start for start, end in spans)
        if spans[-1][1] - spans[0][0] != n_characters + len(spans) - 1:
            return False
        blanks = [end for _, end in spans[:-1]]
        return not any(map(self._natives.is_generated, repeat(self._handle), blanks))

    def _words(self, start: int, end: int, before: str) -> Iterator[_Ink]:
        text = self._spelled(start, end)
        if not text:
            return
        found = self._word(start, end, before, text)
        if found is not None:
            yield found
            return
        for match in _PIECE.finditer(self._characters, start, end):
            blank = before if match.start() == start else " "
            for at in range(*match.span()):
                text = self._spelled(at, at + 1)
                one = self._word(at, at + 1, blank, text) if text else None
                if one is not None:
                    yield one
                    blank = ""

    def _word(self, start: int, end: int, before: str, text: str) -> _Ink | None:
        """Place a piece by its first and its last character; None if it does not stand in a row."""
        natives, handle = self._natives, self._handle
        text_object = natives.text_object(handle, start)
        known = self._objects.get(text_object)
        size, reason = known or self._look(text_object, start)
        left, right, low, height = self._box(start)
        if size < 1.5:  # no usable size; the ink has one
            size = max(height, right - left, 1.5)
        first_width = right - left
        n = end - start
        if n > 1:
            _, right, last_low, _ = self._box(end - 1)
            if not 0 <= right - left <= (n + 1.2) * size or abs(last_low - low) > 0.8 * size:
                return None
            blank = self._characters.find(" ", start, end)
            first_width = (right if blank < 0 else self._box(blank - 1)[1]) - left
        base = self._base(start)
        word = Word(text, before, left, base - 0.75 * size, right, base, size, first_width)
        return _Ink(word, reason or self._out_of_sight(word))

    def _box(self, at: int) -> tuple[float, float, float, float]:
        """Measure a character's ink as shown: left, right, lower edge, height."""
        self._natives.box(self._handle, at, *self._places)
        left, right, bottom, top = self._numbers
        x, y = self._corner
        if not self._rotation:
            return left - x, right - x, bottom, top - bottom
        if self._rotation == 90:
            return bottom - y, top - y, left, right - left
        if self._rotation == 180:
            return self._width - right + x, self._width - left + x, bottom, top - bottom
        return self._width - top + y, self._width - bottom + y, left, right - left

    def _base(self, at: int) -> float:
        """Measure where a character's base line is shown, downwards from the top."""
        self._natives.origin(self._handle, at, *self._places[:2])
        along, across = self._numbers[0] - self._corner[0], self._numbers[1] - self._corner[1]
        shown = {0: self._height - across, 90: along, 180: across}
        return shown.get(self._rotation, self._height - along)

    def _out_of_sight(self, word: Word) -> str:
        is_beside = word.right <= -1 or word.left >= self._width + 1
        is_beyond = word.bottom <= -1 or word.top >= self._height + 1
        return "off the page" if is_beside or is_beyond else ""

    def _look(self, text_object: int | None, at: int) -> tuple[float, str]:
        """Tell the size of a run of text in points, and why it may be hidden."""
        matrix, scale = self._matrix, 1.0
        if raw.FPDFText_GetMatrix(self._text, at, matrix):
            scale = math.hypot(matrix.c, matrix.d)
        size = raw.FPDFText_GetFontSize(self._text, at) * scale
        if size < 1.0:
            self._natives.box(self._handle, at, *self._places)
            if self._numbers[3] - self._numbers[2] < 1.5:
                return size, _TINY
            return size, ""
        if text_object is None:
            return size, ""
        known = self._objects[text_object] = size, self._doubt(text_object)
        return known

    def _doubt(self, text_object: int) -> str:
        """Say why a run of text may not be seen, by how it is painted."""
        mode = self._natives.render_mode(text_object)
        if mode == raw.FPDF_TEXTRENDERMODE_INVISIBLE:
            return _UNPAINTED
        if mode not in (raw.FPDF_TEXTRENDERMODE_FILL, raw.FPDF_TEXTRENDERMODE_UNKNOWN):
            return ""
        if not self._natives.fill(text_object, *self._colour_places):
            return ""
        red, green, blue, alpha = self._colour
        if alpha < 255 - _WHITE:
            return _TRANSPARENT
        return _PALE if min(red, green, blue) >= _WHITE else ""

    def _spelled(self, start: int, end: int) -> str:
        """Spell a piece: pairs put together, ligatures apart, rubbish and zero width left out."""
        text = self._characters[start:end]
        if not self._is_odd or text.isascii() and _ODD.search(text) is None:
            return text
        text = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
        text = text.replace("\x02", "-").replace("\ufffe", "-")  # hyphens at a line's end
        text = _LIGATURE.sub(lambda match: unicodedata.normalize("NFKC", match.group()), text)
        self.smuggled = f"{self.smuggled} {smuggled(text)}".strip()
        text, n_dropped = strip_zero_width(_RUBBISH.sub("", text))
        self.n_zero_width += n_dropped
        return text


def _parted(
    page: pypdfium2.PdfPage, ink: Sequence[_Ink], number: int
) -> tuple[list[Word], list[Hidden]]:
    """Part words that are seen from those that are not; pale ones are seen on a dark ground."""
    reasons = {one.reason for one in ink}
    is_layer = bool(reasons & {_UNPAINTED, _TRANSPARENT}) and _is_layer(page, ink)
    drawn = _drawn(page, 2.0) if _PALE in reasons else None
    words: list[Word] = []
    hidden: list[Hidden] = []
    for word, reason in ink:
        is_seen = (
            not reason
            or (reason in (_UNPAINTED, _TRANSPARENT) and is_layer)
            or (reason == _PALE and drawn is not None and _stands_out(word, *drawn))
        )
        if is_seen:
            words.append(word)
        else:
            hidden.append(Hidden(reason, word.text, number))
    return words, hidden


def _is_layer(page: pypdfium2.PdfPage, ink: Sequence[_Ink]) -> bool:
    """Tell an OCR layer, whose words stand in a picture, from words that nobody sees."""
    if _is_covered(page):
        return True
    if any(not one.reason for one in ink):
        return False
    pixels, _ = _drawn(page, 1.0)
    return int(pixels.max()) - int(pixels.min()) >= _CONTRAST


def _stands_out(word: Word, pixels: NDArray[np.uint8], scale: float) -> bool:
    """Tell whether anything is seen where a word stands."""
    rows = slice(max(int(word.top * scale), 0), max(math.ceil(word.bottom * scale), 0))
    columns = slice(max(int(word.left * scale), 0), max(math.ceil(word.right * scale), 0))
    box = pixels[rows, columns]
    return box.size > 0 and int(box.max()) - int(box.min()) >= _CONTRAST


def _is_covered(page: pypdfium2.PdfPage) -> bool:
    """Tell whether pictures cover so much of a page that it was scanned."""
    left, bottom, right, top = page.get_bbox()
    area = 0.0
    for one in page.get_objects(filter=[raw.FPDF_PAGEOBJ_IMAGE], max_depth=4):
        box = one.get_bounds()
        width = min(box[2], right) - max(box[0], left)
        height = min(box[3], top) - max(box[1], bottom)
        area += max(width, 0.0) * max(height, 0.0)
    return area >= SCAN_SHARE * (right - left) * (top - bottom)


def characters_of(text: pypdfium2.PdfTextPage, n: int) -> str:
    """Read the characters, one for each of pdfium's: its own text leaves unknown ones out."""
    buffer = (ctypes.c_ushort * (n + 1))()
    n_read = raw.FPDFText_GetText(text, 0, n, buffer)
    read = bytes(buffer)[: 2 * max(n_read - 1, 0)].decode("utf-16-le", "surrogatepass")
    if len(read) == n:
        return read
    codes = (raw.FPDFText_GetUnicode(text, at) for at in range(n))
    return "".join(chr(code) if code <= 0x10FFFF else "\ufffd" for code in codes)


def _is_noise(words: Sequence[Word]) -> bool:
    """Tell whether an OCR layer holds more signs than letters: it was read upside down, say."""
    text = _LEADERS.sub("", "".join(word.text for word in words))
    n_letters = sum(map(str.isalnum, text))
    return len(text) > FEW_CHARACTERS and n_letters < 0.5 * len(text)


def _is_garbled(characters: str) -> bool:
    """Tell whether a font without character codes left nothing but private or unknown ones."""
    n_bad = len(_UNKNOWN.findall(characters))
    if n_bad <= 12:
        return False
    n_inked = sum(map(len, characters.split()))
    return n_inked > 20 and n_bad > 0.6 * n_inked
