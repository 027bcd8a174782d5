"""Old Office files through the real LibreOffice, where it is installed."""

import shutil
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import docx
import openpyxl
import pptx
import pytest
from docx.opc.constants import RELATIONSHIP_TYPE
from docx.oxml import parse_xml
from pptx.util import Inches

from ingest.errors import BrokenFileError, EncryptedFileError, TooLargeError
from ingest.load import office
from ingest.load.loaders import load
from tests.ingest.load.making import saved

PROGRAM = next(filter(None, map(shutil.which, office.PROGRAMS)), "")
pytestmark = [
    pytest.mark.skipif(not PROGRAM, reason="LibreOffice is not installed"),
    pytest.mark.timeout(120),
]


def word():
    document = docx.Document()
    document.add_heading("Leave 休假", 1)
    document.add_paragraph("Every employee has ten days. 员工每年享有十天带薪年假。")
    document.add_paragraph("by train", style="List Bullet")
    document.add_paragraph("乘飞机", style="List Bullet")
    document.add_heading("Rates 标准", 2)
    table = document.add_table(rows=3, cols=2)
    rows = [("City", "Hotel"), ("Paris", "180"), ("北京", "500")]
    for row, texts in zip(table.rows, rows, strict=True):
        for cell, text in zip(row.cells, texts, strict=True):
            cell.text = text
    document.add_paragraph("After the table.")
    return saved(document)


def deck():
    presentation = pptx.Presentation()
    slide = presentation.slides.add_slide(presentation.slide_layouts[1])
    slide.shapes.title.text = "Plan 计划"
    slide.placeholders[1].text = "first\nsecond 第二"
    slide.notes_slide.notes_text_frame.text = "a note 备注"
    slide = presentation.slides.add_slide(presentation.slide_layouts[5])
    slide.shapes.title.text = "Rates"
    box = (Inches(1), Inches(2), Inches(5), Inches(1))
    table = slide.shapes.add_table(2, 2, *box).table
    for row, texts in enumerate([("City", "Rate"), ("上海", "450")]):
        for column, text in enumerate(texts):
            table.cell(row, column).text = text
    return saved(presentation)


def workbook():
    book = openpyxl.Workbook()
    book.active.title = "Rates 标准"
    for row in [("City", "Rate"), ("Paris", 180), ("北京", 500.5)]:
        book.active.append(row)
    book.create_sheet("Second").append(["only", "row"])
    return saved(book)


