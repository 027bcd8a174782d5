import base64
import io

import numpy as np
import pytest
from PIL import Image
from reportlab.lib.pagesizes import A4
from reportlab.pdfgen.canvas import Canvas

from ingest.errors import BrokenFileError, TooLargeError
from ingest.load import pdf
from ingest.load.page_picture import MARK, MAX_PIXELS, Span, Wish, draw

LINES = ["The first line of the page.", "The second line of the page.", "The third of them."]


def make(rotation=0, n_pages=2, size=A4):
    buffer = io.BytesIO()
    canvas = Canvas(buffer, pagesize=size)
    for number in range(n_pages):
        canvas.setPageRotation(rotation)
        canvas.setFont("Helvetica", 12)
        for at, line in enumerate([f"Page {number + 1}", *LINES]):
            # A page on its side is as high as it is wide otherwise.
            canvas.drawString(72, (500 if rotation % 180 else 700) - 40 * at, line)
        canvas.showPage()
    canvas.save()
    return buffer.getvalue()


def drawn(data, page=1, *spans, scale=1.0):
    loaded = draw(Wish(page, scale, tuple(Span(*one) for one in spans)).before(data), "page")
    picture = Image.open(io.BytesIO(base64.b64decode(loaded.text)))
    return picture, loaded.metadata


def marked_box(picture):
    """Find the box around everything that has the colour of the mark."""
    rows, columns = np.nonzero((np.asarray(picture.convert("RGB")) == MARK).all(axis=2))
    if not rows.size:
        return None
    return tuple(map(int, (columns.min(), rows.min(), columns.max(), rows.max())))


def test_the_span_is_marked_where_it_stands_and_nothing_else():
    picture, told = drawn(make(), 1, (LINES[1], 0.5))

    assert (told["found"], told["pages"]) == ("exact", "2")
    left, top, right, bottom = marked_box(picture)
    line = A4[1] - 620  # its base line, from the top
    assert 66 <= left <= 73
    assert line - 16 <= top < line
    assert line <= bottom <= line + 8
    assert 200 < right < 240


@pytest.mark.parametrize("rotation", [90, 180, 270])
def test_a_page_that_is_turned_is_marked_as_it_is_shown(rotation):
    picture, told = drawn(make(rotation), 1, (LINES[0], 0.2))

    assert told["found"] == "exact"
    left, top, right, bottom = marked_box(picture)
    assert picture.size == (596, 842)  # the words lie on their side, or on their head
    assert ((right - left) > (bottom - top)) == (rotation == 180)


def test_a_page_without_a_wish_is_drawn_unmarked():
    picture, told = drawn(make(), 2)

    assert marked_box(picture) is None
    assert (told["found"], told["reason"]) == ("none", "")


def test_words_that_are_not_there_are_told():
    _, told = drawn(make(), 1, ("nothing of this kind", 0.0))

    assert (told["found"], told["reason"]) == ("none", "not found")


def test_a_page_that_is_not_there_gives_no_picture_but_their_number():
    loaded = draw(Wish(9, 1.0).before(make()), "page")

    assert (loaded.text, loaded.metadata["pages"]) == ("", "2")


@pytest.mark.parametrize("size", [(14_400, 14_400), (2, 14_400), (1, 1), (10**6, 10**6)])
def test_a_page_of_any_size_is_bounded(size):
    picture, _ = drawn(make(n_pages=1, size=size), 1, scale=4.0)

    assert picture.width * picture.height <= MAX_PIXELS * 1.01
    assert max(picture.size) <= 8_001


def test_a_scan_is_drawn_and_says_that_its_words_cannot_be_marked():
    buffer = io.BytesIO()
    Image.new("L", (200, 300), 200).save(buffer, "PDF")

    _, told = drawn(buffer.getvalue(), 1, ("words", 0.0))

    assert (told["found"], told["reason"]) == ("none", "scan")


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "BMP"])
def test_a_picture_is_its_own_page(kind):
    buffer = io.BytesIO()
    Image.new("RGB", (2_000, 1_000), "red").save(buffer, kind)

    picture, told = drawn(buffer.getvalue(), 1, ("words", 0.0))

    assert picture.size == (842, 421)
    assert (told["reason"], told["pages"]) == ("scan", "1")


def test_a_tiff_has_a_page_for_each_frame():
    buffer = io.BytesIO()
    frames = [Image.new("L", (100, 100), shade) for shade in (0, 255)]
    frames[0].save(buffer, "TIFF", save_all=True, append_images=frames[1:])

    picture, told = drawn(buffer.getvalue(), 2)

    assert told["pages"] == "2"
    assert picture.getpixel((50, 50)) == (255, 255, 255)


@pytest.mark.parametrize("data", [b"", b"%PDF-1.4 nothing", b"\x89PNG\r\n\x1a\nbroken", b"text"])
def test_what_cannot_be_drawn_is_refused(data):
    with pytest.raises(BrokenFileError):
        draw(Wish(1, 1.0).before(data), "page")


def test_a_picture_of_too_many_pixels_is_refused():
    buffer = io.BytesIO()
    Image.new("1", (10_000, 9_000)).save(buffer, "PNG")

    with pytest.raises(TooLargeError):
        draw(Wish(1, 1.0).before(buffer.getvalue()), "page")


def test_every_block_that_the_loader_finds_is_found_again():
    loaded = pdf.load(make(), "a.pdf")

    for block in loaded.blocks:
        text = loaded.text[block.start : block.end]
        _, told = drawn(make(), block.page, (text, 0.0))
        assert told["found"] == "exact", text
