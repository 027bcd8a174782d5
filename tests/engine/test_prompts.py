import pytest

from engine.errors import ChatTemplateError, PromptTooLongError
from engine.prompts import fit, merge_system
from engine.types import Message


def words(messages):
    """One token a word."""
    return [1 for message in messages for _ in message.content.split()]


def turn(role, n_words):
    return Message(role, " ".join(["w"] * n_words))


def test_the_models_system_text_comes_first_unless_the_conversation_has_one():
    user, own = Message("user", "hi"), Message("system", "mine")

    assert merge_system([user], "theirs", ()) == (Message("system", "theirs"), user)
    assert merge_system([own, user], "theirs", ()) == (own, user)


def test_example_turns_stand_between_system_text_and_conversation():
    example, own, user = Message("user", "e"), Message("system", "s"), Message("user", "hi")

    assert merge_system([user], "s", [example]) == (own, example, user)
    assert merge_system([own, user], None, [example]) == (own, example, user)


def test_oldest_turns_are_dropped_until_it_fits():
    conversation = [turn("system", 2), turn("user", 5), turn("assistant", 5), turn("user", 3)]

    assert len(fit(conversation, words, 12, is_truncating=True)) == 2 + 5 + 3
    assert len(fit(conversation, words, 8, is_truncating=True)) == 2 + 3


def test_a_last_message_that_is_too_long_is_refused_with_numbers():
    with pytest.raises(PromptTooLongError) as caught:
        fit([turn("user", 2), turn("user", 50)], words, 10, is_truncating=True)

    assert (caught.value.n_tokens, caught.value.n_ctx) == (50, 9)


def test_nothing_is_dropped_when_truncation_is_off():
    with pytest.raises(PromptTooLongError):
        fit([turn("user", 9), turn("user", 3)], words, 10, is_truncating=False)


def alternating(messages):
    """A template that wants the user first, as many do."""
    turns = [one for one in messages if one.role != "system"]
    if turns[0].role != "user":
        raise ChatTemplateError("roles must alternate")
    return words(messages)


def test_a_template_that_wants_the_user_first_loses_the_answer_with_its_question():
    conversation = [turn("user", 5), turn("assistant", 5), turn("user", 3)]

    assert len(fit(conversation, alternating, 10, is_truncating=True)) == 3


def test_a_template_that_refuses_all_that_is_left_says_so():
    with pytest.raises(ChatTemplateError):
        fit([turn("user", 5), turn("assistant", 3)], alternating, 5, is_truncating=True)


def with_call(messages):
    """A template that shows no result of a tool without what was asked before it."""
    turns = [one for one in messages if one.role != "system"]
    if turns[0].role == "tool":
        raise ChatTemplateError("a result without its call")
    return words(messages)


def test_a_result_keeps_the_call_that_the_template_wants_to_see():
    talk = [turn("user", 9), turn("assistant", 9), turn("user", 2), turn("assistant", 2)]

    assert len(fit([*talk, turn("tool", 3)], with_call, 10, is_truncating=True)) == 2 + 2 + 3


def test_a_result_that_does_not_fit_with_its_call_is_told_so():
    with pytest.raises(PromptTooLongError) as caught:
        fit([turn("user", 9), turn("user", 8), turn("tool", 3)], with_call, 9, is_truncating=True)

    assert caught.value.n_tokens == 8 + 3
