import io
import threading
import time
from contextlib import suppress

import pytest
from reportlab.lib.pagesizes import A4
from reportlab.lib.pdfencrypt import StandardEncryption
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.cidfonts import UnicodeCIDFont
from reportlab.pdfgen.canvas import Canvas

from ingest.errors import BrokenFileError, EmptyFileError, EncryptedFileError
from ingest.load import ocr, pdf
from ingest.load.loaders import load
from ingest.load.pdf_labels import label_of

WIDTH, HEIGHT = A4


def make(draw, **options):
    buffer = io.BytesIO()
    canvas = Canvas(buffer, pagesize=A4, **options)
    draw(canvas)
    canvas.save()
    return buffer.getvalue()


def lines(canvas, texts, left=72.0, top=720.0, size=11.0, font="Helvetica", lead=14.0):
    canvas.setFont(font, size)
    for number, text in enumerate(texts):
        canvas.drawString(left, top - number * lead, text)


def test_lines_become_paragraphs_and_hyphens_are_undone():
    def draw(canvas):
        lines(canvas, ["Annual report"], top=760, size=20)
        lines(
            canvas,
            [
                "The company had a very good year and the develop-",
                "ment of new products went on as it was planned. A",
                "well-known customer signed for three years and is",
                "happy.",
            ],
        )
        lines(
            canvas,
            [
                "The second paragraph starts here and is somewhat",
                "longer than one line but mentions a well-",
                "known customer again.",
            ],
            top=640,
        )
        canvas.showPage()

    loaded = load(make(draw), "report.pdf")

    assert [b.kind for b in loaded.blocks] == ["heading", "paragraph", "paragraph"]
    assert loaded.title == "Annual report"
    assert (
        "the development of new products went on as it was planned. A well-known customer signed"
        in loaded.text
    )
    assert "mentions a well-known customer again." in loaded.text
    assert loaded.blocks[1].headings == ("Annual report",)
    assert {b.page for b in loaded.blocks} == {1}


LEFT = [f"left column line {n} with enough words to fill" for n in range(12)]
RIGHT = [f"right column line {n} with words to fill it up" for n in range(12)]


@pytest.mark.parametrize("is_row_by_row", [False, True])
def test_two_columns_are_read_one_after_the_other(is_row_by_row):
    def draw(canvas):
        lines(canvas, ["A title that runs over both of the columns of this page"], top=760, size=18)
        if is_row_by_row:
            for n in range(12):
                lines(canvas, [LEFT[n]], top=700 - 14 * n, size=10)
                lines(canvas, [RIGHT[n]], left=320, top=700 - 14 * n, size=10)
        else:
            lines(canvas, RIGHT, left=320, top=700, size=10)
            lines(canvas, LEFT, top=700, size=10)
        canvas.showPage()

    text = load(make(draw), "columns.pdf").text

    places = [text.index(line) for line in ["A title", *LEFT, *RIGHT]]
    assert places == sorted(places)


def test_a_table_keeps_its_rows_and_header():
    def draw(canvas):
        lines(
            canvas,
            ["Prices are valid until the end of the year and include all of the taxes that apply."],
            top=740,
        )
        for number, row in enumerate(
            [("Item", "Price", "Stock"), ("Pump", "120", "4"), ("Valve", "35", "11")]
        ):
            for column, cell in enumerate(row):
                lines(canvas, [cell], left=72 + 150 * column, top=700 - 16 * number)
        canvas.showPage()

    loaded = load(make(draw), "prices.pdf")
    table = next(b for b in loaded.blocks if b.kind == "table")

    assert (
        loaded.text[table.start : table.end]
        == "Item | Price | Stock\nPump | 120 | 4\nValve | 35 | 11"
    )
    assert loaded.text[slice(*table.header)] == "Item | Price | Stock"


def test_chinese_lines_are_joined_without_blanks_over_lines_and_pages():
    pdfmetrics.registerFont(UnicodeCIDFont("STSong-Light"))

    def draw(canvas):
        lines(canvas, ["员工手册"], top=780, size=20, font="STSong-Light")
        lines(
            canvas,
            [
                "员工入职满一年后，每年享有十天带薪年假，年假须在当年使用完毕，不得跨",
                "年累积。申请年假须提前两周提交给部门主管，经批准后方可休假，并由人力",
            ],
            font="STSong-Light",
            size=13,
            lead=20,
        )
        canvas.showPage()
        lines(canvas, ["资源部备案。"], top=780, font="STSong-Light", size=13)
        canvas.showPage()

    loaded = load(make(draw), "手册.pdf")

    assert "不得跨年累积。" in loaded.text
    assert "并由人力资源部备案。" in loaded.text
    assert [b.page for b in loaded.blocks] == [1, 1, 2]
    assert loaded.blocks[0].headings == ("员工手册",)


def test_running_heads_and_page_numbers_are_dropped():
    def draw(canvas):
        for number in range(1, 5):
            lines(canvas, ["ACME internal"], top=815, size=8)
            lines(
                canvas,
                [
                    f"Fact {number}: the office opens at {number + 6} in the morning on working days."  # noqa: E501
                ],
            )
            lines(canvas, [f"Page {number} of 4"], top=20, size=8)
            canvas.showPage()

    loaded = load(make(draw), "a.pdf")

    assert "ACME internal" not in loaded.text
    assert "Page" not in loaded.text
    assert [b.page for b in loaded.blocks] == [1, 2, 3, 4]


