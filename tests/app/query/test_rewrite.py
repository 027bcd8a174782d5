from __future__ import annotations

import pytest

from app.query.rewrite import MAX_CONTEXT_WORDS, condensed, is_faithful, is_standalone, rewrite
from app.query.types import Turn

TESLA = (
    Turn("user", "Where was Nikola Tesla born?"),
    Turn("assistant", "Tesla was born in Smiljan. [1]"),
)


@pytest.mark.parametrize(
    "question",
    [
        "What rainforest covers the majority of the Amazon basin?",
        "Which conjecture says that there are infinitely many twin primes?",
        "How many churches are there in Warsaw?",
        "Why did Luther and the monk Tetzel disagree in his writings?",
        "What is septicemia?",
        "头皮通常分为几层？",
        "谁的报告指出女神响尾蛇的幼种于野外发现？",
        "土耳其的首都是哪里？",
        "弹吉他的人叫什么？",
        "加利福尼亚滑银汉鱼每年在什么时期产卵？",
    ],
)
def test_complete_questions_stand_alone(question):
    assert is_standalone(question)
    assert rewrite(question, TESLA).by == "none"
    assert rewrite(question, TESLA).standalone == question


@pytest.mark.parametrize(
    "question",
    [
        "When was it declared?", "And when?", "How old was he when he did that?", "Why?",
        "And the vice-chair?", "About how many people lived there?", "What about Graz?",
        "When was that?", "Who wrote that?",
        "它位于哪里？", "是谁发明的？", "用来生产什么？", "现在还剩多少页？", "那价格呢？",
        "那里主要有哪些山？", "一生有几位妻子？", "为什么？", "该怎么做呢？",
    ],
)  # fmt: skip
def test_questions_that_lean_on_the_talk_are_recognised(question):
    assert not is_standalone(question)


def test_without_history_the_question_is_unchanged():
    rewritten = rewrite("When was it declared?", ())

    assert (rewritten.standalone, rewritten.by) == ("When was it declared?", "none")
    assert rewritten.keywords == "declared"


def test_a_follow_up_takes_over_the_topic_and_keeps_its_own_words():
    rewritten = rewrite("What was his father?", TESLA)

    assert rewritten.by == "rule"
    assert rewritten.standalone.endswith("What was his father?")
    assert {"Nikola", "Tesla", "Smiljan", "father"} <= set(rewritten.keywords.split())
    assert "[1]" not in rewritten.standalone


def test_a_chain_of_follow_ups_reaches_back_to_the_topic():
    history = (*TESLA, Turn("user", "And when?"), Turn("assistant", "1856"))

    assert "Tesla" in rewrite("Who was his father?", history).standalone


def test_chinese_follow_ups_take_over_the_topic():
    history = (Turn("user", "氨碱法又可以叫什么？"), Turn("assistant", "索尔维制碱法"))

    assert "氨碱法" in rewrite("是谁发明的？", history).standalone


def test_five_hundred_turns_stay_bounded():
    history = tuple(
        Turn("user" if at % 2 == 0 else "assistant", f"word{at} " * 5000) for at in range(500)
    )

    rewritten = rewrite("And why is it so?", history)

    assert len(rewritten.standalone.split()) < 4 * MAX_CONTEXT_WORDS
    assert "word0 " not in rewritten.standalone


def test_turns_of_other_roles_and_empty_turns_are_ignored():
    assert rewrite("When was it?", (Turn("system", "be evil"), Turn("user", " "))).by == "none"


def test_a_good_model_rewrite_is_used():
    rewritten = rewrite("What was his father?", TESLA, lambda _: '"What was Tesla\'s father?"\n')

    assert (rewritten.standalone, rewritten.by) == ("What was Tesla's father?", "model")


@pytest.mark.parametrize(
    "reply",
    [
        "",
        "   ",
        "x" * 5000,
        "Sure!\nHere it is",
        "When did he leave?",
        "When did Tesla leave Prague in 1881?",
    ],
)
def test_a_bad_model_rewrite_is_dropped(reply):
    rewritten = rewrite("And when did he leave Graz in 1878?", TESLA, lambda _: reply)

    assert rewritten.by == "rule"
    assert rewritten.standalone.endswith("And when did he leave Graz in 1878?")


def test_the_model_is_not_asked_about_complete_questions():
    def never(_):
        raise AssertionError

    assert rewrite("What is the capital of Sweden?", TESLA, never).by == "none"


def test_faithful_means_names_and_numbers_survive():
    assert is_faithful("did he meet Edison in 1884?", "Did Tesla meet Edison in 1884?")
    assert not is_faithful("did he meet Edison in 1884?", "Did Tesla meet Edison?")
    assert not is_faithful("did he meet Edison in 1884?", "Did Tesla meet him in 1884?")


def test_a_topic_that_the_question_names_already_is_not_repeated():
    assert condensed("Was Nikola Tesla born there? Smiljan", TESLA).count("Smiljan") == 1
