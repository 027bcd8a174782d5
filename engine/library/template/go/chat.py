"""A Go template and a conversation in, the prompt's text out, in Ollama's modes; pure but for time.

Source: Ollama, template/template.go (Execute, collate, deleteNode), server/prompt.go (images).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import groupby

from engine.library.template.go.data import message_value, think_values, tools_value
from engine.library.template.go.evaluate import execute
from engine.library.template.go.nodes import (
    Action,
    Block,
    Command,
    Field,
    If,
    Node,
    Operand,
    Pipe,
    Range,
    Template,
    With,
)
from engine.library.template.go.parser import parse_go, template_names
from engine.library.template.turns import mark_images
from engine.types import Conversation, Message, Think


def render_go_chat(template: str, conversation: Conversation) -> str:
    """Write a conversation as the prompt that a model was trained on.

    A template that names `.Messages` is run once; any other once per turn (legacy), the last
    turn only up to `.Response`. Images become `[img-N]`, numbered over the conversation.

    Raises:
        ChatTemplateError: the template is wrong, refuses the messages or exceeds its bounds.
    """
    parsed = parse_go(template)
    messages = _collated(mark_images(conversation.messages))
    if "messages" not in template_names(parsed):
        return _legacy(parsed, messages, conversation.think)
    systems = [each.content for each in conversation.messages if each.role == "system"]
    return execute(
        parsed,
        {
            "System": "\n\n".join(systems),
            "Messages": [message_value(message) for message in messages],
            "Tools": tools_value(conversation.tools),
            "Response": "",
            **think_values(conversation.think),
        },
    )


def render_go_prompt(
    template: str, *, system: str = "", prompt: str, response: str = "", think: Think = None
) -> str:
    """Write one question, with what the answer begins with, as `generate` does: as a chat."""
    turns = (("system", system), ("user", prompt), ("assistant", response))
    messages = tuple(Message(role, text) for role, text in turns if text or role == "user")
    return render_go_chat(template, Conversation(messages, think=think))


def render_go_suffix(template: str, prompt: str, suffix: str, *, think: Think = None) -> str:
    """Write what stands before and behind a gap, for a model that fills it.

    The system text is left out, as in Ollama.
    """
    values: dict[str, object] = {
        "Prompt": prompt,
        "Suffix": suffix,
        "System": "",
        "Response": "",
        **think_values(think),
    }
    return execute(parse_go(template), values)


def _collated(messages: Sequence[Message]) -> list[Message]:
    """Merge neighbours of one role; tools' answers stay apart."""
    collated: list[Message] = []
    for role, group in groupby(messages, key=lambda message: message.role):
        merged = list(group)
        if role == "tool" or len(merged) == 1:
            collated += merged
            continue
        # Ollama keeps of all but the first only their texts; calls and thoughts would be lost.
        whole = replace(
            merged[0],
            content="\n\n".join(message.content for message in merged),
            thinking=next((message.thinking for message in merged if message.thinking), ""),
            images=tuple(image for message in merged for image in message.images),
            tool_calls=tuple(call for message in merged for call in message.tool_calls),
        )
        collated.append(whole)
    return collated


def _legacy(template: Template, messages: Sequence[Message], think: Think) -> str:
    pieces: list[str] = []
    turn = {"System": "", "Prompt": "", "Response": ""}
    places = {"system": "System", "user": "Prompt", "assistant": "Response"}
    # What a new text of this kind cannot stand beside: it belongs to the turn before.
    closing = {"System": ("Prompt", "Response"), "Prompt": ("Response",), "Response": ()}
    for message in messages:
        place = places.get(message.role)
        if place is None:
            continue
        if any(turn[each] for each in closing[place]):
            pieces.append(execute(template, {**turn, **think_values(think)}))
            turn = dict.fromkeys(turn, "")
        turn[place] = message.content
    last = replace(template, root=_Cut().block(template.root))
    pieces.append(execute(last, {**turn, **think_values(think)}))
    return "".join(pieces)


class _Cut:
    """Drops all that stands behind the first `.Response` which is written."""

    def __init__(self) -> None:
        self._is_found = False

    def block(self, block: Block) -> Block:
        kept: list[Node] = []
        for node in block:
            if self._is_found:
                break
            kept.append(self._node(node))
        return tuple(kept)

    def _node(self, node: Node) -> Node:
        if isinstance(node, (If, With, Range)):
            body = self.block(node.body)
            return replace(node, body=body, orelse=self.block(node.orelse))
        return Action(self._pipe(node.pipe)) if isinstance(node, Action) else node

    def _pipe(self, pipe: Pipe) -> Pipe:
        commands: list[Command] = []
        for command in pipe.commands:
            operands: list[Operand] = []
            for operand in command.operands:
                if self._is_found:
                    break
                operands.append(self._operand(operand))
            if operands:
                commands.append(Command(tuple(operands)))
        return replace(pipe, commands=tuple(commands))

    def _operand(self, operand: Operand) -> Operand:
        if isinstance(operand, Pipe):
            return self._pipe(operand)
        self._is_found = isinstance(operand, Field) and "Response" in operand.names
        return operand
