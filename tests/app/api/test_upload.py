"""Multipart bodies become files on disk, within limits."""

from __future__ import annotations

import pytest

from app.api.errors import UploadError
from app.api.upload import clean_name, receive
from ingest.errors import TooLargeError

TYPE = "multipart/form-data; boundary=line"


def body(*parts, end="--line--\r\n"):
    return "".join(f"--line\r\n{head}\r\n\r\n{data}\r\n" for head, data in parts) + end


def file_part(name, data):
    return (f'Content-Disposition: form-data; name="files"; filename="{name}"', data)


def field_part(name, data):
    return (f'Content-Disposition: form-data; name="{name}"', data)


def got(text, folder, *, piece=7, max_file_bytes=1000):
    raw = text.encode()
    chunks = [raw[at : at + piece] for at in range(0, len(raw), piece)]
    return receive(chunks, TYPE, folder, max_file_bytes=max_file_bytes)


@pytest.mark.parametrize("piece", [1, 7, 10_000])
def test_files_and_fields_arrive_however_the_body_is_cut(tmp_path, piece):
    text = body(
        file_part("docs/手册.txt", "你好\r\nworld"),
        field_part("collection", "中文"),
        file_part("b.md", ""),
    )

    received = got(text, tmp_path, piece=piece)

    assert received.fields == {"collection": "中文"}
    assert [name for name, _ in received.files] == ["docs/手册.txt", "b.md"]
    assert [path.read_bytes() for _, path in received.files] == ["你好\r\nworld".encode(), b""]


def test_a_file_over_the_limit_is_refused_by_name(tmp_path):
    with pytest.raises(TooLargeError, match=r"big\.txt.*QUIRE_MAX_FILE_MB"):
        got(body(file_part("big.txt", "x" * 50)), tmp_path, max_file_bytes=20)


def test_a_body_that_is_cut_off_is_refused(tmp_path):
    with pytest.raises(UploadError, match="cut off"):
        got(body(file_part("a.txt", "x"), end=""), tmp_path)


def test_other_content_types_are_refused(tmp_path):
    with pytest.raises(UploadError, match="multipart/form-data"):
        receive([b"{}"], "application/json", tmp_path, max_file_bytes=10)


def test_noise_is_refused(tmp_path):
    with pytest.raises(UploadError, match="malformed"):
        got("this is no multipart body at all, just text", tmp_path)


def test_a_file_needs_a_name(tmp_path):
    with pytest.raises(UploadError, match="without a name"):
        got(body(file_part("", "x")), tmp_path)


def test_names_lose_what_cannot_be_shown():
    assert clean_name("a\\b\x00\n c.txt ") == "a/b c.txt"
    assert clean_name("x" * 5000) == "x" * 1024
