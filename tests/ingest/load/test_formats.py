"""The table of docs/formats.md against the loaders, and a file of each format in two languages."""

import io
import json
import re
import zipfile
from email.message import EmailMessage
from pathlib import Path

import docx
import openpyxl
import pptx
import pytest
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.cidfonts import UnicodeCIDFont
from reportlab.pdfgen.canvas import Canvas

from ingest.errors import EmptyFileError, EncryptedFileError, FileRefusedError
from ingest.load.loaders import LOADERS, MAIL_LOADERS, SUFFIXES, load
from ingest.load.sniff import MAGIC_KINDS, TEXT_KINDS
from tests.ingest.load.making import saved, zipped

DOC = Path(__file__).parents[3] / "docs" / "formats.md"
WORDS = {  # heading, paragraph, rows of a table
    "en": ("Leave", "Ten days a year are paid.", [("Grade", "Days"), ("A", "10"), ("B", "12")]),
    "zh": ("休假", "每年享有十天带薪年假。", [("级别", "天数"), ("甲", "十"), ("乙", "十二")]),
}


def documented():
    """Read the table: kind → suffixes."""
    cells = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in DOC.read_text(encoding="utf-8").splitlines()
        if re.match(r"\| [a-z]+ \|", line)
    ]
    return {row[0]: set(row[1].split()) for row in cells if row[0] != "kind"}


def test_the_documented_table_is_what_the_loaders_read():
    kinds = {**TEXT_KINDS, **MAGIC_KINDS}

    assert documented() == {kind: set(names.split()) for kind, names in kinds.items()}
    assert set(documented()) == set(LOADERS) | set(MAIL_LOADERS)
    assert {f".{one}" for names in documented().values() for one in names} == SUFFIXES


def page(heading, words, rows):
    body = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows[1:])
    head = "".join(f"<th>{cell}</th>" for cell in rows[0])
    return (
        f"<html><body><h1>{heading}</h1><p>{words}</p>"
        f"<table><tr>{head}</tr>{body}</table></body></html>"
    )


def markdown(heading, words, rows):
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    lines.insert(1, "|---|---|")
    return f"# {heading}\n\n{words}\n\n" + "\n".join(lines) + "\n"


def word(heading, words, rows):
    document = docx.Document()
    document.add_heading(heading, 1)
    document.add_paragraph(words)
    table = document.add_table(rows=len(rows), cols=2)
    for at, row in enumerate(rows):
        for column, cell in enumerate(row):
            table.cell(at, column).text = cell
    return saved(document)


def deck(heading, words, rows):
    deck = pptx.Presentation()
    slide = deck.slides.add_slide(deck.slide_layouts[1])
    slide.shapes.title.text = heading
    slide.placeholders[1].text = words
    table = slide.shapes.add_table(len(rows), 2, 0, 4_000_000, 3_000_000, 1_000_000).table
    for at, row in enumerate(rows):
        for column, cell in enumerate(row):
            table.cell(at, column).text = cell
    return saved(deck)


def workbook(heading, words, rows):
    book = openpyxl.Workbook()
    book.active.title = heading
    book.active.append([words])
    for row in rows:
        book.active.append(row)
    return saved(book)


def book(heading, words, rows):
    return zipped(
        {
            "mimetype": "application/epub+zip",
            "META-INF/container.xml": '<container xmlns="urn:oasis:names:tc:opendocument:xmlns:'
            'container"><rootfiles><rootfile full-path="p.opf"/></rootfiles></container>',
            "p.opf": '<package xmlns="http://www.idpf.org/2007/opf"><manifest><item id="a"'
            ' href="a.x" media-type="application/xhtml+xml"/></manifest>'
            '<spine><itemref idref="a"/></spine></package>',
            "a.x": page(heading, words, rows),
        }
    )


def mail(heading, words, rows):
    message = EmailMessage()
    message["Subject"], message["From"] = heading, "ada@example.org"
    message.set_content(page("", words, rows), subtype="html")
    return message.as_bytes()


def notebook(heading, words, rows):
    cell = {"cell_type": "markdown", "source": markdown(heading, words, rows)}
    return json.dumps({"cells": [cell], "nbformat": 4}).encode()


