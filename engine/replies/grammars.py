"""Rules, tools and a choice in, a GBNF grammar that forces a call out; pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from engine.errors import RequestError
from engine.replies.gbnf import literal, prefixed, until
from engine.replies.rules import ReplyRules
from engine.replies.schemas import object_grammar, value_grammar
from engine.replies.syntax import Wording, generic
from engine.replies.values import function_of, properties_of, types_of
from engine.types import Json, ToolChoice

_MAX_CALLS = 4  # in one forced reply
_KEY = re.compile(r"[\w.\-]+")
_PYTHON_KEY = re.compile(r"[A-Za-z_]\w*")
_THOUGHT = ("<|channel|>analysis<|message|>", "<|end|>")  # of harmony
_FINAL = "<|channel|>final<|message|>"


def tool_grammar(rules: ReplyRules, tools: Sequence[Json], choice: ToolChoice) -> str | None:
    """Force calls in the syntax that the reader of the same rules takes.

    A thought may come first where the rules know one; where it is open already, the grammar is
    to be applied after it (`rules.grammar_after`).

    Returns:
        GBNF with a rule named root; None if the choice forces nothing.
    Raises:
        RequestError: no tools, no tool of that name, or a schema that no grammar can express.
    """
    if choice.mode not in ("required", "named"):
        return None
    chosen = _chosen(tools, choice)
    syntax = rules.syntax or generic("{")
    written = [_Call(syntax.wording, tool, f"t{number}") for number, tool in enumerate(chosen)]
    rules_of_calls = "\n".join(each.text for each in written)
    any_call = " | ".join(each.name for each in written)
    wording = syntax.wording
    parts = [literal(wording.start), "call"]
    if wording.separator and choice.mode == "required":
        parts.append(f"({literal(wording.separator)} call){{0,{_MAX_CALLS - 1}}}")
    parts.append(literal(wording.end))
    grammar = f"root ::= {_joined(parts)}\ncall ::= {any_call}\n{rules_of_calls}\n"
    return _may_think(rules, grammar, "<|start|>assistant")


def thinking_first(rules: ReplyRules, grammar: str) -> str:
    """Let a thought come before what a grammar describes, if the rules say that one may come.

    Where a thought is open already the grammar stays as it is, to be applied after it.
    """
    return _may_think(rules, grammar, "<|start|>assistant" + _FINAL, _FINAL)


def _may_think(rules: ReplyRules, grammar: str, behind: str, without: str = "") -> str:
    """Put an optional thought before a grammar.

    Args:
        behind: what follows a thought of harmony, whose answers stand in messages of their own.
        without: what stands in its place if there is no thought.
    """
    is_harmony = rules.syntax is not None and rules.syntax.name == "harmony"
    if rules.is_open or rules.head or not (rules.closer or is_harmony):
        return grammar
    opener, closer = _THOUGHT if is_harmony else (rules.opener, rules.closer)
    lead = f"{literal(opener)} thought " + (literal(behind) if is_harmony else "gap")
    start = f"({lead} | {literal(without)})" if is_harmony and without else f"({lead})?"
    head = f"root ::= {start} answer-root\ngap ::= [ \\t\\n]{{0,8}}\n{until('thought', closer)}\n"
    return head + prefixed(grammar, "answer-")


def _chosen(tools: Sequence[Json], choice: ToolChoice) -> list[Json]:
    if not tools:
        raise RequestError("tool_choice wants a call, but the request has no tools")
    if choice.mode == "required":
        return list(tools)
    chosen = [tool for tool in tools if function_of(tool).get("name") == choice.name]
    if not chosen:
        raise RequestError(f"tool_choice names {choice.name!r}, but no such tool is in the request")
    return chosen[:1]


class _Call:
    """The rules of one tool's call; all their names begin with its own."""

    def __init__(self, wording: Wording, tool: Json, name: str) -> None:
        self.name = name
        self._wording, self._tool = wording, tool
        self._function = str(function_of(tool)["name"])
        self._schema = function_of(tool).get("parameters")
        self._rules: list[str] = []
        head = literal(wording.call_start + self._function + wording.between)
        body = _joined([head, self._arguments(), literal(wording.call_end)])
        self.text = "\n".join([f"{name} ::= {body}", *self._rules])

    def _arguments(self) -> str:
        if self._wording.parameter is not None:
            return self._parameters(self._wording.parameter)
        if self._wording.is_python:
            return self._keywords()
        return self._import(object_grammar(self._schema, self._function), "a")

    def _import(self, grammar: str, name: str) -> str:
        """Take a whole grammar in; return what its root is called here."""
        prefix = f"{self.name}-{name}-"
        self._rules.append(prefixed(grammar, prefix))
        return prefix + "root"

    def _known(self, pattern: re.Pattern[str]) -> list[tuple[str, object, bool]]:
        """List the parameters: name, schema, whether required."""
        said = self._schema.get("required") if isinstance(self._schema, Mapping) else None
        required = said if isinstance(said, list) else []
        properties = properties_of(self._tool)
        return [
            (key, schema, key in required)
            for key, schema in properties.items()
            if pattern.fullmatch(key)
        ]

    def _parameters(self, frame: tuple[str, str, str]) -> str:
        """Write parameters between tags, in the order of the schema."""
        parts = []
        for number, (key, schema, is_required) in enumerate(self._known(_KEY)):
            is_text = "string" in types_of(schema)
            middle = frame[1].replace("%s", "true" if is_text else "false")
            value = self._bare_value(number, schema, frame[2], is_text=is_text)
            whole = _joined([literal(frame[0] + key + middle), value])
            parts.append(whole if is_required else f"({whole})?")
        return " ".join(parts)

    def _bare_value(self, number: int, schema: object, closer: str, *, is_text: bool) -> str:
        """Write a value that ends with a closing tag: text as it is, all else as JSON."""
        values = schema.get("enum") if isinstance(schema, Mapping) else None
        if is_text and isinstance(values, list) and values:
            ways = " | ".join(literal(str(each)) or '""' for each in values)
            return f"({ways}) {literal(closer)}"
        if is_text:
            # A line break may belong to the tag; the text ends where the tag proper begins.
            name = f"{self.name}-p{number}"
            self._rules.append(until(name, closer.strip()))
            after = closer[len(closer.rstrip()) :]
            return _joined([name, literal(after)])
        grammar = value_grammar(schema, self._schema, self._function)
        return f"{self._import(grammar, f'p{number}')} {literal(closer)}"

    def _keywords(self) -> str:
        """Write key=value, ...: what is required first, then what is not, in order."""
        known = sorted(enumerate(self._known(_PYTHON_KEY)), key=lambda each: not each[1][2])
        written = []
        for number, (key, schema, is_required) in known:
            grammar = value_grammar(schema, self._schema, self._function)
            value = self._import(grammar, f"p{number}")
            written.append((f"{literal(key + '=')} {value}", is_required))
        needed = [text for text, is_required in written if is_required]
        others = [text for text, is_required in written if not is_required]
        comma = literal(", ")
        if needed:
            return f" {comma} ".join(needed) + "".join(f" ({comma} {each})?" for each in others)
        ways = [
            each + "".join(f" ({comma} {later})?" for later in others[at + 1 :])
            for at, each in enumerate(others)
        ]
        return f"({' | '.join(ways)})?" if ways else ""


def _joined(parts: Sequence[str]) -> str:
    return " ".join(part for part in parts if part)