def converted(data, suffix, target, folder):
    """Let LibreOffice write a file in an old format."""
    source = folder / f"made.{suffix}"
    source.write_bytes(data)
    profile = (folder / "profile").as_uri()
    command = [PROGRAM, f"-env:UserInstallation={profile}", "--headless", "--convert-to", target]
    subprocess.run(
        [*command, "--outdir", str(folder), str(source)], check=True, timeout=100,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    return (folder / f"made.{target}").read_bytes()


@pytest.mark.parametrize(
    ("make", "suffix", "old"),
    [
        (word, "docx", "doc"),
        pytest.param(deck, "pptx", "ppt", marks=pytest.mark.slow),
        pytest.param(workbook, "xlsx", "xls", marks=pytest.mark.slow),
    ],
)
def test_a_file_in_an_old_format_keeps_text_and_structure_of_the_current_one(
    make, suffix, old, tmp_path
):
    data = make()

    current = load(data, f"a.{suffix}")
    loaded = load(converted(data, suffix, old, tmp_path), f"a.{old}")

    assert loaded.text == current.text
    assert loaded.blocks == current.blocks
    assert loaded.media_type != current.media_type


@pytest.mark.slow
def test_values_of_formulas_are_there_once_a_program_calculated_them(tmp_path):
    book = openpyxl.Workbook()
    book.active.append(["Item", "Sum"])
    book.active.append(["Pump", "=20+22"])
    data = saved(book)

    assert any("formulas without a value: 1" in told for told in load(data, "a.xlsx").warnings)
    loaded = load(converted(data, "xlsx", "xls", tmp_path), "a.xls")

    assert loaded.text.endswith("Item | Sum\nPump | 42")
    assert not loaded.warnings


@pytest.mark.slow
@pytest.mark.parametrize("target", ["rtf", "odt"])
def test_what_libreoffice_writes_as_rtf_and_odt_keeps_its_structure(target, tmp_path):
    data = word()

    current = load(data, "a.docx")
    loaded = load(converted(data, "docx", target, tmp_path), f"a.{target}")

    assert loaded.text == current.text
    assert [(one.kind, one.headings) for one in loaded.blocks] == [
        (one.kind, one.headings) for one in current.blocks
    ]


@pytest.mark.slow
def test_conversions_at_the_same_time_do_not_wait_for_one_another(tmp_path):
    data = converted(word(), "docx", "doc", tmp_path)

    with ThreadPoolExecutor(3) as pool:
        texts = {one.text for one in pool.map(lambda _: load(data, "a.doc"), range(3))}

    assert texts == {load(word(), "a.docx").text}


MACRO = """<?xml version="1.0" encoding="UTF-8"?>
<office:document xmlns:office="urn:oasis:names:tc:opendocument:xmlns:office:1.0"
 xmlns:text="urn:oasis:names:tc:opendocument:xmlns:text:1.0"
 xmlns:script="urn:oasis:names:tc:opendocument:xmlns:script:1.0"
 xmlns:ooo="http://openoffice.org/2004/office" xmlns:xlink="http://www.w3.org/1999/xlink"
 xmlns:dom="http://www.w3.org/2001/xml-events" office:version="1.2"
 office:mimetype="application/vnd.oasis.opendocument.text">
<office:scripts><office:script script:language="ooo:Basic"><ooo:libraries>
<ooo:library-embedded ooo:name="Standard"><ooo:module ooo:name="Module1"><ooo:source-code>
Sub Main
Open "{mark}" For Output As #1
Print #1, "macro was here"
Close #1
End Sub
</ooo:source-code></ooo:module></ooo:library-embedded></ooo:libraries></office:script>
<office:event-listeners><script:event-listener script:language="ooo:script"
 script:event-name="dom:load" xlink:type="simple"
 xlink:href="vnd.sun.star.script:Standard.Module1.Main?language=Basic&amp;location=document"/>
</office:event-listeners></office:scripts>
<office:body><office:text><text:p>Harmless words.</text:p></office:text></office:body>
</office:document>"""


@pytest.mark.slow
def test_a_macro_that_is_to_run_when_a_file_opens_does_not_run(tmp_path):
    mark = tmp_path / "mark.txt"
    data = MACRO.replace("{mark}", str(mark)).encode()

    made = office._convert(data, "doc", PROGRAM)

    assert not mark.exists()
    assert load(made, "a.docx").text == "Harmless words."


@pytest.mark.slow
def test_linked_pictures_are_not_fetched():
    asked = []

    class Server(BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            self.send_error(404)

        do_HEAD = do_OPTIONS = do_GET  # noqa: N815

        def log_message(self, *_):
            pass

    server = HTTPServer(("127.0.0.1", 0), Server)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    document = docx.Document()
    document.add_paragraph("Words.")
    target = f"http://127.0.0.1:{server.server_port}/pixel.png"
    link = document.part.relate_to(target, RELATIONSHIP_TYPE.IMAGE, is_external=True)
    document.paragraphs[0].add_run()._r.append(
        parse_xml(
            '<w:pict xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main" '
            'xmlns:v="urn:schemas-microsoft-com:vml" xmlns:r="http://schemas.openxmlformats.org/'
            'officeDocument/2006/relationships"><v:shape style="width:50pt;height:50pt">'
            f'<v:imagedata r:id="{link}"/></v:shape></w:pict>'
        )
    )
    try:
        made = office._convert(saved(document), "doc", PROGRAM)
    finally:
        server.shutdown()
        server.server_close()

    assert load(made, "a.docx").text == "Words."
    assert asked == []


@pytest.mark.slow
def test_nothing_is_left_behind_and_no_home_is_touched(tmp_path, monkeypatch):
    temporary, home = tmp_path / "tmp", tmp_path / "home"
    temporary.mkdir()
    home.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    monkeypatch.setenv("HOME", str(home))
    data = converted(word(), "docx", "doc", tmp_path)
    before = set(home.rglob("*"))

    assert load(data, "a.doc").text

    assert list(temporary.iterdir()) == []
    assert set(home.rglob("*")) == before


def test_a_file_that_only_looks_like_an_old_document_is_refused():
    data = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 600 + "WordDocument\0".encode("utf-16-le")

    with pytest.raises(BrokenFileError, match=r"LibreOffice cannot read this \.doc"):
        load(data, "a.doc")


@pytest.mark.slow
def test_a_conversion_over_its_time_is_stopped_with_all_its_processes(tmp_path, monkeypatch):
    data = converted(word(), "docx", "doc", tmp_path)
    monkeypatch.setattr(office, "CONVERT_TIMEOUT_S", 0.3)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))

    with pytest.raises(TooLargeError, match="took over"):
        load(data, "a.doc")

    mark, until = str(tmp_path / "quire-office-").encode(), time.monotonic() + 10
    while is_at_work(mark):  # what was killed takes a moment to go
        assert time.monotonic() < until


def is_at_work(mark):
    for one in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):  # it ended between the two looks
            if mark in one.read_bytes():
                return True
    return False


def locked_word(data):
    """Set the bit of a document's head that says it is encrypted."""
    at = data.index(b"\xec\xa5") + 11
    return data[:at] + bytes([data[at] | 1]) + data[at + 1 :]


def locked_deck(data):
    """Write the length of an encrypted deck's record on its last edit."""
    at = data.index(b"\x00\x00\xf5\x0f\x1c\x00\x00\x00") + 4
    return data[:at] + b"\x20" + data[at + 1 :]


def locked_workbook(data):
    """Turn the record behind a workbook's first into that on its password."""
    at = data.index(b"\x09\x08\x10\x00\x00\x06\x05\x00") + 20
    return data[:at] + b"\x2f\x00\x02\x00\x01\x00" + data[at + 6 :]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("make", "suffix", "old", "lock"),
    [
        (word, "docx", "doc", locked_word),
        (deck, "pptx", "ppt", locked_deck),
        (workbook, "xlsx", "xls", locked_workbook),
    ],
)
def test_an_old_file_behind_a_password_is_reported_as_such(make, suffix, old, lock, tmp_path):
    data = lock(converted(make(), suffix, old, tmp_path))

    with pytest.raises(EncryptedFileError, match="password"):
        load(data, f"a.{old}")
