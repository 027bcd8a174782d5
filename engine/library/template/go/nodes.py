"""A parsed template as a tree: the nouns that parser, evaluation and facts share; pure.

Source: Go, text/template/parse/node.go (which constructs there are).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from engine.errors import ChatTemplateError


@dataclass(frozen=True, slots=True)
class Dot:
    """`.`: the value that the surroundings set."""


@dataclass(frozen=True, slots=True)
class Nil:
    """`nil`."""


@dataclass(frozen=True, slots=True)
class Literal:
    """A string, number, character or truth value."""

    value: bool | int | float | str


@dataclass(frozen=True, slots=True)
class Field:
    """`.A.B`."""

    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Variable:
    """`$x.A.B`; the name keeps its dollar."""

    name: str
    names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Function:
    """The name of a function; called if it is the first word of a command, or alone."""

    name: str


@dataclass(frozen=True, slots=True)
class Chain:
    """`(…).A.B`."""

    operand: Operand
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Command:
    """Words with spaces between; never empty."""

    operands: tuple[Operand, ...]


@dataclass(frozen=True, slots=True)
class Pipe:
    """`$x, $y := command | command`; never without a command."""

    line: int
    commands: tuple[Command, ...]
    declared: tuple[str, ...] = ()
    is_assignment: bool = False  # `=`: the variables exist already


Operand = Dot | Nil | Literal | Field | Variable | Function | Chain | Pipe


@dataclass(frozen=True, slots=True)
class Text:
    """What stands outside of actions, trimmed as the markers say; never empty."""

    text: str


@dataclass(frozen=True, slots=True)
class Action:
    """`{{ pipeline }}`: prints, unless it declares or assigns."""

    pipe: Pipe


@dataclass(frozen=True, slots=True)
class If:
    """`{{ if }}`; `else if` is an `If` alone in `orelse`."""

    pipe: Pipe
    body: Block
    orelse: Block = ()


@dataclass(frozen=True, slots=True)
class With:
    """`{{ with }}`; `else with` is a `With` alone in `orelse`."""

    pipe: Pipe
    body: Block
    orelse: Block = ()


@dataclass(frozen=True, slots=True)
class Range:
    """`{{ range }}`."""

    pipe: Pipe
    body: Block
    orelse: Block = ()


@dataclass(frozen=True, slots=True)
class Include:
    """`{{ template "name" pipeline }}`."""

    line: int
    name: str
    pipe: Pipe | None


@dataclass(frozen=True, slots=True)
class Jump:
    """`{{ break }}` (is_break) or `{{ continue }}`."""

    is_break: bool


Branch = If | With | Range
Node = Text | Action | If | With | Range | Include | Jump
Block = tuple[Node, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Template:
    """A template that parsed."""

    text: str
    root: Block
    defined: Mapping[str, Block]  # by `define` and `block`


def refusal(line: int, what: str) -> ChatTemplateError:
    """Say what is wrong with a template, in the words that every such error has."""
    return ChatTemplateError(f"template error: line {line}: {what[:500]}")


def pipes_of(block: Block) -> Iterator[Pipe]:
    """Give every pipeline of a block at any depth, those in parentheses too, in order."""
    for node in block:
        if isinstance(node, (Action, If, With, Range, Include)) and node.pipe is not None:
            yield from nested_pipes(node.pipe)
        if isinstance(node, (If, With, Range)):
            yield from pipes_of(node.body)
            yield from pipes_of(node.orelse)


def nested_pipes(pipe: Pipe) -> Iterator[Pipe]:
    """Give a pipeline and those in its parentheses."""
    yield pipe
    for command in pipe.commands:
        for operand in command.operands:
            inner = operand.operand if isinstance(operand, Chain) else operand
            if isinstance(inner, Pipe):
                yield from nested_pipes(inner)


def operands_of(pipe: Pipe) -> Iterator[Operand]:
    """Give every word of a pipeline; of a chain also what it starts with, but no parentheses."""
    for command in pipe.commands:
        for operand in command.operands:
            yield operand
            if isinstance(operand, Chain):
                yield operand.operand


def names_in(pipe: Pipe) -> Iterator[str]:
    """Give the fields and variables that a pipeline names, at any depth."""
    for each in nested_pipes(pipe):
        for operand in operands_of(each):
            if isinstance(operand, (Field, Chain)):
                yield from operand.names
            elif isinstance(operand, Variable):
                yield operand.name
                yield from operand.names
