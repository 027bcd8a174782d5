import io
import os
import sys
import time

import docx
import pytest

from ingest.errors import BrokenFileError, EncryptedFileError, TooLargeError, UnsupportedFileError
from ingest.load import office
from ingest.load.loaders import load as load_any

OLD = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 600 + "WordDocument\0".encode("utf-16-le")


def word(text="Converted. 已转换。"):
    document = docx.Document()
    document.add_heading("Leave", 1)
    document.add_paragraph(text)
    buffer = io.BytesIO()
    document.save(buffer)
    return buffer.getvalue()


@pytest.fixture
def program(tmp_path):
    """Write a stand-in for LibreOffice: takes its arguments, writes what it is told to."""

    def make(body):
        script = tmp_path / "soffice"
        script.write_text(f"#!{sys.executable}\nimport sys, pathlib, time\n{body}\n", "utf-8")
        script.chmod(0o755)
        return str(script)

    return make


def test_an_old_document_is_read_through_libreoffice(program, tmp_path):
    made = tmp_path / "made.docx"
    made.write_bytes(word())
    converter = program(
        "out = pathlib.Path(sys.argv[sys.argv.index('--outdir') + 1]); out.mkdir()\n"
        "profile = pathlib.Path(sys.argv[1].partition('file://')[2])\n"
        "told = (profile / 'user' / 'registrymodifications.xcu').read_text()\n"
        "assert 'DisableMacrosExecution' in told and '--headless' in sys.argv\n"
        f"(out / 'document.docx').write_bytes(pathlib.Path({str(made)!r}).read_bytes())"
    )

    loaded = office.load(OLD, "a.doc", "doc", program=converter)

    assert loaded.text == "Leave\n\nConverted. 已转换。"
    assert loaded.blocks[1].headings == ("Leave",)
    assert loaded.media_type == "application/msword"


def test_what_libreoffice_cannot_read_is_refused_with_its_words(program):
    with pytest.raises(BrokenFileError, match="source file could not be loaded"):
        office.load(
            OLD, "a.doc", "doc", program=program("print('Error: source file could not be loaded')")
        )


def test_a_conversion_that_hangs_is_stopped(program, monkeypatch):
    monkeypatch.setattr(office, "CONVERT_TIMEOUT_S", 0.5)
    started = time.monotonic()

    with pytest.raises(TooLargeError, match="conversion took over"):
        office.load(OLD, "a.doc", "doc", program=program("time.sleep(60)"))

    assert time.monotonic() - started < 20


@pytest.mark.parametrize(
    ("stream", "name"),
    [("WordDocument", "a.doc"), ("PowerPoint Document", "a.ppt"), ("Workbook", "a.xls")],
)
def test_without_libreoffice_the_message_says_what_to_install(stream, name, monkeypatch):
    monkeypatch.setenv("PATH", os.devnull)
    data = OLD[:608] + (stream + "\0").encode("utf-16-le")

    with pytest.raises(UnsupportedFileError, match="install it"):
        load_any(data, name)


def test_an_encrypted_document_is_reported_as_such():
    from msoffcrypto.format.ooxml import OOXMLFile

    sealed = io.BytesIO()
    OOXMLFile(io.BytesIO(word())).encrypt("secret", sealed)

    with pytest.raises(EncryptedFileError, match="password"):
        load_any(sealed.getvalue(), "a.docx")


def test_a_page_that_a_program_saved_as_a_workbook_is_read_as_a_page():
    page = b"<html><table><tr><th>a</th><th>b</th></tr><tr><td>1</td><td>2</td></tr></table></html>"

    assert load_any(page, "report.xls").text == "a | b\n1 | 2"