def test_pages_without_text_are_named():
    def draw(canvas):
        for number in range(1, 6):
            if number in (2, 4):
                canvas.rect(100, 100, 50, 50, fill=1)
            elif number != 3:
                lines(canvas, [f"Some text on page {number} of this document."])
            canvas.showPage()

    loaded = pdf.load(make(draw), "a.pdf", find_ocr=lambda: None)

    assert loaded.warnings == (
        f"scanned, not read: pages 2, 4 of 5; to read them {ocr.INSTALL}",
        "no text on page 3 of 5: empty",
    )


def test_a_scan_is_an_error_that_says_so():
    def draw(canvas):
        canvas.rect(100, 100, 50, 50, fill=1)
        canvas.showPage()

    with pytest.raises(EmptyFileError, match=r"scanned; install tesseract \(Debian: `apt install"):
        pdf.load(make(draw), "scan.pdf", find_ocr=lambda: None)
    with pytest.raises(EmptyFileError, match="scanned, but OCR found none"):
        pdf.load(make(draw), "scan.pdf", find_ocr=lambda: ocr.Ocr(("eng",), lambda _: []))


def test_a_password_is_an_error_but_an_empty_one_opens():
    def draw(canvas):
        lines(canvas, ["Confidential but open to read."])
        canvas.showPage()

    with pytest.raises(EncryptedFileError, match="password"):
        load(make(draw, encrypt=StandardEncryption("secret")), "a.pdf")
    assert (
        "open to read"
        in load(make(draw, encrypt=StandardEncryption("", ownerPassword="o")), "a.pdf").text
    )


@pytest.mark.parametrize(
    ("turn", "corner"), [(90, (WIDTH, 0)), (180, (WIDTH, HEIGHT)), (270, (0, WIDTH))]
)
def test_a_turned_page_reads_like_any_other(turn, corner):
    def draw(canvas):
        canvas.setPageRotation(turn)
        canvas.translate(*corner)
        canvas.rotate(turn)
        lines(
            canvas,
            ["The first line of a page that lies on its side and", "the second line of it."],
            top=500,
        )
        canvas.showPage()

    assert (
        load(make(draw), "a.pdf").text
        == "The first line of a page that lies on its side and the second line of it."
    )


@pytest.mark.parametrize(
    "data", [b"%PDF-1.7\n", b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n" + b"garbage " * 100]
)
def test_a_damaged_file_is_refused(data):
    with pytest.raises((BrokenFileError, EmptyFileError)):
        load(data, "a.pdf")


def test_a_file_cut_off_never_crashes():
    def draw(canvas):
        for _ in range(3):
            lines(canvas, ["Some text that stands on this page."])
            canvas.showPage()

    data = make(draw)

    for end in range(10, len(data), max(1, len(data) // 25)):
        with suppress(BrokenFileError, EmptyFileError):
            assert load(data[:end], "a.pdf").text


def test_several_threads_may_load_at_once():
    def draw(canvas):
        lines(canvas, ["Threads are no trouble for this page of text."])
        canvas.showPage()

    data, texts = make(draw), []

    threads = [
        threading.Thread(target=lambda: texts.append(load(data, "a.pdf").text)) for _ in range(6)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)

    assert set(texts) == {"Threads are no trouble for this page of text."}
    assert len(texts) == 6


def test_a_lock_of_rights_is_named():
    def draw(canvas):
        lines(canvas, ["Sold to one reader."])
        canvas.showPage()

    data = make(draw, encrypt=StandardEncryption("secret"))

    with pytest.raises(EncryptedFileError, match=r"rights management \(Adobe Digital Editions\)"):
        load(data.replace(b"/Filter /Standard", b"/Filter /EBX_HANDLER"), "a.pdf")
    with pytest.raises(EncryptedFileError, match="rights management"):
        load(data.replace(b"/Filter /Standard", b"/Filter /Nobodys"), "a.pdf")


def test_page_labels_are_kept():
    def draw(canvas):
        for number, style, start in ((0, "ROMAN_LOWER", 1), (2, "ARABIC", 1)):
            canvas.addPageLabel(number, style, start)
        for number in range(5):
            lines(canvas, [f"Fact {number} stands on a page of its own."])
            canvas.showPage()

    loaded = load(make(draw), "a.pdf")
    plain = load(make(lambda canvas: lines(canvas, ["No labels on this page."])), "b.pdf")

    labels = [label_of(loaded.metadata["page_labels"], block.page) for block in loaded.blocks]
    assert labels == ["i", "ii", "1", "2", "3"]
    assert "page_labels" not in plain.metadata


def test_a_book_is_read_at_a_good_pace():
    sentence = "The pump shall be inspected every six months by qualified staff who know it."

    def draw(canvas):
        for _ in range(60):
            lines(canvas, [sentence] * 44)
            canvas.showPage()

    data = make(draw)
    load(data, "warm.pdf")

    began = time.process_time()
    loaded = load(data, "a.pdf")
    spent_s = time.process_time() - began

    assert loaded.metadata["pages"] == "60"
    assert 60 / spent_s > 100  # about 340 measured on a busy machine; 36 when asked per character
