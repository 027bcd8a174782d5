"""The first page and the files beside it: ours, small, and nothing from elsewhere."""

import asyncio
import gzip
import re
from pathlib import Path

import pytest
from streamlit import file_util

from tests.ui.conftest import ROOT
from ui.shell import shell
from ui.static import Static

FOLDER = Path(file_util.get_static_dir())


@pytest.fixture(scope="module")
def static():
    return Static(FOLDER)


def fetch(static: Static, path: str, method: str = "GET", **headers: str):
    """Ask as a server would; returns status, headers and body, or None if it is not for us."""
    sent = []

    async def send(message):
        sent.append(message)

    raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    scope = {"type": "http", "method": method, "path": path, "root_path": "/ui", "headers": raw}
    if not asyncio.run(static.answer(scope, send)):
        return None
    told = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
    return sent[0]["status"], told, sent[1]["body"]


def a_page(static: Static) -> str:
    status, _, body = fetch(static, "/ui/documents", accept="text/html")
    assert status == 200
    return body.decode()


def test_the_first_page_is_quires(static):
    page = a_page(static)

    assert "<title>Quire</title>" in page
    assert 'rel="icon" href="data:image/svg+xml,' in page
    assert "q-splash" in page
    assert "Streamlit app" not in page
    assert "agent" not in page


def test_the_first_page_runs_nothing_inline_and_names_no_other_host(static):
    page = a_page(static)

    assert re.findall(r"<script(?![^>]*\bsrc=)", page) == []
    assert re.findall(r"""(?:src|href)=["'](?!\./|data:)""", page) == []


def test_the_scripts_of_the_first_page_are_all_there(static):
    names = list(static.first_names())

    assert "static/quire.js" in names
    assert len(names) > 20


def test_a_page_that_is_not_as_expected_is_left_alone():
    assert shell("<html>another version</html>", "1") == "<html>another version</html>"


def test_files_are_sent_compressed_and_kept_by_browsers(static):
    name = next(one for one in static.first_names() if one.startswith("static/js/index"))

    status, told, body = fetch(static, f"/ui/{name}", accept_encoding="gzip, br")

    assert (status, told["content-encoding"], told["vary"]) == (200, "gzip", "Accept-Encoding")
    assert "immutable" in told["cache-control"]
    assert gzip.decompress(body) == (FOLDER / name).read_bytes()
    assert len(body) < len(gzip.decompress(body)) / 2
    assert static.compressed(name) is static.compressed(name)


def test_who_takes_no_compressed_files_gets_them_from_streamlit(static):
    name = next(one for one in static.first_names() if one.startswith("static/js/index"))

    assert fetch(static, f"/ui/{name}") is None
    status, told, body = fetch(static, "/ui/static/quire.js")
    assert (status, "content-encoding" in told) == (200, False)
    assert body == (ROOT / "ui" / "assets" / "quire.js").read_bytes()


def test_a_question_for_the_head_gets_no_body(static):
    status, told, body = fetch(static, "/ui/static/quire.js", "HEAD", accept_encoding="gzip")

    assert (status, body) == (200, b"")
    assert int(told["content-length"]) > 0


@pytest.mark.parametrize(
    "path",
    [
        "/ui/static/../../../../etc/passwd",
        "/ui/static//etc/passwd",
        "/ui/static/js/..%2f..%2fsecret.js",
        "/ui/static/none.js",
        "/ui/_stcore/health",
        "/ui/media/abc.js",
        "/ui/documents/more",
    ],
)
def test_nothing_else_is_served_here(static, path):
    assert fetch(static, path, accept="text/html", accept_encoding="gzip") is None


def test_what_is_kept_has_a_bound(monkeypatch):
    monkeypatch.setattr("ui.static.KEPT_BYTES", 10)
    small = Static(FOLDER)
    name = next(iter(small.first_names()))

    assert gzip.decompress(small.compressed(name))
    assert small.compressed(name) is not small.compressed(name)


# Addresses that name a vocabulary, or stand for the machine itself; nobody fetches them.
_NAMES = ("http://www.w3.org/", "http://127.0.0.1", "http://localhost")


def test_no_file_of_the_pages_names_an_address_that_could_be_fetched():
    found = []
    for path in sorted((ROOT / "ui").rglob("*")):
        if path.suffix not in (".py", ".js", ".css", ".html", ".svg"):
            continue
        for address in re.findall(
            r"""(?:https?:)?//[\w.-]+\.[a-z]{2,}[^\s"']*""", path.read_text("utf-8")
        ):
            if not address.startswith(_NAMES):
                found.append((path.name, address))
    assert found == []
