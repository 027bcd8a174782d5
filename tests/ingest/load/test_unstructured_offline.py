import io
import zipfile

import pytest

from ingest.errors import BrokenFileError
from ingest.load.loaders import load

ODT_CONTENT = """<?xml version="1.0" encoding="UTF-8"?><office:document-content
 xmlns:office="urn:oasis:names:tc:opendocument:xmlns:office:1.0" xmlns:text="urn:oasis:names:tc:opendocument:xmlns:text:1.0" office:version="1.2">
 <office:body><office:text><text:h text:outline-level="1">Guide 指南</text:h><text:p>Keep the door closed. 请随手关门。</text:p></office:text></office:body></office:document-content>"""  # noqa: E501


def test_restructured_text_keeps_headings_and_tables_and_follows_no_include(tmp_path):
    secret = tmp_path / "secret.txt"
    secret.write_text("the secret words", encoding="utf-8")
    source = f"年度报告\n========\n\n第一段\n文字。\n\n.. include:: {secret}\n\n===  ===\nA    B\n===  ===\n1    2\n===  ===\n"  # noqa: E501

    loaded = load(source.encode(), "a.rst")

    assert loaded.text == "年度报告\n\n第一段文字。\n\nA | B\n1 | 2"
    assert loaded.blocks[-1].headings == ("年度报告",)
    assert loaded.text[slice(*loaded.blocks[-1].header)] == "A | B"


def test_rtf_in_a_chinese_code_page_is_read():
    data = rb"{\rtf1\ansi\ansicpg936 {\fonttbl{\f0\fcharset134 SimSun;}}\f0 Hello \'d6\'d0\'ce\'c4\u12290?\par}"  # noqa: E501

    assert load(data, "a.rtf").text == "Hello 中文。"


def test_open_document_text_is_read():
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("mimetype", "application/vnd.oasis.opendocument.text")
        archive.writestr("content.xml", ODT_CONTENT)
        archive.writestr(
            "styles.xml",
            ODT_CONTENT.replace("document-content", "document-styles").replace("body", "styles"),
        )

    loaded = load(buffer.getvalue(), "a.odt")

    assert loaded.text == "Guide 指南\n\nKeep the door closed. 请随手关门。"
    assert loaded.blocks[1].headings == ("Guide 指南",)


def test_a_damaged_file_is_refused():
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("mimetype", "application/vnd.oasis.opendocument.text")
        archive.writestr("content.xml", "<broken")

    with pytest.raises(BrokenFileError):
        load(buffer.getvalue(), "a.odt")
