import io
import zipfile
from contextlib import suppress

import docx
import pytest
from reportlab.pdfgen.canvas import Canvas

from ingest.errors import (
    BrokenFileError,
    EmptyFileError,
    EncryptedFileError,
    FileRefusedError,
    TooLargeError,
    UnsupportedFileError,
)
from ingest.load.loaders import LOADER_VERSION, SUFFIXES, load

OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 600


def pdf():
    buffer = io.BytesIO()
    canvas = Canvas(buffer)
    canvas.drawString(72, 700, "I am a PDF.")
    canvas.save()
    return buffer.getvalue()


def word():
    buffer = io.BytesIO()
    document = docx.Document()
    document.add_paragraph("I am a Word document.")
    document.save(buffer)
    return buffer.getvalue()


def zipped(**parts):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(name.replace("__", "/"), content)
    return buffer.getvalue()


def test_the_content_decides_not_the_name():
    assert load(pdf(), "contract.docx").text == "I am a PDF."
    assert load(pdf(), "contract.txt").media_type == "application/pdf"
    assert load(word(), "contract.pdf").text == "I am a Word document."
    assert load(word(), "CONTRACT").text == "I am a Word document."


def test_the_wrong_start_of_a_file_is_shown_as_text():
    with pytest.raises(BrokenFileError, match="it starts with “not a pd”; it may be damaged"):
        load(b"not a pdf", "a.pdf")


def test_loading_is_deterministic():
    assert load(word(), "a.docx").blocks == load(word(), "a.docx").blocks
    assert LOADER_VERSION >= 1


def test_suffixes_worth_trying_carry_their_dot():
    assert {
        ".txt",
        ".md",
        ".html",
        ".pdf",
        ".docx",
        ".pptx",
        ".xlsx",
        ".csv",
        ".tsv",
        ".eml",
        ".epub",
        ".ipynb",
        ".py",
        ".yaml",
        ".mbox",
        ".doc",
    } <= SUFFIXES
    assert not {".exe", ".zip"} & SUFFIXES


@pytest.mark.parametrize(
    ("stream", "error", "words"),
    [
        ("EncryptedPackage", EncryptedFileError, "password"),
        ("__properties_version1.0", UnsupportedFileError, ".eml"),
    ],
)
def test_old_containers_say_what_to_do(stream, error, words):
    data = OLE + (stream + "\0").encode("utf-16-le") + b"\0" * 100

    with pytest.raises(error, match=words):
        load(data, "old.docx")


@pytest.mark.parametrize(
    "name", ["a.doc", "a.ppt", "a.xls", "a.pdf", "a.docx", "a.xlsx", "a.pptx", "a.epub"]
)
def test_words_under_a_document_name_are_refused(name):
    with pytest.raises(BrokenFileError, match="damaged"):
        load(b"only words", name)


@pytest.mark.parametrize(
    "name", ["a.pdf", "a.docx", "a.xlsx", "a.pptx", "a.epub", "a.eml", "a.ipynb", "a"]
)
def test_an_empty_file_is_always_the_same_error(name):
    with pytest.raises(EmptyFileError):
        load(b"", name)


def test_films_and_archives_are_not_supported():
    with pytest.raises(UnsupportedFileError, match="GIF"):
        load(b"GIF89a" + b"\0" * 50, "a.gif")
    with pytest.raises(UnsupportedFileError, match="film"):
        load(b"RIFF\0\0\0\0AVI " + b"\0" * 50, "a.avi")
    with pytest.raises(BrokenFileError, match="JPEG"):
        load(b"\xff\xd8\xff\xe0" + b"\0" * 50, "a.txt")
    with pytest.raises(UnsupportedFileError, match="unpack"):
        load(zipped(a="x"), "a.zip")
    with pytest.raises(UnsupportedFileError, match=r"\.xyz"):
        load(b"words", "a.xyz")


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("a.docx", "word__document.xml"),
        ("a.xlsx", "xl__workbook.xml"),
        ("a.pptx", "ppt__presentation.xml"),
        ("a.epub", "META-INF__container.xml"),
    ],
)
def test_zip_bombs_are_refused_unopened(name, part):
    data = zipped(**{part: "<a/>", "bomb.xml": b"\0" * 60_000_000})

    assert len(data) < 100_000
    with pytest.raises(TooLargeError, match="unpack"):
        load(data, name)


def test_a_part_that_lies_about_its_size_is_refused():
    data = bytearray(zipped(**{"word__document.xml": b"<a>" + b"x" * 5000 + b"</a>"}))
    at = data.rindex(b"PK\x01\x02")
    data[at + 24 : at + 28] = (10).to_bytes(4, "little")

    with pytest.raises(BrokenFileError):
        load(bytes(data), "a.docx")


@pytest.mark.parametrize("make", [pdf, word])
@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.99])
def test_truncated_documents_are_refused_or_read_never_worse(make, share):
    data = make()

    with suppress(FileRefusedError):
        assert load(data[: int(len(data) * share)], "a").text
