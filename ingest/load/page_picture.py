"""Bytes of a PDF or a picture and a page in, a PNG of the page with marked words out.

Runs in a child process (`ingest/load_pool.py`): what is asked for comes as JSON before the file's
bytes (names are logged, cited words are not), and the PNG goes back as base64 in place of a text,
so that a hostile file that takes the child over still cannot say more than text and numbers.
"""

from __future__ import annotations

import base64
import io
import json
import math
import struct
from dataclasses import asdict, dataclass

import pypdfium2
from PIL import Image, ImageChops, ImageDraw, ImageOps

from ingest.errors import BrokenFileError, TooLargeError
from ingest.load import images
from ingest.load.page_match import Box, Found, boxes, match
from ingest.load.pdf import opened
from ingest.load.pdf_page import MAX_CHARACTERS, characters_of
from ingest.types import Loaded

MAX_PIXELS = 6_000_000  # A4 at 150 dpi has 2.2 million
MAX_SIDE = 8_000
MAX_MARKED = 20_000  # characters
MARK = (255, 221, 87)  # laid over like a highlighter: black stays black
_LENGTH = struct.Struct("<Q")
_PAD = 1.5  # points around a marked line
_NONE_FIRST: tuple[Found, ...] = ("none", "partial", "exact")


@dataclass(frozen=True, slots=True)
class Span:
    """Words to be marked, and how far down the page's text they begin, 0 to 1."""

    text: str
    share: float = 0.0


@dataclass(frozen=True, slots=True)
class Wish:
    """What is to be drawn."""

    page: int  # from 1
    scale: float  # pixels for a point, so 2 is 144 dpi
    spans: tuple[Span, ...] = ()

    def before(self, data: bytes) -> bytes:
        """Write it down for the child, before the bytes of the file."""
        told = json.dumps(asdict(self)).encode()
        return b"".join([_LENGTH.pack(len(told)), told, data])

    @classmethod
    def parted(cls, data: bytes) -> tuple[Wish, bytes]:
        """Read what `before` wrote, and the bytes of the file."""
        start = _LENGTH.size + _LENGTH.unpack_from(data)[0]
        held = json.loads(data[_LENGTH.size : start])
        spans = tuple(Span(**one) for one in held["spans"])
        return cls(held["page"], held["scale"], spans), data[start:]


def draw(data: bytes, _name: str) -> Loaded:
    """Draw one page; the PNG is the text in base64, what was marked stands in the metadata.

    Args:
        data: what is wanted, and the file: see `Wish.before`.
    Raises:
        BrokenFileError: it cannot be drawn.
        EncryptedFileError: it does not open.
        TooLargeError: a picture has more pixels than a document ever has.
    """
    wish, data = Wish.parted(data)
    if data[:1024].find(b"%PDF-") >= 0:
        return _of_pdf(data, wish)
    return _of_picture(data, wish)


def _of_pdf(data: bytes, wish: Wish) -> Loaded:
    with opened(data) as document:
        n_pages = len(document)
        if not 1 <= wish.page <= n_pages:
            return _refused(n_pages)
        try:
            page = document[wish.page - 1]
            width, height = page.get_size()
            bitmap = page.render(scale=_scale(width, height, wish.scale), rev_byteorder=True)
            picture = bitmap.to_pil().convert("RGB")
            found, reason, marked = _marked(page, wish)
            convert = bitmap.get_posconv(page)
            shown = [_shown(convert, box, picture.size) for box in marked]
        except pypdfium2.PdfiumError as error:
            raise BrokenFileError(f"page {wish.page} cannot be drawn: {error}") from error
    return _answer(_with_marks(picture, shown), n_pages, found, reason)


