"""A chat template and a request in, how the reply is to be read out; pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from engine.errors import RequestError
from engine.replies import syntax as known
from engine.replies.syntax import Syntax
from engine.replies.values import function_of, names_of
from engine.types import Json, Think

MAX_NAME = 256  # characters; OpenAI allows 64, some tool servers write longer ones
_NAME = re.compile(r"[^\s<>\[\]{}\"'`\\=,()]+")
_MARKER = re.compile(r"<[^<>\s=\"]{1,60}>|<\|\"\|>|\[/?[A-Z_]{2,30}\]")
_DEFAULT_TAGS = ("<think>", "</think>")
_TAGS = (
    ("<|START_THINKING|>", "<|END_THINKING|>"),
    ("[THINK]", "[/THINK]"),
    ("<seed:think>", "</seed:think>"),
    ("<|channel>thought", "<channel|>"),
    ("<|inner_prefix|>", "<|inner_suffix|>"),
    ("<|begin_of_thought|>", "<|end_of_thought|>"),
    ("Here are my reasoning steps:", "[BEGIN FINAL RESPONSE]"),  # Apriel
    _DEFAULT_TAGS,
    ("<thinking>", "</thinking>"),
    ("<thought>", "</thought>"),
    ("<reasoning>", "</reasoning>"),
)
_HARMONY_MARKERS = frozenset(
    f"<|{word}|>" for word in ("start", "end", "message", "channel", "constrain", "return", "call")
)

# What stands in a template, and which syntax that means; the first line that fits counts.
# Source: llama.cpp, common/chat.cpp, common_chat_templates_apply_jinja.
_FAMILIES: tuple[tuple[tuple[str, ...], Syntax], ...] = (
    (("<|tool_call>", "<tool_call|>"), known.GEMMA),
    (("<start_function_call>",), known.FUNCTIONGEMMA),
    (("DSML", "function_calls"), known.DSML),
    (("<｜tool▁calls▁begin｜>", "```json"), known.DEEPSEEK),
    (("<｜tool▁calls▁begin｜>",), known.DEEPSEEK_SHORT),
    (("<minimax:tool_call>",), known.MINIMAX),
    (("<|tool_call_begin|>",), known.KIMI),
    (("<seed:tool_call>",), known.SEED),
    (("<|START_ACTION|>",), known.COMMAND),
    ((" functools[",), known.FIREFUNCTION),
    (("<|tools_prefix|>",), known.APERTUS),
    (("<TOOLCALL>",), known.NEMOTRON),
    (("function call", "<|role_sep|>"), known.GIGACHAT),
    (("<|/tool_call|>",), known.PHI),
    (("<|tool_call|>",), known.GRANITE),
    (("<|tool_call_start|>",), known.LFM),
    (("<|tool_list_start|>",), known.LFM),
    (("<arg_key>",), known.GLM),
    (("<tool_call>", "<function=", "<parameter="), known.QWEN_CODER),
    (("<tool_call>",), known.HERMES),
    (("<tool_calls>",), known.LISTED),
    (("<function_calls>",), known.OLMO),
    (("<|start_header_id|>", "<function="), known.FUNCTIONARY31),
    (("<|start_header_id|>ipython<|end_header_id|>",), known.LLAMA3),
    (("<|start_header_id|>", "ipython"), known.LLAMA3),
    (("<|header_start|>", "ipython"), known.LLAMA4),
    (("[TOOL_CALLS]", "[ARGS]"), known.MISTRAL_ARGS),
    (("[TOOL_CALLS]",), known.MISTRAL),
)


class GoFacts(Protocol):
    """What a Go template tells of the replies."""

    @property
    def uses_thinking(self) -> bool: ...  # noqa: D102

    @property
    def thinking_tags(self) -> tuple[str, str] | None: ...  # noqa: D102

    @property
    def tool_prefix(self) -> str | None: ...  # noqa: D102


@dataclass(frozen=True, slots=True)
class ReplyRules:
    """How to read one reply, and where a grammar may bind it."""

    syntax: Syntax | None = None  # None: everything is text
    tools: tuple[Json, ...] = ()
    opener: str = ""  # tags around a thought; empty: none is looked for
    closer: str = ""
    is_open: bool = False  # the prompt ends with the opening tag already
    head: str = ""  # what the prompt holds of the first message's header (harmony)

    @property
    def shown_special(self) -> frozenset[str]:
        """The control tokens whose texts the reader must see; others are noise to it."""
        texts = [self.opener, self.closer]
        if self.syntax:
            wording = self.syntax.wording
            texts += [text for tag in self.syntax.tags for text in tag]
            texts += [wording.start, wording.call_start, wording.between, wording.call_end]
            texts += [wording.end, *(wording.parameter or ()), *self.syntax.noise]
            texts += ["<escape>", '<|"|>', "[CALL_ID]"]
        found = frozenset(mark for text in texts for mark in _MARKER.findall(text))
        is_harmony = self.syntax is not None and self.syntax.name == "harmony"
        return found | _HARMONY_MARKERS if is_harmony else found

    @property
    def grammar_after(self) -> str | None:
        """The text after which a constraint begins; None = it binds from the beginning."""
        return self.closer if self.is_open else None


def reply_rules(  # noqa: PLR0913 - the template, the request and the prompt say each their part
    kind: Literal["go", "jinja", "none"],
    template: str,
    *,
    family: str,
    tools: Sequence[Json],
    think: Think,
    go_facts: GoFacts | None = None,
    prompt_tail: str = "",
) -> ReplyRules:
    """Decide how the replies of a model are read.

    Args:
        kind: which sort of template wrote the prompt.
        family: the model's, such as gptoss.
        think: False leaves thoughts in the text, for the template has shut them off; one that
            knows no such thing, and opens a thought all the same, has not.
        go_facts: what was found out about a Go template.
        prompt_tail: the last 200 or so characters of the prompt.
    """
    if _is_harmony(template, family):
        head = prompt_tail.rpartition("<|start|>assistant")[2]
        is_begun = "<|start|>assistant" in prompt_tail and head.strip()
        return ReplyRules(known.HARMONY, tuple(tools), head=head if is_begun else "")
    if kind == "jinja" and ">>>all" in template:
        return ReplyRules(known.FUNCTIONARY32, tuple(tools))
    opener, closer = _thinking_tags(kind, template, go_facts, prompt_tail, think)
    is_open = bool(opener) and prompt_tail.rstrip().endswith(opener)
    if think is False and not is_open:
        opener, closer = "", ""
    return ReplyRules(
        _syntax(kind, template, go_facts) if tools else None,
        tuple(tools),
        opener,
        closer,
        is_open=is_open,
    )


def _is_harmony(template: str, family: str) -> bool:
    has_marks = "<|channel|>" in template and "<|message|>" in template
    return has_marks or (family in ("gptoss", "gpt-oss") and "<|start|>" in template)


def _thinking_tags(
    kind: str, template: str, facts: GoFacts | None, prompt_tail: str, think: Think
) -> tuple[str, str]:
    if kind == "go" and facts and facts.thinking_tags:
        return facts.thinking_tags
    for opener, closer in _TAGS:
        if closer in template and (opener in template or opener == "<think>"):
            return opener, closer
    # A model that is to think does so also where its Go template has no place for thoughts.
    is_thinking = facts is not None and (facts.uses_thinking or bool(think))
    if is_thinking or prompt_tail.rstrip().endswith(_DEFAULT_TAGS[0]):
        return _DEFAULT_TAGS
    return "", ""


def _syntax(kind: str, template: str, facts: GoFacts | None) -> Syntax:
    if kind == "jinja":
        for needles, syntax in _FAMILIES:
            if all(needle in template for needle in needles):
                return syntax
    return known.generic((facts.tool_prefix if facts else None) or "{")


def check_tools(tools: Sequence[Json]) -> None:
    """Refuse definitions that no call could be read by.

    Raises:
        RequestError: a tool is no object, has no usable name, or two have the same one.
    """
    for number, tool in enumerate(tools):
        reason = _flaw(tool)
        if reason:
            raise RequestError(f"invalid tools[{number}]: {reason}")
    seen: set[str] = set()
    for number, name in enumerate(names_of(tools)):
        if name in seen:
            raise RequestError(f"invalid tools[{number}]: two functions are named {name!r}")
        seen.add(name)


def _flaw(tool: object) -> str:
    if not isinstance(tool, dict):
        return f"expected an object, got {type(tool).__name__}"
    function = function_of(tool)
    name = function.get("name")
    parameters = function.get("parameters")
    checks: tuple[tuple[bool, Callable[[], str]], ...] = (
        (not function, lambda: 'expected {"type": "function", "function": {"name": ...}}'),
        (not isinstance(name, str) or not name, lambda: "function.name is missing"),
        (len(str(name)) > MAX_NAME, lambda: f"function.name is longer than {MAX_NAME} characters"),
        (
            _NAME.fullmatch(str(name)) is None,
            lambda: f"function.name {name!r} holds white space, quotes or brackets",
        ),
        (
            not isinstance(parameters, Mapping | None),
            lambda: "function.parameters is no JSON schema object",
        ),
    )
    return next((say() for is_wrong, say in checks if is_wrong), "")
