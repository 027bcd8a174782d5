from __future__ import annotations

import pytest

from app.query.filters import nothing_passes
from app.query.prompt import nothing_yet, refusal
from app.query.rewrite import (
    MAX_CONTEXT_WORDS,
    MAX_TURN_CHARACTERS,
    condensed,
    fault_of,
    recent_of,
    rewrite,
)
from app.query.standalone import is_standalone
from app.query.types import Filters, Turn

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


def test_filters_typed_in_earlier_questions_are_no_topic():
    history = (Turn("user", "file:report.pdf Where was Nikola Tesla born? after:2025"),
               Turn("user", "And why type:nonsense Smiljan?"))  # fmt: skip

    standalone = rewrite("When was it?", history).standalone

    assert "report" not in standalone
    assert {"Nikola", "Tesla", "Smiljan"} <= set(standalone.replace("?", "").split())


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


GRAZ = (
    Turn("user", "Where did Tesla study in 1878?"),
    Turn("assistant", "Nikola Tesla studied in Graz. [2]"),
)


@pytest.mark.parametrize(
    ("question", "told"),
    [
        ("When did he leave Graz?", "When did Nikola Tesla leave Graz?"),
        ("And when did he leave?", "When did Tesla leave Graz?"),
        ("Why did he not finish it?", "Why did Tesla not finish studying in Graz?"),
        ("How old was he in 1878?", "How old was Tesla in 1878?"),
    ],
)
def test_a_good_rewrite_has_no_fault(question, told):
    assert fault_of(question, told, GRAZ) == ""


@pytest.mark.parametrize(
    ("question", "told", "fault"),
    [
        ("When did he leave Graz?", "", "empty"),
        ("When did he leave Graz?", "When did he\nleave Graz?", "too long"),
        ("When did he leave Graz?", "When did Tesla leave Graz? " * 30, "too long"),
        ("When did he leave Graz?", "特斯拉什么时候离开格拉茨？", "another language"),
        ("When did he leave Graz?", "Tesla left Graz in 1878.", "it does not ask"),
        ("How old was he in 1878?", "How old was Tesla?", "changed numbers"),
        ("How old was he then?", "How old was Tesla in 1880?", "numbers that nobody said"),
        ("When did he leave Graz?", "When did Tesla leave?", "changed names"),
        ("When did he leave?", "When did Tesla leave Prague?", "names that nobody said"),
        ("Why did he not finish?", "Why did Tesla finish?", "changed negation"),
        ("When did he leave Graz?", "What about Graz?", "still leans on the conversation"),
        ("When did he leave?", "When did he leave his farm in London?", "names that nobody said"),
        ("When did he leave?", "When do cheap hotels leave towels outside?", "off topic"),
        ("When did he leave?", "When did he leave?", "still leans on the conversation"),
    ],
)  # fmt: skip
def test_a_bad_rewrite_is_told_by_its_fault(question, told, fault):
    assert fault_of(question, told, GRAZ) == fault


@pytest.mark.parametrize(
    ("told", "fault"),
    [
        ("氨碱法是谁发明的？", ""),
        ("欧内斯特·索尔维。", "it does not ask"),
        ("Who invented it?", "another language"),
        ("氨碱法不是谁发明的？", "changed negation"),
        ("电话是1876年谁发明的？", "numbers that nobody said"),
        ("北京奥运会开幕式导演是谁？", "off topic"),
        ("是谁发明的？", "still leans on the conversation"),
    ],
)
def test_chinese_rewrites_are_judged_alike(told, fault):
    recent = (Turn("user", "氨碱法又可以叫什么？"), Turn("assistant", "索尔维制碱法"))

    assert fault_of("是谁发明的？", told, recent) == fault


def test_a_dropped_rewrite_says_why():
    rewritten = rewrite("When did he leave Graz?", GRAZ, lambda _: "In 1878.")

    assert (rewritten.by, rewritten.dropped) == ("rule", "it does not ask")
    assert rewrite("When did he leave Graz?", GRAZ).dropped == ""


@pytest.mark.parametrize(
    "reply",
    [
        "Rewritten question: When did Tesla leave Graz?",
        "Question: “When did Tesla leave Graz?”",
        '"When did Tesla leave Graz?"',
    ],
)
def test_what_models_put_around_a_question_is_taken_off(reply):
    rewritten = rewrite("When did he leave Graz?", GRAZ, lambda _: reply)

    assert (rewritten.standalone, rewritten.by) == ("When did Tesla leave Graz?", "model")


def test_a_question_about_several_things_is_searched_for_in_parts():
    rewritten = rewrite("What is the difference between TCP and UDP?", ())

    assert rewritten.standalone == "What is the difference between TCP and UDP?"
    assert rewritten.queries == ("TCP", "UDP")
    assert rewrite("Where was Nikola Tesla born?", ()).queries == ()


def test_a_topic_that_the_question_names_already_is_not_repeated():
    assert condensed("Was Nikola Tesla born there? Smiljan", TESLA).count("Smiljan") == 1


@pytest.mark.parametrize(
    ("question", "said"),
    [
        ("And when?", refusal("Who won the cup?", "default", ("Employee handbook",))),
        ("And when?", nothing_yet("Who won the cup?", "default")),
        ("And when?", nothing_passes("Who won?", "default", Filters(paths=("cup.md",)))),
        ("那是什么时候？", nothing_passes("谁赢了？", "default", Filters(paths=("cup.md",)))),
        ("那是什么时候？", refusal("谁赢得了奖杯？", "default", ("安全手册",))),
        ("那是什么时候？", nothing_yet("谁赢得了奖杯？", "default")),
    ],
)
def test_a_refusal_before_a_follow_up_is_no_topic(question, said):
    history = (Turn("user", "Who won the cup of 1998?"), Turn("assistant", said))

    rewritten = rewrite(question, history)

    assert rewritten.standalone == rewrite(question, history[:1]).standalone
    assert "1998" in rewritten.standalone


def test_an_earlier_question_is_cut_before_its_filters_are_read():
    history = (Turn("user", "Nikola Tesla " + "x file:a " * 300_000),)

    assert len(recent_of(history)[0].content) <= MAX_TURN_CHARACTERS
