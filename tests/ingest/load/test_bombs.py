"""Small files that want to become large, deep or endless: refused or read, never fetched."""

import json
import os
import random
import struct

import docx
import openpyxl
import pptx
import pytest

from ingest.errors import BrokenFileError, FileRefusedError, TooLargeError
from ingest.load.loaders import load
from tests.ingest.load.making import parts_of, zipped

DEEP = 100_000
LAUGHS = "<!DOCTYPE r [<!ENTITY l0 'lol'>" + "".join(
    f"<!ENTITY l{n + 1} '{f'&l{n};' * 10}'>" for n in range(9)
)
FETCH = (
    "<!DOCTYPE r [<!ENTITY l9 SYSTEM 'file:///etc/passwd'>"
    "<!ENTITY x SYSTEM 'http://127.0.0.1:9/secret'>"
)
DECLARED = {
    "that multiply": "<?xml version='1.0'?>" + LAUGHS + "]>",
    "of files and addresses": "<?xml version='1.0'?>" + FETCH + "]>",
    "behind a comment": "<?xml version='1.0'?><!-- <r " + "x" * 5000 + " -->" + LAUGHS + "]>",
}


def word():
    document = docx.Document()
    document.add_paragraph("words")
    return parts_of(document)


def deck():
    presentation = pptx.Presentation()
    presentation.slides.add_slide(presentation.slide_layouts[5]).shapes.title.text = "words"
    return parts_of(presentation)


def workbook():
    book = openpyxl.Workbook()
    book.active.append(["words", 1])
    return parts_of(book)


def text_document():
    root = '<office:document-content xmlns:office="urn:o" xmlns:text="urn:t">words'
    mimetype = "application/vnd.oasis.opendocument.text"
    content = f"<?xml version='1.0'?>{root}</office:document-content>".encode()
    return {"mimetype": mimetype.encode(), "content.xml": content}


CONTAINER = (
    b'<?xml version="1.0"?><container xmlns="urn:oasis:names:tc:opendocument:xmlns:container">'
    b'<rootfiles><rootfile full-path="book.opf"/></rootfiles></container>'
)


def book(page="<p>words</p>", spine='<itemref idref="a"/>', listed='href="a.xhtml"'):
    item = f'<item id="a" {listed} media-type="application/xhtml+xml"/>'
    package = (
        '<?xml version="1.0"?><package xmlns="http://www.idpf.org/2007/opf">'
        f"<manifest>{item}</manifest><spine>{spine}</spine></package>"
    )
    return {
        "mimetype": b"application/epub+zip",
        "META-INF/container.xml": CONTAINER,
        "book.opf": package.encode(),
        "a.xhtml": f"<html><body>{page}</body></html>".encode(),
    }


def declaring(part, declared):
    """Put declarations before the first element of a part, use one in its text."""
    text = part.decode("utf-8")
    if text.startswith("<?xml"):
        text = text[text.index("?>") + 2 :]
    return (declared + text.replace("words", "words &l9;")).encode()


@pytest.mark.parametrize("declared", DECLARED.values(), ids=DECLARED)
@pytest.mark.parametrize(
    ("make", "part", "name"),
    [
        (word, "word/document.xml", "a.docx"),
        (word, "word/styles.xml", "a.docx"),
        (word, "docProps/core.xml", "a.docx"),
        (workbook, "xl/workbook.xml", "a.xlsx"),
        (workbook, "xl/worksheets/sheet1.xml", "a.xlsx"),
        (deck, "ppt/slides/slide1.xml", "a.pptx"),
        (text_document, "content.xml", "a.odt"),
        (book, "book.opf", "a.epub"),
        (book, "META-INF/container.xml", "a.epub"),
    ],
)
def test_entities_in_any_part_of_an_archive_are_refused(make, part, name, declared):
    parts = make()
    parts[part] = declaring(parts[part], declared)

    with pytest.raises(BrokenFileError, match="declares XML entities"):
        load(zipped(parts), name)


@pytest.mark.parametrize("declared", DECLARED.values(), ids=DECLARED)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
@pytest.mark.parametrize("name", ["a.xml", "a.svg", "a.rss"])
def test_entities_in_xml_are_refused(name, encoding, declared):
    data = declaring(b"<svg>words</svg>", declared).decode().encode(encoding)

    with pytest.raises(BrokenFileError, match="declares XML entities"):
        load(data, name)


