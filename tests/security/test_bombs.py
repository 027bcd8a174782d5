"""Small files that want to become large or to read others, through the upload of a real server."""

from __future__ import annotations

import bz2
import gzip
import io
import resource
import struct
import threading
import time
import zipfile
import zlib

import pytest
import zstandard

from tests.ingest.load.making import zipped
from tests.ingest.load.test_bombs import DECLARED, book, declaring, text_document, word, workbook
from tests.security.conftest import finished

MB = 1024**2
OWN_ROOM_BYTES = 220 * MB  # of the server's own process, models loaded
# A parser may have 2 GiB (ingest/load_pool.py) before it is ended; nothing here should come near.
PARSER_ROOM_BYTES = 900 * MB
ZEROS = bytes(MB)


def zip_of_zeros(name, n_mb):
    buffer = io.BytesIO()
    with (
        zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open(name, "w") as file,
    ):
        for _ in range(n_mb):
            file.write(ZEROS)
    return buffer.getvalue()


def overlapping():
    """Name one part a thousand times: 1,000 entries of the directory lead to the same bytes."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("word/document.xml", b"<w/>" * 200_000)
    data = buffer.getvalue()
    start = data.index(b"PK\1\2")
    end = data.index(b"PK\5\6")
    entry = data[start:end]
    tail = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 1000, 1000, len(entry) * 1000, start, 0)
    return data[:start] + entry * 1000 + tail


def nested(levels=6):
    data = zip_of_zeros("0", 20)
    for n in range(levels):
        data = zipped({f"{n}-{m}.zip": data for m in range(4)})
    return data


def png(width, height, rows=b""):
    def chunk(kind, data):
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


WORDS = b"BT /F 12 Tf 10 10 Td (words of a hostile page) Tj ET "
RESOURCES = (
    b"/Resources<</Font<</F<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>>>/XObject<</I 5 0 R>>>>"
)


def pdf(page, stream=WORDS, more=b"", picture=b"<<>>"):
    """Write a PDF of one page by hand, so that it may lie."""
    objects = [
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
        b"<</Type/Page/Parent 2 0 R/Contents 4 0 R" + RESOURCES + page + b">>",
        b"<</Length %d%s>>stream\n" % (len(stream), more) + stream + b"\nendstream",
        picture,
    ]
    out = b"%PDF-1.7\n"
    places = []
    for n, one in enumerate(objects, 1):
        places.append(len(out))
        out += b"%d 0 obj" % n + one + b"endobj\n"
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    return (
        out
        + b"xref\n0 6\n0000000000 65535 f \n"
        + table
        + b"trailer<</Root 1 0 R/Size 6>>\nstartxref\n%d\n%%%%EOF" % len(out)
    )


def pictured():
    """Draw a picture of 30,000 × 30,000 pixels, most of which are not there."""
    data = zlib.compress(bytes(60 * MB))
    picture = (
        b"<</Type/XObject/Subtype/Image/Width 30000/Height 30000/BitsPerComponent 8/ColorSpace"
        b"/DeviceRGB/Filter/FlateDecode/Length %d>>stream\n" % len(data) + data + b"\nendstream"
    )
    return pdf(SMALL_PAGE, WORDS + b"q 100 0 0 100 0 0 cm /I Do Q", b"", picture)


SMALL_PAGE = b"/MediaBox[0 0 200 200]"
HUGE_PAGE = b"/MediaBox[0 0 1000000000 1000000000]"
PACKED = b"/Filter/FlateDecode"


def refs_to_itself():
    return pdf(
        SMALL_PAGE, b"/X Do", b"/Type/XObject/Subtype/Form/Resources<</XObject<</X 4 0 R>>>>"
    )


BOMBS = {
    "a.zip": lambda: zip_of_zeros("a.txt", 90),
    "nested.zip": nested,
    "a.docx": lambda: zipped(word() | {"word/document.xml": b"<w>" + bytes(60 * MB)}),
    "overlapping.docx": overlapping,
    "media.docx": lambda: zipped(word() | {"word/media/a.bin": bytes(120 * MB)}),
    "a.xlsx": lambda: zipped(workbook() | {"xl/sharedStrings.xml": bytes(120 * MB)}),
    "wide.xlsx": lambda: zipped(
        workbook()
        | {
            "xl/worksheets/sheet1.xml": b'<worksheet xmlns="http://schemas.openxmlformats.org/'
            b'spreadsheetml/2006/main"><dimension ref="A1:XFD1048576"/><sheetData><row r="1048576">'
            b'<c r="XFD1048576"><v>1</v></c></row></sheetData></worksheet>'
        }
    ),
    "a.epub": lambda: zipped(book() | {"a.xhtml": b"<p>" + bytes(120 * MB)}),
    "a.odt": lambda: zipped(text_document() | {"content.xml": bytes(120 * MB)}),
    "a.txt.gz": lambda: gzip.compress(bytes(60 * MB)),
    "a.txt.bz2": lambda: bz2.compress(bytes(60 * MB)),
    "a.txt.zst": lambda: zstandard.ZstdCompressor().compress(bytes(120 * MB)),
    "a.gz.txt": lambda: gzip.compress(bytes(60 * MB)),
    "a.png": lambda: png(60_000, 60_000, zlib.compress(bytes(4 * MB))),
    "lying.png": lambda: png(10, 10, zlib.compress(bytes(60 * MB))),
    "page.pdf": lambda: pdf(HUGE_PAGE),
    "picture.pdf": pictured,
    "stream.pdf": lambda: pdf(SMALL_PAGE, zlib.compress(WORDS + b"q Q " * (8 * MB)), PACKED),
    "twice.pdf": lambda: pdf(
        SMALL_PAGE,
        zlib.compress(zlib.compress(WORDS + bytes(100 * MB))),
        b"/Filter[/FlateDecode/FlateDecode]",
    ),
    "round.pdf": refs_to_itself,
    "lines.csv": lambda: b"," * 900_000,
    "columns.csv": lambda: (b"," * 300 + b"\n") * 3_000,
    "deep.json": lambda: b"[" * 900_000,
    "deep.svg": lambda: b"<svg>" + b"<g>" * 200_000,
    "deep.html": lambda: b"<div>" * 180_000,
    "use.svg": lambda: (
        b'<svg xmlns="http://www.w3.org/2000/svg">'
        + b"".join(
            b'<g id="a%d"><use href="#a%d"/><use href="#a%d"/></g>' % (n + 1, n, n)
            for n in range(60)
        )
        + b"</svg>"
    ),
    "mail.eml": lambda: (
        b"Content-Type: multipart/mixed; boundary=b\n\n"
        + b"--b\nContent-Type: multipart/mixed; boundary=b\n\n" * 1_000
    ),
    "a.tar.gz": lambda: gzip.compress(bytes(60 * MB)),
    **{
        f"{kind}{n}.{kind}": lambda make=make, part=part, one=one: zipped(
            (made := make()) | {part: declaring(made[part], one)}
        )
        for n, one in enumerate(DECLARED.values())
        for kind, make, part in (
            ("docx", word, "word/document.xml"),
            ("xlsx", workbook, "xl/workbook.xml"),
            ("epub", book, "book.opf"),
            ("odt", text_document, "content.xml"),
        )
    },
    **{
        f"xml{n}.{kind}": lambda one=one: declaring(b"<svg>words</svg>", one)
        for n, one in enumerate(DECLARED.values())
        for kind in ("xml", "svg")
    },
}
# What may be taken in, with whatever little it says; all others must be refused with a reason.
MAY_PASS = {
    "a.png", "lying.png", "page.pdf", "picture.pdf", "stream.pdf", "twice.pdf", "round.pdf",
    "wide.xlsx", "lines.csv", "columns.csv", "use.svg", "deep.svg", "deep.html", "media.docx",
    "mail.eml", "a.xlsx",
}  # fmt: skip


class Watch:
    """The most memory that this process and each of its children had."""

    def __init__(self):
        self.own = self.child = 0
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self):
        self._before = _rss("self")
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._is_over.set()
        self._thread.join()

    @property
    def grown(self):
        return self.own - self._before

    def _run(self):
        while not self._is_over.is_set():
            self.own = max(self.own, _rss("self"))
            self.child = max([self.child, *map(_rss, _children())])
            time.sleep(0.02)


def _rss(pid):
    try:
        with open(f"/proc/{pid}/statm", encoding="ascii") as file:  # noqa: PTH123
            return int(file.read().split()[1]) * resource.getpagesize()
    except (OSError, IndexError):
        return 0


def _children():
    found = []
    for task in _read("/proc/self/task/*/children"):
        found += task.split()
    return found


def _read(pattern):
    import glob

    for path in glob.glob(pattern):  # noqa: PTH207
        try:
            with open(path, encoding="ascii") as file:  # noqa: PTH123
                yield file.read()
        except OSError:
            continue


@pytest.fixture(scope="module")
def sent(locked):
    """Send all of them at once; give the job, the files' reasons by name, and the memory used."""
    files = [("files", (name, make())) for name, make in BOMBS.items()]
    files = [one for one in files if len(one[1][1]) < MB]
    locked.http.headers["X-API-Key"] = locked.keys["admin"]
    try:
        with Watch() as watch:
            reply = locked.admin(
                "POST", "/kb/documents", files=files, data={"collection": "bombs"}, timeout=120
            )
            assert reply.status_code == 202, reply.text
            job = finished(locked.http, reply.json()["job_id"], within_s=110)
    finally:
        del locked.http.headers["X-API-Key"]
    reasons = {one["path"]: one["reason"] for one in job["errors"]}
    assert {name for name, _ in BOMBS.items()} == {one[1][0] for one in files}
    return job, reasons, watch