def _marked(page: pypdfium2.PdfPage, wish: Wish) -> tuple[Found, str, list[Box]]:
    """Find the words: how well, why not, and where they stand in the page's own measure."""
    if not wish.spans:
        return "none", "", []
    text = page.get_textpage()
    try:
        characters = characters_of(text, min(text.count_chars(), MAX_CHARACTERS))
        if not any(one.isalnum() for one in characters):
            return "none", "scan", []
        matches = [match(one.text, characters, one.share) for one in wish.spans]
        marked = [
            box
            for one in matches
            for box in boxes(
                [text.get_charbox(at, loose=True) for at in one.characters[:MAX_MARKED]]
            )
        ]
    finally:
        text.close()
    worst = min((one.found for one in matches), key=_NONE_FIRST.index)
    if worst == "none" and marked:
        worst = "partial"
    return worst, "" if marked else "not found", marked


def _shown(convert: pypdfium2.PdfPosConv, box: Box, size: tuple[int, int]) -> Box:
    """Turn a box of the page into one of the picture, whichever way the page is turned."""
    left, bottom, right, top = box
    corners = [
        convert.to_bitmap(left - _PAD, bottom - _PAD),
        convert.to_bitmap(right + _PAD, top + _PAD),
    ]
    xs, ys = zip(*corners, strict=True)
    return (
        max(min(xs), 0), max(min(ys), 0), min(max(xs), size[0] - 1), min(max(ys), size[1] - 1),
    )  # fmt: skip


def _with_marks(picture: Image.Image, marked: list[Box]) -> Image.Image:
    if not marked:
        return picture
    layer = Image.new("RGB", picture.size, "white")
    pen = ImageDraw.Draw(layer)
    for left, top, right, bottom in marked:
        if right > left and bottom > top:
            pen.rectangle((left, top, right, bottom), fill=MARK)
    return ImageChops.multiply(picture, layer)


def _of_picture(data: bytes, wish: Wish) -> Loaded:
    with images.opened(data) as image:
        if image.width * image.height > images.MAX_SOURCE_PIXELS:
            raise TooLargeError(f"{image.width * image.height:,} pixels: too many to be drawn")
        n_pages = min(getattr(image, "n_frames", 1), images.MAX_FRAMES)
        n_pages = n_pages if image.format == "TIFF" else 1
        if not 1 <= wish.page <= n_pages:
            return _refused(n_pages)
        try:
            image.seek(wish.page - 1)
            if image.width * image.height > images.MAX_SOURCE_PIXELS:
                raise TooLargeError(f"{image.width * image.height:,} pixels: too many to be drawn")
            picture = ImageOps.exif_transpose(image)
            ground = Image.new("RGBA", picture.size, "white")
            picture = Image.alpha_composite(ground, picture.convert("RGBA")).convert("RGB")
        except (OSError, ValueError, SyntaxError, EOFError) as error:
            raise BrokenFileError(f"damaged or cut off: {error}") from error
    # Its pixels are its measure, not points: as wide as a sheet of paper would be.
    scale = min(1.0, wish.scale * 842 / max(picture.size))
    size = (max(round(picture.width * scale), 1), max(round(picture.height * scale), 1))
    picture = picture.resize(size, Image.Resampling.LANCZOS)
    return _answer(picture, n_pages, "none", "scan" if wish.spans else "")


def _scale(width: float, height: float, wanted: float) -> float:
    """Bound the pixels of what is drawn."""
    most = math.sqrt(MAX_PIXELS / max(width * height, 1.0))
    return min(wanted, most, MAX_SIDE / max(width, height, 1.0))


def _answer(picture: Image.Image, n_pages: int, found: Found, reason: str) -> Loaded:
    held = io.BytesIO()
    picture.save(held, "PNG", compress_level=4)
    told = {"pages": str(n_pages), "found": found, "reason": reason}
    return Loaded(base64.b64encode(held.getvalue()).decode(), (), "", "image/png", told)


def _refused(n_pages: int) -> Loaded:
    return Loaded("", (), "", "image/png", {"pages": str(n_pages), "found": "none", "reason": ""})
