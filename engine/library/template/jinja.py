"""A Jinja chat template and a conversation in, the prompt's text out; pure but for the clock."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from engine.library.template.habits import habits_of
from engine.library.template.sandbox import run_template
from engine.library.template.turns import write_turns
from engine.types import Conversation, Json, Message, Think


def render_chat(
    template: str,
    conversation: Conversation | Sequence[Message],
    *,
    bos: str,
    eos: str,
    add_generation_prompt: bool = True,
) -> str:
    """Write a conversation as the prompt that a model was trained on.

    Runs in a sandbox, bounded in time and size, for templates come from strangers. Images become
    `[img-N]`. What a template cannot take as most do, it gets as it can (`Habits`).

    Args:
        template: Jinja as Hugging Face's tokenizers have it (`tokenizer.chat_template`).
        bos: text of the token that begins a sequence.
        eos: text of the token that ends one.

    Raises:
        ChatTemplateError: the template is wrong, refuses the messages or exceeds its bounds.

    Source: transformers, `apply_chat_template`; llama.cpp, common/chat.cpp.
    """
    if not isinstance(conversation, Conversation):
        conversation = Conversation(tuple(conversation))
    messages = conversation.messages
    if "developer" not in template:
        # OpenAI's newer word for the same role.
        messages = tuple(
            replace(one, role="system") if one.role == "developer" else one for one in messages
        )
    habits = habits_of(template)
    no_tools: list[Json] | None = [] if habits.takes_tool_list else None
    today = datetime.now().astimezone()
    values: Json = {
        "messages": write_turns(messages, habits),
        "tools": list(conversation.tools) or no_tools,
        "documents": None,
        "bos_token": bos,
        "eos_token": eos,
        "add_generation_prompt": add_generation_prompt,
        # As llama.cpp has them: Llama 3 writes a date of 2024 without.
        "date_string": today.strftime("%d %b %Y"),
        "datetime": today.strftime("%b %d %Y"),
    }
    return run_template(template, values | think_values(conversation.think))


def think_values(think: Think) -> Json:
    """Say in the templates' words how much to think; unsaid, each template has its own default."""
    if think is None:
        return {}
    values: Json = {"enable_thinking": bool(think), "thinking": bool(think)}
    if isinstance(think, str):
        values |= {"reasoning_effort": think, "reasoning_strength": think}
    return values
