"""Sentences whose every word stands in the passage, and which say something else all the same.

Those numbered from 601 were written when the code was done: at their first run 2 of 12 shown in
English and 1 of 10 in Chinese were wrong. Three rules were added from them since.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from app.query.claims import claim_of, placed
from app.query.turns_en import left_out_english
from app.query.turns_zh import left_out_chinese
from app.query.types import Passage
from app.query.verify import verify

MAX_FALSE = 0.05  # of the sentences shown as supported, and of those that are not
MIN_KEPT = 0.9  # of those that are


def passages(text, title=""):
    return [Passage(1, "d1", "d1.md", title, None, (), 0, len(text), text, 0.5)]


@pytest.mark.parametrize("language", ["en", "zh"])
def test_what_is_shown_as_supported_leaves_nothing_out_that_matters(language):
    path = Path(__file__).parent / "labelled" / f"left-out-{language}.jsonl"
    rows = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    shown = [
        (row, verify(row["sentence"], passages(*row["passages"])).is_borne_out) for row in rows
    ]

    told = [row for row, is_shown in shown if is_shown]
    false = [row["sentence"] for row in told if row["label"] != "supported"]
    true = [is_shown for row, is_shown in shown if row["label"] == "supported"]
    assert len(rows) >= 150
    assert len(false) <= MAX_FALSE * len(told), false
    assert len(false) <= MAX_FALSE * (len(rows) - len(true))
    assert sum(true) >= MIN_KEPT * len(true)


@pytest.mark.parametrize(
    ("told", "given", "word"),
    [
        ("The mayor was building the tunnel", "The mayor opposed building the tunnel", "opposed"),
        ("The mayor opposed the tunnel", "The mayor opposed building the tunnel", ""),
        ("Vikings wore helmets", "It is a myth that Vikings wore helmets", "myth"),
        ("He lost in the final", "He lost in the semi-final", "semi-final"),
        ("The mayor left", "The deputy mayor left", "deputy"),
        ("Reed left", "The deputy mayor Reed left", ""),
        ("Ireland voted", "Northern Ireland voted", "Northern"),
        ("The government cut taxes", "The government decided to cut taxes", "decided"),
        ("The tower began to lean", "The tower began to lean", ""),
        ("She chose physics", "She chose chemistry instead of physics", "instead of"),
        ("She chose chemistry", "She chose chemistry instead of physics", ""),
        ("The suspect is Smith", "The suspect is Smith or Jones", "or"),
        ("Trucks or buses stop", "Trucks or buses stop", ""),
        ("Tesla died", "The mother of Tesla died", "mother"),
        ("The city grew", "The city of Graz grew", ""),
        ("The king was killed", "The king's brother was killed", "brother"),
        ("The king's brother was killed", "The king's brother was killed", ""),
        ("The boy was shot", "The dog that bit the boy was shot", "dog"),
        ("They moved to Paris", "They moved from Paris to London", "from"),
        ("They moved to London", "They moved from Paris to London", ""),
    ],
)
def test_the_word_that_was_left_out_is_named(told, given, word):
    mine, theirs = claim_of(told).clauses[0], claim_of(given).clauses[0]

    assert left_out_english(placed(mine), placed(theirs), frozenset(mine.tokens)) == word


@pytest.mark.parametrize(
    ("told", "given", "word"),
    [
        ("市长修建了隧道", "市长反对修建隧道", "反对"),
        ("市长反对修建隧道", "市长反对修建隧道", ""),
        ("市长签署了协议", "副市长签署了协议", "副"),
        ("王立签署了协议", "副市长王立签署了协议", ""),
        ("他毕业于北京大学", "他毕业于北京师范大学", "大学"),
        ("国王在雷尔被杀", "国王的弟弟在雷尔被杀", "弟弟"),
        ("国王的弟弟被杀", "国王的弟弟在雷尔被杀", ""),
        ("爱尔兰投票支持", "北爱尔兰投票支持", "北"),
        ("学校受损", "医院对面的学校受损", ""),
        ("嫌疑人是张三", "嫌疑人是张三或李四", "或"),
        ("长城可见", "长城可见的说法是谣言", "谣言"),
    ],
)
def test_what_was_left_out_in_chinese_is_named(told, given, word):
    assert left_out_chinese(told, given) == word


@pytest.mark.parametrize(
    ("sentence", "text", "is_supported"),
    [
        ("Delivery takes 10 days.", "Delivery takes 5 to 10 days.", False),
        ("Delivery takes 5 to 10 days.", "Delivery takes 5 to 10 days.", True),
        ("Sales rose to 3 million.", "Sales rose from 3 million to 5 million.", False),
        ("Sales rose to 5 million.", "Sales rose from 3 million to 5 million.", True),
        ("The rate fell to 2%.", "The rate fell by 2%.", False),
        ("Students failed.", "20 percent of students failed.", False),
        ("Orwin is the longest river.", "Orwin is the third longest river.", False),
        ("Weber earned 700 euros.", "Ohm and Weber earned 700 and 900 euros.", False),
        ("销量增加到200万。", "销量增加了200万。", False),
        ("送货需要10天。", "送货需要5至10天。", False),
        ("学生没有通过。", "20%的学生没有通过。", False),
    ],
)
def test_a_quantity_is_told_with_its_fellow(sentence, text, is_supported):
    assert verify(sentence, passages(text)).is_borne_out is is_supported


@pytest.mark.parametrize(
    ("sentence", "title", "text", "is_supported"),
    [
        ("Tesla died in 1931.", "Tesla", "Thomas Edison was rich. He died in 1931.", False),
        ("Tesla died in 1943.", "Tesla", "In 1884 he came to New York. He died in 1943.", True),
        ("Tesla died in 1943.", "Tesla", "The company failed. He died in 1943.", True),
        ("Curie died in 1956.", "Curie", "Her daughter Irene won. She died in 1956.", False),
        ("Curie died in 1934.", "Curie", "Her book appeared in 1910. She died in 1934.", True),
        ("鲁迅于1920年去世。", "鲁迅", "王涛在北京任教。他于1920年去世。", False),
        ("鲁迅于1936年去世。", "鲁迅", "他在北京任教。他于1936年去世。", True),
        ("鲁迅于1967年去世。", "鲁迅", "他的弟弟周作人在北京任教。他于1967年去世。", False),
    ],
)
def test_he_is_whom_the_sentence_before_names_whatever_the_title(
    sentence, title, text, is_supported
):
    assert verify(sentence, passages(text, title)).is_borne_out is is_supported


def test_the_sentence_that_names_whom_a_pronoun_means_is_cited_too():
    text = "Nikola Tesla came in 1884. He died in 1943."
    verified = verify("Nikola Tesla died in 1943.", passages(text))

    assert [one.text for one in verified.citations] == [
        "He died in 1943.",
        "Nikola Tesla came in 1884.",
    ]
    assert verified.is_borne_out


def test_the_reason_names_the_word():
    told = verify("The mayor left.", passages("The deputy mayor left.")).sentences[0]
    in_chinese = verify("市长离职。", passages("副市长离职。")).sentences[0]

    assert told.reason == (
        "the sentence leaves out “deputy”, and so says something else than the passage"
    )
    assert in_chinese.reason == "此句略去了段落中的“副”，意思因此不同"
