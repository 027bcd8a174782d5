"""Messages in, the mappings that Jinja chat templates read out; pure."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace

from engine.types import Json, Message, ToolCall


@dataclass(frozen=True, slots=True)
class Habits:
    """What a template wants otherwise than most do."""

    folds_system: bool = False  # knows no system role; its text goes before the first user turn
    takes_parts: bool = False  # content as a list of parts, never as text
    takes_text_arguments: bool = False  # arguments of calls as JSON text, not as a mapping
    takes_short_ids: bool = False  # nine letters and digits
    takes_one_voice: bool = False  # no thinking beside content in a turn that calls
    takes_no_content: bool = False  # calls only in a turn whose content is none, not empty
    takes_tool_list: bool = False  # loops over the tools without asking whether there are any


def write_turns(messages: Sequence[Message], habits: Habits = Habits()) -> list[Json]:
    """Spell messages as OpenAI's API does, which is what templates are written for.

    Thinking stands under both names that templates use. A call without an identity gets one, and
    a result without identity or name gets those of the call that it answers.

    Source: transformers, utils/chat_template_utils.py; llama.cpp, common/chat.cpp.
    """
    turns = mark_images(_linked(messages, habits.takes_short_ids))
    if habits.folds_system:
        turns = fold_system(turns)
    if habits.takes_one_voice:
        turns = [_in_one_voice(turn) for turn in turns]
    return [_turn(message, habits) for message in turns]


def mark_images(messages: Sequence[Message]) -> list[Message]:
    """Put `[img-N]` before the text, or in place of each literal `[img]`; N counts from 0.

    Also templates that know a marker of their own get these: the runtime puts a model's own
    tokens around each image. Source: Ollama's server/prompt.go; llama.cpp does likewise.
    """
    marked, n_images = [], 0
    for message in messages:
        ahead, content = "", message.content
        for _ in message.images:
            marker = f"[img-{n_images}]"
            n_images += 1
            if "[img]" in content:
                content = content.replace("[img]", marker, 1)
            else:
                ahead += marker
        marked.append(replace(message, content=ahead + content) if message.images else message)
    return marked


def fold_system(messages: Sequence[Message]) -> list[Message]:
    """Put the leading system texts before the first user turn's, a blank line between."""
    n_leading = next(
        (at for at, message in enumerate(messages) if message.role != "system"), len(messages)
    )
    texts = [message.content for message in messages[:n_leading] if message.content]
    rest = list(messages[n_leading:])
    for at, message in enumerate(rest):
        if message.role == "user":
            rest[at] = replace(message, content="\n\n".join([*texts, message.content]))
            return rest
    # Nothing to fold into: the texts themselves are what is asked.
    return [Message("user", "\n\n".join(texts)), *rest] if texts else rest


def _in_one_voice(message: Message) -> Message:
    if not (message.tool_calls and message.thinking and message.content):
        return message
    return replace(message, thinking=f"{message.thinking}\n\n{message.content}", content="")


def _linked(messages: Sequence[Message], is_short: bool) -> list[Message]:
    linked: list[Message] = []
    waiting: list[tuple[str, ToolCall]] = []  # calls that no result has answered: id given, call
    n_calls = 0
    for message in messages:
        calls = []
        for call in message.tool_calls:
            n_calls += 1
            made = f"call{n_calls:05d}"
            named = replace(call, id=made if is_short or not call.id else call.id)
            calls.append(named)
            waiting.append((call.id, named))
        if calls:
            linked.append(replace(message, tool_calls=tuple(calls)))
        elif message.role == "tool":
            linked.append(_answering(message, waiting, is_short))
        else:
            linked.append(message)
    return linked


def _answering(message: Message, waiting: list[tuple[str, ToolCall]], is_short: bool) -> Message:
    at = next((at for at, one in enumerate(waiting) if _is_answer(message, *one)), None)
    if at is None:
        return message
    call = waiting.pop(at)[1]
    return replace(
        message,
        tool_call_id=call.id if is_short or not message.tool_call_id else message.tool_call_id,
        tool_name=message.tool_name or call.name,
    )


def _is_answer(message: Message, given_id: str, call: ToolCall) -> bool:
    if message.tool_call_id and given_id:
        return message.tool_call_id == given_id
    return not message.tool_name or message.tool_name == call.name


def _turn(message: Message, habits: Habits) -> Json:
    content: object = message.content
    if habits.takes_parts:
        content = [{"type": "text", "text": message.content}]
    if habits.takes_no_content and message.tool_calls and not message.content:
        content = None
    turn: Json = {"role": message.role, "content": content}
    if message.thinking:
        turn["reasoning_content"] = turn["thinking"] = message.thinking
    if message.tool_calls:
        turn["tool_calls"] = [_call(call, habits) for call in message.tool_calls]
    if message.tool_call_id:
        turn["tool_call_id"] = message.tool_call_id
    if message.tool_name:
        turn["name"] = message.tool_name
    return turn


def _call(call: ToolCall, habits: Habits) -> Json:
    arguments: object = dict(call.arguments)
    if habits.takes_text_arguments:
        arguments = json.dumps(arguments, ensure_ascii=False)
    return {
        "type": "function",
        "id": call.id,
        "function": {"name": call.name, "arguments": arguments},
    }