def test_the_memory_of_server_and_parsers_stays_bounded(sent):
    _, _, watch = sent

    assert watch.grown < OWN_ROOM_BYTES, f"{watch.grown / MB:.0f} MB"
    assert 0 < watch.child < PARSER_ROOM_BYTES, f"{watch.child / MB:.0f} MB"


@pytest.mark.parametrize("name", BOMBS)
def test_each_is_refused_with_a_reason_or_is_read_for_what_it_is(sent, locked, name):
    job, reasons, _ = sent

    assert job["state"] == "done"
    if name not in MAY_PASS:
        assert name in reasons
    assert len(reasons.get(name, "x")) in range(1, 1000)
    assert "Traceback" not in reasons.get(name, "")


def test_nothing_of_the_machine_got_into_the_library(sent, locked):
    listed = locked.admin("GET", "/kb/documents?collection=bombs&limit=1000").json()["documents"]
    for one in listed:
        held = locked.admin("GET", f"/kb/documents/{one['id']}/text").json()["text"]
        assert "root:x:" not in held
        assert "lollol" not in held
        assert len(held) < 2 * MB
    assert locked.ask("", "GET", "/healthz").status_code == 200


def test_pages_of_hostile_files_are_drawn_small_or_not_at_all(sent, locked):
    listed = locked.admin("GET", "/kb/documents?collection=bombs&limit=1000").json()["documents"]
    n_drawn = 0
    with Watch() as watch:
        for one in listed:
            for page in (1, 1_000_000):
                asked = f"/kb/documents/{one['id']}/pages/{page}/image?scale=4"
                reply = locked.admin("GET", asked)
                assert reply.status_code in (200, 400, 404, 503), reply.text
                assert len(reply.content) < 8 * MB
                n_drawn += reply.status_code == 200

    assert n_drawn >= 2
    assert watch.grown < OWN_ROOM_BYTES
    assert watch.child < PARSER_ROOM_BYTES