def pdf(heading, words, rows):
    pdfmetrics.registerFont(UnicodeCIDFont("STSong-Light"))
    buffer = io.BytesIO()
    canvas = Canvas(buffer)
    canvas.setFont("STSong-Light", 24)
    canvas.drawString(72, 750, heading)
    canvas.setFont("STSong-Light", 11)
    canvas.drawString(72, 700, words)
    canvas.save()
    return buffer.getvalue()


def csv(heading, words, rows):
    return "\n".join([words, *(",".join(row) for row in rows)]).encode()


def odt(heading, words, rows):
    namespaces = "".join(
        f' xmlns:{name}="urn:oasis:names:tc:opendocument:xmlns:{name}:1.0"'
        for name in ("office", "text", "table")
    )
    cells = "".join(
        "<table:table-row>"
        + "".join(f"<table:table-cell><text:p>{c}</text:p></table:table-cell>" for c in row)
        + "</table:table-row>"
        for row in rows
    )
    columns = "<table:table-column/>" * 2
    return zipped(
        {
            "mimetype": "application/vnd.oasis.opendocument.text",
            "styles.xml": f"<office:document-styles{namespaces} office:version='1.2'>"
            "<office:styles/></office:document-styles>",
            "content.xml": f'<office:document-content{namespaces} office:version="1.2">'
            '<office:body><office:text><text:h text:outline-level="1">'
            f"{heading}</text:h><text:p>{words}</text:p>"
            + (f"<table:table>{columns}{cells}</table:table>" if rows else "")
            + "</office:text></office:body>"
            "</office:document-content>",
        }
    )


def rtf(heading, words, rows):
    escaped = "".join(one if one.isascii() else f"\\u{ord(one)}?" for one in words)
    return rf"{{\rtf1\ansi {escaped}\par}}".encode()


def org(heading, words, rows):
    table = "\n".join("| " + " | ".join(row) + " |" for row in rows)
    first, _, rest = table.partition("\n")
    return f"* {heading}\n\n{words}\n\n{first}\n|---+---|\n{rest}\n".encode()


def rst(heading, words, rows):
    table = "\n".join("   * - {}\n     - {}".format(*row) for row in rows)
    return (
        f"{heading}\n{'=' * 12}\n\n{words}\n\n.. list-table::\n   :header-rows: 1\n\n{table}\n"
    ).encode()


def xml(heading, words, rows):
    return f"<r><doc id='{heading}'><a>1</a><b>{words}</b></doc></r>".encode()


