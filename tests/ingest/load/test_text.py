import time
import tracemalloc

import pytest

from ingest.errors import BrokenFileError, EmptyFileError
from ingest.load import text
from ingest.load.decode import decode
from ingest.load.loaders import load

CHINESE = "员工入职满一年后，每年享有十天带薪年假。申请须提前两周提交给部门主管。\n差旅费在返回后三十天内报销。"  # noqa: E501
TRADITIONAL = (
    "員工到職滿一年後，每年享有十天有薪年假。申請須提前兩週提交給部門主管。這是公司的規定。"
)


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "gb18030", "utf-16", "utf-16-le", "utf-16-be", "utf-32"]
)
def test_chinese_text_is_decoded_whatever_its_encoding(encoding):
    assert load(CHINESE.encode(encoding), "a.txt").text == CHINESE


def test_traditional_chinese_in_big5_is_not_taken_for_gb18030():
    assert decode(TRADITIONAL.encode("big5")) == TRADITIONAL


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("これは社内規則の説明です。休暇は年に二十日あります。", "cp932"),
        ("직원은 입사 후 일 년이 지나면 매년 열흘의 휴가를 받습니다.", "cp949"),
    ],
)
def test_other_east_asian_encodings_are_recognised(text, encoding):
    assert decode(text.encode(encoding)) == text


def test_western_text_in_an_old_code_page_keeps_its_accents():
    text = (
        "Der Geschäftsführer prüft die Verträge in München. Größere Beträge genehmigt der Aufsichtsrat. "  # noqa: E501
        * 3
    )

    assert decode(text.encode("cp1252")) == text


def test_a_few_broken_bytes_do_not_turn_utf8_into_another_encoding():
    data = CHINESE.encode() * 5 + b"\xff" + CHINESE.encode()

    assert "每年享有十天带薪年假" in decode(data)


def test_the_text_is_exactly_the_decoded_file_and_blocks_lie_in_it():
    text = "First paragraph,\r\nsecond line.\r\n\r\n  Next one.  \r\n"

    loaded = load(text.encode(), "a.txt")

    assert loaded.text == text
    assert [text[b.start : b.end] for b in loaded.blocks] == [
        "First paragraph,\r\nsecond line.",
        "Next one.",
    ]


def test_chapters_of_plain_text_become_headings():
    text = "第一章 总则\n本办法适用于全体员工。\n\nCHAPTER 2 Leave\n\nTen days.\n\nREMOTE WORK\n\nTwo days a week."  # noqa: E501

    blocks = load(text.encode(), "a.txt").blocks

    assert [b.headings for b in blocks if b.kind == "paragraph"] == [
        ("第一章 总则",),
        ("CHAPTER 2 Leave",),
        ("REMOTE WORK",),
    ]


def test_long_lines_without_blank_lines_are_paragraphs_of_their_own():
    text = "\n".join(["word " * 60] * 3)

    assert len(load(text.encode(), "a.txt").blocks) == 3


def test_html_with_a_text_name_stays_text():
    assert load(b"<html><p>x</p></html>", "page.txt").text == "<html><p>x</p></html>"


@pytest.mark.parametrize(
    "data",
    [
        bytes(range(256)) * 40,
        b"\x00\x01\x02\x03" * 500,
        bytes((i * 7919) % 251 for i in range(5000)),
    ],
)
def test_binary_rubbish_with_a_text_name_is_refused(data):
    with pytest.raises(BrokenFileError, match="no text"):
        load(data, "notes.txt")


@pytest.mark.parametrize("name", ["a.txt", "a.md", "a.html", "a.csv", "a.py", "a.rst"])
@pytest.mark.parametrize("data", [b"", b" \n\t\r\n ", b"\xef\xbb\xbf"])
def test_a_file_without_text_is_an_error_never_a_success(name, data):
    with pytest.raises(EmptyFileError):
        load(data, name)


def test_fifty_megabytes_take_a_few_seconds():
    data = (
        CHINESE + "\n\n" + "An ordinary sentence of some length stands here. " * 8 + "\n\n"
    ).encode() * 80_000
    data = data[: 50 * 1024 * 1024]

    started = time.monotonic()
    loaded = load(data, "large.txt")

    assert time.monotonic() - started < 15
    assert len(loaded.blocks) > 50_000


def test_the_lines_of_a_long_log_take_no_memory_of_their_own():
    data = b"12:00:01 all is well with the barrel and the harbour\n" * 40_000

    tracemalloc.start()
    try:
        text.load(data, "big.log")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert peak < 1.5 * len(data)