@pytest.mark.parametrize("declared", DECLARED.values(), ids=DECLARED)
def test_entities_in_pages_and_chapters_are_not_expanded_and_their_declarations_no_text(declared):
    page = declared.replace("<!-- <r " + "x" * 5000 + " -->", "")
    chapter = book()
    chapter["a.xhtml"] = declaring(chapter["a.xhtml"], page)

    assert load((page + "<html><p>words &l9;</p></html>").encode(), "a.html").text == "words &l9;"
    assert load(zipped(chapter), "a.epub").text == "words &l9;"


def test_a_document_type_elsewhere_is_not_fetched():
    data = b'<?xml version="1.0"?><!DOCTYPE r SYSTEM "http://127.0.0.1:9/r.dtd"><r>words</r>'

    assert "words" in load(data, "a.xml").text


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (b"[" * DEEP + b"]" * DEEP, "a.json"),
        (b'{"a":' * DEEP + b"1" + b"}" * DEEP, "a.json"),
        (b'{"cells":' + b"[" * DEEP + b"]" * DEEP + b"}", "a.ipynb"),
        (b"<a>" * DEEP + b"x" + b"</a>" * DEEP, "a.xml"),
        (b"<div>" * DEEP + b"x", "a.html"),
        (b"<table><tr><td>" * DEEP + b"x", "a.html"),
        (b"- " * DEEP + b"x", "a.yaml"),
        (b"x: &a 1\ny: *a\nz: " + b"[" * DEEP, "a.yaml"),
        (b"".join(b" " * depth + b"a:\n" for depth in range(1500)), "a.yaml"),
    ],
    ids=["arrays", "objects", "cells", "xml", "div", "table", "items", "aliases", "keys"],
)
def test_nesting_without_end_is_refused(data, name):
    with pytest.raises(BrokenFileError, match="nested deeper"):
        load(data, name)


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (b"> " * DEEP + b"words\n", "a.md"),
        (b"[" * DEEP + b"words\n", "a.md"),
        (b"(" * DEEP + b"words" + b")" * DEEP, "a.js"),
        (b"<p><button>" * (DEEP // 2) + b"words", "a.html"),
        (b"<own>" * DEEP + b"words", "a.html"),
        (b"[" * DEEP + b"words" + b"]" * DEEP, "a.yaml"),
    ],
    ids=["quotes", "links", "brackets of code", "buttons", "elements of their own", "yaml"],
)
def test_nesting_that_costs_nothing_is_read(data, name):
    assert "words" in load(data, name).text


def test_nesting_in_a_word_document_is_read_or_refused():
    parts = word()
    opened, closed = b"<w:sdt><w:sdtContent>", b"</w:sdtContent></w:sdt>"
    for depth, is_read in ((100, True), (20_000, False)):
        body = parts["word/document.xml"]
        body = body.replace(b"<w:body>", b"<w:body>" + opened * depth)
        body = body.replace(b"</w:body>", closed * depth + b"</w:body>")
        data = zipped({**parts, "word/document.xml": body})
        if is_read:
            assert load(data, "a.docx").text == "words"
            continue
        with pytest.raises(BrokenFileError, match=r"[Dd]epth"):
            load(data, "a.docx")


def test_aliases_that_expand_without_end_are_refused():
    lines = ["a: &a [1,1,1,1,1,1,1,1,1]"]
    lines += [f"{one}: &{one} [{','.join([f'*{before}'] * 9)}]" for before, one in
              zip("abcdefgh", "bcdefghi", strict=True)]  # fmt: skip

    with pytest.raises(BrokenFileError, match="aliases expand"):
        load("\n".join(lines).encode(), "a.yaml")
    front = "---\n" + "\n".join(lines) + "\n---\n\n# Words\n"
    assert load(front.encode(), "a.md").blocks[-1].kind == "heading"  # never expanded there


def test_attributes_without_end_are_refused():
    data = b"<p " + b" ".join(b"a%d=1" % n for n in range(DEEP)) + b">words</p>"

    with pytest.raises(BrokenFileError, match="attributes"):
        load(data, "a.html")
    picture = b'<p><img src="data:image/png;base64,' + b"QUJD " * DEEP + b'">words</p>'
    assert load(picture, "a.html").text == "words"


@pytest.mark.parametrize("n_bytes", [190_000, 19_000_000])
def test_parts_that_overlap_are_weighed_each(n_bytes):
    data = zipped({"word/document.xml": b"<a/>" + b" " * n_bytes})
    end = data.rindex(b"PK\5\6")
    start = struct.unpack("<I", data[end + 16 : end + 20])[0]
    n_parts = 5000
    listed = data[start:end] * n_parts
    tail = struct.pack("<HHHHIIH", 0, 0, n_parts, n_parts, len(listed), start, 0)

    with pytest.raises(TooLargeError, match="unpack"):
        load(data[:start] + listed + b"PK\5\6" + tail, "a.docx")


