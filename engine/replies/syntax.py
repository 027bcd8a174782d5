"""How each family of models writes its calls: the tables that reader and grammars share; pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from engine.replies.sections import (
    Read,
    read_args,
    read_braced,
    read_functions,
    read_invokes,
    read_json,
    read_loose,
    read_named,
    read_python,
)

N_HEADER = 300  # characters that may stand between a call's opening tag and its arguments

Extent = Literal[
    "value",  # a section is one JSON value
    "named",  # a short header, then one JSON value
    "text",  # everything up to the closing tag
    "python",  # one bracketed list
    "loose",  # from the tag to the end of the reply, calls wherever they stand (Ollama's own rule)
    "channels",  # the whole reply is headed messages
]


@dataclass(frozen=True, slots=True)
class Wording:
    """How a call is to be written if it is forced.

    A forced reply is: start, call_start, name, between, arguments, call_end; more calls behind
    `separator`, or none if that is empty; end.
    """

    start: str = ""
    call_start: str = ""
    between: str = ""
    call_end: str = ""
    end: str = ""
    separator: str = ""
    parameter: tuple[str, str, str] | None = None  # around key and value; None = a JSON object
    is_python: bool = False


@dataclass(frozen=True, slots=True)
class Syntax:
    """One family's way to write calls.

    Invariant: no opening tag stands inside another one.
    """

    name: str
    extent: Extent
    read: Read
    wording: Wording
    tags: tuple[tuple[str, str], ...] = ()  # opening and closing; the latter may be missing
    bare: str = ""  # a bracket that opens a call if nothing visible stands before it
    noise: tuple[str, ...] = ()  # dropped wherever it stands
    filler: tuple[str, ...] = ()  # dropped directly behind a call, as closing tags are
    ends: tuple[str, ...] = ()  # what a whole text section ends with if its closing tag is missing


def _object(start: str, end: str, *, name: str = "name", arguments: str = "arguments") -> Wording:
    return Wording(
        call_start=f'{start}{{"{name}": "',
        between=f'", "{arguments}": ',
        call_end="}" + end,
        separator="\n",
    )


def _list(start: str, end: str, *, name: str = "name", arguments: str = "arguments") -> Wording:
    return Wording(
        start=start + "[",
        call_start=f'{{"{name}": "',
        between=f'", "{arguments}": ',
        call_end="}",
        end="]" + end,
        separator=", ",
    )


def _tagged(name: str, opener: str, closer: str, wording: Wording | None = None) -> Syntax:
    """Describe JSON between tags, a list of calls unless said otherwise."""
    tags = ((opener, closer),)
    return Syntax(name, "value", read_json, wording or _list(opener, closer), tags)


HERMES = _tagged(
    "hermes", "<tool_call>", "</tool_call>", _object("<tool_call>\n", "\n</tool_call>")
)
LISTED = _tagged("listed", "<tool_calls>", "</tool_calls>")
NEMOTRON = _tagged("nemotron", "<TOOLCALL>", "</TOOLCALL>")
GRANITE = _tagged("granite", "<|tool_call|>", "")
PHI = _tagged("phi", "<|tool_call|>", "<|/tool_call|>")
FIREFUNCTION = _tagged("firefunction", " functools", "")
APERTUS = _tagged("apertus", "<|tools_prefix|>", "<|tools_suffix|>")
GIGACHAT = Syntax(
    "gigachat",
    "value",
    read_json,
    Wording(
        call_start='function call<|role_sep|>\n{"name": "', between='", "arguments": ', call_end="}"
    ),
    (("function call<|role_sep|>", ""),),
    noise=("<|message_sep|>",),
)
COMMAND = Syntax(
    "command",
    "value",
    read_json,
    _list("<|START_ACTION|>", "<|END_ACTION|>", name="tool_name", arguments="parameters"),
    (("<|START_ACTION|>", "<|END_ACTION|>"),),
    noise=("<|START_RESPONSE|>", "<|END_RESPONSE|>", "<|START_TEXT|>", "<|END_TEXT|>"),
)
LLAMA3 = Syntax(
    "llama3",
    "value",
    read_json,
    Wording(call_start='{"name": "', between='", "parameters": ', call_end="}"),
    (("<|python_tag|>", ""),),
    bare="{",
    filler=(";", ",", "<|python_tag|>"),
)
MISTRAL = Syntax("mistral", "named", read_named, _list("[TOOL_CALLS]", ""), (("[TOOL_CALLS]", ""),))
MISTRAL_ARGS = Syntax(
    "mistral-args",
    "named",
    read_named,
    Wording(call_start="[TOOL_CALLS]", between="[ARGS]"),
    (("[TOOL_CALLS]", ""),),
)
_DEEPSEEK_NOISE = ("<｜tool▁calls▁begin｜>", "<｜tool▁calls▁end｜>")
_DEEPSEEK_TAGS = (("<｜tool▁call▁begin｜>", "<｜tool▁call▁end｜>"),)
DEEPSEEK = Syntax(
    "deepseek",
    "named",
    read_named,
    Wording(
        start=_DEEPSEEK_NOISE[0],
        call_start="<｜tool▁call▁begin｜>function<｜tool▁sep｜>",
        between="\n```json\n",
        call_end="\n```<｜tool▁call▁end｜>",
        end=_DEEPSEEK_NOISE[1],
        separator="\n",
    ),
    _DEEPSEEK_TAGS,
    noise=_DEEPSEEK_NOISE,
    filler=("```",),
)
DEEPSEEK_SHORT = Syntax(
    "deepseek-v3.1",
    "named",
    read_named,
    Wording(
        start=_DEEPSEEK_NOISE[0] + "<｜tool▁call▁begin｜>",
        between="<｜tool▁sep｜>",
        call_end="<｜tool▁call▁end｜>",
        end=_DEEPSEEK_NOISE[1],
    ),
    _DEEPSEEK_TAGS,
    noise=_DEEPSEEK_NOISE,
    filler=("```",),
)
KIMI = Syntax(
    "kimi",
    "named",
    read_named,
    Wording(
        start="<|tool_calls_section_begin|>",
        call_start="<|tool_call_begin|>functions.",
        between=":0<|tool_call_argument_begin|>",
        call_end="<|tool_call_end|>",
        end="<|tool_calls_section_end|>",
    ),
    (("<|tool_call_begin|>", "<|tool_call_end|>"),),
    noise=("<|tool_calls_section_begin|>", "<|tool_calls_section_end|>"),
)
FUNCTIONARY31 = Syntax(
    "functionary-v3.1",
    "named",
    read_named,
    Wording(call_start="<function=", between=">", call_end="</function>", separator="\n"),
    (("<function=", "</function>"),),
)
QWEN_CODER = Syntax(
    "qwen3-coder",
    "text",
    read_functions,
    Wording(
        call_start="<tool_call>\n<function=",
        between=">\n",
        call_end="</function>\n</tool_call>",
        separator="\n",
        parameter=("<parameter=", ">\n", "\n</parameter>\n"),
    ),
    (("<tool_call>", "</tool_call>"), ("<function=", "</function>")),  # the model forgets the first
    filler=("</tool_call>",),
    ends=("</function>",),
)
SEED = Syntax(
    "seed",
    "text",
    read_functions,
    Wording(
        call_start="<seed:tool_call>\n<function=",
        between=">\n",
        call_end="</function>\n</seed:tool_call>",
        separator="\n",
        parameter=("<parameter=", ">", "</parameter>\n"),
    ),
    (("<seed:tool_call>", "</seed:tool_call>"),),
    ends=("</function>",),
)
MINIMAX = Syntax(
    "minimax",
    "text",
    read_invokes,
    Wording(
        start="<minimax:tool_call>\n",
        call_start='<invoke name="',
        between='">\n',
        call_end="</invoke>\n",
        end="</minimax:tool_call>",
        separator=" ",
        parameter=('<parameter name="', '">', "</parameter>\n"),
    ),
    (("<minimax:tool_call>", "</minimax:tool_call>"),),
    ends=("</invoke>",),
)
DSML = Syntax(
    "dsml",
    "text",
    read_invokes,
    Wording(
        start="<｜DSML｜function_calls>\n",
        call_start='<｜DSML｜invoke name="',
        between='">\n',
        call_end="</｜DSML｜invoke>\n",
        end="</｜DSML｜function_calls>",
        parameter=('<｜DSML｜parameter name="', '" string="%s">', "</｜DSML｜parameter>\n"),
    ),
    (("<｜DSML｜function_calls>", "</｜DSML｜function_calls>"),),
    ends=("</｜DSML｜invoke>",),
)
GLM = Syntax(
    "glm",
    "text",
    read_args,
    Wording(
        call_start="<tool_call>",
        between="\n",
        call_end="</tool_call>",
        separator="\n",
        parameter=("<arg_key>", "</arg_key>\n<arg_value>", "</arg_value>\n"),
    ),
    (("<tool_call>", "</tool_call>"),),
)
GEMMA = Syntax(
    "gemma",
    "text",
    read_braced,
    Wording(call_start="<|tool_call>call:", call_end="<tool_call|>", separator="\n"),
    (("<|tool_call>", "<tool_call|>"),),
    ends=("}",),
)
FUNCTIONGEMMA = Syntax(
    "functiongemma",
    "text",
    read_braced,
    Wording(
        call_start="<start_function_call>call:", call_end="<end_function_call>", separator="\n"
    ),
    (("<start_function_call>", "<end_function_call>"),),
    ends=("}",),
)


def _python(start: str, end: str) -> Wording:
    return Wording(start=start, between="(", call_end=")", end=end, separator=", ", is_python=True)


LFM = Syntax(
    "lfm2",
    "text",
    read_python,
    _python("<|tool_call_start|>[", "]<|tool_call_end|>"),
    (("<|tool_call_start|>", "<|tool_call_end|>"),),
    ends=("]",),
)
OLMO = Syntax(
    "olmo3",
    "text",
    read_python,
    _python("<function_calls>", "</function_calls>"),
    (("<function_calls>", "</function_calls>"),),
    ends=(")", "]"),
)
LLAMA4 = Syntax("pythonic", "python", read_python, _python("[", "]"), bare="[")
HARMONY = Syntax(
    "harmony",
    "channels",
    read_json,
    Wording(
        call_start="<|channel|>commentary to=functions.",
        between=" <|constrain|>json<|message|>",
    ),
)
FUNCTIONARY32 = Syntax("functionary-v3.2", "channels", read_json, Wording(between="\n"))


def generic(tag: str) -> Syntax:
    """Describe the rule that Ollama derives from a Go template: calls stand behind one tag.

    Source: Ollama's tools/tools.go and tools/template.go.
    """
    tag = tag.strip()
    if tag in ("", "{"):
        return Syntax("generic", "loose", read_loose, _object("", ""), bare="{")
    if tag == "[":
        return Syntax("generic", "loose", read_loose, _list("", ""), bare="[")
    opener = tag.removesuffix("[").rstrip()  # the model may put its spaces elsewhere
    if opener != tag:
        return Syntax("generic", "loose", read_loose, _list(opener, ""), ((opener, ""),))
    return Syntax("generic", "loose", read_loose, _object(opener, ""), ((opener, ""),))
