"""A choice writes a prompt by the rules of its kind; old thoughts are taken out."""

from __future__ import annotations

import pytest

from engine.library.template.choose import Choice
from engine.library.template.render import render_prompt, strip_thinking
from engine.types import Conversation, Message

TALK = Conversation((Message("system", "Be brief."), Message("user", "Hi")))


@pytest.mark.parametrize(
    ("choice", "text"),
    [
        (Choice("go", "[{{ .System }}]{{ .Prompt }}:"), "[Be brief.]Hi:"),
        (Choice("jinja", "{{ bos_token }}{{ messages[1].content }}{{ eos_token }}"), "<s>Hi</s>"),
        (Choice("none"), "Hi"),
    ],
)
def test_each_kind_writes_in_its_way(choice, text):
    assert render_prompt(choice, TALK, bos="<s>", eos="</s>") == text


def test_without_template_images_are_counted_over_the_whole_conversation():
    talk = Conversation(
        (
            Message("user", "a", images=(b"1",)),
            Message("assistant", " b "),
            Message("user", "c [img] d", images=(b"2", b"3")),
        )
    )

    assert render_prompt(Choice("none"), talk, bos="", eos="") == "[img-0]a b [img-2]c [img-1] d"


def test_without_template_an_answer_that_was_begun_stands_behind_its_question():
    talk = Conversation((Message("user", "Once upon"), Message("assistant", " a time")))

    assert render_prompt(Choice("none"), talk, bos="", eos="") == "Once upon a time"


def test_nothing_said_is_an_empty_prompt():
    assert render_prompt(Choice("none"), Conversation(()), bos="", eos="") == ""


@pytest.mark.parametrize(
    ("content", "kept"),
    [
        ("<think>hm</think>\n\nYes", "Yes"),
        (" \n<think>\na\nb</think>Yes </think>", "Yes </think>"),
        ("<think>never closed", ""),
        ("Yes <think>hm</think>", "Yes <think>hm</think>"),
        ("Yes", "Yes"),
    ],
)
def test_thoughts_are_taken_out_of_earlier_answers(content, kept):
    last = Message("assistant", "<think>still at it</think>so")
    talk = Conversation(
        (
            Message("user", "<think>mine</think>"),
            Message("assistant", content),
            Message("user", "x"),
            last,
        )
    )

    stripped = strip_thinking(talk, family="qwen3")

    assert [one.content for one in stripped.messages] == [
        "<think>mine</think>",
        kept,
        "x",
        last.content,
    ]


@pytest.mark.parametrize(
    ("family", "name", "is_stripped"),
    [
        ("qwen3", "mine", True),
        ("qwen2", "deepseek-r1", True),
        ("qwen2", "qwen2.5", False),
        ("llama", "", False),
    ],
)
def test_only_models_that_were_packaged_without_thinking_need_it(family, name, is_stripped):
    talk = Conversation((Message("assistant", "<think>hm</think>Yes"), Message("user", "x")))

    stripped = strip_thinking(talk, family=family, name=name)

    assert (stripped.messages[0].content == "Yes") is is_stripped


def test_an_answer_that_nothing_follows_keeps_its_thoughts():
    talk = Conversation((Message("assistant", "<think>hm</think>Yes"),))

    assert strip_thinking(talk, family="qwen3") == talk
