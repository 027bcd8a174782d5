from __future__ import annotations

import pytest

from app.query.lacking import lacks_kind, missing
from ingest.types import Hit


def hit(text: str, chunk_id: int = 1, title: str = "") -> Hit:
    return Hit(chunk_id, "d", "d.md", title, None, (), 0, len(text), text, 0.0)


NOISE = [hit(f"第{at}号无关的材料。", 100 + at) for at in range(9)]


def missed(question: str, *texts: str, title: str = "") -> float:
    passages = [hit(text, at, title) for at, text in enumerate(texts)]
    return missing(question, [*passages, *NOISE], passages)


@pytest.mark.parametrize(
    ("why", "question", "text"),
    [
        ("two words need not stand side by side", "员工年假多少天？", "员工享有年假。"),
        ("words of asking are none of the passage's", "火灾时应该怎么办？", "第二章 火灾"),
        ("nor is the measure of what is counted", "年假有多少天？", "年假按工龄确定。"),
        ("traditional characters are the same", "年假有多少天？", "年假按工齡確定。"),
        ("a question of nothing but asking", "什么？", "年假按工龄确定。"),
    ],
)
def test_nothing_is_missing_where_every_word_is_there(why, question, text):
    assert missed(question, text) == 0, why


def test_a_character_that_stands_nowhere_counts_one():
    assert missed("月球年假", "年假按工龄确定。") == pytest.approx(2)


def test_what_half_of_the_texts_hold_is_missed_less_than_what_one_holds():
    common = missing("材料", NOISE, [hit("年假")])
    rare = missing("年假", [hit("年假"), *NOISE], [NOISE[0]])

    assert 0 < common < rare < 2


def test_the_passage_that_holds_most_counts():
    assert missed("月球年假", "年假按工龄确定。", "月球上没有年假。") == 0


def test_the_title_belongs_to_the_passage():
    assert missed("月球年假", "年假按工龄确定。", title="月球") == 0


def test_words_in_latin_letters_count_one_each():
    assert missed("GW2 年假", "年假按工龄确定。") == pytest.approx(1)


@pytest.mark.parametrize(
    ("question", "text", "is_lacking"),
    [
        ("工厂是哪一年建成的？", "工厂于1987年建成。", False),
        ("工厂是哪一年建成的？", "工厂由青鹭公司建成。", True),
        ("1987年的工厂是什么时候关闭的？", "1987年的工厂已关闭。", True),
        ("工厂有多少人？", "工厂有三百人。", False),
        ("3号工厂有多少人？", "工厂人不多。", True),
        ("工厂在哪里？", "工厂位于苏州。", False),
        ("工厂为什么关闭？", "工厂因火灾关闭。", False),
        ("工厂为什么关闭？", "工厂已关闭。", True),
        ("工厂的主管是谁？", "工厂很大。", True),
        ("工厂的颜色是什么？", "工厂很大。", False),
        ("工廠為什麼關閉？", "工廠已關閉。", True),
    ],
)
def test_the_sentence_that_fits_best_has_what_is_asked_for_or_lacks_it(question, text, is_lacking):
    assert lacks_kind(question, [hit(text)]) is is_lacking


def test_a_number_in_a_sentence_about_something_else_does_not_help():
    assert lacks_kind("工厂有多少人？", [hit("工厂人不多。午休一小时。")])


def test_without_passages_what_is_asked_for_is_lacking():
    assert lacks_kind("工厂有多少人？", [])
    assert missing("工厂有多少人？", [], []) == 0
