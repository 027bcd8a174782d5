"""Pages that were scanned, in English and Chinese, through the real tesseract."""

import io

import pytest
from PIL import Image, ImageDraw, ImageFont
from reportlab.lib.pagesizes import A4
from reportlab.lib.utils import ImageReader
from reportlab.pdfgen.canvas import Canvas

from ingest.errors import EmptyFileError
from ingest.load import ocr
from ingest.load.pdf import load

FONT = "/usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc"
ENGLISH = [
    "The pump shall be inspected every six months",
    "by qualified staff. Pressure must not exceed",
    "12 bar at any time.",
]
CHINESE = [
    "员工入职满一年后，每年享有十天带薪年假，年假",
    "须在当年使用完毕，不得跨年累积。申请年假须提",
    "前两周提交给部门主管。",
]


def scanned(lines):
    """Make a page as a scanner would: grey, a little dust, no text."""
    page = Image.new("L", (1240, 1754), 248)
    draw = ImageDraw.Draw(page)
    font = ImageFont.truetype(FONT, 40, index=2)
    for number, line in enumerate(lines):
        draw.text((120, 150 + 70 * number), line, fill=30, font=font)
    for at in range(12):
        draw.point((97 * at % 1240, 1301 * at % 1754), fill=90)
    return page


def make(*pages):
    """Make a PDF; a list of lines becomes a scan, a text stays text, None an empty page."""
    buffer = io.BytesIO()
    canvas = Canvas(buffer, pagesize=A4)
    for page in pages:
        if isinstance(page, list):
            canvas.drawImage(ImageReader(scanned(page)), 0, 0, *A4)
        elif page:
            canvas.drawString(72, 700, page)
        canvas.showPage()
    canvas.save()
    return buffer.getvalue()


def needs(*languages):
    found = ocr.find()
    has = found is not None and set(languages) <= set(found.languages)
    return pytest.mark.skipif(not has, reason="tesseract lacks " + ", ".join(languages))


@needs("eng")
def test_an_english_scan_is_read():
    loaded = load(make(ENGLISH), "scan.pdf")

    assert loaded.text == " ".join(ENGLISH)
    assert [(block.kind, block.page) for block in loaded.blocks] == [("paragraph", 1)]
    assert loaded.warnings[0].startswith("read by OCR in English")


@needs("chi_sim")
def test_a_chinese_scan_is_read_without_blanks_between_characters():
    loaded = load(make(CHINESE), "扫描.pdf")

    wanted = "".join(CHINESE)
    missed = [at for at, character in enumerate(wanted) if character not in loaded.text]
    assert len(missed) <= 2
    assert "每年享有十天" in loaded.text
    assert "不得跨年累积。申请年假" in loaded.text  # over the end of a line


@needs("eng", "chi_sim")
def test_a_mixed_file_keeps_its_text_and_reads_only_its_scans():
    typed = "This page was typed and needs no recognition, whatever stands beside it."

    loaded = load(make(typed, CHINESE, None, ENGLISH, typed + " Again."), "mixed.pdf")

    by_page = {block.page: loaded.text[block.start : block.end] for block in loaded.blocks}
    assert by_page[1] == typed
    assert "部门主管" in by_page[2]
    assert by_page[4] == " ".join(ENGLISH)
    assert by_page[5] == typed + " Again."
    assert [block.page for block in loaded.blocks] == [1, 2, 4, 5]
    assert loaded.metadata["ocr_pages"] == "2, 4"
    assert loaded.warnings == (
        "read by OCR in English and Chinese: pages 2, 4 of 5; it may hold mistakes",
        "no text on page 3 of 5: empty",
    )


def test_only_pages_without_text_are_drawn():
    pictures = []

    def recognise(picture):
        pictures.append(picture)
        return ["recognised text"]

    load(make("Typed text.", ENGLISH, "Typed, too."), "a.pdf",
         find_ocr=lambda: ocr.Ocr(("eng",), recognise))  # fmt: skip

    assert len(pictures) == 1
    assert (pictures[0].width, pictures[0].height, pictures[0].dpi) == (1654, 2339, 200)


def test_without_tesseract_the_typed_pages_are_there_and_a_warning_names_the_rest():
    loaded = load(make("Typed text.", ENGLISH, CHINESE), "a.pdf", find_ocr=lambda: None)

    assert loaded.text == "Typed text."
    assert loaded.warnings == (f"scanned, not read: pages 2-3 of 3; to read them {ocr.INSTALL}",)


def test_without_tesseract_a_scan_is_an_error_that_says_how_to_install_it():
    with pytest.raises(EmptyFileError, match="apt install tesseract-ocr tesseract-ocr-chi-sim"):
        load(make(ENGLISH), "a.pdf", find_ocr=lambda: None)


def test_one_page_that_ocr_fails_on_does_not_take_the_others_down():
    answers = iter([ocr.OcrError("tesseract took over 90 s"), ["The second scan."]])

    def recognise(_):
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    loaded = load(make(ENGLISH, CHINESE), "a.pdf", find_ocr=lambda: ocr.Ocr(("eng",), recognise))

    assert loaded.text == "The second scan."
    assert "OCR failed on page 1: tesseract took over 90 s" in loaded.warnings


def test_empty_pages_are_not_sent_to_ocr():
    def refuse():
        raise AssertionError("OCR was asked for")

    with pytest.raises(EmptyFileError, match="none of 2 pages holds text: they are empty"):
        load(make(None, None), "a.pdf", find_ocr=refuse)
