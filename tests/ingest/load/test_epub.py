import io
import zipfile

import pytest

from ingest.errors import BrokenFileError, EncryptedFileError
from ingest.load.loaders import load

CONTAINER = """<container xmlns="urn:oasis:names:tc:opendocument:xmlns:container" version="1.0"><rootfiles>
<rootfile full-path="OEBPS/book.opf" media-type="application/oebps-package+xml"/></rootfiles></container>"""  # noqa: E501
PACKAGE = """<package xmlns="http://www.idpf.org/2007/opf" version="3.0"><metadata xmlns:dc="http://purl.org/dc/elements/1.1/">
<dc:title>山中的机房</dc:title><dc:creator>林远</dc:creator><dc:language>zh</dc:language></metadata><manifest>
<item id="nav" href="nav.xhtml" media-type="application/xhtml+xml" properties="nav"/>
<item id="b" href="text/two.xhtml" media-type="application/xhtml+xml"/>
<item id="a" href="text/one%20.xhtml" media-type="application/xhtml+xml"/></manifest>
<spine><itemref idref="nav"/><itemref idref="a"/><itemref idref="b"/></spine></package>"""


def book(**more):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("mimetype", "application/epub+zip")
        archive.writestr("META-INF/container.xml", CONTAINER)
        archive.writestr("OEBPS/book.opf", PACKAGE)
        archive.writestr("OEBPS/nav.xhtml", "<html><body><p>Contents</p></body></html>")
        archive.writestr(
            "OEBPS/text/two.xhtml", "<html><body><h1>第二章</h1><p>灯灭了。</p></body></html>"
        )
        archive.writestr(
            "OEBPS/text/one .xhtml",
            "<html><body><h1>Chapter one</h1><p>It snowed.</p></body></html>",
        )
        for name, content in more.items():
            archive.writestr(name.replace("__", "/"), content)
    return buffer.getvalue()


def test_chapters_are_read_in_the_order_of_the_spine():
    loaded = load(book(), "a.epub")

    assert loaded.text == "Chapter one\n\nIt snowed.\n\n第二章\n\n灯灭了。"
    assert loaded.blocks[3].headings == ("第二章",)
    assert (loaded.title, loaded.metadata["author"]) == ("山中的机房", "林远")


def test_a_protected_book_is_refused():
    lock = """<encryption xmlns="urn:oasis:names:tc:opendocument:xmlns:container" xmlns:e="http://www.w3.org/2001/04/xmlenc#">
    <e:EncryptedData><e:EncryptionMethod Algorithm="http://www.w3.org/2001/04/xmlenc#aes128-cbc"/></e:EncryptedData></encryption>"""

    with pytest.raises(EncryptedFileError, match="DRM"):
        load(book(**{"META-INF__encryption.xml": lock}), "a.epub")


def test_a_book_cut_off_is_refused():
    data = book()

    with pytest.raises(BrokenFileError):
        load(data[: len(data) - 200], "a.epub")