H, T, P = "heading", "table", "page"
FORMATS = [  # name, maker, what must be kept: headings, table with header, page
    ("a.txt", lambda h, w, r: f"第一章 {h}\n\n{w}\n".encode(), ""),
    ("a.md", lambda h, w, r: markdown(h, w, r).encode(), f"{H} {T}"),
    ("a.html", lambda h, w, r: page(h, w, r).encode(), f"{H} {T}"),
    ("a.csv", csv, T),
    ("a.eml", mail, f"{H} {T}"),
    ("a.mbox", lambda h, w, r: b"From a@b Fri Mar  7 10:00:00 2025\n" + mail(h, w, r), f"{H} {T}"),
    ("a.ipynb", notebook, f"{H} {T}"),
    ("a.srt", lambda h, w, r: f"1\n00:00:01,000 --> 00:00:02,000\n{w}\n".encode(), ""),
    ("a.rtf", rtf, ""),
    ("a.rst", rst, f"{H} {T}"),
    ("a.org", org, f"{H} {T}"),
    ("a.odt", odt, H),
    ("a.json", lambda h, w, r: json.dumps({h: {"a": w}}, ensure_ascii=False).encode(), H),
    ("a.jsonl", lambda h, w, r: (json.dumps({h: w}, ensure_ascii=False) + "\n").encode(), ""),
    ("a.yaml", lambda h, w, r: f"{h}:\n  a: {w}\n".encode(), H),
    ("a.toml", lambda h, w, r: f'["{h}"]\na = "{w}"\n'.encode(), H),
    ("a.ini", lambda h, w, r: f"[{h}]\na = {w}\n".encode(), H),
    ("a.xml", xml, ""),
    ("a.py", lambda h, w, r: f"def {h}():\n    # {w}\n    pass\n".encode(), H),
    ("a.sql", lambda h, w, r: f"-- {w}\nselect 1;\n".encode(), ""),
    ("a.pdf", pdf, P),
    ("a.docx", word, f"{H} {T}"),
    ("a.pptx", deck, f"{H} {T} {P}"),
    ("a.xlsx", workbook, f"{H} {T} {P}"),
    ("a.epub", book, f"{H} {T}"),
]


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize(("name", "make", "kept"), FORMATS, ids=[one[0] for one in FORMATS])
def test_a_file_of_each_format_keeps_its_text_and_structure(name, make, kept, language):
    heading, words, rows = WORDS[language]

    loaded = load(make(heading, words, rows), name)

    [block] = [b for b in loaded.blocks if words in loaded.text[b.start : b.end]]
    if "heading" in kept:
        assert block.headings == (heading,)
    if "page" in kept:
        assert block.page == 1
    if "table" in kept:
        [table] = [b for b in loaded.blocks if b.kind == "table"]
        assert table.header is not None
        header = loaded.text[slice(*table.header)]
        assert [cell.strip() for cell in header.strip("| ").split("|")] == list(rows[0])
        assert rows[2][1] in loaded.text[table.start : table.end]
    places = [(b.start, b.end) for b in loaded.blocks]
    assert places == sorted(places)


def empty(kind):
    """Make a file of a kind that is well formed and says nothing."""
    if kind == "docx":
        return saved(docx.Document())
    if kind == "pptx":
        return saved(pptx.Presentation())
    if kind == "pdf":
        return pdf("", "", [])
    if kind == "xlsx":
        return saved(openpyxl.Workbook())
    if kind == "epub":
        return book("", "", [("", "")])
    if kind == "odt":
        return odt("", "", [])
    return {
        "html": b"<html><body><script>x()</script></body></html>",
        "eml": b"From: \n\n\n",
        "mbox": b"From a@b Fri Mar  7 10:00:00 2025\nFrom: \n\n\n",
        "ipynb": b'{"cells": []}',
        "rtf": rb"{\rtf1\ansi \par}",
        "csv": b",,,\n,,\n",
        "srt": b"1\n00:00:01,000 --> 00:00:02,000\n\n",
    }.get(kind, b" \n\t\n ")


@pytest.mark.parametrize("kind", sorted({*LOADERS, *MAIL_LOADERS} - {"doc", "ppt", "xls", "image"}))
def test_a_file_without_text_is_an_error_in_every_format(kind):
    suffix = {**TEXT_KINDS, **MAGIC_KINDS}[kind].split()[0]

    with pytest.raises(FileRefusedError) as refused:
        load(empty(kind), f"a.{suffix}")

    assert isinstance(refused.value, EmptyFileError), refused.value


def test_what_needs_a_password_is_reported_as_such():
    manifest = b"<m:manifest><m:file-entry><m:encryption-data/></m:file-entry></m:manifest>"
    sealed = zipped(
        {
            "mimetype": "application/vnd.oasis.opendocument.text",
            "META-INF/manifest.xml": manifest,
            "content.xml": b"\x93\x01",
        }
    )
    locked = bytearray(word(*WORDS["en"]))
    at = locked.index(b"PK\x01\x02")
    locked[at + 8] |= 1
    drm = b"<e><EncryptionMethod xmlns='x' Algorithm='http://www.w3.org/2001/04/xmlenc#aes'/></e>"
    protected = io.BytesIO(book(*WORDS["en"]))
    with zipfile.ZipFile(protected, "a") as archive:
        archive.writestr("META-INF/encryption.xml", drm)

    for data, name in [
        (sealed, "a.odt"),
        (bytes(locked), "a.docx"),
        (protected.getvalue(), "a.epub"),
    ]:
        with pytest.raises(EncryptedFileError):
            load(data, name)
