"""Scans as scanners and people make them, read by the real tesseract, and how well."""

import io

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFilter, ImageFont
from reportlab.lib.pagesizes import A4
from reportlab.lib.utils import ImageReader
from reportlab.pdfgen.canvas import Canvas

from ingest.errors import EmptyFileError, TooLargeError
from ingest.load import ocr
from ingest.load.loaders import load
from ingest.load.ocr_tries import ASTRAY, SURE, Reading, surest
from ingest.load.picture import Picture

FONT = "/usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc"
ENGLISH = [
    "Every employee is entitled to ten days of paid",
    "annual leave after the first full year of service.",
    "The pump in hall 3 shall be inspected every six",
    "months; pressure must not exceed 12.5 bar.",
    "Invoices over 4,500 EUR need two signatures.",
]
CHINESE = [
    "员工入职满一年后，每年享有十天带薪年假，未在",
    "三月底之前休完的年假自动作废。申请年假须提前",
    "两周提交。三号车间的水泵应每六个月检查一次，",
    "压力在任何时候不得超过12.5巴。金额超过4500元",
    "的发票需要两人签字，详见表格。",
]
TEXTS = {"eng": ENGLISH, "chi_sim": CHINESE}

_found = ocr.find()
_has_both = _found is not None and set(_found.languages) == set(ocr.LANGUAGES)
needs_ocr = pytest.mark.skipif(not _has_both, reason="tesseract with eng and chi_sim is missing")


def sheet(lines, *, dpi=200, ground=250, left=0.9, size_pt=12.0):
    page = Image.new("L", (round(8.27 * dpi), round(11.69 * dpi)), ground)
    draw = ImageDraw.Draw(page)
    size = round(size_pt * dpi / 72)
    font = ImageFont.truetype(FONT, size, index=2)
    for number, line in enumerate(lines):
        place = (round(left * dpi), round(dpi + 1.5 * size * number))
        draw.text(place, line, fill=25, font=font)
    return page


def noisy(page, strength):
    random = np.random.default_rng(1)
    grey = np.asarray(page).astype(float) + random.normal(0, strength, (page.height, page.width))
    specks = random.random(grey.shape)
    grey[specks < strength / 8000] = 0
    grey[specks > 1 - strength / 8000] = 255
    return Image.fromarray(grey.clip(0, 255).astype("uint8"))


def skewed(page, degrees):
    return page.rotate(degrees, resample=Image.Resampling.BICUBIC, fillcolor=page.getpixel((0, 0)))


def columns(lines):
    page = sheet(lines, left=0.5, size_pt=9)
    page.paste(sheet(lines, left=4.4, size_pt=9).crop((850, 0, page.width, page.height)), (850, 0))
    return page


def pdf(page):
    buffer = io.BytesIO()
    page.save(buffer, "PDF", resolution=page.width / 8.27, quality=80)
    return buffer.getvalue()


def photo(page):
    buffer = io.BytesIO()
    page.convert("RGB").save(buffer, "JPEG", quality=70)
    return buffer.getvalue()


def accuracy(expected, read):
    """Measure the share of characters that are right: one less the edit distance by length."""
    expected, read = "".join("".join(expected).split()), "".join(read.split())
    before = list(range(len(read) + 1))
    for at, wanted in enumerate(expected, 1):
        row = [at]
        for place, found in enumerate(read, 1):
            row.append(min(before[place] + 1, row[-1] + 1, before[place - 1] + (wanted != found)))
        before = row
    return 1 - before[-1] / len(expected)


SCANS = {  # what became of the sheet → at least so many characters right
    "150 dpi, noisy": (lambda lines: noisy(sheet(lines, dpi=150), 18), 0.97),
    "grey paper": (lambda lines: noisy(sheet(lines, ground=160), 8), 0.97),
    "two degrees askew": (lambda lines: noisy(skewed(sheet(lines), 2), 8), 0.96),
    "on its side": (lambda lines: sheet(lines).transpose(Image.Transpose.ROTATE_90), 0.97),
    "on its head": (lambda lines: sheet(lines).transpose(Image.Transpose.ROTATE_180), 0.97),
    "300 dpi, a little out of focus": (
        lambda lines: sheet(lines, dpi=300).filter(ImageFilter.GaussianBlur(1.5)),
        0.97,
    ),
}


@needs_ocr
@pytest.mark.timeout(90)
@pytest.mark.parametrize("language", TEXTS)
@pytest.mark.parametrize("how", [*list(SCANS)[:1], *(
    pytest.param(one, marks=pytest.mark.slow) for one in list(SCANS)[1:]
)])  # fmt: skip
def test_a_scan_is_read_however_it_was_laid(how, language):
    make, least = SCANS[how]

    loaded = load(pdf(make(TEXTS[language])), "scan.pdf")

    assert accuracy(TEXTS[language], loaded.text) >= least
    assert loaded.metadata["ocr_pages"] == "1"


