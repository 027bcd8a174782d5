import io
from contextlib import suppress

import pytest
from PIL import Image, ImageDraw, ImageFont

from ingest.errors import BrokenFileError, EmptyFileError, TooLargeError, UnsupportedFileError
from ingest.load import images, ocr

FONT = "/usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc"
ORIENTATION = 0x0112  # EXIF


def picture(*lines, size=(900, 300), ground="white", ink="black", letter=32):
    image = Image.new("RGB", size, ground)
    draw = ImageDraw.Draw(image)
    font = ImageFont.truetype(FONT, letter, index=2)
    for number, line in enumerate(lines):
        draw.text((40, 40 + 2 * letter * number), line, fill=ink, font=font)
    return image


def saved(image, kind="PNG", **options):
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def seeing(seen, answer=("Some text.",)):
    """Make a reader that keeps the pictures it is shown."""

    def recognise(shown):
        seen.append(shown)
        return list(answer)

    return lambda: ocr.Ocr(("eng", "chi_sim"), recognise)


def needs(*languages):
    found = ocr.find()
    has = found is not None and set(languages) <= set(found.languages)
    return pytest.mark.skipif(not has, reason="tesseract lacks " + ", ".join(languages))


@needs("eng")
@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF", "WEBP", "BMP"])
def test_english_in_a_picture_of_any_kind_is_read(kind):
    data = saved(picture("Replace the filter after 400 hours."), kind)

    loaded = images.load(data, "a")

    assert loaded.text == "Replace the filter after 400 hours."
    assert loaded.media_type == f"image/{kind.lower()}"
    assert [block.page for block in loaded.blocks] == [1]


@needs("chi_sim")
def test_chinese_in_a_small_dark_screenshot_is_read():
    image = picture("员工每年享有十天带薪年假。", letter=18, ground="#202020", ink="#eeeeee")

    assert "每年享有十天" in images.load(saved(image), "截图.png").text


@needs("eng")
def test_a_photograph_taken_sideways_is_turned_upright():
    image = picture("Replace the filter after 400 hours.").rotate(90, expand=True)
    exif = Image.Exif()
    exif[ORIENTATION] = 6  # to be turned by 90 degrees clockwise

    loaded = images.load(saved(image, "JPEG", exif=exif, quality=95), "photo.jpg")

    assert loaded.text == "Replace the filter after 400 hours."


def test_each_frame_of_a_tiff_is_a_page():
    frames = [picture(f"Page {number}") for number in (1, 2, 3)]
    data = saved(frames[0], "TIFF", save_all=True, append_images=frames[1:])
    answers = iter([["First."], [], ["Third."]])

    loaded = images.load(
        data, "fax.tif", find_ocr=lambda: ocr.Ocr(("eng",), lambda _: next(answers))
    )

    assert [(loaded.text[b.start : b.end], b.page) for b in loaded.blocks] == [
        ("First.", 1),
        ("Third.", 3),
    ]
    assert loaded.metadata["pages"] == "3"
    assert "no text on 1 of 3 pages" in loaded.warnings


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "RGBA", "LA", "CMYK", "I;16"])
def test_every_kind_of_colour_becomes_dark_on_light(mode):
    drawn = picture("Text").convert("L")
    if mode == "I;16":
        image = drawn.convert("I").point(lambda value: value * 257).convert("I;16")
    elif mode in ("RGBA", "LA"):  # black, seen only where it is not transparent
        image = Image.new(mode, drawn.size, (0,) * len(mode))
        image.putalpha(drawn.point(lambda value: 255 - value))
    else:
        image = drawn.convert(mode)
    seen = []

    images.load(saved(image, "TIFF"), "a.tif", find_ocr=seeing(seen))

    pixels = seen[0].pixels
    assert max(pixels) > 240
    assert min(pixels) < 15
    assert sum(pixels) / len(pixels) > 200


def test_a_picture_of_too_many_pixels_is_refused_before_it_is_unpacked():
    bomb = saved(Image.new("1", (9_000, 9_100)))  # some kilobytes in the file

    assert len(bomb) < 50_000
    with pytest.raises(TooLargeError, match=r"pixels in one picture; at most 80,000,000"):
        images.load(bomb, "bomb.png", find_ocr=seeing([]))


def test_a_far_larger_bomb_is_refused_too():
    bomb = saved(Image.new("1", (14_000, 13_000)))

    with pytest.raises(TooLargeError, match="pixels in one picture"):
        images.load(bomb, "bomb.png", find_ocr=seeing([]))


def test_a_large_picture_is_read_smaller():
    seen = []

    images.load(saved(Image.new("L", (7_000, 5_000))), "a.png", find_ocr=seeing(seen))

    assert seen[0].width * seen[0].height <= 25_100_000


def test_without_tesseract_the_error_says_how_to_install_it():
    with pytest.raises(UnsupportedFileError, match="apt install tesseract-ocr"):
        images.load(saved(picture("Text")), "a.png", find_ocr=lambda: None)


def test_a_picture_without_text_is_an_error():
    with pytest.raises(EmptyFileError, match="no text was found in the picture"):
        images.load(saved(picture()), "a.png", find_ocr=seeing([], answer=()))


def test_a_failure_of_ocr_is_told():
    def recognise(_):
        raise ocr.OcrError("tesseract took over 90 s")

    with pytest.raises(EmptyFileError, match="page 1: tesseract took over 90 s"):
        images.load(saved(picture("a")), "a.png", find_ocr=lambda: ocr.Ocr(("eng",), recognise))


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF", "WEBP", "BMP"])
def test_a_picture_cut_off_is_refused_or_read_as_far_as_it_goes(kind):
    data = saved(picture("Text", size=(200, 100)), kind)

    for end in range(0, len(data) - 1, max(1, len(data) // 20)):
        with suppress(BrokenFileError):
            assert images.load(data[:end], "a", find_ocr=seeing([])).text == "Some text."