def test_archives_within_archives_are_not_opened():
    data = zipped({"0": b"\0" * 10_000_000})
    for depth in range(5):
        data = zipped({f"{depth}.zip": data})

    with pytest.raises(FileRefusedError):
        load(data, "a.docx")
    with pytest.raises(FileRefusedError, match="unpack it"):
        load(data, "a.zip")


@pytest.mark.slow
def test_an_archive_of_endless_parts_is_refused():
    data = zipped({f"word/{number}.xml": b"" for number in range(50_001)})

    with pytest.raises(TooLargeError, match="parts"):
        load(data, "a.docx")


def test_a_mail_within_mails_within_mails_is_read_so_deep_and_told():
    mail = b"Subject: innermost\r\nContent-Type: text/plain\r\n\r\ncore\r\n"
    for level in range(50):
        mark = b"b%d" % level
        mail = (
            b"Subject: level %d\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; "
            b'boundary="%s"\r\n\r\n--%s\r\nContent-Type: text/plain\r\n\r\nbody %d\r\n--%s\r\n'
            b"Content-Type: message/rfc822\r\n\r\n%s\r\n--%s--\r\n"
        ) % (level, mark, mark, level, mark, mail, mark)

    loaded = load(mail, "a.eml")

    assert [block.headings[-1] for block in loaded.blocks if block.kind == "heading"][::2] == [
        "level 49",
        "level 48",
        "level 47",
    ]
    assert any("3 deep" in warning for warning in loaded.warnings)


def test_parts_within_parts_of_a_mail_are_refused_when_no_mail_has_so_many():
    mail = b"Content-Type: text/plain\r\n\r\ncore\r\n"
    for level in range(1200):
        mark = b"b%d" % level
        head = b'Content-Type: multipart/mixed; boundary="%s"\r\n\r\n--%s\r\n' % (mark, mark)
        mail = head + mail + b"\r\n--%s--\r\n" % mark

    with pytest.raises(BrokenFileError, match="nested deeper"):
        load(b"Subject: deep\r\n" + mail, "a.eml")


def test_a_notebook_with_outputs_without_end_keeps_their_beginnings():
    outputs = [
        {"output_type": "stream", "text": ["x" * 99 + "\n"] * 50_000},
        {"data": {"image/png": "A" * 5_000_000, "text/plain": ["<Figure>"]}},
    ]
    cell = {"cell_type": "code", "source": ["plot()"], "outputs": outputs}

    loaded = load(json.dumps({"cells": [cell]}).encode(), "a.ipynb")

    assert len(loaded.text) < 5000
    assert loaded.text.startswith("plot()\n\n")
    assert loaded.text.endswith("<Figure>")
    assert "5,000,000 characters was cut" in loaded.warnings[0]


def test_raw_bytes_of_pictures_in_rtf_are_no_text():
    rubbish = b"{}\\{" + random.Random(1).randbytes(20_000)
    data = rb"{\rtf1\ansi Hello {\pict\pngblip\bin%d %s} World\par}" % (len(rubbish), rubbish)

    assert load(data, "a.rtf").text.split() == ["Hello", "World"]


def test_groups_without_end_in_rtf_end_in_text_or_an_error():
    data = b"{\\rtf1 " + b"{" * 10_000 + b"words" + b"}" * 10_000 + b"}"

    assert load(data, "a.rtf").text == "words"


@pytest.mark.slow
def test_a_large_mailbox_with_attachments_is_read():
    attached = os.urandom(350_000).hex().encode()
    mails = [
        b"From a@b.c Mon Jan  1 00:00:00 2024\nFrom: a@b.c\nSubject: mail %d\nMIME-Version: 1.0\n"
        b'Content-Type: multipart/mixed; boundary="b"\n\n--b\nContent-Type: text/plain\n\n'
        b"body %d\n--b\nContent-Type: application/octet-stream\nContent-Disposition: attachment; "
        b'filename="x.bin"\n\n%s\n--b--\n\n' % (number, number, attached)
        for number in range(150)
    ]

    loaded = load(b"".join(mails), "a.mbox")

    assert loaded.metadata["mails"] == "150"
    assert sum(block.kind == "heading" for block in loaded.blocks) == 150
    assert any("x.bin" in warning for warning in loaded.warnings)
