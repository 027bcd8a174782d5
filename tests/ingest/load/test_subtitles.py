import pytest

from ingest.errors import EmptyFileError
from ingest.load.loaders import load

ENGLISH = """1
00:00:01,000 --> 00:00:03,000
<i>The reserve fund</i> holds

2
00:00:03,500 --> 00:00:05,000
four million crowns.
"""
CHINESE = """1
00:00:01,000 --> 00:00:03,000
储备基金

2
00:00:03,500 --> 00:00:05,000
共有四百万元。
"""


def test_what_is_spoken_stays_and_times_go():
    loaded = load(ENGLISH.encode(), "talk.srt")

    assert loaded.text == "The reserve fund holds four million crowns."
    assert [block.kind for block in loaded.blocks] == ["paragraph"]


def test_chinese_lines_are_joined_without_blanks_whatever_the_encoding():
    assert load(CHINESE.encode("gb18030"), "talk.srt").text == "储备基金共有四百万元。"


def test_a_file_without_subtitles_is_an_error():
    with pytest.raises(EmptyFileError):
        load(b"no times here, just a line of text\n", "talk.srt")