@needs_ocr
@pytest.mark.slow
@pytest.mark.timeout(90)
@pytest.mark.parametrize("language", TEXTS)
def test_columns_of_a_scan_are_read_one_after_the_other(language):
    loaded = load(pdf(columns(TEXTS[language])), "scan.pdf")

    assert accuracy(TEXTS[language] * 2, loaded.text) >= 0.95


@needs_ocr
@pytest.mark.slow
@pytest.mark.timeout(90)
@pytest.mark.parametrize("language", TEXTS)
def test_a_photo_with_a_shadow_is_read(language):
    page = np.asarray(skewed(sheet(TEXTS[language], dpi=180), 1)).astype(float)
    shadow = np.linspace(1.0, 0.6, page.shape[1])[None, :]

    loaded = load(photo(noisy(Image.fromarray((page * shadow).astype("uint8")), 6)), "photo.jpg")

    assert accuracy(TEXTS[language], loaded.text) >= 0.95


@needs_ocr
@pytest.mark.timeout(60)
def test_a_layer_of_rubbish_over_a_scan_is_not_taken_for_its_text():
    buffer = io.BytesIO()
    canvas = Canvas(buffer, pagesize=A4)
    canvas.drawImage(ImageReader(sheet(ENGLISH)), 0, 0, *A4)
    layer = canvas.beginText(50, 750)
    layer.setTextRenderMode(3)
    for number in range(20):
        layer.textLine("~%&/()=#*+<>|{}[]^$;:,"[number:] + " /)(&%$#")
    canvas.drawText(layer)
    canvas.showPage()
    canvas.drawString(72, 700, "A page of typed words that stays as it is.")
    canvas.save()

    loaded = load(buffer.getvalue(), "scan.pdf")

    assert accuracy(ENGLISH, loaded.text.partition("A page of typed")[0]) >= 0.97
    assert loaded.metadata["ocr_pages"] == "1"


def test_a_page_of_gigantic_size_is_drawn_within_bounds():
    buffer = io.BytesIO()
    canvas = Canvas(buffer, pagesize=(14_400, 14_400))
    canvas.drawImage(ImageReader(sheet(ENGLISH)), 0, 0, 14_400, 14_400)
    canvas.save()
    seen = []

    def find():
        return ocr.Ocr(("eng",), lambda picture: seen.append(picture) or ["words"])

    from ingest.load import pdf as loader

    assert loader.load(buffer.getvalue(), "a.pdf", find_ocr=find).text == "words"
    assert [one.width * one.height <= ocr.MAX_PIXELS for one in seen] == [True]


@pytest.mark.parametrize("name", ["a.png", "a.tiff"])
def test_a_picture_of_four_hundred_million_pixels_is_refused(name):
    buffer = io.BytesIO()
    kind = name.partition(".")[2].upper()
    more = {"compression": "tiff_lzw"} if kind == "TIFF" else {}
    Image.new("1", (20_000, 20_000)).save(buffer, kind, **more)

    with pytest.raises(TooLargeError, match="pixels"):
        load(buffer.getvalue(), name)


@pytest.mark.parametrize("make", [pdf, photo])
def test_a_scan_without_tesseract_names_the_package(make, monkeypatch):
    monkeypatch.setattr("shutil.which", lambda _: None)
    kind = EmptyFileError if make is pdf else Exception

    with pytest.raises(kind, match="tesseract-ocr"):
        load(make(sheet(ENGLISH)), "a.pdf")


PAGE = Picture(2, 3, bytes([0, 9, 99, 150, 200, 255]))


def test_a_picture_turns_clockwise():
    turned = PAGE.turned(90)

    assert (turned.width, turned.height, turned.pixels) == (3, 2, bytes([200, 99, 0, 255, 150, 9]))
    assert turned.turned(270) == PAGE
    assert PAGE.turned(180).turned(180) == PAGE
    assert PAGE.turned(0) is PAGE
    assert PAGE.dusted().width == PAGE.width


@pytest.mark.parametrize(
    ("confidences", "turn", "n_tries", "best"),
    [
        ([SURE], 0, 1, 0),  # sure at once
        ([SURE - 1, 95], 0, 2, 1),  # dusted it is surer
        ([SURE - 1, 50], 0, 2, 0),  # dusted it is worse
        ([ASTRAY - 1, 95], 180, 2, 1),  # turned it is sure
        ([ASTRAY - 1, 70, 92], 90, 3, 2),  # turned, then dusted
        ([ASTRAY - 1, 40], 0, 2, 0),  # upright, only full of dust
        ([ASTRAY - 1, None, 80], 90, 3, 2),  # a try that failed
    ],
)
def test_what_is_read_with_doubt_is_read_again(confidences, turn, n_tries, best):
    readings = [
        None if one is None else Reading((str(number),), 100, one)
        for number, one in enumerate(confidences)
    ]
    left = iter(readings[1:])

    found = surest(PAGE, readings[0], lambda _: next(left), lambda _: turn)

    assert found == readings[best]
    assert len(list(left)) == len(readings) - n_tries
