"""Bytes of a picture in, the text that stands in it out, by OCR; a TIFF has a page per frame."""

from __future__ import annotations

import io
import math
from collections.abc import Iterator

from PIL import Image, ImageOps, ImageSequence, ImageStat, UnidentifiedImageError

from ingest.errors import BrokenFileError, EmptyFileError, TooLargeError, UnsupportedFileError
from ingest.load import ocr
from ingest.load.build import TextBuilder
from ingest.types import Loaded

FORMATS = ("PNG", "JPEG", "TIFF", "WEBP", "BMP")
MAX_SOURCE_PIXELS = 80_000_000  # of one frame: 240 MB unpacked; a phone takes 50 million at most
MAX_FRAMES = 1_000
_SMALL = 1_600  # pixels of the longer side; tesseract wants letters of 20 pixels and more
_DARK = 100  # of 255: most of the picture is darker
_MEDIA_TYPES = {"MPO": "image/jpeg"}  # two JPEGs in one, of some phones


def load(data: bytes, name: str, *, find_ocr: ocr.FindOcr = ocr.find) -> Loaded:
    """Load a picture.

    Raises:
        UnsupportedFileError: tesseract is not installed.
        EmptyFileError: no text stands in it.
        BrokenFileError: damaged or cut off.
        TooLargeError: more pixels or frames than a document ever has.
    """
    reader = find_ocr()
    if reader is None:
        raise UnsupportedFileError(f"a picture's text is read by OCR; {ocr.INSTALL}")
    builder = TextBuilder()
    failed: list[str] = []
    silent = 0
    number = 0
    with opened(data) as image:
        media_type = _MEDIA_TYPES.get(image.format or "", f"image/{(image.format or '').lower()}")
        for number, picture in enumerate(_pictures(image), 1):
            builder.page = number
            try:
                found = reader.recognise(picture)
            except ocr.OcrError as error:
                failed.append(f"page {number}: {error}")
                continue
            silent += not found
            for paragraph in found:
                builder.paragraph(paragraph)
    builder.warnings.append(reader.warning(f"{number} page{'s' if number > 1 else ''}"))
    builder.warnings += [f"OCR failed on {failure}" for failure in failed[:5]]
    if failed and not builder.blocks:
        raise EmptyFileError(f"no text could be read: {failed[0]}")
    if silent:
        builder.warnings.append(f"no text on {silent} of {number} pages")
    return builder.finish(
        media_type,
        metadata={"pages": str(number)},
        nothing="no text was found in the picture by OCR",
    )


def opened(data: bytes) -> Image.Image:
    """Open a picture by its first bytes; nothing is unpacked yet.

    Raises:
        BrokenFileError: it is no picture that is read.
        TooLargeError: it claims hundreds of millions of pixels.
    """
    try:
        image = Image.open(io.BytesIO(data), formats=FORMATS)
    except UnidentifiedImageError as error:
        raise BrokenFileError("not a readable picture; save it as PNG or JPEG") from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise _too_large("hundreds of millions of") from error
    except (OSError, ValueError, SyntaxError) as error:
        raise BrokenFileError(f"not a readable picture: {error}") from error
    return image


def _pictures(image: Image.Image) -> Iterator[ocr.Picture]:
    """Unpack frame by frame; only a TIFF's frames are pages, others move."""
    if image.format != "TIFF":
        yield _picture(image)
        return
    try:
        for number, frame in enumerate(ImageSequence.Iterator(image), 1):
            if number > MAX_FRAMES:
                raise TooLargeError(f"over {MAX_FRAMES:,} pages in one TIFF; split it")
            yield _picture(frame)
    except (OSError, ValueError, SyntaxError, EOFError) as error:
        raise BrokenFileError(f"damaged or cut off: {error}") from error


def _picture(image: Image.Image) -> ocr.Picture:
    """Make a frame grey, upright, on white ground and of a size that tesseract reads well."""
    n_pixels = image.width * image.height
    if n_pixels > MAX_SOURCE_PIXELS:
        raise _too_large(f"{n_pixels:,}")
    try:
        grey = _grey(ImageOps.exif_transpose(image))
    except (OSError, ValueError, SyntaxError) as error:
        raise BrokenFileError(f"damaged or cut off: {error}") from error
    if ImageStat.Stat(grey).median[0] < _DARK:  # light letters on a dark screen
        grey = ImageOps.invert(grey)
    scale = 2.0 if max(grey.size) < _SMALL else 1.0
    scale = min(scale, math.sqrt(ocr.MAX_PIXELS / max(grey.width * grey.height, 1)))
    if scale != 1.0:
        size = (max(round(grey.width * scale), 1), max(round(grey.height * scale), 1))
        grey = grey.resize(size, Image.Resampling.LANCZOS)
    return ocr.Picture(grey.width, grey.height, grey.tobytes(), _dpi(grey))


def _grey(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I"):  # 16 bits, of some scanners
        return image.convert("I").point(lambda value: value * (1 / 256)).convert("L")
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        image = image.convert("RGBA")
        ground = Image.new("RGBA", image.size, "white")
        return Image.alpha_composite(ground, image).convert("L")
    return image.convert("L")


def _dpi(image: Image.Image) -> int:
    """Guess from the size as if it showed a sheet of paper; what files claim is mostly wrong."""
    return min(max(round(max(image.size) / 11.7), 70), 600)


def _too_large(n_pixels: str) -> TooLargeError:
    return TooLargeError(
        f"{n_pixels} pixels in one picture; at most {MAX_SOURCE_PIXELS:,} are read: scale it down"
    )
