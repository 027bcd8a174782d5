import re
from string import Formatter

import pytest

from tests.ui.conftest import ROOT
from ui.words import TABLE, Words, language_for


@pytest.mark.parametrize(
    ("locale", "language"),
    [("zh-CN", "zh"), ("ZH", "zh"), ("en-US", "en"), ("fr", "en"), (None, "en"), ("", "en")],
)
def test_the_browser_chooses_the_language(locale, language):
    assert language_for(locale) == language


def test_both_languages_have_every_sentence_with_the_same_values():
    for key, (english, chinese) in TABLE.items():
        assert english.strip(), key
        assert chinese.strip(), key
        fields = [{name for _, name, _, _ in Formatter().parse(t) if name} for t in TABLE[key]]
        assert fields[0] == fields[1], key


def test_every_sentence_is_used():
    # A table names its sentences, but so does whoever says them.
    files = [one for one in (ROOT / "ui").rglob("*.py") if not one.name.endswith("words.py")]
    source = "".join(path.read_text(encoding="utf-8") for path in files)
    # Put together where it is said, e.g. f"beat_{name}".
    made_up = tuple(re.findall(r"f[\"']([a-z]+_(?:[a-z]+_)*)\{", source))
    made_up += ("beat_", "support_", "legend_", "folder_", "why_", "trace_", "warning_")

    said = set(re.findall(r"[\"'](\w+)(?=[\"'])", source))
    assert TABLE.keys() - said <= {key for key in TABLE if key.startswith(made_up)}


def test_chinese_sentences_are_chinese():
    bare = {key for key, (_, zh) in TABLE.items() if not re.search(r"[\u4e00-\u9fff]", zh)}

    assert bare == set()


def test_values_are_filled_in():
    assert Words("en")("page", page=3) == "page 3"
    assert Words("zh")("page", page=3) == "第 3 页"


def test_an_unknown_beat_is_told_as_waiting():
    assert Words("en").beat("retrieve") == "Searching your documents …"
    assert Words("en").beat("dance") == Words("en")("beat_waiting")


def test_an_unknown_sentence_is_an_error():
    with pytest.raises(KeyError):
        Words("en")("no such thing")
