"""A chosen template and a conversation in, the prompt's text out; pure but for the clock."""

from __future__ import annotations

import re
from dataclasses import replace

from engine.library.template.choose import Choice
from engine.library.template.go.chat import render_go_chat
from engine.library.template.jinja import render_chat
from engine.types import Conversation, Message

_NO_TEMPLATE = "{{ .Prompt }}"  # as in Ollama
# An unclosed thought reaches to the end.
_THOUGHT = re.compile(r"\A\s*<think>.*?(?:</think>\s*|\Z)", re.DOTALL)


def render_prompt(choice: Choice, conversation: Conversation, *, bos: str, eos: str) -> str:
    """Write a conversation as the prompt of a model.

    Without a template this is what was asked and answered, as it stands.

    Raises:
        ChatTemplateError: the template is wrong, refuses the messages or exceeds its bounds.
    """
    if choice.kind == "jinja":
        return render_chat(choice.text, conversation, bos=bos, eos=eos)
    return render_go_chat(choice.text or _NO_TEMPLATE, conversation)


def strip_thinking(conversation: Conversation, *, family: str, name: str = "") -> Conversation:
    """Take thoughts out of what the model said before the last question.

    Old templates of these models write whatever stands in the content, and a model that reads its
    earlier thoughts spends its context on them.

    Args:
        name: the model's own name without host, namespace and tag.

    Source: Ollama, server/routes.go (`filterThinkTags`).
    """
    if family != "qwen3" and name != "deepseek-r1":
        return conversation
    messages = conversation.messages
    n_before = max((at for at, each in enumerate(messages) if each.role == "user"), default=0)
    kept = [_without_thought(each) for each in messages[:n_before]]
    return replace(conversation, messages=(*kept, *messages[n_before:]))


def _without_thought(message: Message) -> Message:
    if message.role != "assistant":
        return message
    return replace(message, content=_THOUGHT.sub("", message.content, count=1))
