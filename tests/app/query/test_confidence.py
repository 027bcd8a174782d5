from __future__ import annotations

import pytest

from app.query.confidence import confidence_of, probability
from ingest.types import Hit


def hit(score: float, text: str = "x", chunk_id: int = 1) -> Hit:
    return Hit(chunk_id, "d", "d.md", "", None, (), 0, len(text), text, score)


def chinese(question: str, text: str, score: float = 0.4) -> float:
    found = [hit(score, text), *(hit(0.1, f"第{at}号材料。", 2 + at) for at in range(9))]
    return confidence_of(question, found, found)


@pytest.mark.parametrize(
    ("scores", "low", "high"),
    [
        ([], 0.0, 0.0),
        ([0.0], 0.0, 0.0),
        ([0.15, 0.1], 0.0, 0.05),
        ([0.41], 0.5, 0.5),
        ([0.2, 0.75], 0.95, 1.0),
    ],
)
def test_of_english_the_best_score_alone_makes_the_confidence(scores, low, high):
    found = [hit(score) for score in scores]

    assert low <= confidence_of("What is it?", found, found) <= high


def test_a_higher_score_is_never_less_likely():
    found = [probability(at / 100) for at in range(101)]

    assert found == sorted(found)
    assert all(0 < one < 1 for one in found)


@pytest.mark.parametrize(
    ("why", "question", "better", "worse"),
    [
        ("a word is missing", "工厂的年假有几天？", "工厂的年假为三天。", "工厂每周休息三天。"),
        ("no date is told", "工厂是哪一年建成的？", "工厂1987年建成。", "工厂由青鹭建成。"),
        ("no reason is told", "工厂为什么关闭？", "工厂因火灾关闭。", "工厂已关闭。"),
    ],
)
def test_of_chinese_what_the_passages_lack_speaks_against_them(why, question, better, worse):
    assert chinese(question, better) > chinese(question, worse), why


def test_a_better_score_is_a_better_confidence_in_chinese_too():
    found = [chinese("工厂的年假有几天？", "工厂的年假为三天。", at / 10) for at in range(1, 11)]

    assert found == sorted(found)
    assert 0 < found[0] < found[-1] < 1


def test_words_of_asking_in_chinese_are_not_missed():
    asked = "火灾时应该怎么办？"

    assert chinese(asked, "第二章 火灾") == pytest.approx(chinese("火灾", "第二章 火灾"))


def test_nothing_found_is_no_confidence_in_chinese():
    assert confidence_of("工厂在哪里？", [], []) == 0
