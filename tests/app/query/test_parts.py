from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.query.parts import MAX_PARTS, asks, parts


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("Compare Warsaw with Paris in terms of size.", ("Warsaw size", "Paris size")),
        ("Can you compare apples and pears?", ("apples", "pears")),
        ("What is the difference between a prime number and a composite number?",
         ("a prime number", "a composite number")),
        ("TCP vs UDP", ("TCP", "UDP")),
        ("How does IPv4 differ from IPv6?", ("IPv4", "IPv6")),
        ("What do Tesla and Edison have in common?", ("Tesla", "Edison")),
        ("Who built the citadel of Warsaw and when was the Suez canal opened?",
         ("Who built the citadel of Warsaw", "when was the Suez canal opened?")),
        ("Who was Tesla? When was Edison born?", ("Who was Tesla?", "When was Edison born?")),
        ("上海地铁和北京地铁的区别是什么？", ("上海地铁", "北京地铁")),
        ("長江與黃河的區別是什麼？", ("長江", "黃河")),
        ("比较长江和黄河的长度", ("长江 长度", "黄河 长度")),
        ("长江和黄河哪个更长？", ("长江 更长", "黄河 更长")),
        ("长江有多长？黄河有多长？", ("长江有多长？", "黄河有多长？")),
        ("长江有多长，黄河发源于哪里？", ("长江有多长", "黄河发源于哪里？")),
    ],
)  # fmt: skip
def test_a_question_about_several_things_is_taken_apart(question, expected):
    assert parts(question) == expected


@pytest.mark.parametrize(
    "question",
    [
        "Where was Nikola Tesla born?",
        "Who composed the music, and what was it called?",  # the second leans on the first
        "Goldenson proposed a merger between UPT and what network in October 1954?",
        "How many points did the Broncos score in the last minutes of the game versus Pittsburgh?",
        "Compare it with Paris",
        "What are the research and development costs?",
        "2015年，班杰获得了什么奖？",
        "客运方面，固始站现有多少趟列车停车办客？",
        "为什么和平与发展是时代的主题？",
        "北京和上海之间的距离是多少？",
        "",
        "?",
        "and " * 5000,
    ],
)
def test_one_question_stays_whole(question):
    assert parts(question) == ()


@given(st.text(max_size=400))
def test_parts_are_few_and_never_the_question_itself(question):
    told = parts(question)

    assert len(told) != 1
    assert len(told) <= MAX_PARTS
    assert " ".join(question.split()) not in told
    assert all(told)


@pytest.mark.parametrize(
    ("text", "is_asking"),
    [
        ("Where is it?", True),
        ("In which year did it open", True),
        ("Tell me about Graz", True),
        ("In 1878.", False),
        ("他是谁", True),
        ("在北京。", False),
    ],
)
def test_what_asks_is_told_from_what_says(text, is_asking):
    assert asks(text) == is_asking
