"""A parsed template and its data in, the text that it writes out; pure but for the clock.

A template comes with a model from anywhere, so steps, time, depth and size are bounded.

Source: Go, text/template/exec.go (what every construct means, what is an error).
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from enum import Enum

from engine.errors import ChatTemplateError
from engine.library.template.bounds import MAX_OUTPUT
from engine.library.template.go.functions import FUNCTIONS
from engine.library.template.go.nodes import (
    Action,
    Block,
    Chain,
    Command,
    Dot,
    Field,
    Function,
    If,
    Include,
    Jump,
    Literal,
    Nil,
    Node,
    Operand,
    Pipe,
    Range,
    Template,
    Text,
    Variable,
    With,
    refusal,
)
from engine.library.template.go.values import (
    NO_VALUE,
    FunctionError,
    Record,
    entries,
    is_true,
    text_of,
    type_name,
)

MAX_S = 2.0
_MAX_DEPTH = 100  # of branches, parentheses and templates within templates, all together
_MAX_BUILT = 64_000_000  # characters of all texts that functions make; they may all be kept


class _Absent(Enum):
    """Nothing was piped into a command; nil is something."""

    ABSENT = 0


_ABSENT = _Absent.ABSENT


class _Jumped(Enum):
    """How a block was left."""

    NOT = 0
    BREAK = 1
    CONTINUE = 2


def execute(template: Template, data: Mapping[str, object]) -> str:
    """Run a template.

    Args:
        data: what `.` and `$` are at the root; a name that is not there is nil.

    Raises:
        ChatTemplateError: it fails as it would in Go, or exceeds its bounds.
    """
    run = _Run(template)
    root = dict(data)
    try:
        run.block(template.root, root)
    except RecursionError as error:  # the caller stands deep already
        raise ChatTemplateError("template error: nested too deeply") from error
    return run.text()


class _Run:
    """One execution: what is written, which variables stand, what was spent."""

    def __init__(self, template: Template) -> None:
        self._template = template
        self._written: list[str] = []
        self._n_written = 0
        self._end = time.monotonic() + MAX_S
        self._n_built = 0
        self._depth = 0
        self._variables: list[tuple[str, object]] = []

    def text(self) -> str:
        return "".join(self._written)

    # Bounds.

    def _step(self, line: int) -> None:
        if time.monotonic() > self._end:
            raise refusal(line, f"it takes more than {MAX_S:g} seconds")

    def _deeper(self, line: int) -> None:
        self._depth += 1
        if self._depth > _MAX_DEPTH:
            raise refusal(line, f"templates and branches are nested more than {_MAX_DEPTH} deep")

    def _built(self, value: object, line: int) -> object:
        """Count what a function made: characters, or elements of a part of a slice."""
        if isinstance(value, (str, list)):
            self._n_built += len(value)
            if self._n_built > _MAX_BUILT:
                raise refusal(line, f"it builds more than {_MAX_BUILT:,} characters")
        return value

    def _write(self, text: str) -> None:
        self._n_written += len(text)
        if self._n_written > MAX_OUTPUT:
            raise ChatTemplateError(
                f"template error: the prompt has more than {MAX_OUTPUT:,} characters"
            )
        self._written.append(text)

    # Blocks.

    def block(self, block: Block, dot: object) -> _Jumped:
        if not self._variables:
            self._variables.append(("$", dot))
        for node in block:
            jumped = self._node(node, dot)
            if jumped is not _Jumped.NOT:
                return jumped
        return _Jumped.NOT

    def _node(self, node: Node, dot: object) -> _Jumped:
        if isinstance(node, Text):
            self._write(node.text)
        elif isinstance(node, Action):
            value = self._pipe(node.pipe, dot)
            if not node.pipe.declared:
                self._write(self._printed(value, node.pipe.line))
        elif isinstance(node, Include):
            self._include(node, dot)
        elif isinstance(node, Jump):
            return _Jumped.BREAK if node.is_break else _Jumped.CONTINUE
        else:
            return self._branch(node, dot)
        return _Jumped.NOT

    def _printed(self, value: object, line: int) -> str:
        if isinstance(value, str):
            return value
        try:
            return NO_VALUE if value is None else text_of(value)
        except FunctionError as error:
            raise refusal(line, str(error)) from error

    def _branch(self, node: If | With | Range, dot: object) -> _Jumped:
        n_variables = len(self._variables)
        self._deeper(node.pipe.line)
        value = self._pipe(node.pipe, dot)
        if isinstance(node, Range):
            jumped = self._range(node, value, dot)
        elif is_true(value):
            jumped = self.block(node.body, value if isinstance(node, With) else dot)
        else:
            jumped = self.block(node.orelse, dot)
        self._depth -= 1
        del self._variables[n_variables:]
        return jumped

    def _range(self, node: Range, value: object, dot: object) -> _Jumped:
        keys, items = self._items(node, value)
        n_variables = len(self._variables)
        if not len(items):
            return self.block(node.orelse, dot)
        for i, item in enumerate(items):
            self._step(node.pipe.line)
            self._bind(node.pipe, keys[i] if keys else i, item)
            jumped = self.block(node.body, item)
            del self._variables[n_variables:]
            if jumped is _Jumped.BREAK:
                break
        return _Jumped.NOT

    def _items(self, node: Range, value: object) -> tuple[Sequence[str], Sequence[object]]:
        """Give what to loop over, with its keys if they are not just positions."""
        if value is None:
            return (), ()
        if isinstance(value, (list, bytes)):
            return (), value
        if isinstance(value, dict):
            pairs = entries(value)
            return [key for key, _ in pairs], [each for _, each in pairs]
        if isinstance(value, int) and not isinstance(value, bool):
            if len(node.pipe.declared) > 1:
                raise refusal(
                    node.pipe.line, f"can't use {value} to iterate over more than one variable"
                )
            # len() of a longer range does not exist.
            return (), range(min(max(value, 0), 2**62))
        shown = self._printed(value, node.pipe.line)
        raise refusal(node.pipe.line, f"range can't iterate over {shown[:60]}")

    def _bind(self, pipe: Pipe, key: object, item: object) -> None:
        names = pipe.declared
        values = (item,) if len(names) == 1 else (key, item)
        for i, name in enumerate(names):
            if pipe.is_assignment:
                self._assign(name, values[i], pipe.line)
            else:
                # Where the pipeline itself declared them, before the body's own.
                self._variables[len(self._variables) - len(names) + i] = (name, values[i])

    def _include(self, node: Include, dot: object) -> None:
        block = self._template.defined.get(node.name)
        if block is None:
            raise refusal(node.line, f"template {node.name[:60]!r} not defined")
        value = None if node.pipe is None else self._pipe(node.pipe, dot)
        self._deeper(node.line)
        self._step(node.line)
        # A template sees no variables of the one that calls it.
        outer, self._variables = self._variables, [("$", value)]
        self.block(block, value)
        self._variables = outer
        self._depth -= 1

    # Pipelines.

    def _pipe(self, pipe: Pipe, dot: object) -> object:
        value: object = _ABSENT
        for command in pipe.commands:
            self._step(pipe.line)
            value = self._command(command, dot, value, pipe.line)
        for name in pipe.declared:
            if pipe.is_assignment:
                self._assign(name, value, pipe.line)
            else:
                self._variables.append((name, value))
        return value

    def _assign(self, name: str, value: object, line: int) -> None:
        for i in range(len(self._variables) - 1, -1, -1):
            if self._variables[i][0] == name:
                self._variables[i] = (name, value)
                return
        raise refusal(line, f"undefined variable: {name}")

    def _variable(self, name: str, line: int) -> object:
        for known, value in reversed(self._variables):
            if known == name:
                return value
        raise refusal(line, f"undefined variable: {name}")

    def _command(self, command: Command, dot: object, piped: object, line: int) -> object:
        first = command.operands[0]
        if isinstance(first, Function):
            return self._call(first.name, command.operands[1:], dot, piped, line)
        if isinstance(first, Nil):
            raise refusal(line, "nil is not a command")
        if len(command.operands) > 1 or piped is not _ABSENT:
            raise refusal(line, f"can't give argument to non-function {_shown(first)}")
        return self._operand(first, dot, line)

    def _operand(self, operand: Operand, dot: object, line: int) -> object:
        match operand:
            case Literal():
                return operand.value
            case Dot():
                return dot
            case Field():
                return self._fields(dot, operand.names, line)
            case Variable():
                return self._fields(self._variable(operand.name, line), operand.names, line)
            case Function():
                return self._call(operand.name, (), dot, _ABSENT, line)
            case Chain():
                if isinstance(operand.operand, Nil):
                    raise refusal(line, "indirection through explicit nil")
                value = self._operand(operand.operand, dot, line)
                return self._fields(value, operand.names, line)
            case Pipe():
                self._deeper(operand.line)
                value = self._pipe(operand, dot)
                self._depth -= 1
                return value
        return None

    def _fields(self, value: object, names: Sequence[str], line: int) -> object:
        for i, name in enumerate(names):
            if value is None:
                # Of nothing at all every field is nothing; of a missing one, it is an error.
                if i:
                    raise refusal(line, f"nil pointer evaluating interface {{}}.{name}")
                return None
            if isinstance(value, dict):
                value = value.get(name)
            elif isinstance(value, Record) and name in value.fields:
                value = value.fields[name]
            else:
                raise refusal(line, f"can't evaluate field {name} in type {type_name(value)}")
        return value

    def _call(
        self, name: str, operands: Sequence[Operand], dot: object, piped: object, line: int
    ) -> object:
        builtin = FUNCTIONS[name]
        n_given = len(operands) + (piped is not _ABSENT)
        n_most = n_given if builtin.n_most is None else builtin.n_most
        if not builtin.n_least <= n_given <= n_most:
            least = "at least " * (builtin.n_most is None)
            raise refusal(
                line,
                f"wrong number of args for {name}: want {least}{builtin.n_least} got {n_given}",
            )
        given: list[object] = []
        for operand in operands:
            value = self._operand(operand, dot, line)
            if name in {"and", "or"} and is_true(value) == (name == "or"):
                return value
            given.append(value)
        if piped is not _ABSENT:
            given.append(piped)
        try:
            return self._built(builtin.call(given), line)
        except FunctionError as error:
            raise refusal(line, f"error calling {name}: {error}") from error


def _shown(operand: Operand) -> str:
    if isinstance(operand, Field):
        return "".join(f".{name}" for name in operand.names)
    if isinstance(operand, Variable):
        return operand.name + "".join(f".{name}" for name in operand.names)
    if isinstance(operand, Literal):
        return text_of(operand.value)[:60]
    return "." if isinstance(operand, Dot) else "(…)"
