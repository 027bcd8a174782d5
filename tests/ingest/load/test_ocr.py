import shutil

import pytest

from ingest.load import ocr

HEAD = (
    "level\tpage_num\tblock_num\tpar_num\tline_num\tword_num\tleft\ttop\twidth\theight\tconf\ttext"
)


def table(*words):
    rows = [
        f"5\t1\t{block}\t{par}\t{line}\t1\t0\t0\t9\t9\t{sure}\t{text}"
        for block, par, line, sure, text in words
    ]
    return "\n".join([HEAD, "1\t1\t0\t0\t0\t0\t0\t0\t99\t99\t-1\t", *rows])


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ([], []),
        (
            [(1, 1, 1, 90, "Open"), (1, 1, 1, 90, "the"), (1, 1, 2, 90, "valve.")],
            ["Open the valve."],
        ),
        (
            [(1, 1, 1, 90, "One"), (1, 2, 1, 90, "Two"), (2, 1, 1, 90, "Three")],
            ["One", "Two", "Three"],
        ),
        ([(1, 1, 1, 90, "年"), (1, 1, 1, 90, "假"), (1, 1, 2, 90, "规定")], ["年假规定"]),
        ([(1, 1, 1, 90, "develop-"), (1, 1, 2, 90, "ment")], ["development"]),
        ([(1, 1, 1, 5, "~%fk"), (1, 1, 2, 90, "Text")], ["Text"]),  # a line it is unsure of
        ([(1, 1, 1, 95, "员"), (1, 1, 1, 9, "工")], ["员工"]),  # one doubtful character
        ([(1, 1, 1, 90, "|"), (2, 1, 1, 90, "—")], []),  # rules and frames
        ([(1, 1, 1, 90, "a")], []),  # dust
    ],
)
def test_words_become_paragraphs(words, expected):
    assert ocr.paragraphs(table(*words)) == expected


def test_a_blank_picture_is_known_without_reading():
    assert ocr.Picture(2, 2, bytes([255, 250, 255, 251])).is_blank()
    assert not ocr.Picture(2, 2, bytes([255, 0, 255, 255])).is_blank()


def test_a_warning_says_which_language_is_missing():
    english = ocr.Ocr(("eng",), lambda _: [])
    both = ocr.Ocr(("eng", "chi_sim"), lambda _: [])

    assert english.warning("page 1 of 2") == (
        "read by OCR in English: page 1 of 2; it may hold mistakes; "
        "for Chinese install tesseract-ocr-chi-sim"
    )
    assert both.warning("page 1 of 2") == (
        "read by OCR in English and Chinese: page 1 of 2; it may hold mistakes"
    )


def test_a_program_that_hangs_is_stopped():
    with pytest.raises(ocr.OcrError, match="took over"):
        ocr.run(["sleep", "30"], b"", timeout_s=0.2)


def test_a_program_that_fails_says_why():
    with pytest.raises(ocr.OcrError, match="no such language"):
        ocr.run(["sh", "-c", "echo no such language >&2; exit 1"], b"")
    with pytest.raises(ocr.OcrError, match="did not start"):
        ocr.run(["/nowhere/tesseract"], b"")


@pytest.mark.skipif(shutil.which("tesseract") is None, reason="tesseract is not installed")
def test_an_installed_tesseract_is_found_with_its_languages():
    found = ocr.find()

    assert found is not None
    assert "eng" in found.languages
    assert found.recognise(ocr.Picture(300, 200, b"\xff" * 60_000)) == []


@pytest.fixture
def program(tmp_path):
    """Write a stand-in for tesseract: a script of sh that gets its arguments."""

    def make(body):
        script = tmp_path / "tesseract"
        script.write_text(f"#!/bin/sh\ncat > /dev/null\n{body}\n", "utf-8")
        script.chmod(0o755)
        return str(script)

    return make


DRAWN = ocr.Picture(30, 20, b"\xff\x00" * 300)


def test_all_tries_of_a_page_share_its_time(program, monkeypatch):
    monkeypatch.setattr(ocr, "PAGE_TIMEOUT_S", 0.2)
    page = ocr._Page(program("sleep 20"), ("eng",), knows_orientation=True)

    with pytest.raises(ocr.OcrError, match="took over"):
        page.read(DRAWN)


def test_what_was_read_with_doubt_is_kept_when_reading_it_again_fails(program, tmp_path):
    (tmp_path / "words.tsv").write_text(table((1, 1, 1, 70, "Open"), (1, 1, 1, 70, "it")), "utf-8")
    once = f'mkdir "{tmp_path}/once" 2>/dev/null && exec cat "{tmp_path}/words.tsv"; exit 1'

    assert ocr._Page(program(once), ("eng",), knows_orientation=True).read(DRAWN) == ["Open it"]


@pytest.mark.parametrize(
    ("told", "degrees"),
    [
        ("Rotate: 90\nOrientation confidence: 9.84", 90),
        ("Rotate: 180\nOrientation confidence: 0.4", 0),  # a guess
        ("", 0),
    ],
)
def test_a_page_is_turned_only_by_a_sure_orientation(program, told, degrees):
    page = ocr._Page(program(f"printf '{told}\\n'"), ("eng",), knows_orientation=True)

    assert page._turn(DRAWN) == degrees
    assert ocr._Page("/nowhere", ("eng",), knows_orientation=False)._turn(DRAWN) == 0
