"""A Go template in, what it can and how it marks thoughts and calls out; pure.

Source: Ollama, thinking/template.go (InferTags), tools/template.go (parseTag).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from engine.library.template.go.nodes import (
    Action,
    Block,
    Field,
    If,
    Include,
    Literal,
    Pipe,
    Range,
    Text,
    Variable,
    With,
    names_in,
    nested_pipes,
    operands_of,
    pipes_of,
)
from engine.library.template.go.parser import parse_go, template_names

_THINKING_NAMES = frozenset({"thinking", "think", "thinklevel", "isthinkset"})
_TOOL_RESULT_NAMES = frozenset({"toolname", "toolcallid"})


@dataclass(frozen=True, slots=True)
class GoFacts:
    """What a template is able to write."""

    uses_messages: bool
    uses_tools: bool
    uses_suffix: bool
    uses_thinking: bool  # has a place for a thought, or looks at the request's `think`
    handles_tool_results: bool
    thinking_tags: tuple[str, str] | None  # what stands around a thought
    # What stands before a call's "{"; may be empty. None: no place for calls, or one where an
    # action comes first. Ollama falls back to "{" for both.
    tool_prefix: str | None


def go_facts(template: str) -> GoFacts:
    """Look at a template.

    Raises:
        ChatTemplateError: it does not parse.
    """
    parsed = parse_go(template)
    names = template_names(parsed)
    blocks = (parsed.root, *parsed.defined.values())
    is_tool_named = any(
        operand == Literal("tool")
        for block in blocks
        for pipe in pipes_of(block)
        for operand in operands_of(pipe)
    )
    return GoFacts(
        uses_messages="messages" in names,
        uses_tools="tools" in names,
        uses_suffix="suffix" in names,
        uses_thinking=not names.isdisjoint(_THINKING_NAMES),
        handles_tool_results=is_tool_named or not names.isdisjoint(_TOOL_RESULT_NAMES),
        thinking_tags=next(filter(None, map(_thinking_tags, blocks)), None),
        tool_prefix=next((each for each in map(_tool_prefix, blocks) if each is not None), None),
    )


def _thinking_tags(block: Block) -> tuple[str, str] | None:
    opening, closing = "", ""
    for inner in _message_blocks(block, is_in_loop=False):
        first, last = inner[0], inner[-1]
        if isinstance(first, Text):
            opening = first.text.strip()
        if isinstance(last, Text):
            closing = last.text.strip()
    return (opening, closing) if opening and closing else None


def _message_blocks(block: Block, *, is_in_loop: bool) -> Iterator[Block]:
    """Give the blocks in the loop over the messages that write a thought themselves."""
    for node in block:
        if isinstance(node, (Action, Include)) and node.pipe is not None and is_in_loop:
            if _names_field(node.pipe, "Thinking"):
                yield block
        elif isinstance(node, (If, With, Range)):
            inside = is_in_loop
            if isinstance(node, Range):
                inside = _names_field(node.pipe, "Messages")
            elif isinstance(node, With) and is_in_loop and _names_field(node.pipe, "Thinking"):
                yield node.body
            yield from _message_blocks(node.body, is_in_loop=inside)
            yield from _message_blocks(node.orelse, is_in_loop=is_in_loop)


def _names_field(pipe: Pipe, name: str) -> bool:
    return any(each == name for each in names_in(pipe))


def _tool_prefix(block: Block) -> str | None:
    for inner in _call_blocks(block):
        text = _first_text(inner)
        if text is not None:
            return text.replace("\r\n", "\n").split("{")[0].strip()
    return None


def _call_blocks(block: Block) -> Iterator[Block]:
    """Give what is written if there are calls: bodies of `if .ToolCalls` or of a loop over them."""
    for node in block:
        if not isinstance(node, (If, With, Range)):
            continue
        if _names_call_field(node.pipe):
            yield node.body
        yield from _call_blocks(node.body)
        yield from _call_blocks(node.orelse)


def _names_call_field(pipe: Pipe) -> bool:
    return any(
        isinstance(operand, (Field, Variable)) and "ToolCalls" in operand.names
        for each in nested_pipes(pipe)
        for operand in operands_of(each)
    )


def _first_text(block: Block) -> str | None:
    """Give the text that is written before any action, also within branches."""
    for node in block:
        if isinstance(node, Text):
            return node.text
        if isinstance(node, (If, With, Range)):
            text = _first_text(node.body)
            return text if text is not None else _first_text(node.orelse)
        if isinstance(node, Action) and node.pipe.declared:
            continue  # writes nothing
        return None
    return None
